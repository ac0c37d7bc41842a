"""Putting the house together: settings and providers in, a desk out."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics as api_metrics
from opentelemetry import trace
from opentelemetry._logs import get_logger_provider

from otel_tokenomics.attribution import ambient, places, runs
from otel_tokenomics.flow import guard, late
from otel_tokenomics.flow.desk import Desk, Pricer
from otel_tokenomics.flow.estimate import Estimator
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost
from otel_tokenomics.telemetry import ancestry
from otel_tokenomics.telemetry.events import UsageEvents
from otel_tokenomics.telemetry.metrics import Metrics
from otel_tokenomics.telemetry.spans import Spans
from otel_tokenomics.telemetry.teller import OpenTelemetryTeller
from otel_tokenomics.wiring.carrying import Outgoing
from otel_tokenomics.wiring.owners import Owners, resource_of
from otel_tokenomics.wiring.settings import BudgetsError, ConfigError, OwnersError, Settings, load
from otel_tokenomics.wiring.shutdown import flush_on_sigterm

if TYPE_CHECKING:
    from otel_tokenomics.budgets.plan import Plan
    from otel_tokenomics.pricing.contracts import Contracts


def settings_from(environ: Mapping[str, str]) -> Settings:
    """The settings in force. Bad ones are reported once, and what can be is read without them.

    Each client library's instrumentor asks for them, so that they are kept for as long as nothing changed.
    """
    asked = {**environ}, _written(environ)
    if not _settings or _settings[-1][0] != asked:
        _settings[:] = [(asked, _settings_from(environ))]
    return _settings[-1][1]


_settings: list[tuple[Any, Settings]] = []
_desks: list[tuple[Settings, Mapping[str, Any], Desk]] = []


def _written(environ: Mapping[str, str]) -> Any:
    """What tells one state of the configuration file from another."""
    try:
        state = Path(environ["OTEL_TOKENOMICS_CONFIG"]).stat()
    except (KeyError, OSError):
        return None
    return state.st_mtime_ns, state.st_size


def desk_for(settings: Settings, providers: Mapping[str, Any]) -> Desk:
    """The desk of everything that is instrumented alike: one for all client libraries."""
    if not _desks or _desks[-1][:2] != (settings, providers):
        _desks[:] = [(settings, providers, desk_of(settings, providers))]
    return _desks[-1][2]


def forget() -> None:
    """Whatever is instrumented next has a desk of its own."""
    _desks.clear()


def _settings_from(environ: Mapping[str, str]) -> Settings:
    problems: list[ConfigError] = []
    settings = load(environ, problems)
    for problem in problems:
        if isinstance(problem, BudgetsError):
            settings = replace(settings, budgets=_broken(problem))
        elif isinstance(problem, OwnersError) and settings.budgets is not None:
            # Whose call it is decides which limits hold it.
            settings = replace(settings, budgets=replace(settings.budgets, broken=_broken(problem).broken))
        else:
            guard.log.error("%s. Its default is used.", problem)
    return settings


def _broken(problem: ConfigError) -> Plan:
    """Budgets that cannot be read: under `enforce` no call is made, for who wrote a limit wants one."""
    from otel_tokenomics.budgets.plan import Plan

    guard.log.error("%s. Until then every call is refused, unless budgets are off or observed.", problem)
    return Plan(broken=str(problem))


def desk_of(settings: Settings, providers: Mapping[str, Any]) -> Desk:
    """A desk that tells what it settles to the given providers, or to the global ones."""
    guard.set_strict(settings.strict)
    outgoing = Outgoing.of(settings.baggage, settings.personal)
    ambient.carry(outgoing)
    spans = Spans(providers.get("tracer_provider"), settings.spans, settings.compat, outgoing)
    legacy = "legacy_token_usage" in settings.compat
    metrics = _metrics_of(providers.get("meter_provider"), legacy)
    metrics.publish()
    teller = OpenTelemetryTeller(spans, metrics, UsageEvents(providers.get("logger_provider")))
    if settings.flush_on_sigterm:
        flush_on_sigterm(_flush)
    estimator = None if settings.estimate == "off" else Estimator(settings.estimate)
    pricer = pricer_of(settings.prices)
    resource = resource_of(providers)
    tracers = providers.get("tracer_provider")
    if tracers is not None:
        ancestry.watch(tracers)
    where = places.here if tracers is not None else ancestry.here
    desk = Desk(pricer, teller, Owners(settings, resource), estimator, where=where)
    further = settings, providers.get("logger_provider"), metrics, resource
    govern = partial(_govern, weakref.ref(desk), *further)
    if settings.budgets is not None or runs.ENVIRONMENT in os.environ:
        govern()
    else:
        # Only who opens a run with a budget pays for importing what holds it.
        runs.wanted.append(govern)
    return desk


def _govern(
    asked: weakref.ref[Desk],
    settings: Settings,
    logger_provider: Any,
    metrics: Metrics,
    resource: Mapping[str, Any],
) -> None:
    """Give a desk what holds budgets."""
    from otel_tokenomics.budgets.plan import Plan
    from otel_tokenomics.telemetry.budgets import BudgetTeller
    from otel_tokenomics.wiring.governing import gate_of

    desk = asked()
    if desk is not None:
        plan, mode = settings.budgets or Plan(), settings.budget_mode
        pricer = pricer_of(settings.prices)
        desk.budgets = gate_of(
            plan,
            mode,
            pricer,
            BudgetTeller(logger_provider, metrics),
            for_runs=settings.budgets is None,
            resource=resource,
        )


@lru_cache(maxsize=16)
def _metrics_of(provider: Any, legacy: bool) -> Metrics:
    """One set of instruments for each provider, however often it is instrumented."""
    return Metrics(provider, legacy)


def _flush() -> None:
    """Hand everything to the exporters: late settlements, then spans, metrics and records."""
    late.drain()
    for provider in (trace.get_tracer_provider(), api_metrics.get_meter_provider(), get_logger_provider()):
        with guard.guarded("flush"):
            flush = getattr(provider, "force_flush", None)
            if flush is not None:
                flush()


def pricer_of(prices: Path | None) -> Pricer:
    """Prices by the user's own terms, or list prices where there is no price file or a wrong one."""
    contracts = None if prices is None else _contracts_of(prices)
    if contracts is None:
        return _price
    from otel_tokenomics.pricing.installed import current

    agreed = contracts.price
    return lambda facts, reading, at_ns: agreed(facts, reading, at_ns, current())


@lru_cache(maxsize=16)
def _contracts_of(prices: Path) -> Contracts | None:
    """The terms of a price file, read once. What is wrong with it is reported once.

    Only who has such a file pays for importing what reads it.
    """
    from otel_tokenomics.pricing.contracts import Contracts
    from otel_tokenomics.pricing.contracts_file import PriceFileError

    try:
        return Contracts.load(prices)
    except PriceFileError as error:
        guard.log.error("%s. The price file is not used: costs are list prices.", error)
        return None


def _price(facts: Facts, reading: Reading, at_ns: int) -> Cost:
    return _list_pricer()(facts, reading, at_ns)


@lru_cache(maxsize=1)
def _list_pricer() -> Pricer:
    """List prices. What knows them is imported for the first price, which no application waits for."""
    from otel_tokenomics.pricing import installed, price

    return lambda facts, reading, at_ns: price.price(facts, reading, at_ns, installed.current())


def disabled() -> bool:
    """The one switch: `OTEL_TOKENOMICS_DISABLED`."""
    return os.environ.get("OTEL_TOKENOMICS_DISABLED", "").strip().lower() in ("1", "true", "yes", "on")
