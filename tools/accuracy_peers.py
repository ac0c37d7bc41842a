"""What other tools make of a usage: cases as JSON on stdin, their amounts as JSON on stdout.

Run by `tools/accuracy.py` with a Python that has the tools installed. It stands alone and opens no
connection: the tools answer from the data that they carry. Each is told all that it can be told.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import importlib.metadata
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

Case = Mapping[str, Any]
Peer = Callable[[Case], Decimal | None]
"""An amount in USD; `None` when the tool cannot be told any part of the usage. Raises as the tool does."""

_GENAI_BUCKETS = {
    "input.audio": "input_audio_tokens",
    "input.image": "input_image_tokens",
    "input.video": "input_video_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write.5m": "cache_write_5m_tokens",
    "cache_write.1h": "cache_write_1h_tokens",
    "output.audio": "output_audio_tokens",
    "output.image": "output_image_tokens",
    "reasoning": "output_reasoning_tokens",
    "tool.web_search": "web_searches",
    "tool.social_search": "social_searches",
    "tool.file_search": "storage_searches",
    "characters": "input_characters",
}
_LITELLM_PROVIDERS = {
    "google": "gemini",
    "aws": "bedrock",
    "x-ai": "xai",
    "mistral": "mistral",
    "together": "together_ai",
    "fireworks": "fireworks_ai",
}


_AZURE_KINDS = {"global": "global", "data_zone": "us", "regional": "eu"}


def sums(buckets: Mapping[str, int]) -> tuple[int, int, int, int]:
    """Input in all, cache reads, cache writes, output in all."""
    found = {"input": 0, "cache_read": 0, "cache_write": 0, "output": 0, "reasoning": 0}
    for bucket, quantity in buckets.items():
        component = bucket.partition(".")[0]
        if component in found and bucket != "audio.ms":
            found[component] += quantity
    total = found["input"] + found["cache_read"] + found["cache_write"]
    return total, found["cache_read"], found["cache_write"], found["output"] + found["reasoning"]


def bare(case: Case) -> str:
    """The model; one of Azure without our mark of how it is sold."""
    model: str = case["model"]
    kind, _, rest = model.partition(".")
    return rest if case["catalogued"] == "azure" and kind in _AZURE_KINDS else model


def genai_prices() -> Peer:
    """genai-prices, told of time, tier and every unit that it has."""
    library = importlib.import_module("genai_prices")

    def price(case: Case) -> Decimal | None:
        buckets, served = case["buckets"], case["served"]
        total, _, written, output = sums(buckets)
        units = {name: buckets[bucket] for bucket, name in _GENAI_BUCKETS.items() if bucket in buckets}
        if "audio.ms" in buckets:
            units["audio_seconds"] = Decimal(buckets["audio.ms"]) / 1000
        if written:
            units["cache_write_tokens"] = written
        if total:
            units["input_tokens"] = total
        if output:
            units["output_tokens"] = output
        if not any(units.values()):
            return None
        context: dict[str, str] = {}
        if tier := served.get("service_tier"):
            context = {"processing": "batch"} if tier == "batch" else {"service_tier": tier}
        if speed := served.get("speed"):
            context["speed"] = speed
        at = dt.datetime.fromisoformat(case["at"]).replace(tzinfo=dt.UTC)
        found = library.calc_price(
            library.Usage(**units),
            bare(case),
            provider_id=case["catalogued"],
            genai_request_timestamp=at,
            price_context=context or None,
        )
        return Decimal(found.total_price)

    return price


def litellm() -> Peer:
    """litellm, told of tier, cache writes by time to live, modalities, searches, geography and speed."""
    calculator = importlib.import_module("litellm.cost_calculator")
    types = importlib.import_module("litellm.types.utils")
    library = importlib.import_module("litellm")
    tracking = "litellm.litellm_core_utils.llm_cost_calc.tool_call_cost_tracking"
    tools = importlib.import_module(tracking).StandardBuiltInToolCostTracking

    def price(case: Case) -> Decimal | None:
        buckets, served = case["buckets"], case["served"]
        total, read, written, output = sums(buckets)
        searches = buckets.get("tool.web_search", 0)
        provider = str(_LITELLM_PROVIDERS.get(case["catalogued"], case["catalogued"]))
        if case["provider"] == "gcp.vertex_ai":
            provider = "vertex_ai"
        if "audio.ms" in buckets or "characters" in buckets:
            return _litellm_sound(calculator, case["model"], provider, buckets)
        if not (total or output or searches):
            return None
        details = {"cached_tokens": read, "audio_tokens": buckets.get("input.audio", 0)}
        details |= {"image_tokens": buckets.get("input.image", 0), "cache_creation_tokens": written}
        if hour := buckets.get("cache_write.1h", 0):
            split = {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour}
            details["cache_creation_token_details"] = split
        usage = types.Usage(
            prompt_tokens=total,
            completion_tokens=output,
            total_tokens=total + output,
            prompt_tokens_details=types.PromptTokensDetailsWrapper(**details),
            completion_tokens_details={
                "reasoning_tokens": buckets.get("reasoning", 0),
                "audio_tokens": buckets.get("output.audio", 0),
                "image_tokens": buckets.get("output.image", 0),
            },
            cache_read_input_tokens=read,
            cache_creation_input_tokens=written,
            server_tool_use=types.ServerToolUse(web_search_requests=searches) if searches else None,
            **{name: served[name] for name in ("inference_geo", "speed") if name in served},
        )
        model = _litellm_model(case, library.model_cost)
        if served.get("service_tier") == "batch":
            parts = calculator.batch_cost_calculator(usage, model, provider)
        else:
            parts = calculator.cost_per_token(
                model=model,
                custom_llm_provider=provider,
                usage_object=usage,
                prompt_tokens=total,
                completion_tokens=output,
                cache_read_input_tokens=read,
                cache_creation_input_tokens=written,
                service_tier=served.get("service_tier"),
                data_residency=case["region"] if provider == "openai" else None,
                vertex_location=case["region"] if provider == "vertex_ai" else None,
            )
        searched = tools.get_cost_for_built_in_tools(model, None, usage, provider) if searches else 0
        return Decimal(str(sum(parts))) + Decimal(str(searched))

    return price


def _litellm_sound(calculator: Any, model: str, provider: str, buckets: Mapping[str, int]) -> Decimal:
    """Sound by the second, and speech by the character."""
    parts = calculator.cost_per_token(
        model=model,
        custom_llm_provider=provider,
        call_type="transcription" if "audio.ms" in buckets else "speech",
        audio_transcription_file_duration=buckets.get("audio.ms", 0) / 1000,
        prompt_characters=buckets.get("characters"),
    )
    return Decimal(str(sum(parts)))


def _litellm_model(case: Case, known: Mapping[str, Any]) -> str:
    """litellm lists Azure's kinds of deployment by a path, where it has them."""
    kind = case["model"].partition(".")[0]
    path = f"{_AZURE_KINDS.get(kind)}/{bare(case)}"
    return path if f"azure/{path}" in known else bare(case)


def tokencost() -> Peer:
    """tokencost, told of input, of cached input where it has a price for it, and of output."""
    library = importlib.import_module("tokencost")

    def price(case: Case) -> Decimal | None:
        total, read, _, output = sums(case["buckets"])
        model = bare(case)
        if not (total or output):
            return None
        by_tokens = library.calculate_cost_by_tokens
        amount = Decimal(by_tokens(total - read, model, "input")) if total - read else Decimal(0)
        if read:
            try:
                amount += by_tokens(read, model, "cached")
            except KeyError:
                amount += by_tokens(read, model, "input")
        return amount + (by_tokens(output, model, "output") if output else 0)

    return price


def openlit(table: Mapping[str, Any]) -> Peer:
    """openlit's table under the rule of its `get_chat_model_cost`: an unknown model costs 0."""
    chat, embeddings = table["chat"], table["embeddings"]

    def price(case: Case) -> Decimal | None:
        total, read, written, output = sums(case["buckets"])
        if not (total or output):
            return None
        model = bare(case)
        if model in embeddings:
            return Decimal(str(embeddings[model])) * total / 1000
        rates = chat.get(model) or chat.get(model.partition("/")[2])
        if rates is None:
            return Decimal(0)
        amount, fresh = Decimal(0), total
        for tokens, name in ((read, "cacheReadPrice"), (written, "cacheCreationPrice")):
            if name in rates:
                amount += Decimal(str(rates[name])) * tokens
                fresh -= tokens
        amount += Decimal(str(rates["promptPrice"])) * fresh + Decimal(str(rates["completionPrice"])) * output
        return amount / 1000

    return price


def answer(peer: Peer, case: Case) -> dict[str, str | None]:
    """The amount, or the class of what the tool raised."""
    try:
        amount = peer(case)
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        return {"amount": None, "error": type(error).__name__}
    return {"amount": None if amount is None else f"{amount:f}", "error": None}


def offline() -> None:
    """Refuse every connection, so that only the data which the tools carry can answer."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("offline")

    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo"):
        setattr(socket, name, refuse)


def main() -> None:
    """Answer the cases: `{"versions": {tool: version}, "answers": {tool: [answer, ...]}}`."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    offline()
    asked = json.load(sys.stdin)
    versions: dict[str, str] = {}
    answers: dict[str, list[dict[str, str | None]]] = {}
    with contextlib.redirect_stdout(sys.stderr):
        peers: dict[str, Callable[[], Peer]] = {
            "genai-prices": genai_prices,
            "litellm": litellm,
            "tokencost": tokencost,
        }
        for name, make in peers.items():
            versions[name] = importlib.metadata.version(name)
            peer = make()
            answers[name] = [answer(peer, case) for case in asked["cases"]]
        if file := asked.get("openlit"):
            path = Path(file)
            versions["openlit"] = "table of " + path.stem.removeprefix("openlit-pricing-")
            peer = openlit(json.loads(path.read_text("utf-8")))
            answers["openlit"] = [answer(peer, case) for case in asked["cases"]]
    json.dump({"versions": versions, "answers": answers}, sys.stdout)


if __name__ == "__main__":
    main()
