"""The table of what was measured, in Markdown: a row for each case, a column for each target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.cases import CASES

#: How the figure of a case is written.
_WRITTEN: dict[str, Callable[[float], str]] = {
    "delivered_per_s": lambda n: f"{n:,.0f}/s",
    "conn_per_s": lambda n: f"{n:,.0f}/s",
    "p99_us": lambda n: f"p99 {n / 1000:.1f} ms",
    "seconds": lambda n: f"{n:.2f} s",
}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table: each case's figure, its share of the limit's, and the median round trip where there is one."""
    targets = list(dict.fromkeys(row["target"] for row in rows))
    lines = [f"| case | {' | '.join(targets)} |", f"|---|{'---|' * len(targets)}"]
    for case in dict.fromkeys(row["case"] for row in rows):
        found = {row["target"]: row for row in rows if row["case"] == case}
        cells = [_cell(case, found.get(target), found.get("limit")) for target in targets]
        lines.append(f"| `{case}`: {CASES[case].text} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(case: str, row: dict[str, Any] | None, limit: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    figure = CASES[case].figure
    value = row.get(figure, 0.0)
    parts = [_WRITTEN.get(figure, lambda n: f"{n:,.0f}")(value)]
    if figure.endswith("_per_s") and limit is not None and row is not limit and limit.get(figure):
        parts.append(f"**{value / limit[figure]:.0%}**")
    if figure == "delivered_per_s" and row.get("p50_us", -1) > 0:
        parts.append(f"p50 {row['p50_us'] / 1000:.1f} ms")
    if case == "idle":
        parts.append(f"{row.get('kib_per_conn', 0):.1f} KiB each")
    return ", ".join(parts)
