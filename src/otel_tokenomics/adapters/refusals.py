"""A refusal as the client library's own error, where `raise_as = "client"`: it is both.

    except openai.RateLimitError as refused:       # the handler that is there already
        ...

No library is imported: whoever makes a call has imported its own. What looks like a response was sent by
nobody; it says 429, or what the library's own retries, where those are around us, let pass.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from otel_tokenomics.budgets.errors import BudgetExceededError, Refusal

CODE = "budget_exceeded"
"""What such an error says where a vendor puts its own code."""
_TOO_MANY = 429
_PAY = 402
"""Google's library retries what is 429, and is around us; it passes this on."""
_STAINLESS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "groq": "groq",
    "together": "together",
    "cerebras": "cerebras.cloud.sdk",
    "fireworks": "fireworks",
    "writer": "writerai",
}


class Made(NamedTuple):
    """The library's class, and what it is made with."""

    kind: Any
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}


def as_client(error: BudgetExceededError, flavor: str, client: Any, request: Any) -> BudgetExceededError:
    """The error as the client library `flavor` would raise it too; itself where nobody knows how."""
    both = made(error.refusal, flavor, client, request)
    return error if type(both) is BudgetExceededError else both


def made(refusal: Refusal, flavor: str, client: Any = None, request: Any = None) -> BudgetExceededError:
    """A refusal's error, of the library's kind if that has been imported. Also what unpickling calls."""
    plain = BudgetExceededError(refusal)
    recipe = _RECIPES.get(flavor)
    told = None if recipe is None else recipe(str(plain), refusal, client, request)
    if told is None:
        return plain
    both = _both(told.kind)
    error = both.__new__(both, str(plain))
    told.kind.__init__(error, *told.args, **told.kwargs)
    BudgetExceededError.__init__(error, refusal)
    vars(error)["flavor"] = flavor
    return error


@lru_cache(maxsize=128)
def _both(kind: Any) -> type[BudgetExceededError]:
    """A class that is ours and the library's, called as ours: telemetry and logs say the same either way."""
    ours = BudgetExceededError
    body = {
        "__module__": ours.__module__,
        "__doc__": ours.__doc__,
        "__str__": Exception.__str__,
        "__reduce__": lambda error: (made, (error.refusal, error.flavor)),
        "__reduce_ex__": lambda error, protocol: error.__reduce__(),
    }
    return type(ours.__name__, (ours, kind), body)


def _stainless(package: str) -> Callable[[str, Refusal, Any, Any], Made | None]:
    def recipe(text: str, refusal: Refusal, client: Any, request: Any) -> Made | None:
        kind = _class(package, "RateLimitError")
        if kind is None:
            return None
        address = str(getattr(client, "base_url", None) or "http://localhost/")
        response = _response(kind, text, refusal, None, address)
        return Made(kind, (text,), {"response": response, "body": _body(text)})

    return recipe


def _mistral(text: str, refusal: Refusal, client: Any, request: Any) -> Made | None:
    kind = _class("mistralai.client.errors", "SDKError") or _class("mistralai.models", "SDKError")
    return None if kind is None else Made(kind, (text, _response(kind, text, refusal, request)))


def _huggingface(text: str, refusal: Refusal, client: Any, request: Any) -> Made | None:
    kind = _class("huggingface_hub.errors", "HfHubHTTPError")
    if kind is None:
        return None
    return Made(kind, (text,), {"response": _response(kind, text, refusal, request), "server_message": text})


def _google(text: str, refusal: Refusal, client: Any, request: Any) -> Made | None:
    kind = _class("google.genai.errors", "ClientError")
    told = {"error": {"code": _PAY, "status": "RESOURCE_EXHAUSTED", "message": text}}
    return None if kind is None else Made(kind, (_PAY, told))


def _cohere(text: str, refusal: Refusal, client: Any, request: Any) -> Made | None:
    kind = _class("cohere.errors", "TooManyRequestsError")
    return None if kind is None else Made(kind, (), {"body": _body(text)})


def _ollama(text: str, refusal: Refusal, client: Any, request: Any) -> Made | None:
    kind = _class("ollama", "ResponseError")
    return None if kind is None else Made(kind, (text, _TOO_MANY))


def _botocore(text: str, refusal: Refusal, client: Any, request: Any) -> Made | None:
    base = _class("botocore.exceptions", "ClientError")
    kind = getattr(getattr(client, "exceptions", None), "ThrottlingException", base)
    told = {
        "Error": {"Code": "ThrottlingException", "Message": text},
        "ResponseMetadata": {"HTTPStatusCode": _TOO_MANY, "HTTPHeaders": {}, "RetryAttempts": 0},
    }
    return None if kind is None else Made(kind, (told, getattr(request, "operation", None) or "Converse"))


def _watsonx(text: str, refusal: Refusal, client: Any, request: Any) -> Made | None:
    kind, http = _class("ibm_watsonx_ai.wml_client_error", "ApiRequestFailure"), _class("httpx", "Response")
    if kind is None or http is None:
        return None
    return Made(kind, (text, _response(http, text, refusal, request)))


def _xai(text: str, refusal: Refusal, client: Any, request: Any) -> Made | None:
    kind, grpc = _class("grpc.aio", "AioRpcError"), sys.modules.get("grpc")
    if kind is None or grpc is None:
        return None
    # The synchronous client's errors are of classes that nobody else may make; both are `grpc.RpcError`.
    nothing = grpc.aio.Metadata()
    return Made(kind, (grpc.StatusCode.RESOURCE_EXHAUSTED, nothing, nothing), {"details": text})


def _gapic(text: str, refusal: Refusal, client: Any, request: Any) -> Made | None:
    kind = _class("google.api_core.exceptions", "ResourceExhausted")
    return None if kind is None else Made(kind, (text,))


_RECIPES: Mapping[str, Callable[[str, Refusal, Any, Any], Made | None]] = {
    **{flavor: _stainless(package) for flavor, package in _STAINLESS.items()},
    "mistralai": _mistral,
    "huggingface": _huggingface,
    "google_genai": _google,
    "google_cloud_aiplatform": _gapic,
    "cohere": _cohere,
    "ollama": _ollama,
    "botocore": _botocore,
    "aiobotocore": _botocore,
    "ibm_watsonx_ai": _watsonx,
    "xai": _xai,
}


def _class(module: str, name: str) -> type[Any] | None:
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None


def _response(kind: type[Any], text: str, refusal: Refusal, request: Any, address: str = "") -> Any:
    """A response of the HTTP library that the error's class is written for, which nobody sent."""
    known: Mapping[str, Any] = getattr(kind.__init__, "__globals__", {})
    http = known.get("httpx") or known.get("httpx2") or _home(known["Response"])
    headers = {"content-type": "application/json", "x-should-retry": "false"}
    if refusal.resets_at is not None:
        headers["retry-after"] = str(max(1, refusal.resets_at - int(time.time())))
    if not isinstance(request, http.Request):
        url = getattr(request, "url", None)
        address = url if isinstance(url, str) else address or "http://localhost/"
        request = http.Request("POST", address)
    content = json.dumps({"error": _body(text)}).encode()
    return http.Response(_TOO_MANY, headers=headers, content=content, request=request)


def _home(kind: type) -> Any:
    return sys.modules[kind.__module__.partition(".")[0]]


def _body(text: str) -> dict[str, Any]:
    return {"message": text, "type": CODE, "code": CODE, "param": None}
