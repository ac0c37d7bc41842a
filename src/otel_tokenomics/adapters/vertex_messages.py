"""Messages of proto-plus and of protobuf as objects, read by name: the client library brings them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def object_of(message: Any) -> dict[str, Any]:
    """What is set in a message of proto-plus's, under the names that its JSON has."""
    told: dict[str, Any] = plain(type(message).pb(message), camel=True)
    return told


def plain(held: Any, camel: bool) -> Any:
    """A message of protobuf's as an object; what is no text, number or message is left out."""
    if hasattr(held, "ListFields"):
        fields = held.ListFields()
        return {
            field.json_name if camel else field.name: _value(field, value, camel) for field, value in fields
        }
    if isinstance(held, Mapping):
        return {str(key): plain(value, camel) for key, value in held.items()}
    if isinstance(held, str | int | float):
        return held
    return None if isinstance(held, bytes) else [plain(value, camel) for value in held]


def _value(field: Any, value: Any, camel: bool) -> Any:
    """The value of a field; one of an enumeration by its name, which tells a modality or a tier."""
    known = {} if field.enum_type is None else field.enum_type.values_by_number
    return known[value].name if isinstance(value, int) and value in known else plain(value, camel)
