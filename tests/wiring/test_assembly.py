"""Putting the house together: bad settings do not stop it, and who pays is asked in order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, context
from tests.support.telemetry import Telemetry

from otel_tokenomics.attribution.ambient import attribute
from otel_tokenomics.flow import guard
from otel_tokenomics.ledger.location import default_path
from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.call import Facts
from otel_tokenomics.telemetry.names import OWNER_ATTRIBUTES
from otel_tokenomics.wiring import assembly
from otel_tokenomics.wiring.owners import Owners, resource_of
from otel_tokenomics.wiring.settings import Settings

FACTS = Facts("openai", "chat", "openai", "chat/completions", request_model="gpt-4o")
TEAM, USER = OWNER_ATTRIBUTES["team"], OWNER_ATTRIBUTES["user"]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    monkeypatch.delenv("OTEL_TOKENOMICS_DISABLED", raising=False)
    yield
    guard.set_strict(False)


@contextmanager
def carried(labels: Mapping[str, str]) -> Iterator[None]:
    """The labels as baggage in the block."""
    filled = context.get_current()
    for name, value in labels.items():
        filled = baggage.set_baggage(name, value, filled)
    token = context.attach(filled)
    try:
        yield
    finally:
        context.detach(token)


def test_good_settings_are_taken_as_they_are() -> None:
    assert assembly.settings_from({"OTEL_TOKENOMICS_SPANS": "own"}).spans == "own"


def test_bad_settings_are_said_once_and_the_defaults_used(caplog: pytest.LogCaptureFixture) -> None:
    settings = assembly.settings_from({"OTEL_TOKENOMICS_SPANS": "x", "OTEL_TOKENOMICS_DISABLED": "true"})
    assert (settings.spans, settings.disabled) == ("auto", True)
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 1
    assert "OTEL_TOKENOMICS_SPANS is 'x'" in said[0].getMessage()


def test_a_bad_switch_does_not_raise() -> None:
    assert assembly.settings_from({"OTEL_TOKENOMICS_DISABLED": "maybe"}).disabled is False


def test_one_bad_setting_does_not_undo_the_good_ones() -> None:
    environ = {"OTEL_TOKENOMICS_SPANS": "x", "OTEL_TOKENOMICS_LEDGER": "off"}
    assert assembly.settings_from(environ).ledger is None


def test_bad_settings_do_not_move_the_ledger() -> None:
    environ = {"OTEL_TOKENOMICS_SPANS": "x", "XDG_STATE_HOME": "/state"}
    assert assembly.settings_from(environ).ledger == default_path(environ)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, False), ("", False), ("0", False), ("false", False), ("true", True), (" ON ", True), ("1", True)],
)
def test_the_one_switch(monkeypatch: pytest.MonkeyPatch, value: str | None, expected: bool) -> None:
    if value is not None:
        monkeypatch.setenv("OTEL_TOKENOMICS_DISABLED", value)
    assert assembly.disabled() is expected


def who(**more: Any) -> Attribution:
    """Who a call is recorded as paid by, in the process's own environment."""
    return Owners(Settings(**more), resource_of({}))(FACTS, None).recorded


def test_nobody_is_named_when_nobody_says_anything() -> None:
    assert who() == UNATTRIBUTED


@pytest.mark.parametrize("owner", OWNER_ATTRIBUTES)
def test_each_owner_can_come_by_baggage(owner: str) -> None:
    with carried({OWNER_ATTRIBUTES[owner]: "x", "unrelated": "y"}):
        assert who() == replace(Attribution.of({owner: "x"}), claimed=(owner,))
    assert who() == UNATTRIBUTED


def test_the_nearest_claim_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"{TEAM}=resource,{USER}=resource")
    assert who().owners() == {"team": "resource", "user": "resource"}
    standing = {"team": "settings"}
    assert who(attribution=standing).owners() == {"team": "settings", "user": "resource"}
    with carried({TEAM: "baggage"}):
        told = who(attribution=standing)
        assert (told.owners(), told.claimed) == ({"team": "baggage", "user": "resource"}, ("team",))
        with attribute(team="code", tags={"a": "1"}):
            assert who() == Attribution(team="code", user="resource", tags={"a": "1"})
    with attribute(user="code"):
        assert who(attribution=standing).owners() == {"team": "settings", "user": "code"}


@pytest.mark.parametrize("rubbish", ["", "\n", "x" * 1000, "\ud800"])
def test_what_baggage_carries_is_cleaned(rubbish: str) -> None:
    with carried({TEAM: rubbish}):
        team = who().team
    assert team is None or (len(team) <= 256 and team.isprintable())


def test_a_desk_is_as_strict_as_it_is_set() -> None:
    providers = Telemetry().providers
    with pytest.raises(ZeroDivisionError), guard.guarded("here"):
        assembly.desk_of(Settings(strict=True), providers)
        raise ZeroDivisionError
    assembly.desk_of(Settings(ledger=Path("unused")), providers)
    with guard.guarded("here"):
        raise ZeroDivisionError


def test_one_provider_has_one_set_of_instruments() -> None:
    provider = Telemetry().meter_provider
    assert assembly._metrics_of(provider, False) is assembly._metrics_of(provider, False)
    assert assembly._metrics_of(provider, False) is not assembly._metrics_of(provider, True)
    assert assembly._metrics_of(provider, False) is not assembly._metrics_of(
        Telemetry().meter_provider, False
    )
