"""Stores of accounts: in memory, in SQLite for one machine, in Redis for many."""
