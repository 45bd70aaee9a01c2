"""Every code that crosses the wire: what it means, whose fault it is, and what a client does next.

Rule: the *range* of a close code decides what a client does, so that a client which does not know
a code still does the right thing. Ranges lie in RFC 6455's private space (section 7.4.2):

    4000-4099   resume      the connection is gone, the session is not: attach again, soon
    4100-4199   afresh      the session is gone: say hello without one
    4200-4299   stop        do not come back by yourself: a person or a program must change something

A refusal inside a session (an `error` message) uses the same names with no number.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Next(Enum):
    """What a client does after a close."""

    RESUME = "resume"
    AFRESH = "afresh"
    STOP = "stop"


class Fault(Enum):
    """Whose fault an error is: ours (`LOCAL`, the server's) or the peer's (`REMOTE`)."""

    LOCAL = "local"
    REMOTE = "remote"


class Code(NamedTuple):
    """One row of the table: stable name, close number (0: never closes), fault, retry, meaning."""

    name: str
    number: int
    fault: Fault
    retry: bool
    meaning: str

    @property
    def next(self) -> Next:
        """What a client does when a connection closes with this code; by range, see the module."""
        return after_close(self.number)


def after_close(number: int) -> Next:
    """Say what a close number means for a client, also for numbers that no table knows.

    >>> after_close(4207)
    <Next.STOP: 'stop'>
    >>> after_close(1006)
    <Next.RESUME: 'resume'>
    """
    if 4100 <= number < 4200:
        return Next.AFRESH
    if 4200 <= number < 4300:
        return Next.STOP
    return Next.RESUME


def closes(code: str) -> bool:
    """Say whether a code's name can close a connection: it has a number.

    >>> closes("kicked"), closes("rate_limited"), closes("app:own")
    (True, False, False)
    """
    return code in CODES and CODES[code].number > 0


_L, _R = Fault.LOCAL, Fault.REMOTE

CODES: dict[str, Code] = {
    row.name: row
    for row in (
        # -- resume ------------------------------------------------------------------------------
        Code("going_away", 4000, _L, True, "the server is draining; attach again, elsewhere if you can"),
        Code("ping_timeout", 4001, _R, True, "nothing was heard within heartbeat_interval + ping_timeout"),
        Code("slow_consumer", 4002, _R, True, "the client did not read; its connection was given up"),
        Code("server_full", 4003, _L, True, "max_connections is reached; try again after retry_after"),
        Code("too_many_greetings", 4004, _L, True, "too many connections wait to say hello; try again"),
        Code("hello_timeout", 4005, _R, True, "no hello came within hello_timeout"),
        Code("internal", 4006, _L, True, "the server failed; the session may still be resumed"),
        Code("too_many_attaches", 4007, _R, True, "this address or identity attaches too often"),
        Code("stale_attach", 4008, _R, True, "a hello with an older attach number than the session's"),
        Code("stale_poll", 4009, _R, True, "a newer poll has ended this one"),
        Code("credentials_expired", 4010, _R, True, "the credentials ran out; attach again with fresh ones"),
        Code(
            "bad_part",
            4011,
            _R,
            True,
            "a part that does not continue what is held; attach again, and go on there",
        ),
        # -- afresh ------------------------------------------------------------------------------
        Code("session_expired", 4100, _R, True, "the session was away longer than session_ttl"),
        Code("unknown_session", 4101, _R, True, "no such session here, or its secret does not fit"),
        Code("malformed_frame", 4102, _R, False, "a frame cannot be cut into items, so counts are lost"),
        Code(
            "evicted", 4104, _L, True, "the session was removed to keep detached sessions within their caps"
        ),
        Code("session_closed", 4103, _L, True, "the server ended the session"),
        # -- stop --------------------------------------------------------------------------------
        Code("superseded", 4200, _R, False, "another connection has taken this session"),
        Code("unauthenticated", 4201, _R, False, "credentials are missing or wrong"),
        Code("forbidden", 4202, _R, False, "the identity is known and may not do this"),
        Code("kicked", 4203, _L, False, "the application disconnected this session"),
        Code("unsupported_version", 4204, _R, False, "the protocol version is not spoken here"),
        Code("bad_hello", 4205, _R, False, "the first frame is not a well-formed hello"),
        Code("unsupported_codec", 4206, _R, False, "no codec in common"),
        Code("origin_refused", 4207, _R, False, "the page's origin is not on the allow-list"),
        Code("message_too_big", 4208, _R, False, "a frame is larger than max_message_size"),
        Code("bye", 4209, _R, False, "the client said goodbye"),
        Code("host_refused", 4210, _R, False, "the request calls the server by a name that is not its own"),
        # -- inside a session: answered by an `error`, never a close --------------------------------
        Code("undecodable", 0, _R, False, "a message could not be decoded; it was counted"),
        Code("bad_message", 0, _R, False, "a message lacks a type, or a field has the wrong type"),
        Code(
            "bad_payload", 0, _R, False, "the payload is not what the handler expects; `path` names the field"
        ),
        Code("unknown_type", 0, _R, False, "no handler for this message type"),
        Code("bad_control", 0, _R, False, "a control item is unknown or its fields are wrong"),
        Code("rate_limited", 0, _R, True, "too many messages; try again after retry_after"),
        Code(
            "unencodable", 0, _L, False, "this stood for a message that the connection's codec cannot express"
        ),
        Code("handler_failed", 0, _L, False, "the handler raised; the server's log says why"),
        Code("too_many_requests", 0, _R, True, "too many handlers of this session are running"),
        Code("cancelled", 0, _R, False, "the request was cancelled"),
        Code("timeout", 0, _L, True, "no answer within the time given"),
        Code("malformed_request", 0, _R, False, "an HTTP request that cannot be parsed"),
        Code("not_a_member", 0, _R, False, "the session is not in this room"),
        Code("room_full", 0, _R, True, "the room has members_limit members"),
        Code("too_many_rooms", 0, _R, False, "the session is in rooms_per_session rooms"),
        Code("bad_room", 0, _R, False, "the room's name is empty, too long or has control characters"),
        Code("no_rooms", 0, _L, False, "no rooms plugin is installed"),
        Code("gap", 0, _R, True, "a POST's `from` is ahead of what the server has received"),
        Code(
            "unknown_outcome", 0, _L, False, "sent, not confirmed, and the session is gone: it may have run"
        ),
        Code(
            "blocked",
            0,
            _R,
            False,
            "something between client and server refuses this message, again and again",
        ),
        Code("queue_full", 0, _L, True, "the client's own offline queue is full"),
        Code("not_connected", 0, _L, True, "the client is closed or was never connected"),
    )
}

#: Why `welcome` says `resumed: false`.
RESUME_REASONS: dict[str, str] = {
    "expired": "the session was away longer than session_ttl",
    "evicted": "the session was removed to keep detached sessions within their caps",
    "unknown": "the server never knew this session, or the secret does not fit",
    "identity_changed": "the credentials are somebody else's",
    "overflow": "the window dropped messages that were not confirmed; `from` says where the rest begins",
    "node_lost": "the session lived on a node that is gone",
    "reset": "the client asked for it: `received: null`",
}

#: Why a message was dropped; the keys of the drop counters.
DROP_REASONS: dict[str, str] = {
    "window_overflow": "the resume window was full; its oldest message went",
    "buffer_full": "a detached or slow session's lanes were full",
    "expired_session": "the session ended with messages waiting",
    "fenced": "came from a connection that the session has left",
    "duplicate": "a POST repeated messages that were counted before",
    "rejected": "refused by a stage of the inbound chain; answered with an error",
    "undecodable": "counted, not decoded; answered with an error",
    "unencodable": "the payload holds something that the receiver's codec cannot express",
    "message_too_big": "larger than its client takes (`parts` in its hello)",
    "conflated": "replaced by a newer message with the same key",
    "merged": "joined with its neighbour",
    "history": "a member fell behind what its room's history still has",
    "left": "waited for a member that has left the room",
    "reset": "answered a message of a count that began again, as after a reload: nobody waits for it",
    "dropped_new": "the policy of its class refuses the newest",
}
