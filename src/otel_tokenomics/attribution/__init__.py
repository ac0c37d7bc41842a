"""Who pays: what the application says in code, in context."""
