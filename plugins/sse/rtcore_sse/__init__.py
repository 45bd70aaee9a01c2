"""The Server-Sent Events transport of an rtcore server."""
