"""By what the API key of a call is known: a digest of it, or the id that its vendor gives it. Never the key.

A key has far too many bits to be found from a digest by trying. Nothing here keeps one, asks for a new one or
waits for it: where a client library fetches its key only when it sends, there is none yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
_FIELDS = ("api_key", "auth_token")
_LENGTH = 16


def key_id(key: object) -> str | None:
    """`sha256:` and the first 64 bits of a key's digest, in hex; `None` where there is no key."""
    if isinstance(key, bytes):
        key = key.decode("latin-1")
    if not isinstance(key, str):
        return None
    import hashlib  # For rules that ask for a key; every process that starts would pay for it.

    bare = key.removeprefix("Bearer ").strip()
    # A client without a key of its own may hold a word for that, in brackets.
    if not bare or bare.startswith("<"):
        return None
    return "sha256:" + hashlib.sha256(bare.encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH]


def of_client(client: Any, options: Any) -> str | None:
    """The key of a Stainless client, or the one that a single request has instead."""
    for headers in (getattr(options, "headers", None), getattr(client, "_custom_headers", None)):
        if isinstance(headers, Mapping) and (key := _in(headers)) is not None:
            return key
    held = (getattr(client, name, None) for name in _FIELDS)
    return next((key for value in held if (key := key_id(value)) is not None), None)


def of_request(client: Any, request: Any) -> str | None:
    """The key that an HTTP request carries, or that its client adds to it."""
    sent = getattr(request, "sent", request)
    # What aiohttp sends is known by its arguments.
    own = sent[1].get("headers") if isinstance(sent, tuple) else sent.headers
    held = (_in(headers) for headers in (own, getattr(client, "headers", None)) if headers is not None)
    return next((key for key in held if key is not None), None)


def of_aws(client: Any) -> str | None:
    """The id of the access key that a botocore client signs with, which is no secret.

    Read where it lies: to ask for it may fetch a new one over the network.
    """
    credentials = getattr(getattr(client, "_request_signer", None), "_credentials", None)
    held = getattr(credentials, "__dict__", {})
    found = held.get("_access_key") or held.get("access_key")
    return found if isinstance(found, str) else None


def _in(headers: Any) -> str | None:
    pairs = headers.items() if hasattr(headers, "items") else headers
    lower = {name.lower(): value for name, value in pairs if isinstance(name, str)}
    found = (key_id(lower.get(name)) for name in _HEADERS)
    return next((key for key in found if key is not None), None)
