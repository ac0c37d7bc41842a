"""The most that a model puts out in one response, from litellm's table of the date that the file names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from otel_tokenomics.model.call import Facts

_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8})(-v\d+:\d+)?$")


@lru_cache(maxsize=1)
def table() -> Mapping[str, int]:
    """Output tokens by model."""
    raw = files("otel_tokenomics.budgets").joinpath("data", "outputs.json").read_text("utf-8")
    outputs: Mapping[str, int] = json.loads(raw)["outputs"]
    return outputs


def most_output(facts: Facts) -> int | None:
    """The most output tokens of the model that is asked for, or `None` where the table does not know it."""
    return None if facts.request_model is None else _most(facts.request_model)


@lru_cache(maxsize=1024)
def _most(model: str) -> int | None:
    name = model.rpartition("/")[2].lower()
    return table().get(name) or table().get(_DATE.sub("", name))
