"""The kernel's own settings: the top-level keys of `rtcore.toml`.

Rule: every field has a default, a check and one line of help; docs/settings.md is made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs
from attrs import validators as v

from rtcore.wire.policy import Kind

_NAME = r"[a-z][a-z0-9_-]*"
_name = v.matches_re(_NAME)


def _help(text: str, unit: str = "") -> dict[str, Any]:
    return {"help": text, "unit": unit} if unit else {"help": text}


@attrs.frozen(kw_only=True)
class PolicySettings:
    """What happens to messages of one class while a client cannot take them.

    Attributes:
        policy: `drop_oldest`, `drop_new`, `disconnect`, `conflate` (the latest stands for all) or `merge`.
        key: for conflate and merge: which messages stand for each other: `sender`, or a path in the payload such as
            `cursor.user`. Unset: all of one type and room.
        merge: for merge: the payload's field whose text is joined; the other fields are the newer one's.
    """

    policy: Kind = "drop_oldest"
    key: str | None = None
    merge: str | None = None

    def __attrs_post_init__(self) -> None:
        if (self.policy == "merge") != (self.merge is not None):
            raise ValueError("policy = merge needs `merge`, the field whose text is joined, and only it does")


@attrs.frozen(kw_only=True)
class Options:
    """What the kernel can be told. Times are seconds, sizes are bytes."""

    # -- how many ------------------------------------------------------------------------------------------
    max_connections: int = attrs.field(
        default=1000,
        validator=v.ge(1),
        metadata=_help("Live sessions with a connection; further ones get `server_full`."),
    )
    max_greetings: int = attrs.field(
        default=1000, validator=v.ge(1), metadata=_help("Connections that have not said hello yet.")
    )
    max_detached: int = attrs.field(
        default=10_000,
        validator=v.ge(0),
        metadata=_help("Sessions that wait for their client to come back, in all."),
    )
    max_detached_per_identity: int = attrs.field(
        default=100, validator=v.ge(0), metadata=_help("The same, for one identity.")
    )
    max_detached_bytes: int = attrs.field(
        default=268_435_456,
        validator=v.ge(0),
        metadata=_help("Messages kept for them all together, each once; beyond it the oldest go.", "bytes"),
    )
    max_handlers_per_session: int = attrs.field(
        default=16,
        validator=v.ge(1),
        metadata=_help("Handlers that run at once for one session; as many may wait, others are held."),
    )

    # -- time ----------------------------------------------------------------------------------------------
    heartbeat_interval: float = attrs.field(
        default=30.0, validator=v.gt(0), metadata=_help("Silence after which the server pings.", "s")
    )
    ping_timeout: float = attrs.field(
        default=5.0,
        validator=v.gt(0),
        metadata=_help("Wait for a pong before the connection counts as lost.", "s"),
    )
    hello_timeout: float = attrs.field(
        default=10.0, validator=v.gt(0), metadata=_help("Wait for a new connection's hello.", "s")
    )
    away_grace: float = attrs.field(
        default=5.0,
        validator=v.and_(v.ge(0), v.le(3600)),
        metadata=_help(
            "For a page that was left to be back, as after a reload, before others see it gone.", "s"
        ),
    )
    session_ttl: float = attrs.field(
        default=120.0,
        validator=v.ge(0),
        metadata=_help("How long a session outlives its last connection.", "s"),
    )
    drain_time: float = attrs.field(
        default=10.0, validator=v.ge(0), metadata=_help("How long a stop waits for what is under way.", "s")
    )
    stop_grace: float = attrs.field(
        default=10.0,
        validator=v.ge(0),
        metadata=_help("How long a stop takes after the drain; what has not ended then is left behind.", "s"),
    )
    max_reconnect_attempts: int = attrs.field(
        default=5, validator=v.ge(0), metadata=_help("Advice to clients: attempts before they are suspended.")
    )
    reconnect_delay: float = attrs.field(
        default=1.0, validator=v.gt(0), metadata=_help("Advice to clients: where their backoff begins.", "s")
    )

    # -- messages --------------------------------------------------------------------------------------------
    max_message_size: int = attrs.field(
        default=1_048_576,
        validator=v.ge(1),
        metadata=_help("One message from a client, decompressed.", "bytes"),
    )
    message_buffer_size: int = attrs.field(
        default=100,
        validator=v.ge(1),
        metadata=_help("Messages kept for a resume, and messages that may wait in a session's lanes."),
    )
    message_buffer_bytes: int = attrs.field(
        default=4_194_304,
        validator=v.ge(1),
        metadata=_help("The same bound in bytes; the first one reached counts.", "bytes"),
    )
    max_backlog_bytes: int = attrs.field(
        default=268_435_456,
        validator=v.ge(1),
        metadata=_help("What may wait in the lanes of all sessions together.", "bytes"),
    )
    max_backlog_messages: int = attrs.field(
        default=1_000_000,
        validator=v.ge(1),
        metadata=_help("The same bound in messages: small ones cost memory beside their bytes."),
    )
    policies: Mapping[str, PolicySettings] = attrs.field(
        factory=dict,
        metadata=_help(
            "What happens to messages of a type while a client cannot take them, by type or `prefix*`."
        ),
    )
    rate_limit_per_second: float = attrs.field(
        default=10.0,
        validator=v.ge(0),
        metadata=_help("Messages per second from one session (plugin `ratelimit`); 0 for no limit."),
    )

    # -- the wire --------------------------------------------------------------------------------------------
    codec: str = attrs.field(
        default="json",
        validator=_name,
        metadata=_help("The codec of clients that ask for none; needs its plugin."),
    )
    enable_compression: bool = attrs.field(
        default=True, metadata=_help("Compress frames for clients that can, by size, never twice.")
    )
    compression_threshold: int = attrs.field(
        default=1024, validator=v.ge(0), metadata=_help("Smaller frames stay as they are.", "bytes")
    )
    enable_batching: bool = attrs.field(
        default=False, metadata=_help("Hold messages back to send several in one frame.")
    )
    batch_interval: float = attrs.field(
        default=0.1, validator=v.gt(0), metadata=_help("The longest that a message is held back.", "s")
    )
    batch_size: int = attrs.field(
        default=10, validator=v.ge(1), metadata=_help("Messages after which a batch goes at once.")
    )

    # -- the stack -------------------------------------------------------------------------------------------
    plugins: tuple[str, ...] | None = attrs.field(
        default=None,
        metadata=_help("The plugins to run; one that cannot load is then fatal. Unset: all installed."),
    )
    disabled: tuple[str, ...] = attrs.field(default=(), metadata=_help("Installed plugins that do not run."))
    broker: str | None = attrs.field(
        default=None,
        validator=v.optional(_name),
        metadata=_help("The broker to use. Unset: the only one there is."),
    )
    allow_anonymous: bool | None = attrs.field(
        default=None,
        metadata=_help("Whether clients need no credentials. Unset: only if there is no authenticator."),
    )
    node: str | None = attrs.field(
        default=None,
        validator=v.optional(v.matches_re(r"[A-Za-z0-9_-]{1,32}")),
        metadata=_help("This node's name, in session ids. Unset: random."),
    )
    log_level: Literal["debug", "info", "warning", "error"] = attrs.field(
        default="info", metadata=_help("The least urgent lines that `rtcore serve` logs.")
    )
