"""Deflate compression for an rtcore server, on the standard library."""
