"""`RealtimeBuilder`: a client put together step by step, or made at once for one transport."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from rtcore_client.client import RealtimeClient
from rtcore_client.options import ConnectionType, Limits, Timing, Token


class RealtimeBuilder:
    """Collects options, then builds.

    >>> builder = (
    ...     RealtimeBuilder("http://localhost:8080/rt").with_transports("sse", "polling").with_codec("json")
    ... )
    >>> builder.build().get_connection_info().state
    'idle'
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._options: dict[str, Any] = {}
        self._authentication: dict[str, Any] = {}

    @staticmethod
    def create_websocket_client(url: str, **options: Any) -> RealtimeClient:
        """Make a client that prefers WebSocket and falls back to SSE, then polling."""
        return RealtimeClient(url, **{"connection_type": "websocket", **options})

    @staticmethod
    def create_sse_client(url: str, **options: Any) -> RealtimeClient:
        """Make a client that uses SSE and falls back to polling."""
        return RealtimeClient(url, **{"connection_type": "sse", "fallback_types": ("polling",), **options})

    @staticmethod
    def create_polling_client(url: str, **options: Any) -> RealtimeClient:
        """Make a client that polls and does nothing else."""
        return RealtimeClient(url, **{"connection_type": "polling", "fallback_types": (), **options})

    def with_transports(self, preferred: ConnectionType, *fallbacks: ConnectionType) -> Self:
        """Use these, the best first."""
        return self.with_options(connection_type=preferred, fallback_types=fallbacks)

    def with_token(self, token: Token) -> Self:
        """Show this token, or what this callable returns, at each attach."""
        self._authentication["token"] = token
        return self

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """Send these headers with every HTTP request."""
        self._authentication["headers"] = dict(headers)
        return self

    def with_client_id(self, client_id: str) -> Self:
        """Call the client so."""
        return self.with_options(client_id=client_id)

    def with_codec(self, codec: str) -> Self:
        """Speak json or cbor."""
        return self.with_options(codec=codec)

    def with_reconnect(self, *, attempts: int = 5, delay: float = 1.0) -> Self:
        """After a loss, try so often before the client is suspended; the first pause is at most `delay` seconds."""
        return self.with_options(auto_reconnect=True, max_reconnect_attempts=attempts, reconnect_delay=delay)

    def without_reconnect(self) -> Self:
        """End with the first loss."""
        return self.with_options(auto_reconnect=False)

    def with_heartbeat(self, *, interval: float = 30.0, timeout: float = 5.0) -> Self:
        """Ping so often; silence beyond both, in seconds, is the end of a connection."""
        return self.with_options(heartbeat_interval=interval, ping_timeout=timeout)

    def with_compression(self, *, threshold: int = 1024) -> Self:
        """Compress frames of so many bytes and more, if the server agrees."""
        return self.with_options(enable_compression=True, compression_threshold=threshold)

    def with_batching(self, *, size: int = 10, interval: float = 0.1) -> Self:
        """Send up to `size` messages in one frame, after at most `interval` seconds."""
        return self.with_options(enable_batching=True, batch_size=size, batch_interval=interval)

    def with_timing(self, **seconds: float) -> Self:
        """Set what `Timing` lists."""
        return self.with_options(timing=Timing(**seconds))

    def with_limits(self, **limits: int) -> Self:
        """Set what `Limits` lists."""
        return self.with_options(limits=Limits(**limits))

    def with_options(self, **options: Any) -> Self:
        """Set any argument of `RealtimeClient`."""
        self._options |= options
        return self

    def build(self) -> RealtimeClient:
        """Make the client.

        Raises:
            ValueError: an option that cannot be; the text names it.
        """
        options = dict(self._options)
        if self._authentication:
            options.setdefault("authentication", dict(self._authentication))
        return RealtimeClient(self._url, **options)
