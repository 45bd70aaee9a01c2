"""Brotli compression for an rtcore server."""
