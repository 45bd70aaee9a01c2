"""`make autobahn`: the Autobahn test suite's fuzzing client against the plugin's own frame path.

    run.py                      every section that the plugin speaks; slow, with messages of up to 16 MiB
    run.py '1.*' '7.1.*'        these cases only
    run.py --keep               leave the report of every case behind: .build/autobahn/reports/index.html

The suite is Python 2.7 and gets a virtual environment of its own under .build/. Exits with 1 if a case fails that
`DOCUMENTED` does not explain.
"""

# ruff: noqa: D1, INP001, S101, S603, T201
# a program, not a package

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[2] / ".build" / "autobahn"

SUITE = "autobahntestsuite==25.10.1"
VIRTUALENV = "virtualenv==20.15.1"  # the last one that makes environments for 2.7

SECTIONS = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.*", "13.*"]

#: Case → why it fails and why that is right or cannot be mended; README.md says more.
DOCUMENTED: dict[str, str] = {}

GOOD = {"OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED"}


def python27() -> str:
    """Find a Python 2.7: on the PATH, or among pyenv's."""
    for name in ("python2.7", "python2"):
        found = shutil.which(name)
        if found and _is_27(found):
            return found
    pyenv = shutil.which("pyenv")
    if pyenv:
        names = subprocess.run(
            [pyenv, "versions", "--bare"], capture_output=True, text=True, check=False
        ).stdout
        for name in names.split():
            if name.startswith("2.7"):
                prefix = subprocess.run(
                    [pyenv, "prefix", name], capture_output=True, text=True, check=True
                ).stdout
                return str(Path(prefix.strip()) / "bin" / "python")
    sys.exit("autobahn: no Python 2.7 here, which the suite needs; `pyenv install 2.7.18` makes one")


def _is_27(python: str) -> bool:
    ask = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
    return subprocess.run([python, "-c", ask], capture_output=True, check=False).returncode == 0


def suite() -> str:
    """Return the Python that has the suite; install it at the first call."""
    venv = BUILD / "venv"
    python = str(venv / "bin" / "python")
    done = venv / ".installed"
    if done.exists() and done.read_text() == SUITE:
        return python
    print(f"installing {SUITE}", flush=True)
    tool = BUILD / "virtualenv"
    old = python27()
    pip = [old, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    shutil.rmtree(tool, ignore_errors=True)
    subprocess.run([*pip, VIRTUALENV, "--target", str(tool)], check=True, stderr=subprocess.DEVNULL)
    shutil.rmtree(venv, ignore_errors=True)
    env = {**os.environ, "PYTHONPATH": str(tool)}
    subprocess.run(
        [old, "-m", "virtualenv", "--quiet", str(venv)], check=True, env=env, stderr=subprocess.DEVNULL
    )
    subprocess.run([python, "-m", "pip", "install", "--quiet", SUITE], check=True, stderr=subprocess.DEVNULL)
    done.write_text(SUITE)
    return python


def fuzz(python: str, cases: list[str]) -> dict[str, Any]:
    """Run the cases against an echo server; return the suite's index."""
    reports = BUILD / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen(
        [sys.executable, str(HERE / "echo.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        port = int(server.stdout.readline())
        spec = {
            "servers": [{"agent": "rtcore", "url": f"ws://127.0.0.1:{port}/rt/ws"}],
            "outdir": str(reports),
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        (BUILD / "spec.json").write_text(json.dumps(spec))
        client = [
            python,
            "-m",
            "autobahntestsuite.wstest",
            "-m",
            "fuzzingclient",
            "-s",
            str(BUILD / "spec.json"),
        ]
        env = {**os.environ, "PYTHONWARNINGS": "ignore"}
        subprocess.run(client, check=True, env=env, stdout=subprocess.DEVNULL)
    finally:
        server.stdin.close()
        server.wait(timeout=30)
    index: dict[str, Any] = json.loads((reports / "index.json").read_text())["rtcore"]
    return index


def summary(index: dict[str, Any]) -> int:
    """Print a table by section and what failed; return how many failures nobody has explained."""
    sections: dict[int, Counter[str]] = {}
    bad: list[str] = []
    for case, result in index.items():
        verdict = result["behavior"]
        # A close that is not clean is the server's fault only where the suite asked for a clean one.
        if result["behaviorClose"] not in GOOD and verdict in GOOD:
            verdict = "FAILED"
        sections.setdefault(int(case.split(".")[0]), Counter())[verdict] += 1
        if verdict not in GOOD:
            bad.append(case)
    columns = ["OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED"]
    print(f"\n{'section':>8}" + "".join(f"{name:>15}" for name in columns))
    for section in sorted(sections):
        counts = sections[section]
        counts["FAILED"] += sum(n for name, n in counts.items() if name not in columns)
        print(f"{section:>8}" + "".join(f"{counts[name]:>15}" for name in columns))
    total = sum(sections.values(), Counter())
    print(f"{'all':>8}" + "".join(f"{total[name]:>15}" for name in columns))
    unexplained = 0
    for case in sorted(bad, key=lambda case: [int(part) for part in case.split(".")]):
        result = index[case]
        why = DOCUMENTED.get(case)
        unexplained += why is None
        said = f"{result['behavior']}, close {result['behaviorClose']}"
        print(f"\n{case}: {said}: {why or 'not documented'}")
    for case in sorted(set(DOCUMENTED) & set(index) - set(bad)):
        print(f"\n{case}: passes; it need not be documented any more")
    return unexplained


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("cases", nargs="*", default=SECTIONS, help="patterns such as 7.1.*")
    parser.add_argument("--keep", action="store_true", help="leave the reports behind")
    arguments = parser.parse_args()
    index = fuzz(suite(), arguments.cases)
    unexplained = summary(index)
    if arguments.keep:
        print(f"\nreports: {BUILD / 'reports' / 'index.html'}")
    else:
        shutil.rmtree(BUILD / "reports", ignore_errors=True)
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
