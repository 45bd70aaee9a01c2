"""The JSON codec of an rtcore server, on msgspec."""
