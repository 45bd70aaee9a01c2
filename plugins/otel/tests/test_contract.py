"""The door does what the README says: its hooks, its settings, its instruments, its spans."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import rtcore_otel
from opentelemetry.metrics import NoOpMeter
from rtcore_otel import OtelSettings

from rtcore.telemetry import Counters, register_metrics

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    return README.split(f"## {name}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[str]:
    """The first cells of a table's rows."""
    return re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)


def test_the_hooks_are_the_documented_ones() -> None:
    implemented = {name for name, each in vars(rtcore_otel).items() if hasattr(each, "rtcore_impl")}
    assert implemented == set(re.findall(r"`(rtcore_\w+)`", section("Hooks used")))


def test_every_setting_is_documented_and_has_a_default() -> None:
    fields = attrs.fields(OtelSettings)
    assert [field.name for field in fields] == rows(section("Settings"))
    assert all(field.default is not attrs.NOTHING for field in fields)


def test_every_instrument_is_documented_with_its_unit() -> None:
    made: dict[str, str] = {}

    class Meter(NoOpMeter):
        def _keep(self, name: str, callbacks: Any = None, unit: str = "", description: str = "") -> Any:
            made[name] = unit

        create_observable_counter = create_observable_gauge = create_observable_up_down_counter = _keep

    register_metrics(Meter("rtcore"), Counters())
    documented = re.findall(
        r"^\| `(rtcore\.[a-z.]+)` \| [a-z -]+ \| `([^`]+)` \|", README, flags=re.MULTILINE
    )
    assert dict(documented) == made
