"""The long-polling transport of an rtcore server."""
