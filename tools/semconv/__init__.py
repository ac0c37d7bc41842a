"""The convention's registry: reading it, checking it, and making code and documentation of it."""
