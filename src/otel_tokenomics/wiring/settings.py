"""Settings: a TOML file, and the environment over it. What is not known is an error, with its line.

What reads and mends files is imported by whoever has one: every process that starts pays for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from otel_tokenomics.ledger.location import default_path
from otel_tokenomics.model.attribution import OWNERS

if TYPE_CHECKING:
    from otel_tokenomics.attribution.digests import Digests
    from otel_tokenomics.attribution.rules import Rules
    from otel_tokenomics.budgets.plan import Plan
    from otel_tokenomics.wiring.owner_tables import Baggage

SpanMode = Literal["auto", "own", "annotate", "off"]
EstimateMode = Literal["tokenizer", "heuristic", "off"]

PREFIX = "OTEL_TOKENOMICS_"
SPAN_MODES = ("auto", "own", "annotate", "off")
ESTIMATE_MODES = ("tokenizer", "heuristic", "off")
BUDGET_MODES = ("off", "observe", "enforce")
BUDGET_TABLES = ("store", "budgets", "budget")
OWNER_TABLES = ("owner", "personal", "baggage")
COMPATS = (
    *("cache_creation", "legacy_token_usage"),
    *("langfuse", "litellm", "logfire", "openinference", "openlit"),
)
_SAYS_BUDGET = r"(?m)^\s*\[\[?\s*budgets?\b"
_SAYS_PERSONAL = r"(?m)^\s*\[\s*personal\b"
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


class ConfigError(ValueError):
    """A setting that cannot be: the message says where it stands, what is wrong, and what is allowed."""


class BudgetsError(ConfigError):
    """Budgets that cannot be read."""


class OwnersError(ConfigError):
    """It cannot be read who pays."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set.

    `ledger` is a path, or `None` when there is no ledger; `prices` is that of a price file. `hosts` maps a
    host, or `*.suffix`, to a provider. `attribution` names standing owners, such as `team`; `owners` are the
    rules that derive them, `personal` hashes them, and `baggage` says which of them travel. `budgets` are
    those of the file, and `budget_mode` is what the environment says of them all. `sources` says where each
    setting comes from. `raw_http`: requests of no client library are recorded too.
    """

    disabled: bool = False
    ledger: Path | None = None
    prices: Path | None = None
    spans: SpanMode = "auto"
    estimate: EstimateMode = "tokenizer"
    strict: bool = False
    compat: frozenset[str] = frozenset({"cache_creation"})
    hosts: Mapping[str, str] = field(default_factory=dict)
    attribution: Mapping[str, str] = field(default_factory=dict)
    owners: Rules | None = None
    personal: Digests | None = None
    baggage: Baggage | None = None
    flush_on_sigterm: bool = False
    raw_http: bool = False
    budgets: Plan | None = None
    budget_mode: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


def load(environ: Mapping[str, str], problems: list[ConfigError] | None = None) -> Settings:
    """The settings in force.

    With a list for `problems`, what is wrong is added to it and left at its default, and all that is right
    holds: one bad setting does not undo the good ones.

    Raises:
        ConfigError: for a file that cannot be read, a key that is not known, or a value that cannot be.
    """
    settings = Settings(ledger=default_path(environ))
    for entry in _given(environ):
        try:
            key, value, source = entry()
        except ConfigError as error:
            if problems is None:
                raise
            problems.append(error)
        else:
            settings = replace(settings, **{key: value}, sources={**settings.sources, key: source})
    return settings


_Entry = Callable[[], tuple[str, Any, str]]


def _given(environ: Mapping[str, str]) -> Iterator[_Entry]:
    """Everything that is set, the file first; each is parsed when it is asked for."""
    if path := environ.get(PREFIX + "CONFIG"):
        try:
            document = _Document.read(Path(path))
        except ConfigError as error:
            yield from _unread(Path(path), environ, error)
        else:
            yield from document.entries()
            if any(table in document.tables for table in BUDGET_TABLES):
                yield partial(_budgets, document.path)
            if "personal" in document.tables:
                yield partial(_withheld, document.path)
            for table in OWNER_TABLES:
                if table in document.tables:
                    yield partial(_owner_table, table, document.path, environ)
    for name, (key, parse) in _VARIABLES.items():
        # Empty is unset, as for every OpenTelemetry variable.
        if value := environ.get(PREFIX + name, "").strip():
            yield partial(_variable, key, parse, value, PREFIX + name)


def _budgets(path: Path) -> tuple[str, Any, str]:
    from otel_tokenomics.budgets.plan import BudgetConfigError, read_plan

    try:
        return "budgets", read_plan(path), str(path)
    except BudgetConfigError as error:
        raise BudgetsError(str(error)) from None


def _owner_table(table: str, path: Path, environ: Mapping[str, str]) -> tuple[str, Any, str]:
    from otel_tokenomics.model.tables import FileError
    from otel_tokenomics.wiring.owner_tables import read

    try:
        return *read(table, path, environ), str(path)
    except FileError as error:
        raise OwnersError(str(error)) from None


def _withheld(path: Path) -> tuple[str, Any, str]:
    """Until it is read how owners are hashed: what is personal does not leave the process."""
    from otel_tokenomics.attribution.digests import Digests

    return "personal", Digests(), str(path)


def _unread(path: Path, environ: Mapping[str, str], error: ConfigError) -> Iterator[_Entry]:
    """What holds where the file cannot be read: a slip undoes neither a limit nor the wish to hide."""
    import re

    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        text = ""
    if re.search(_SAYS_PERSONAL, text):
        yield partial(_withheld, path)
    if re.search(_SAYS_BUDGET, text) or environ.get(PREFIX + "BUDGET_MODE") == "enforce":
        error = BudgetsError(str(error))
    yield partial(_raise, error)


def _raise(error: ConfigError) -> tuple[str, Any, str]:
    raise error


def _variable(key: str, parse: Callable[[Any, str], Any], value: str, name: str) -> tuple[str, Any, str]:
    return key, parse(value, name), name


def _ledger(value: Any, where: str) -> Path | None:
    text = _text(value, where)
    return None if text.lower() == "off" else Path(text).expanduser()


def _path(value: Any, where: str) -> Path:
    return Path(_text(value, where)).expanduser()


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where} must be a non-empty string, not {value!r}")
    return value


def _switch(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
        return value.lower() in _TRUE
    raise ConfigError(f"{where} must be true or false, not {value!r}")


def _choice(allowed: tuple[str, ...]) -> Callable[[Any, str], str]:
    def parse(value: Any, where: str) -> str:
        if value not in allowed:
            raise ConfigError(
                f"{where} is {value!r}; it must be {_either(allowed)}{_nearest(value, allowed)}"
            )
        return str(value)

    return parse


def _compat(value: Any, where: str) -> frozenset[str]:
    if value == "none":
        return frozenset()
    named = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(named, list):
        raise ConfigError(f"{where} must be a list of {_either(COMPATS)}, not {value!r}")
    check = _choice(COMPATS)
    return frozenset(check(name, where) for name in named if name != "")


def _table(value: Any, where: str) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table, not {value!r}")
    return {key: _text(entry, f"{where}.{key}") for key, entry in value.items()}


def _owners(value: Any, where: str) -> Mapping[str, str]:
    try:
        owners = _table(value, where)
    except ConfigError as error:
        raise OwnersError(str(error)) from None
    for name in owners:
        if name not in OWNERS:
            raise OwnersError(
                f"{where}.{name} is not known{_nearest(name, OWNERS)}; it must be {_either(OWNERS)}"
            )
    return owners


_VARIABLES: Mapping[str, tuple[str, Callable[[Any, str], Any]]] = {
    "DISABLED": ("disabled", _switch),
    "LEDGER": ("ledger", _ledger),
    "PRICES": ("prices", _path),
    "SPANS": ("spans", _choice(SPAN_MODES)),
    "ESTIMATE": ("estimate", _choice(ESTIMATE_MODES)),
    "STRICT": ("strict", _switch),
    "COMPAT": ("compat", _compat),
    "FLUSH_ON_SIGTERM": ("flush_on_sigterm", _switch),
    "RAW_HTTP": ("raw_http", _switch),
    "BUDGET_MODE": ("budget_mode", _choice(BUDGET_MODES)),
}
_KEYS: Mapping[str, tuple[str, Callable[[Any, str], Any]]] = {
    "ledger.path": ("ledger", _ledger),
    "prices.path": ("prices", _path),
    "spans.mode": ("spans", _choice(SPAN_MODES)),
    "estimate.mode": ("estimate", _choice(ESTIMATE_MODES)),
    "telemetry.compat": ("compat", _compat),
    "shutdown.flush_on_sigterm": ("flush_on_sigterm", _switch),
    "http.raw": ("raw_http", _switch),
    "hosts": ("hosts", _table),
    "attribution": ("attribution", _owners),
}


@dataclass(frozen=True, slots=True)
class _Document:
    """A configuration file, with its text so that an error can name the line."""

    path: Path
    text: str
    tables: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> _Document:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} (from {PREFIX}CONFIG) cannot be read: {error}") from None
        import tomllib

        try:
            return cls(path, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path} is not TOML: {error}") from None

    def entries(self) -> Iterator[_Entry]:
        """Each key of the file, to be parsed."""
        for key, value in self._entries():
            yield partial(self._parse, key, value)

    def _parse(self, key: str, value: Any) -> tuple[str, Any, str]:
        where = f"{self.path}, line {self._line(key)}: {key}"
        if key not in _KEYS:
            raise _unknown(key, where)
        name, parse = _KEYS[key]
        if not isinstance(value, dict) or not value:
            return name, parse(value, where), f"{self.path}:{self._line(key)}"
        made: dict[str, Any] = {}
        for inner, entry in value.items():
            made |= parse({inner: entry}, f"{self.path}, line {self._line(f'{key}.{inner}')}: {key}")
        return name, made, f"{self.path}:{self._line(key)}"

    def _entries(self) -> list[tuple[str, Any]]:
        entries: list[tuple[str, Any]] = []
        for table, value in self.tables.items():
            if table in (*BUDGET_TABLES, *OWNER_TABLES):
                continue
            if table in _KEYS or not isinstance(value, dict) or not value:
                entries.append((table, value))
            else:
                entries.extend((f"{table}.{key}", entry) for key, entry in value.items())
        return entries

    def _line(self, key: str) -> int:
        """The line on which a key stands, as far as a search can tell; 1 if it cannot."""
        table, _, name = key.partition(".")
        inside = not name
        for number, line in enumerate(self.text.splitlines(), 1):
            bare = line.split("#")[0].strip()
            if bare == f"[{table}]":
                if not name:
                    return number
                inside = True
            elif bare.startswith("["):
                inside = not name
            elif inside and bare.split("=")[0].strip().strip("\"'") == (name or table):
                return number
        return 1


def _unknown(key: str, where: str) -> ConfigError:
    """The error of a key that is not known. A table that is nearly one of limits is taken to be one."""
    table = key.partition(".")[0]
    kind = ConfigError
    if _close(table, BUDGET_TABLES):
        kind = BudgetsError
    elif _close(table, (*OWNER_TABLES, "attribution")):
        kind = OwnersError
    known = (*_KEYS, *BUDGET_TABLES, *OWNER_TABLES)
    near = _nearest(key, known) or _nearest(table, known)
    return kind(f"{where} is not known{near}; known: {', '.join(known)}")


def _either(allowed: tuple[str, ...]) -> str:
    return ", ".join(allowed[:-1]) + f" or {allowed[-1]}"


def _nearest(word: Any, allowed: tuple[str, ...]) -> str:
    close = _close(str(word), allowed)
    return f" (did you mean {close[0]}?)" if close else ""


def _close(word: str, allowed: tuple[str, ...]) -> list[str]:
    import difflib

    return difflib.get_close_matches(word, allowed, 1)


FIELDS = tuple(f.name for f in fields(Settings) if f.name != "sources")
