"""The Python client of rtcore servers: `RealtimeClient` and what belongs to it."""

from __future__ import annotations

from rtcore.wire.message import Message, Priority
from rtcore_client.builder import RealtimeBuilder
from rtcore_client.client import RealtimeClient
from rtcore_client.errors import (
    CallbackError,
    NetworkError,
    NotConnected,
    QueueFull,
    RealtimeError,
    Refused,
    RequestError,
    Stalled,
    Suspended,
    Timeout,
    UnknownOutcome,
    WrongLoop,
)
from rtcore_client.events import Gap, NewSession
from rtcore_client.info import ConnectionInfo
from rtcore_client.messages import MessageStream
from rtcore_client.options import Authentication, ConnectionType, Limits, Timing
from rtcore_client.presets import REALTIME_PRESETS
from rtcore_client.quality import ConnectionQualityDetector, Quality
from rtcore_client.queue import PriorityMessageQueue

__all__ = [
    "REALTIME_PRESETS",
    "Authentication",
    "CallbackError",
    "ConnectionInfo",
    "ConnectionQualityDetector",
    "ConnectionType",
    "Gap",
    "Limits",
    "Message",
    "MessageStream",
    "NetworkError",
    "NewSession",
    "NotConnected",
    "Priority",
    "PriorityMessageQueue",
    "Quality",
    "QueueFull",
    "RealtimeBuilder",
    "RealtimeClient",
    "RealtimeError",
    "Refused",
    "RequestError",
    "Stalled",
    "Suspended",
    "Timeout",
    "Timing",
    "UnknownOutcome",
    "WrongLoop",
]
