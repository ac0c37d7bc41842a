"""Where the ledger is: the environment, the configuration file, a constructor's argument."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.ledger._support import pipeline, record, total

from otel_tokenomics.ledger.exporter import LedgerExporter
from otel_tokenomics.ledger.location import ledger_path
from otel_tokenomics.telemetry.events import UsageEvents


@pytest.mark.parametrize("given", [None, "off"])
def test_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str | None) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_LEDGER", "OFF")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    provider = pipeline(LedgerExporter(given))
    UsageEvents(provider).emit(record())
    provider.shutdown()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"OTEL_TOKENOMICS_LEDGER": "{root}/a.db"}, "a.db"),
        ({"XDG_STATE_HOME": "{root}/state"}, "state/otel-tokenomics/ledger.sqlite3"),
        ({"HOME": "{root}"}, ".local/state/otel-tokenomics/ledger.sqlite3"),
        ({"HOME": "{root}", "OTEL_TOKENOMICS_LEDGER": "~/b.db"}, "b.db"),
    ],
)
def test_the_environment_says_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str], place: str
) -> None:
    for name in ("OTEL_TOKENOMICS_LEDGER", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(root=tmp_path))
    provider = pipeline(LedgerExporter())
    UsageEvents(provider).emit(record())
    provider.shutdown()
    assert total(tmp_path / place).calls == 1


def test_by_name_from_a_declarative_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "given.db"
    declared = pytest.importorskip("opentelemetry.configuration._logger_provider")
    models = pytest.importorskip("opentelemetry.configuration.models")
    monkeypatch.setattr(
        declared, "load_entry_point", lambda group, name: {"tokenomics_ledger": LedgerExporter}[name]
    )
    for settings, place in ((None, "env.db"), ({"path": str(path)}, path.name)):
        monkeypatch.setenv("OTEL_TOKENOMICS_LEDGER", str(path.with_name("env.db")))
        exporter = declared._create_log_record_exporter(models.LogRecordExporter(tokenomics_ledger=settings))
        provider = pipeline(exporter)
        UsageEvents(provider).emit(record())
        provider.shutdown()
        assert total(path.with_name(place)).calls == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[ledger]\npath = "/var/l.db"\n', "/var/l.db"),
        ('[ledger]\npath = "off"\n', None),
        ("[ledger]\npath = 7\n", "/state/otel-tokenomics/ledger.sqlite3"),
        ("not TOML", "/state/otel-tokenomics/ledger.sqlite3"),
        ("", "/state/otel-tokenomics/ledger.sqlite3"),
    ],
)
def test_the_configuration_file_says_where(tmp_path: Path, text: str, expected: str | None) -> None:
    file = tmp_path / "tokenomics.toml"
    file.write_text(text)
    environ = {"OTEL_TOKENOMICS_CONFIG": str(file), "XDG_STATE_HOME": "/state"}
    assert ledger_path(environ) == (Path(expected) if expected else None)
    assert ledger_path({**environ, "OTEL_TOKENOMICS_LEDGER": "/own.db"}) == Path("/own.db")
