"""The way upstream: the promotion map has every name of ours; the schema file is what telemetry names."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml
from opentelemetry.semconv.schemas import Schemas
from tools.semconv.registry import load
from tools.semconv.source import OWN, SEMCONV, manifest

from otel_tokenomics.telemetry import names

REGISTRY = load()
MAP: dict[str, list[dict[str, str]]] = yaml.safe_load((SEMCONV / "promotion-map.yaml").read_text("utf-8"))
OURS = sorted(
    {a.key for a in REGISTRY.attributes.values() if a.origin == OWN}
    | {signal.name for signal in REGISTRY.signals() if signal.origin == OWN}
)
NAME = re.compile(r"[a-z][a-z0-9]*(?:[._][a-z0-9]+)*")
FILE = SEMCONV.parent / "schemas" / names.SCHEMA_URL.rpartition("/")[2]


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_names_is_promoted_or_kept_with_a_reason(name: str) -> None:
    promoted = [entry for entry in MAP["promote"] if entry["ours"] == name]
    kept = [entry for entry in MAP["keep"] if fnmatchcase(name, entry["ours"])]
    assert len(promoted) <= 1
    assert promoted or kept


def test_nothing_is_promoted_or_kept_that_is_not_ours() -> None:
    assert {entry["ours"] for entry in MAP["promote"]} <= set(OURS)
    for entry in MAP["keep"]:
        assert any(fnmatchcase(name, entry["ours"]) for name in OURS), entry["ours"]


def test_a_promotion_keeps_the_rules_of_names() -> None:
    taken = {a.key for a in REGISTRY.attributes.values() if a.origin != OWN and not a.about.get("content")}
    for entry in MAP["promote"]:
        assert entry["how"] in ("rename", "merge", "propose")
        assert entry["why"].endswith((".", ".)"))
        assert NAME.fullmatch(entry["upstream"])
        if entry["how"] == "rename" and entry["ours"] in REGISTRY.attributes:
            assert not [t for t in taken if t.startswith(entry["upstream"] + ".")]
            assert not [t for t in taken if entry["upstream"].startswith(t + ".")]
            assert entry["upstream"] not in taken


def test_renames_can_be_expressed_in_a_schema_file() -> None:
    """Two names of ours must not become one, or a reader could not go back."""
    targets = [entry["upstream"] for entry in MAP["promote"] if entry["how"] == "rename"]
    assert len(targets) == len(set(targets))


def test_the_schema_url_is_that_of_the_schema_file_and_of_the_registry() -> None:
    schema: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    assert schema["schema_url"] == names.SCHEMA_URL == manifest(OWN)["schema_url"]
    assert schema["file_format"] == "1.1.0"
    assert next(iter(schema["versions"])) == names.SCHEMA_URL.rpartition("/")[2]
    assert set(schema) == {"file_format", "schema_url", "versions"}


def test_the_schema_url_is_not_one_of_opentelemetrys() -> None:
    assert names.SCHEMA_URL not in {schema.value for schema in Schemas}
