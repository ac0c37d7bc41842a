"""A price file: its error, and the intervals and fractions that its terms are made of."""

from __future__ import annotations

from math import gcd

from otel_tokenomics.model.tables import FileError, Span


class PriceFileError(FileError):
    """A price file that cannot be: the message says where, what is wrong, and what would be right."""

    kind = "price file"


def overlap(one: Span, other: Span) -> bool:
    """Whether two intervals have an instant in common."""
    return (one[1] is None or other[0] < one[1]) and (other[1] is None or one[0] < other[1])


def holds(span: Span, at_ns: int) -> bool:
    """Whether an instant is in an interval."""
    return span[0] <= at_ns and (span[1] is None or at_ns < span[1])


def fraction(numerator: int, denominator: int) -> tuple[int, int]:
    """A fraction in its lowest terms."""
    common = gcd(numerator, denominator)
    return numerator // common, denominator // common
