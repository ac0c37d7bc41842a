"""The only place that knows everyone: settings, patching, instrumentors, assembly."""
