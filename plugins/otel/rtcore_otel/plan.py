"""What is in force: the settings, the standard variables and the defaults, in that order, made into one value.

Rule: a variable is asked only where its setting was left out. What the exporters and the SDK read by themselves
(`OTEL_EXPORTER_OTLP_*`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`, …) is not repeated here. A variable with a value
that nobody knows is a warning, as the OpenTelemetry specification wants: it may be meant for another program.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

import attrs

from rtcore_otel.settings import OtelSettings

_log = logging.getLogger("rtcore.otel")

#: Of messages, when nobody says anything.
RATIO: Final = 0.01
#: What each sampler of the specification means for a root; its argument, where it is `None`.
_SAMPLERS: Final[Mapping[str, float | None]] = {
    "always_on": 1.0,
    "always_off": 0.0,
    "traceidratio": None,
    "parentbased_always_on": 1.0,
    "parentbased_always_off": 0.0,
    "parentbased_traceidratio": None,
}


@attrs.frozen
class Signal:
    """How traces, or metrics, leave.

    Attributes:
        name: `"traces"` or `"metrics"`.
        exporters: names, without `"none"`.
        protocol: of the exporter `"otlp"`.
        demanded: the settings name the exporter or the protocol, so one that is missing is an error.
    """

    name: str
    exporters: tuple[str, ...]
    protocol: str
    demanded: bool


@attrs.frozen
class Plan:
    """What to set up.

    Attributes:
        settings: what was read here comes from them or from the variables; the rest is for the exporters.
        disabled: `OTEL_SDK_DISABLED` is true: set up nothing at all.
        traces, metrics: the two signals; without exporters there are no spans, or no metrics.
        service: a name to give; `None` if the SDK finds one in the variables.
        ratio, attach_ratio: of messages and of attaches.
    """

    settings: OtelSettings
    disabled: bool
    traces: Signal
    metrics: Signal
    service: str | None
    ratio: float
    attach_ratio: float


def make_plan(settings: OtelSettings, env: Mapping[str, str]) -> Plan:
    """Decide what is in force.

    >>> plan = make_plan(
    ...     OtelSettings(), {"OTEL_TRACES_EXPORTER": "console", "OTEL_TRACES_SAMPLER": "always_on"}
    ... )
    >>> plan.traces.exporters, plan.metrics.exporters, plan.ratio
    (('console',), (), 1.0)
    """
    sampled = _ratio(env)
    ratio = settings.sample_ratio
    attach_ratio = settings.attach_ratio
    if ratio is None:
        ratio = RATIO if sampled is None else sampled
    if attach_ratio is None:
        attach_ratio = 0.0 if sampled == 0.0 else 1.0
    named = "OTEL_SERVICE_NAME" in env or "service.name=" in env.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Plan(
        settings=settings,
        disabled=env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true",
        traces=_signal("traces", settings, env),
        metrics=_signal("metrics", settings, env),
        service=settings.service_name or (None if named else "rtcore"),
        ratio=ratio,
        attach_ratio=attach_ratio,
    )


def _signal(name: str, settings: OtelSettings, env: Mapping[str, str]) -> Signal:
    upper = name.upper()
    given = settings.exporter or env.get(f"OTEL_{upper}_EXPORTER", "").strip()
    if not given:
        known = settings.endpoint or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        given = "otlp" if known or env.get(f"OTEL_EXPORTER_OTLP_{upper}_ENDPOINT") else "none"
    exporters = tuple(part for each in given.split(",") if (part := each.strip()) not in ("", "none"))
    protocol = settings.protocol or (
        env.get(f"OTEL_EXPORTER_OTLP_{upper}_PROTOCOL")
        or env.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    return Signal(
        name, exporters, protocol.strip(), settings.exporter is not None or settings.protocol is not None
    )


def _ratio(env: Mapping[str, str]) -> float | None:
    """Return what the sampler variables say of roots; parents are a matter of trust, not of a variable."""
    name = env.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if not name:
        return None
    if name not in _SAMPLERS:
        _log.warning("OTEL_TRACES_SAMPLER: %r is not a sampler known here; %s is in force", name, RATIO)
        return None
    fixed = _SAMPLERS[name]
    if fixed is not None:
        return fixed
    text = env.get("OTEL_TRACES_SAMPLER_ARG", "")
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        _log.warning("OTEL_TRACES_SAMPLER_ARG: %r is no number from 0 to 1; 1.0 is in force", text)
        return 1.0
    return ratio
