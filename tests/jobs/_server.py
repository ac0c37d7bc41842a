"""A websocket server on the loopback that plays what a provider sends, and waits for what it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any

from websockets.sync.server import ServerConnection, serve

Event = Mapping[str, Any]


class Provider:
    """One server. It sends `first` when a client connects, and after each message of the client the next of
    `answers`; `hang_up` says that it closes after the last."""

    def __init__(self, first: Iterable[Event], *answers: Iterable[Event], hang_up: bool = False) -> None:
        self.first = [json.dumps(event) for event in first]
        self.answers = [[json.dumps(event) for event in answer] for answer in answers]
        self.hang_up = hang_up
        self.paths: list[str] = []

    def play(self, connection: ServerConnection) -> None:
        """Talk with one client until it leaves."""
        assert connection.request is not None
        self.paths.append(connection.request.path)
        for message in self.first:
            connection.send(message)
        waiting = iter(self.answers)
        for _ in connection:
            for message in next(waiting, ()):
                connection.send(message)
            if self.hang_up:
                return connection.close(1011, "gone")
        return None


@contextmanager
def provider(*script: Iterable[Event], hang_up: bool = False) -> Iterator[tuple[Provider, str]]:
    """The server and the base URL of a client that talks to it."""
    played = Provider(*script, hang_up=hang_up)
    handler: Callable[[ServerConnection], None] = played.play
    with serve(handler, "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield played, f"http://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        server.shutdown()
        thread.join(10)
