"""What a gRPC client is asked to do and what it answers: the words of the seam in stubs and its adapters.

Messages are protobuf's, of any generation, and are read by name: nothing of it is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Peer(NamedTuple):
    """Whom a channel goes to, and by what its API key is known."""

    host: str | None = None
    port: int | None = None
    key: str | None = None


class Rpc(NamedTuple):
    """A call of one of a service's methods, such as `Chat/GetCompletion`."""

    method: str
    message: Any
    peer: Peer = Peer()


@dataclass(slots=True)
class Answer:
    """A message that came back, of a stream the first. HTTP's status is 200 wherever gRPC's is OK."""

    message: Any
    status_code: int = 200


def peer_of(target: object, key: str | None = None) -> Peer:
    """The peer behind a channel's target, `host` or `host:port`; of any other kind only the key is known."""
    if not isinstance(target, str) or "/" in target or target.count(":") > 1:
        return Peer(key=key)
    host, _, port = target.partition(":")
    return Peer(host or None, int(port) if port.isdecimal() else 443, key)


def plain(value: Any) -> Any:
    """What is set in a message, as an object of JSON; of one of several kinds `type` says which it is."""
    if hasattr(value, "ListFields"):
        return {**_kind(value), **{field.name: plain(held) for field, held in value.ListFields()}}
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    unreadable = isinstance(value, bytes) or not isinstance(value, Iterable)
    return None if unreadable else [plain(held) for held in value]


def _kind(message: Any) -> dict[str, str]:
    for choice in message.DESCRIPTOR.oneofs:
        # An optional field is a choice too, of one, whose name begins so.
        if not choice.name.startswith("_") and (chosen := message.WhichOneof(choice.name)) is not None:
            return {"type": chosen}
    return {}


def has(message: Any, field: str) -> bool:
    """Whether a field is set, that this version of the message knows."""
    return knows(message, field) and bool(message.HasField(field))


def knows(message: Any, field: str) -> bool:
    """Whether this version of the message has a field."""
    return field in message.DESCRIPTOR.fields_by_name


def enum_names(message: Any, field: str) -> list[str]:
    """The names of an enumeration's values in a field, one or many; numbers without a name are left out."""
    if not knows(message, field):
        return []
    values = getattr(message, field)
    known = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    numbers = [values] if isinstance(values, int) else values
    return [known[number].name for number in numbers if number in known]
