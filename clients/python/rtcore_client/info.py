"""What a client says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from rtcore_client.options import ConnectionType
from rtcore_client.quality import Quality

State = Literal["idle", "connecting", "connected", "reconnecting", "suspended", "stopped", "closed"]


@attrs.frozen
class ConnectionInfo:
    """How things stood at one moment.

    Attributes:
        state: idle (never connected), connecting, connected, reconnecting, suspended (see `Suspended`), stopped (the
            server said not to come back), closed.
        connection_type: the transport that carries the session, or carried it last.
        is_connected: messages flow.
        subscriptions: the patterns that somebody subscribes to.
        rooms: the rooms that the client is in.
        quality: of the connection, as heartbeats see it.
        latency: median round trip, in seconds.
        session_id: names the session; not a secret.
        client_id: the client's own name for itself.
        node: the server that carries the session.
        codec: what is spoken.
        compression: the compressor that was agreed on.
        resumed: at the last welcome the session went on with nothing missing.
        counters: messages sent, confirmed, queued, dropped (they waited to be sent, and never will be), received,
            duplicates, missed; and how often: attaches, reconnects.
    """

    state: State
    connection_type: ConnectionType | None
    is_connected: bool
    subscriptions: tuple[str, ...]
    rooms: tuple[str, ...]
    quality: Quality
    latency: float | None
    session_id: str | None
    client_id: str | None
    node: str | None
    codec: str
    compression: str | None
    resumed: bool
    counters: Mapping[str, int]
