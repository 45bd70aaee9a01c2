"""Measure realtime servers side by side.

    python -m benchmarks                                 rtcore and the limit
    python -m benchmarks --peers                         and the other servers that are installed: `pip install
                                                         python-socketio`, `npm install socket.io bufferutil`
    python -m benchmarks mine.json --cases echo fan64    a server of your own
    python -m benchmarks --rounds 3                      medians of three rounds, in which all take turns

A target is a JSON object: `name`, `command` (with `{port}` and `{python}`), `path`, `hello` and `init` (frames to send
on opening: to be let in, to be in the room), `welcomes` (its first frame says that one is in), `reply` (an
application-level ping and its answer, `"2=3"`), and templates: `echo` (answered to the sender), `publish` (delivered
to every member of the room, the sender too), `everyone` (delivered to every session), `join` and `publish_to` (the
same for room `@R@`), `ping`. A case is measured where the target has what it needs. `@T@` becomes a time mark that is
counted wherever it comes back, `@I@` the connection's index. The server has one core, the load another. Ratios of one
run can be compared; single figures drift by a fifth and more from run to run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from benchmarks.load import HERE, CannotRun
from benchmarks.table import table


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", type=Path, help="files of targets")
    parser.add_argument("--peers", action="store_true", help="measure the other servers, too")
    lines = "; ".join(f"{name}: {case.text}" for name, case in CASES.items())
    parser.add_argument(
        "--cases", nargs="*", default=list(CASES), choices=list(CASES), help=lines, metavar="CASE"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=1, help="measure each so often, in turn; medians count")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    parser.add_argument("--markdown", type=Path, help="write a table of it to this file")
    options = parser.parse_args()
    files = options.targets or [HERE / "targets" / "peers.json", HERE / "targets" / "rtcore.json"]
    targets = [target for file in files for target in json.loads(file.read_text())]
    if not options.targets and not options.peers:
        targets = [target for target in targets if target["name"].startswith(("limit", "rtcore"))]

    rows: list[dict[str, Any]] = []
    heads = f"{'msg/s':>11} {'of limit':>8} {'p50 ms':>8} {'p99 ms':>8} {'KiB/conn':>9} {'conn/s':>7}"
    print(f"{'case':8} {'target':16} {heads}")
    for case in options.cases:
        best: float | None = None
        for target, row in measured(case, targets, options.seconds, options.rounds):
            figure = row.get(CASES[case].figure, 0.0)
            best = figure if target["name"] == "limit" else best
            share = f"{figure / best:8.0%}" if best else " " * 8
            print(
                f"{case:8} {target['name']:16} {row.get('delivered_per_s', 0):11,.0f} {share} "
                f"{row.get('p50_us', 0) / 1e3:8.2f} {row.get('p99_us', 0) / 1e3:8.2f} "
                f"{row.get('kib_per_conn', 0):9.1f} {row.get('conn_per_s', 0):7,.0f}  {_note(row)}",
                flush=True,
            )
            rows.append({"case": case, "target": target["name"], **row})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    if options.markdown:
        options.markdown.write_text(table(rows))
    return 0


def measured(
    case: str, targets: Sequence[dict[str, Any]], seconds: float, rounds: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Measure a case, each target once a round; yield each with the round whose figure is its median.

    What the machine does meanwhile is shared by all targets of a round, and a round that was disturbed is no median.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    able = [target for target in targets if all(key in target for key in CASES[case].needs)]
    for _ in range(rounds):
        for target in list(able):
            try:
                row = CASES[case].measure(target, seconds)
            except (CannotRun, FileNotFoundError, subprocess.CalledProcessError) as why:
                able.remove(target)
                needs = target.get("needs", "nothing more")
                print(f"{case:8} {target['name']:16} not measured: {why}; needs {needs}")
            else:
                found.setdefault(target["name"], []).append(row)
    for target in able:
        ordered = sorted(found[target["name"]], key=lambda row: float(row.get(CASES[case].figure, 0.0)))
        yield target, ordered[len(ordered) // 2]


def _note(row: dict[str, Any]) -> str:
    notes = [row["note"]] if row.get("note") else []
    if row.get("dead"):
        notes.append(f"{row['dead']:.0f} FAILED")
    return "; ".join(notes)


if __name__ == "__main__":
    sys.exit(main())
