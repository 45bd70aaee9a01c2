"""How bytes travel: one `Link` per transport. Adding one means a class here and a line in `LINKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from rtcore_client.options import ConnectionType
from rtcore_client.transports.base import Context, Link, LinkLost
from rtcore_client.transports.polling import PollingLink
from rtcore_client.transports.sse import SseLink
from rtcore_client.transports.websocket import WebSocketLink

LINKS: Final[Mapping[ConnectionType, Callable[[Context], Link]]] = {
    "websocket": WebSocketLink,
    "sse": SseLink,
    "polling": PollingLink,
}

__all__ = ["LINKS", "Context", "Link", "LinkLost"]
