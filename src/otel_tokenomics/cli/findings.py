"""What `tokenomics doctor` looks at, section by section. Nothing here writes to anything."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from otel_tokenomics import environment_variables
from otel_tokenomics.ledger import queries, schema
from otel_tokenomics.ledger.errors import LedgerError
from otel_tokenomics.ledger.location import VARIABLE, ledger_path
from otel_tokenomics.ledger.store import reading
from otel_tokenomics.report.figures import plural

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. A `problem` is something that is not covered; `advice` says what to do."""

    level: Level
    text: str
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Findings on one matter, and the facts behind them."""

    name: str
    title: str
    findings: Sequence[Finding]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """The section as JSON's own types."""
        return {**self.facts, "findings": [asdict(finding) for finding in self.findings]}


def collect(environ: Mapping[str, str], ledger: Path | None) -> list[Section]:
    """Every section, in the order in which a reader asks."""
    sections: list[Callable[[], Section]] = [
        clients,
        lambda: opentelemetry(environ),
        lambda: rivals(environ),
        prices,
        lambda: ledger_section(ledger or ledger_path(environ)),
        lambda: settings(environ),
    ]
    return [section() for section in sections]


def clients() -> Section:
    """The client libraries, and whether each has its seam."""
    from otel_tokenomics.wiring import coverage

    found = coverage.clients()
    facts = {
        "libraries": [
            {
                "name": client.name,
                "version": client.version,
                "covered": client.covered and not client.missing,
                "points": list(client.present),
                "missing": [point.title for point in client.missing],
                "error": client.error,
            }
            for client in found
        ]
    }
    return Section("clients", "Client libraries", [_client(c) for c in found] or [_NO_CLIENTS], facts)


_NO_CLIENTS = Finding(
    "note", "no client library that is known here is installed", "Is this the Python your program runs on?"
)


def _client(client: Any) -> Finding:
    name = f"{client.name} {client.version}"
    if not client.covered:
        return Finding("problem", f"{name}: not covered yet, its calls are not recorded")
    if client.error:
        return Finding("problem", f"{name}: cannot be imported ({client.error})", "Repair its installation")
    if not client.missing:
        found = f"{name}: covered at {plural(len(client.present), 'point')}"
        return Finding("ok", found)
    missing = "; ".join(f"{point.title} is missing: {point.without}" for point in client.missing)
    return Finding("problem", f"{name}: {missing}", "Upgrade otel-tokenomics, or report this version of it")


def opentelemetry(environ: Mapping[str, str]) -> Section:
    """OpenTelemetry's set-up: our registration, the packages it needs, the exporters named."""
    from otel_tokenomics.wiring import coverage

    registered = coverage.entry_points()
    found = [
        Finding("ok", f"registered with opentelemetry-instrument: {', '.join(registered)}")
        if registered
        else Finding(
            "problem",
            "otel-tokenomics is not installed as a package, so opentelemetry-instrument does not find it",
            "pip install otel-tokenomics",
        )
    ]
    exporters = {
        signal: environ.get(f"OTEL_{signal.upper()}_EXPORTER") for signal in ("traces", "metrics", "logs")
    }
    found += [finding for finding in (_distro(), _switch(environ), _declarative(environ)) if finding]
    found.append(_exporters(exporters))
    return Section(
        "opentelemetry", "OpenTelemetry", found, {"entry_points": registered, "exporters": exporters}
    )


def _distro() -> Finding | None:
    if importlib.util.find_spec("opentelemetry.distro") is not None:
        return None
    return Finding(
        "problem",
        "opentelemetry-distro is missing: opentelemetry-instrument then configures no exporter at all",
        "pip install opentelemetry-distro",
    )


def _switch(environ: Mapping[str, str]) -> Finding | None:
    for name in ("OTEL_SDK_DISABLED", "OTEL_TOKENOMICS_DISABLED"):
        if environ.get(name, "").strip().lower() in ("true", "1", "yes", "on"):
            return Finding("problem", f"{name} is set: nothing is recorded", f"unset {name}")
    return None


def _declarative(environ: Mapping[str, str]) -> Finding | None:
    file = environ.get("OTEL_CONFIG_FILE")
    if not file:
        return None
    if importlib.util.find_spec("opentelemetry.configuration") is None:
        text = f"OTEL_CONFIG_FILE is set to {file}, and opentelemetry-configuration is not installed"
        return Finding("problem", text, "pip install opentelemetry-configuration")
    return Finding("note", f"OTEL_CONFIG_FILE is in force ({file}): exporters named elsewhere are not used")


def _exporters(exporters: Mapping[str, str | None]) -> Finding:
    named = ", ".join(f"{signal}: {value or 'otlp (default)'}" for signal, value in exporters.items())
    if "tokenomics_ledger" in (exporters["logs"] or ""):
        return Finding("ok", f"exporters: {named}")
    advice = "`tokenomics run` adds the ledger by itself; else OTEL_LOGS_EXPORTER=otlp,tokenomics_ledger"
    return Finding("note", f"exporters: {named}; usage records go to no ledger", advice)


def rivals(environ: Mapping[str, str]) -> Section:
    """Other instrumentations of the same calls."""
    from otel_tokenomics.wiring import coverage

    found = coverage.rivals(environ)
    facts = {"installed": [asdict(rival) for rival in found]}
    findings = [_rival(rival) for rival in found] or [Finding("ok", "none installed")]
    return Section("rivals", "Other instrumentations", findings, facts)


def _rival(rival: Any) -> Finding:
    name = f"{rival.name} {rival.version} ({rival.maker})"
    if rival.disabled:
        return Finding("ok", f"{name}: disabled by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    if rival.broken:
        text = f"{name}: does not load, and opentelemetry-instrument leaves it out silently ({rival.broken})"
        return Finding("note", text, "Ours does not depend on it; uninstall or upgrade it")
    return Finding("note", f"{name}: installed. Each call is still one usage record; its spans are annotated")


def prices() -> Section:
    """The price book in use, and how old it is."""
    from otel_tokenomics.pricing.installed import current

    try:
        book = current()
    except Exception as error:  # noqa: BLE001 - a broken installation is a finding, not a crash
        text = f"the price book cannot be read ({type(error).__name__}: {error}): every call is unpriced"
        advice = "Install otel-tokenomics again"
        return Section("prices", "Prices", [Finding("problem", text, advice)], {"error": str(error)})
    age = (datetime.now(UTC).date() - date.fromisoformat(book.date)).days
    facts = {"catalog": book.name, "version": book.version, "date": book.date, "age_days": age}
    text = f"{book.name} {book.version} of {book.date}: {plural(len(book.providers()), 'provider')}"
    found = [Finding("ok", f"{text}, list prices in USD")]
    if book.stale(time.time_ns()):
        old = f"these prices are {age} days old, and newer models may be missing"
        found = [Finding("note", text), Finding("note", old, "pip install --upgrade otel-tokenomics")]
    return Section("prices", "Prices", found, facts)


def ledger_section(path: Path | None) -> Section:
    """The ledger: where, how much, what was lost, what its costs assume."""
    title = "Ledger"
    if path is None:
        return Section("ledger", title, [Finding("note", f"{VARIABLE} is off: no ledger is kept")])
    try:
        with reading(path) as connection:
            facts = {
                "path": str(path),
                "bytes": path.stat().st_size,
                "schema_version": schema.version_of(connection),
                "records": queries.count(connection),
                "lost": queries.losses(connection),
                "overflows": [
                    {"label": label, "calls": calls, "processes": processes}
                    for label, calls, processes in queries.overflows(connection)
                ],
                "assumptions": [
                    {"assumption": assumption, "provider": provider, "calls": calls}
                    for assumption, provider, calls in queries.assumptions(connection)
                ],
            }
    except LedgerError as error:
        level: Level = "note" if error.cause == "missing" else "problem"
        return Section(
            "ledger", title, [Finding(level, str(error))], {"path": str(path), "error": error.cause}
        )
    return Section("ledger", title, list(_ledger(facts)), facts)


_OVERFLOWED = (
    "Sums stay exact. The ledger, its reports and the spans have every value; metrics have the first"
)


def _ledger(facts: Mapping[str, Any]) -> Sequence[Finding]:
    size = f"{facts['bytes'] / 1_000_000:,.1f} MB, schema version {facts['schema_version']}"
    found = [Finding("ok", f"{facts['path']}: {plural(facts['records'], 'record')}, {size}")]
    if facts["lost"]:
        text = f"{plural(facts['lost'], 'usage record')} were lost before they reached it"
        found.append(Finding("note", text, "The programs logged why; the table `losses` has when and which"))
    for item in facts["overflows"]:
        text = f"metrics show _OTHER for {plural(item['calls'], 'call')}: {item['label']} had too many values"
        found.append(Finding("note", text, _OVERFLOWED))
    for item in facts["assumptions"]:
        text = f"assumed for {plural(item['calls'], 'call')} of {item['provider']}: {item['assumption']}"
        found.append(Finding("note", text))
    return found


def settings(environ: Mapping[str, str]) -> Section:
    """The settings in force, and where each comes from."""
    from otel_tokenomics.wiring.settings import FIELDS, PREFIX, ConfigError, load

    try:
        loaded = load(environ)
    except ConfigError as error:
        text = f"{error}; until that is put right the defaults are used"
        return Section("settings", "Settings", [Finding("problem", text)], {"error": str(error)})
    known = {name: _plain(getattr(loaded, name)) for name in FIELDS}
    known["budget_mode"] = known["budget_mode"] or "as configured"
    given = {name: loaded.sources.get(name, "default") for name in FIELDS}
    facts = {name: {"value": known[name], "source": given[name]} for name in FIELDS}
    found = [Finding("ok", f"{name} = {_told(known[name])}   ({given[name]})") for name in FIELDS]
    found += [
        Finding("note", f"{name} is set, and no such setting exists", "Compare its spelling")
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in vars(environment_variables)
    ]
    return Section("settings", "Settings", found, facts)


def _plain(value: object) -> object:
    """A setting's value as JSON has it."""
    if isinstance(value, frozenset):
        return sorted(value)
    if is_dataclass(value):
        return _summary(value)
    return str(value) if isinstance(value, Path) else value


def _summary(value: Any) -> object:
    """Whole tables of the file: what they hold, by name."""
    if hasattr(value, "budgets"):
        return [budget.name for budget in value.budgets]
    if hasattr(value, "rules"):
        return [", ".join(f"{key}={text}" for key, text in rule.sets) for rule in value.rules]
    told = {each.name: getattr(value, each.name) for each in fields(value) if each.repr}
    return {name: ",".join(owners) or "none" for name, owners in told.items()}


def _told(value: object) -> str:
    """A setting's value as its user would write it."""
    if isinstance(value, list):
        return ",".join(value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={entry}" for key, entry in value.items()) or "none"
    return "off" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
