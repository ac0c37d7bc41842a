"""The environment variables of otel-tokenomics. `opentelemetry-instrument --help` lists them."""

OTEL_TOKENOMICS_CONFIG = "OTEL_TOKENOMICS_CONFIG"
"""
.. envvar:: OTEL_TOKENOMICS_CONFIG

Path of a TOML configuration file. Unknown keys are errors.
"""

OTEL_TOKENOMICS_LEDGER = "OTEL_TOKENOMICS_LEDGER"
"""
.. envvar:: OTEL_TOKENOMICS_LEDGER

Path of the SQLite ledger, or ``off``. Default: ``~/.local/state/otel-tokenomics/ledger.sqlite3``
"""

OTEL_TOKENOMICS_PRICES = "OTEL_TOKENOMICS_PRICES"
"""
.. envvar:: OTEL_TOKENOMICS_PRICES

Path of a price file: your discounts, models and commitments. Default: list prices
"""

OTEL_TOKENOMICS_SPANS = "OTEL_TOKENOMICS_SPANS"
"""
.. envvar:: OTEL_TOKENOMICS_SPANS

``auto`` (default) annotates another instrumentation's inference span and makes one of its own where there is
none; ``own``, ``annotate`` and ``off`` force it.
"""

OTEL_TOKENOMICS_ESTIMATE = "OTEL_TOKENOMICS_ESTIMATE"
"""
.. envvar:: OTEL_TOKENOMICS_ESTIMATE

How to count what a provider did not report: ``tokenizer`` (default), ``heuristic`` or ``off``
"""

OTEL_TOKENOMICS_COMPAT = "OTEL_TOKENOMICS_COMPAT"
"""
.. envvar:: OTEL_TOKENOMICS_COMPAT

Names to emit as well for what reads them, separated by commas, or ``none``: ``cache_creation``,
``legacy_token_usage``, ``langfuse``, ``litellm``, ``logfire``, ``openinference``, ``openlit``.
Default: ``cache_creation``
"""

OTEL_TOKENOMICS_STRICT = "OTEL_TOKENOMICS_STRICT"
"""
.. envvar:: OTEL_TOKENOMICS_STRICT

Raise faults of the instrumentation instead of swallowing them. For tests and staging. Default: ``false``
"""

OTEL_TOKENOMICS_DISABLED = "OTEL_TOKENOMICS_DISABLED"
"""
.. envvar:: OTEL_TOKENOMICS_DISABLED

The one switch: ``true`` instruments nothing. Default: ``false``
"""

OTEL_TOKENOMICS_FLUSH_ON_SIGTERM = "OTEL_TOKENOMICS_FLUSH_ON_SIGTERM"
"""
.. envvar:: OTEL_TOKENOMICS_FLUSH_ON_SIGTERM

Flush records before a SIGTERM that nobody else handles ends the process. Default: ``false``
"""

OTEL_TOKENOMICS_RAW_HTTP = "OTEL_TOKENOMICS_RAW_HTTP"
"""
.. envvar:: OTEL_TOKENOMICS_RAW_HTTP

Record what httpx, httpx2, requests and aiohttp send to known model hosts without a client library.
Default: ``false``
"""

OTEL_TOKENOMICS_BUDGET_MODE = "OTEL_TOKENOMICS_BUDGET_MODE"
"""
.. envvar:: OTEL_TOKENOMICS_BUDGET_MODE

``enforce`` refuses calls over a configured budget, ``observe`` only tells of them, ``off`` holds nothing.
Default: what the configuration file says, ``enforce`` if it has budgets
"""
