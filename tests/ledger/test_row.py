"""Attributes to row and row to JSON: exact, and unmoved by whatever the wire brings."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger._support import STARTED_NS, priced, record

from otel_tokenomics.ledger.row import COLUMNS, iso, public, row_of
from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.money import Line, unpriced
from otel_tokenomics.model.place import Place
from otel_tokenomics.model.usage import MISSING, Usage
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.events import attributes


def as_dict(wire: dict[str, Any], **resource: Any) -> dict[str, Any]:
    row = row_of(wire, started_ns=STARTED_NS, resource=resource, process_id=1)
    return dict(zip(COLUMNS, row, strict=True))


PLACE = Place("planner", "triage", "model", "search", "c1", {"run.id": "r1"})


def test_records_json() -> None:
    told = record(
        key="r",
        attribution=Attribution(team="search", user="u", tags={"ticket": "A-1"}),
        place=PLACE,
        cost=priced(1_500),
    )
    assert public(as_dict(dict(attributes(told)))) == {
        "provider": "openai",
        "operation": "chat",
        "request_model": "gpt-5.4-mini",
        "response_model": "gpt-5.4-mini-2026-03-01",
        "response_id": "r",
        "service_tier": "default",
        "stream": False,
        "usage": {
            "input": 100,
            "cache_read": 50,
            "cache_write.5m": 7,
            "cache_write.1h": 3,
            "output": 20,
            "reasoning": 5,
        },
        "usage_source": "provider",
        "cost": {
            "amount": "0.0000000000015",
            "list": None,
            "contracted": None,
            "currency": "USD",
            "status": "complete",
            "method": "catalog",
            "card": "openai:gpt-5.4-mini",
            "lines": [
                {
                    "component": "input",
                    "bucket": "input",
                    "quantity": 10,
                    "rate": "0.25",
                    "per": 1_000_000,
                    "amount": "0.0000000000015",
                }
            ],
            "unpriced_reason": None,
            "bound": None,
            "assumption": None,
        },
        "attribution": {"team": "search", "user": "u", "tags": {"ticket": "A-1", "run.id": "r1"}},
        "place": PLACE.names(),
        "attempts": 1,
        "outcome": "success",
        "started_at": "2026-11-01T12:00:00.000000Z",
        "trace_id": None,
        "span_id": None,
    }


def test_unknown_is_null_and_zero_is_zero() -> None:
    unknown = record(usage=MISSING, cost=unpriced("missing_usage"), attribution=UNATTRIBUTED)
    found = public(as_dict(dict(attributes(unknown))))
    assert found["usage"] == {}
    assert found["attribution"] == {}
    assert isinstance(found["cost"], dict)
    assert found["cost"]["amount"] is None
    assert found["cost"]["unpriced_reason"] == "missing_usage"
    free = as_dict(dict(attributes(record(usage=Usage({"input": 0}), cost=priced(0)))))
    assert (free["input_tokens"], free["output_tokens"], free["cost_femto"]) == (0, None, 0)


@given(st.integers(min_value=-(10**27), max_value=10**27))
def test_every_amount_comes_back(femto: int) -> None:
    stored = as_dict(dict(attributes(record(cost=priced(femto)))))["cost_femto"]
    assert int(stored) == femto
    assert isinstance(stored, int if abs(femto) < 2**63 else str)


@pytest.mark.parametrize("cut", ["0.00", "", "rubbish", "NaN", "Infinity", "1e999999999", "9" * 200])
def test_an_exact_amount_that_was_cut_off_gives_way_to_the_double(cut: str) -> None:
    wire = {names.COST_EXACT: cut, names.COST_AMOUNT: 0.0042}
    assert as_dict(wire)["cost_femto"] == 4_200_000_000_000


def test_an_amount_without_its_double() -> None:
    assert as_dict({names.COST_EXACT: "0.0042"})["cost_femto"] == 4_200_000_000_000
    assert as_dict({})["cost_femto"] is None


def test_lines_that_were_cut_off_are_unknown() -> None:
    found = public(as_dict({names.COST_LINES: '[["input","inp'}))
    assert isinstance(found["cost"], dict)
    assert found["cost"]["lines"] is None


def test_a_lone_surrogate_is_storable() -> None:
    told = record(model="gpt-\ud800", attribution=Attribution(user="\udfff", tags={"a\ud800": "b\ud800"}))
    row = row_of(attributes(told), started_ns=1, resource={"service.name": "\ud800"}, process_id=1)
    with sqlite3.connect(":memory:") as connection:
        assert connection.execute(f"SELECT {','.join('?' * len(row))}", row).fetchone() == row
    connection.close()


@given(
    st.dictionaries(
        st.sampled_from([v for k, v in vars(names).items() if k.isupper() and isinstance(v, str)]),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()), st.binary()
        ),
    )
)
def test_whatever_comes_gives_a_storable_row(wire: dict[str, Any]) -> None:
    row = row_of(wire, started_ns=1, resource={}, process_id=1)
    with sqlite3.connect(":memory:") as connection:
        connection.execute(f"SELECT {','.join('?' * len(row))}", row)
    connection.close()
    public(dict(zip(COLUMNS, row, strict=True)))


def test_without_a_key_the_same_record_has_the_same_key() -> None:
    wire = dict(attributes(record()))
    del wire[names.RECORD_KEY]
    first, again, other = (
        as_dict(wire)["key"],
        as_dict(wire)["key"],
        as_dict({**wire, names.PROVIDER: "x"})["key"],
    )
    assert first == again != other
    assert first.startswith("unkeyed:")


def test_the_service() -> None:
    assert as_dict({}, **{"service.name": "shop"})["service"] == "shop"
    assert as_dict({}, **{"service.name": "unknown_service:python"})["service"] is None


def test_wide_tokens_are_kept() -> None:
    wide = 2**70
    assert as_dict(dict(attributes(record(usage=Usage({"input": wide})))))["input_tokens"] == str(wide)


def test_a_negative_amount_of_a_line() -> None:
    line = Line("discount", "input", -5, 10, 1, -50)
    found = public(as_dict(dict(attributes(record(cost=priced(-50, lines=(line,)))))))
    assert isinstance(found["cost"], dict)
    assert found["cost"]["lines"][0]["amount"] == "-0.00000000000005"


def test_instants_have_microseconds() -> None:
    assert iso(1_793_534_400_123_456_789) == "2026-11-01T12:00:00.123456Z"
