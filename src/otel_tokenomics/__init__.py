"""otel-tokenomics: see, cap and explain what LLM calls cost, in the telemetry you already have."""

from otel_tokenomics.attribution.ambient import attribute
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.version import __version__

__all__ = ["Attribution", "Cost", "Usage", "UsageRecord", "__version__", "attribute"]
