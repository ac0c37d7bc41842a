"""One small file per client library: its routes, its usage, its streams. None imports that library."""
