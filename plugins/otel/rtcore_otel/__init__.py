"""Traces and metrics of an rtcore server through the OpenTelemetry SDK."""
