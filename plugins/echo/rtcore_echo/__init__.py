"""Answers a request with its own payload: the living template of a plugin."""
