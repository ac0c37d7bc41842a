"""Records told to OpenTelemetry: spans, metrics, events. Names come from the convention."""
