"""Putting the house together: settings and providers in, a desk out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from opentelemetry import baggage
from opentelemetry.sdk.resources import OTELResourceDetector

from otel_tokenomics.attribution import ambient
from otel_tokenomics.flow import guard
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.flow.estimate import Estimator
from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.text import clean
from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.price import price
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.events import UsageEvents
from otel_tokenomics.telemetry.metrics import Metrics
from otel_tokenomics.telemetry.spans import Spans
from otel_tokenomics.telemetry.teller import OpenTelemetryTeller
from otel_tokenomics.wiring.settings import ConfigError, Settings, load


def settings_from(environ: Mapping[str, str]) -> Settings:
    """The settings in force. Bad ones are reported once, and what can be is read without them."""
    try:
        return load(environ)
    except ConfigError as error:
        guard.log.error("%s. The default settings are used.", error)
        kept = {key: value for key, value in environ.items() if key == "OTEL_TOKENOMICS_DISABLED"}
        return load(kept)


def desk_of(settings: Settings, providers: Mapping[str, Any]) -> Desk:
    """A desk that tells what it settles to the given providers, or to the global ones."""
    guard.set_strict(settings.strict)
    spans = Spans(providers.get("tracer_provider"), settings.spans)
    metrics = _metrics_of(providers.get("meter_provider"))
    metrics.publish()
    teller = OpenTelemetryTeller(spans, metrics, UsageEvents(providers.get("logger_provider")))
    estimator = None if settings.estimate == "off" else Estimator(settings.estimate)
    return Desk(_price, teller, _who(settings.attribution), estimator)


@lru_cache(maxsize=16)
def _metrics_of(provider: Any) -> Metrics:
    """One set of instruments for each provider, however often it is instrumented."""
    return Metrics(provider)


def _price(facts: Facts, reading: Reading, at_ns: int) -> Cost:
    return price(facts, reading, at_ns, bundled())


def _who(defaults: Mapping[str, str]) -> Callable[[], Attribution]:
    """Who pays, the nearest claim first: code, then baggage, then settings, then the resource."""
    standing = _from_names(OTELResourceDetector().detect().attributes)
    standing = Attribution.of({owner: clean(value) for owner, value in defaults.items()}).over(standing)

    def who() -> Attribution:
        claimed = ambient.current()
        carried = baggage.get_all()
        below = _from_names(carried).over(standing) if carried else standing
        if claimed is UNATTRIBUTED:
            return below
        return claimed if below == UNATTRIBUTED else claimed.over(below)

    return who


def _from_names(labels: Mapping[str, Any]) -> Attribution:
    return Attribution.of({owner: clean(labels.get(name)) for owner, name in names.OWNER_ATTRIBUTES.items()})


def disabled() -> bool:
    """The one switch: `OTEL_TOKENOMICS_DISABLED`."""
    return os.environ.get("OTEL_TOKENOMICS_DISABLED", "").strip().lower() in ("1", "true", "yes", "on")
