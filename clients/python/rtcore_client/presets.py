"""Presets: the usual set-ups, each a function of the URL. Any argument of `RealtimeClient` goes before the preset's."""

from __future__ import annotations

from typing import Any, Final

from rtcore_client.client import RealtimeClient
from rtcore_client.options import Limits, Timing


def chat(url: str, **options: Any) -> RealtimeClient:
    """People talk: quick to notice a loss, quick to come back, patient with what was typed meanwhile."""
    return RealtimeClient(
        url,
        **{
            "heartbeat_interval": 15.0,
            "reconnect_delay": 0.5,
            "max_reconnect_attempts": 10,
            **options,
        },
    )


def notifications(url: str, **options: Any) -> RealtimeClient:
    """Little comes, and only down: an event stream is enough, and it may take its time to come back."""
    return RealtimeClient(
        url,
        **{
            "connection_type": "sse",
            "fallback_types": ("polling",),
            "reconnect_delay": 5.0,
            "max_reconnect_attempts": 20,
            "timing": Timing(max_reconnect_delay=120.0),
            **options,
        },
    )


def dashboard(url: str, **options: Any) -> RealtimeClient:
    """Much comes, in bursts: compressed, and with room for a burst while the last one is drawn."""
    return RealtimeClient(
        url,
        **{
            "compression_threshold": 512,
            "limits": Limits(inbox=5000, subscriber=1000),
            **options,
        },
    )


def collaboration(url: str, **options: Any) -> RealtimeClient:
    """Many small changes go up: batched for a blink, so that they share frames."""
    return RealtimeClient(
        url,
        **{
            "enable_batching": True,
            "batch_size": 20,
            "batch_interval": 0.02,
            "heartbeat_interval": 15.0,
            "reconnect_delay": 0.5,
            **options,
        },
    )


def telemetry(url: str, **options: Any) -> RealtimeClient:
    """A device reports: large batches, CPU and wire spared, a long memory while it is offline."""
    return RealtimeClient(
        url,
        **{
            "enable_batching": True,
            "batch_size": 100,
            "batch_interval": 1.0,
            "limits": Limits(queue=10_000),
            "max_reconnect_attempts": 50,
            **options,
        },
    )


class REALTIME_PRESETS:  # noqa: N801 - the mission's name
    """The presets by the names that the mission gives them.

    >>> REALTIME_PRESETS.CHAT("http://localhost:8080/rt").get_connection_info().state
    'idle'
    """

    CHAT: Final = staticmethod(chat)
    NOTIFICATIONS: Final = staticmethod(notifications)
    DASHBOARD: Final = staticmethod(dashboard)
    COLLABORATION: Final = staticmethod(collaboration)
    TELEMETRY: Final = staticmethod(telemetry)
