"""The version, in one place: the wheel's metadata and the instrumentation scope read it from here."""

__version__ = "0.1.0"
