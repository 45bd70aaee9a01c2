"""Measure realtime servers side by side.

    python -m benchmarks                                 rtcore and the limit
    python -m benchmarks --peers                         and the other servers that are installed
    python -m benchmarks mine.json --cases echo fan64    a server of your own

A target is a JSON object: `name`, `command` (with `{port}` and `{python}`), `path`, `init` (frames to send on opening),
`reply` (an application-level ping and its answer, `"2=3"`), and two templates: `echo` (answered to the sender) and `publish`
(delivered to every member of the room, the sender too). `@T@` becomes a time mark that is counted wherever it comes
back, `@I@` the connection's index. The server has one core, the load another. Ratios of one run can be compared;
single figures drift by a fifth and more from run to run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.load import HERE, TEXT, CannotRun, drive, server

CASES = {
    "echo": (["--conns", "100", "--publishers", "100", "--window", "1"], "round trips of 100 clients"),
    "fan1": (
        ["--conns", "1000", "--publishers", "1", "--window", "1"],
        "a room of 1,000, 1 message in flight",
    ),
    "fan4": (["--conns", "1000", "--publishers", "1", "--window", "4"], "the same, 4 in flight"),
    "fan64": (["--conns", "1000", "--publishers", "1", "--window", "64"], "the same, 64 in flight"),
    "fan50x4": (
        ["--conns", "1000", "--publishers", "50", "--window", "4"],
        "50 publishers, 4 in flight each",
    ),
    "idle": (["--conns", "8000", "--idle"], "8,000 idle members: memory each, connects a second"),
}
#: Which figure of a case is the one to compare.
FIGURE = {"idle": "conn_per_s"}


def measure(target: dict[str, Any], case: str, seconds: float) -> dict[str, Any]:
    """Measure one case on a fresh server."""
    arguments = list(CASES[case][0])
    idle = case == "idle"
    arguments += ["--seconds", "1" if idle else str(seconds), "--warmup", "0" if idle else "1"]
    if not idle:
        template = target["echo" if case == "echo" else "publish"]
        arguments += ["--publish", template.replace("@TEXT@", TEXT)]
    with server(target) as (port, pid):
        return drive(port, pid, target, arguments)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", type=Path, help="files of targets")
    parser.add_argument("--peers", action="store_true", help="measure the other servers, too")
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    options = parser.parse_args()
    files = options.targets or [HERE / "targets" / "peers.json", HERE / "targets" / "rtcore.json"]
    targets = [target for file in files for target in json.loads(file.read_text())]
    if not options.targets and not options.peers:
        targets = [target for target in targets if target["name"] in {"limit", "rtcore"}]

    rows: list[dict[str, Any]] = []
    heads = f"{'msg/s':>11} {'of limit':>8} {'p50 ms':>8} {'p99 ms':>8} {'KiB/conn':>9} {'conn/s':>7}"
    print(f"{'case':8} {'target':16} {heads}")
    for case in options.cases:
        best: float | None = None
        for target in targets:
            try:
                row = measure(target, case, options.seconds)
            except (CannotRun, FileNotFoundError) as why:
                print(
                    f"{case:8} {target['name']:16} not measured: {why}; needs {target.get('needs', 'nothing more')}"
                )
                continue
            figure = row.get(FIGURE.get(case, "delivered_per_s"), 0.0)
            best = figure if target["name"] == "limit" else best
            share = f"{figure / best:8.0%}" if best else " " * 8
            print(
                f"{case:8} {target['name']:16} {row.get('delivered_per_s', 0):11,.0f} {share} "
                f"{row.get('p50_us', 0) / 1e3:8.2f} {row.get('p99_us', 0) / 1e3:8.2f} "
                f"{row['kib_per_conn']:9.1f} {row.get('conn_per_s', 0):7,.0f}",
                flush=True,
            )
            rows.append({"case": case, "target": target["name"], **row})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
