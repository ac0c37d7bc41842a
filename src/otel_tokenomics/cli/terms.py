"""The terms of a user's own, as every command that prices has them: by the settings, or by an option."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from otel_tokenomics.cli.console import CommandError
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost
from otel_tokenomics.pricing.book import PriceBook
from otel_tokenomics.pricing.contracts import Contracts
from otel_tokenomics.pricing.contracts_file import PriceFileError
from otel_tokenomics.pricing.contracts_names import checked
from otel_tokenomics.pricing.installed import current
from otel_tokenomics.pricing.price import price
from otel_tokenomics.wiring.settings import ConfigError, load

BookPricer = Callable[[Facts, Reading, int, PriceBook], Cost]


def contracts(named: Path | None = None) -> Contracts | None:
    """The price file that is named, or else set; `None` without one.

    Names in it are looked up; what is doubtful is said on stderr. Raises `CommandError`.
    """
    try:
        path = named or load(os.environ).prices
        if path is None:
            return None
        own, doubts = checked(path.expanduser(), current())
    except (ConfigError, PriceFileError) as error:
        raise CommandError(f"{error}.") from None
    for doubt in doubts:
        print(f"tokenomics: {doubt}", file=sys.stderr)
    return own


def pricer(named: Path | None = None) -> BookPricer:
    """What prices a response by those terms, or at list prices. Raises `CommandError`."""
    own = contracts(named)
    return price if own is None else own.price
