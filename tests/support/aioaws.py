"""An aiobotocore client over aiohttp or httpx, whose requests end in this process."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any

import aiobotocore.session  # type: ignore[import-untyped]
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]
from tests.support import aws
from tests.support.wire import Wire


@lru_cache(maxsize=1)
def _session() -> Any:
    """One for all clients: it reads the services' models once."""
    return aiobotocore.session.AioSession()


async def client(wire: Wire, attempts: int = 1, **options: Any) -> Any:
    """A client of Bedrock's runtime on a wire. It retries nothing unless told to."""
    return await client_on(wire.aclient(), attempts, **options)


async def client_on(http: Any, attempts: int = 1, **options: Any) -> Any:
    """The same on a client of aiohttp or httpx."""
    over_httpx = hasattr(http, "build_request")
    kind: dict[str, Any] = {}
    if over_httpx:
        kind["http_session_cls"] = importlib.import_module("aiobotocore.httpxsession").HttpxSession
    config = AioConfig(retries={"total_max_attempts": attempts, "mode": "standard"}, **kind)
    # Nothing is connected to: without certificates to read there is nothing to wait for, either.
    asked = {**aws.PLACE, "config": config, "verify": False, **options}
    made = await _session().create_client(**asked).__aenter__()
    session = made._endpoint.http_session
    if hasattr(session, "_sessions"):
        session._sessions = {None: http}
    else:
        session._session = http
    return made


async def opened(library: str, **options: Any) -> tuple[Any, Any]:
    """A client of botocore or aiobotocore, and what plays its replies."""
    if library == "botocore":
        session = aws.Session()
        return aws.client(session, **options), session
    wire = Wire(library="aiohttp")
    return await client(wire, **options), wire
