"""An aiobotocore client over aiohttp or httpx, whose requests end in this process."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import aiobotocore.session  # type: ignore[import-untyped]
from aiobotocore import _httpx
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]
from aiobotocore.httpsession import AIOHTTPSession  # type: ignore[import-untyped]
from aiobotocore.httpxsession import HttpxSession  # type: ignore[import-untyped]
from tests.support.wire import Wire

LIBRARIES = ("aiohttp", _httpx.httpx.__name__)
"""The HTTP libraries that it sends through: httpx is either of the two."""


@lru_cache(maxsize=1)
def _session() -> Any:
    """One for all clients: it reads the services' models once."""
    return aiobotocore.session.AioSession()


async def client(wire: Wire, attempts: int = 1, **options: Any) -> Any:
    """A client of Bedrock's runtime on a wire. It retries nothing unless told to."""
    over_httpx = wire.http.__name__ != "aiohttp"
    config = AioConfig(
        retries={"total_max_attempts": attempts, "mode": "standard"},
        http_session_cls=HttpxSession if over_httpx else AIOHTTPSession,
    )
    asked = {
        "service_name": "bedrock-runtime",
        "region_name": "us-east-1",
        "aws_access_key_id": "none",
        "aws_secret_access_key": "none",
        "config": config,
        **options,
    }
    made = await _session().create_client(**asked).__aenter__()
    http = made._endpoint.http_session
    if over_httpx:
        http._session = wire.aclient()
    else:
        http._sessions = {None: wire.aclient()}
    return made
