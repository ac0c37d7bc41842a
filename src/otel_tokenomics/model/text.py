"""Text from outside that becomes a label: bounded, printable, encodable."""

from __future__ import annotations

LONGEST_LABEL = 256


def clean(value: object) -> str | None:
    """`value` as a label, or `None` if it is not a non-empty string.

    One lone surrogate in one label would fail the export of a whole batch; a newline would
    forge a line in a text exposition. What cannot be printed becomes U+FFFD.
    """
    if not isinstance(value, str) or not value:
        return None
    if len(value) > LONGEST_LABEL:
        value = value[:LONGEST_LABEL]
    if value.isprintable():
        return value
    return "".join(character if character.isprintable() else "�" for character in value)
