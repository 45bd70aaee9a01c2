"""The in-process broker of an rtcore server."""
