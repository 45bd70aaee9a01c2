"""Settings win over variables, variables over defaults."""

from __future__ import annotations

import logging

import pytest
from rtcore_otel import OtelSettings
from rtcore_otel.plan import Plan, make_plan

from rtcore.errors import SettingsError
from rtcore.settings import from_mapping, resolve


def plan(env: dict[str, str] | None = None, **settings: object) -> Plan:
    return make_plan(OtelSettings(**settings), env or {})


def test_with_nothing_said_nothing_is_exported() -> None:
    quiet = plan()
    assert (quiet.traces.exporters, quiet.metrics.exporters) == ((), ())
    assert (quiet.ratio, quiet.attach_ratio, quiet.service) == (0.01, 1.0, "rtcore")


def test_an_endpoint_alone_means_otlp() -> None:
    assert plan(endpoint="http://collector:4318").traces.exporters == ("otlp",)
    assert plan({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}).metrics.exporters == ("otlp",)
    only_traces = plan({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"})
    assert (only_traces.traces.exporters, only_traces.metrics.exporters) == (("otlp",), ())


def test_each_signal_has_its_variable_and_may_have_several_exporters() -> None:
    both = plan({"OTEL_TRACES_EXPORTER": "console, otlp", "OTEL_METRICS_EXPORTER": "none"})
    assert (both.traces.exporters, both.metrics.exporters) == (("console", "otlp"), ())


def test_a_setting_wins_over_a_variable() -> None:
    env = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_SERVICE_NAME": "theirs",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    }
    ours = plan(env, exporter="console", sample_ratio=0.5, service_name="ours", protocol="http/protobuf")
    assert (ours.traces.exporters, ours.ratio, ours.service) == (("console",), 0.5, "ours")
    assert ours.traces.protocol == "http/protobuf"


def test_a_variable_wins_over_a_default() -> None:
    theirs = plan({"OTEL_SERVICE_NAME": "theirs", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert theirs.service is None, "the SDK reads it"
    assert plan({"OTEL_RESOURCE_ATTRIBUTES": "a=b,service.name=theirs"}).service is None
    assert theirs.traces.protocol == "grpc"


@pytest.mark.parametrize(
    ("sampler", "argument", "ratio", "attach_ratio"),
    [
        ("always_on", "", 1.0, 1.0),
        ("always_off", "", 0.0, 0.0),
        ("parentbased_always_off", "", 0.0, 0.0),
        ("traceidratio", "0.25", 0.25, 1.0),
        ("parentbased_traceidratio", "0.25", 0.25, 1.0),
    ],
)
def test_the_sampler_variables_set_the_ratio(
    sampler: str, argument: str, ratio: float, attach_ratio: float
) -> None:
    made = plan({"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument})
    assert (made.ratio, made.attach_ratio) == (ratio, attach_ratio)


@pytest.mark.parametrize(
    ("env", "ratio"),
    [
        ({"OTEL_TRACES_SAMPLER": "by_moonlight"}, 0.01),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "many"}, 1.0),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"}, 1.0),
    ],
)
def test_a_variable_that_makes_no_sense_is_a_warning(
    env: dict[str, str], ratio: float, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert plan(env).ratio == ratio
    assert "OTEL_TRACES_SAMPLER" in caplog.text


def test_the_sdk_can_be_switched_off() -> None:
    assert plan({"OTEL_SDK_DISABLED": "TRUE"}).disabled
    assert not plan({"OTEL_SDK_DISABLED": "no"}).disabled


def test_impossible_settings_are_named() -> None:
    wrong = {
        "exporter": "pigeon",
        "endpoint": "collector:4318",
        "sample_ratio": 1.5,
        "metrics_interval": 0,
        "headers": {"x-key": 7},
    }
    with pytest.raises(SettingsError) as raised:
        resolve(from_mapping({"otel": wrong}), {"otel": OtelSettings})
    keys = {problem.key for problem in raised.value.problems}
    assert {f"otel.{key}" for key in wrong if key != "headers"} <= keys
    assert any(key.startswith("otel.headers") for key in keys)


def test_our_own_providers_cannot_be_both_global_and_not_used() -> None:
    with pytest.raises(ValueError, match="use_global"):
        OtelSettings(use_global=True, set_global=True)


def test_headers_are_never_shown() -> None:
    assert "hush" not in repr(OtelSettings(headers={"x-key": "hush"}))
