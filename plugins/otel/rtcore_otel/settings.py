"""Settings of the `[otel]` section. Whatever is left out is asked of the standard `OTEL_…` variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs
from attrs.validators import and_, ge, gt, le, matches_re, optional

_NOTHING: Mapping[str, str] = {}


@attrs.frozen
class OtelSettings:
    """What `[otel]` may hold. `None` means: as the variable says, or else the default.

    Attributes:
        exporter: where spans and metrics go. `None`: `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER`; without
            those `"otlp"` if an endpoint is known, `"none"` if not.
        endpoint: the collector's base URL; `/v1/traces` and `/v1/metrics` are added for HTTP. `None`:
            `OTEL_EXPORTER_OTLP_ENDPOINT` and its kin, or the SDK's default on this host.
        protocol: how OTLP travels; `"grpc"` needs `rtcore-otel[grpc]`. `None`: `OTEL_EXPORTER_OTLP_PROTOCOL`, or
            `"http/protobuf"`.
        headers: sent to the collector, a key for instance; added to those of `OTEL_EXPORTER_OTLP_HEADERS`.
        timeout: seconds for one export. `None`: `OTEL_EXPORTER_OTLP_TIMEOUT` (seconds too), or 10.
        service_name: `None`: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, or `"rtcore"`.
        sample_ratio: of messages that get a span, 0.0 to 1.0. `None`: `OTEL_TRACES_SAMPLER`, or 0.01.
        attach_ratio: of attaches that get a span. `None`: 1.0; 0.0 if `OTEL_TRACES_SAMPLER` is an `always_off`.
        trust_peers: go on with the trace of any client. If not, it becomes a link on a trace of our own.
        trust_scope: go on with the traces of clients whose identity has this scope; empty for none.
        metrics_interval: seconds between exports. `None`: `OTEL_METRIC_EXPORT_INTERVAL` (milliseconds), or 60.
        flush_timeout: seconds that the end of the server may wait for what is still to be exported.
        use_global: use the providers that the program around us has set; exporters and resource are its own.
        set_global: make our providers the program's, so that spans of other libraries go where ours do.
    """

    exporter: Literal["none", "console", "otlp"] | None = None
    endpoint: str | None = attrs.field(default=None, validator=optional(matches_re(r"https?://[^/\s]+\S*")))
    protocol: Literal["http/protobuf", "grpc"] | None = None
    headers: Mapping[str, str] = attrs.field(default=_NOTHING, repr=False, metadata={"secret": True})
    timeout: float | None = attrs.field(default=None, validator=optional(gt(0)))
    service_name: str | None = None
    sample_ratio: float | None = attrs.field(default=None, validator=optional(and_(ge(0), le(1))))
    attach_ratio: float | None = attrs.field(default=None, validator=optional(and_(ge(0), le(1))))
    trust_peers: bool = False
    trust_scope: str = ""
    metrics_interval: float | None = attrs.field(default=None, validator=optional(gt(0)))
    flush_timeout: float = attrs.field(default=2.0, validator=ge(0))
    use_global: bool = False
    set_global: bool = attrs.field(default=False)

    @set_global.validator
    def _one_of_them(self, attribute: attrs.Attribute[bool], value: bool) -> None:  # noqa: FBT001 - attrs calls it
        if value and self.use_global:
            raise ValueError("false, when `use_global` is true")

    def __attrs_post_init__(self) -> None:
        """Keep nothing that the caller may change."""
        object.__setattr__(self, "headers", dict[str, Any](self.headers))
