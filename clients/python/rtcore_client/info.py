"""What a client says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import attrs

from rtcore_client.options import ConnectionType
from rtcore_client.quality import Quality

if TYPE_CHECKING:
    from rtcore_client.core import Core
    from rtcore_client.options import Options

State = Literal["idle", "connecting", "connected", "reconnecting", "suspended", "paused", "stopped", "closed"]


@attrs.frozen
class ConnectionInfo:
    """How things stood at one moment.

    Attributes:
        state: idle (never connected), connecting, connected, reconnecting, suspended (see `Suspended`), paused,
            stopped (the server said not to come back), closed.
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
        reason: why not, if there was one before (`rtcore.wire.codes.RESUME_REASONS`, or as in `NewSession`).
        counters: messages sent, confirmed, queued, dropped (they waited to be sent, and never will be), received,
            duplicates, missed, unread (consumers did not take them); and how often: attaches, reconnects. They begin
            with the first `connect`, and again with the one after `close`.
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
    reason: str | None
    counters: Mapping[str, int]


def info_of(
    core: Core, options: Options, subscriptions: tuple[str, ...], rooms: tuple[str, ...], unread: int
) -> ConnectionInfo:
    """Say how things stand."""
    session, connector, welcome = core.session, core.connector, core.session.welcome
    return ConnectionInfo(
        state=connector.state,
        connection_type=core.carrier.type,
        is_connected=session.link is not None,
        subscriptions=subscriptions,
        rooms=rooms,
        quality=core.detector.get_connection_quality(),
        latency=core.detector.latency,
        session_id=session.line.session,
        client_id=options.client_id,
        node=welcome.node if welcome is not None else None,
        codec=welcome.codec if welcome is not None else options.codec,
        compression=welcome.compress if welcome is not None else None,
        resumed=welcome is not None and welcome.resumed,
        reason=session.reason,
        counters={
            "sent": session.outbox.sent,
            "confirmed": session.outbox.confirmed,
            "queued": len(session.outbox.queue),
            "dropped": session.outbox.dropped,
            "received": session.received,
            "duplicates": session.duplicates,
            "missed": session.missed,
            "unread": unread,
            "attaches": core.carrier.attaches,
            "reconnects": connector.reconnects,
        },
    )
