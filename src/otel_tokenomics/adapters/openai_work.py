"""What an OpenAI response bills beside its own tokens: the tools that the server ran, audio by time, images.

https://platform.openai.com/docs/api-reference/responses/object: each call of a built-in tool is an item of
`output`, and `tool_usage` counts the tokens of images. Only the kinds of items and their ids are looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters.dialect import Told
from otel_tokenomics.model.call import Facts
from otel_tokenomics.model.text import clean

_CALLS = {
    "web_search_call": "tool.web_search",
    "file_search_call": "tool.file_search",
    "x_search_call": "tool.social_search",
}
_SIZE = re.compile(r"^(\d{2,5})x(\d{2,5})$")
_SIZES = frozenset({"1g", "4g", "16g", "64g"})


def milliseconds(seconds: Any) -> int | None:
    """A time in seconds as whole milliseconds, `None` if it is none."""
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds < 1e9:
        return round(seconds * 1000)
    return None


def unit_of_images(asked: Any) -> str:
    """Quality and size of the images that a request asks for, as a bucket's detail: `.hd.1024x1792`.

    They set the price of an image where a response counts no tokens. Empty when the request leaves them open.
    """
    asked = asked if isinstance(asked, dict) else {}
    named = (asked.get("quality"), asked.get("size") or asked.get("resolution"))
    return "".join(f".{text}" for text in map(clean, named) if text is not None and text != "auto")


def count_work(told: Told, body: Mapping[str, Any], facts: Facts) -> None:
    """Quantities that are billed beside tokens, or where the response carries no usage object."""
    if facts.operation in ("transcription", "translation") and told.usage is None:
        if (length := milliseconds(body.get("duration"))) is not None:
            told.quantities["audio.ms"] = length
    elif facts.operation == "image_generation" and told.usage is None:
        images = body.get("data")
        if isinstance(images, list):
            told.quantities["images" + facts.unit] = len(images)
    elif facts.operation == "video_generation":
        _count_video(told, body)
    elif "responses" in facts.route:
        count_tools(told, body)


def _count_video(told: Told, video: Mapping[str, Any]) -> None:
    """The length of a finished video by its shorter side, `720p`: one that failed is not billed."""
    # It is no more than one that is still being made, and nothing is to be counted in its place.
    told.pending = told.pending or video.get("status") == "failed"
    seconds = video.get("seconds")
    length = int(seconds) if isinstance(seconds, str) and seconds.isdecimal() else seconds
    size = _SIZE.match(str(video.get("size")))
    if video.get("status") == "completed" and (time := milliseconds(length)) is not None:
        told.quantities[f"video.ms.{min(map(int, size.groups()))}p" if size else "video.ms"] = time


def count_tools(told: Told, response: Mapping[str, Any]) -> None:
    """The calls of the server's own tools in a finished response.

    How long a container ran is not told: it is counted, and the usage is then not all that was billed.
    """
    output = response.get("output")
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    if not items:
        return
    tools = list(_tools(response))
    found = Counter(_bucket(item, tools) for item in items if item.get("type") in _CALLS and _billed(item))
    if containers := {name for item in items if (name := _container(item))}:
        found[f"tool.container{_size(tools)}"] = len(containers)
        told.uncounted = True
    if any(item.get("type") == "image_generation_call" for item in items):
        told.uncounted |= not _count_images(told, response, tools)
    told.quantities.update(found)


def _tools(response: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The tools that the response says it was given."""
    tools = response.get("tools")
    yield from (tool for tool in tools if isinstance(tool, dict)) if isinstance(tools, list) else ()


def _bucket(item: Mapping[str, Any], tools: Iterable[Mapping[str, Any]]) -> str:
    """The preview of web search has prices of its own, and its calls look like those of its successor."""
    bucket = _CALLS[str(item.get("type"))]
    preview = any(str(tool.get("type")).startswith("web_search_preview") for tool in tools)
    return f"{bucket}_preview" if preview and bucket == "tool.web_search" else bucket


def _billed(item: Mapping[str, Any]) -> bool:
    """Of what a web search does only the search is billed; opening a page or finding in it is not."""
    action = item.get("action")
    return not isinstance(action, dict) or action.get("type", "search") == "search"


def _container(item: Mapping[str, Any]) -> str | None:
    """The container in which an item's code ran."""
    place = item.get("environment")
    place = place if isinstance(place, dict) else item
    ran = item.get("type") in ("code_interpreter_call", "shell_call")
    return clean(place.get("container_id")) if ran else None


def _size(tools: Iterable[Mapping[str, Any]]) -> str:
    """The memory of containers, as a suffix, where a tool names it."""
    for tool in tools:
        container = tool.get("container") or tool.get("environment")
        limit = container.get("memory_limit") if isinstance(container, dict) else None
        if limit in _SIZES:
            return f".{limit}"
    return ""


def _count_images(told: Told, response: Mapping[str, Any], tools: Iterable[Mapping[str, Any]]) -> bool:
    """Put the usage of images, which are another model's tokens; whether both it and the model are told."""
    usage = response.get("tool_usage")
    counted = usage.get("image_gen") if isinstance(usage, dict) else None
    models = (clean(tool.get("model")) for tool in tools if tool.get("type") == "image_generation")
    model = next(filter(None, models), None)
    if not isinstance(counted, dict) or not counted.get("total_tokens") or model is None:
        return False
    told.others[model] = counted
    return True
