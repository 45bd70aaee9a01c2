"""The WebSocket transport of an rtcore server, on picows."""
