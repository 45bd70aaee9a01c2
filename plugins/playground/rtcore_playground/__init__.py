"""The demo page of an rtcore server."""
