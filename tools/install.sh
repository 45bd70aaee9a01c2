#!/usr/bin/env bash
# Puts everything into .venv: each distribution of the tree, editable, and the tools. Safe to run again.
#
# uv does the work where it can reach the packages (6 s on an empty cache, 1 s on a warm one, measured on 2 cores);
# plain pip does it everywhere else (28 s). INSTALLER=pip asks for pip at once.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
venv=.venv

say() { printf 'install: %s\n' "$*" >&2; }

command -v "$python" >/dev/null || { say "no '$python' here; PYTHON=/path/to/python names another one"; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  say "rtcore needs Python 3.11 or newer; '$python' is $("$python" -V 2>&1). PYTHON=/path/to/python names another one"
  exit 1
}

# A .venv whose interpreter has gone, or is of another version than the one that PYTHON names, is made anew.
version() { "$1" -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null || true; }
have=$(version "$venv/bin/python")
if [ -z "$have" ] || [ "$have" != "$(version "${PYTHON:-$venv/bin/python}")" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  "$python" -m venv --clear "$venv" || { say "'$python -m venv' failed; on Debian: apt-get install python3-venv"; exit 1; }
fi

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

# Build tools first: with them in place the editables need no isolated build environment each.
pip install --quiet -c constraints.txt editables hatchling

with_uv() {
  [ "${INSTALLER:-uv}" = uv ] || return 1
  # uv does not read pip's settings. One index can be handed over; with more than that only pip does the same thing.
  local settings index
  settings=$(pip config list 2>/dev/null) || return 1
  if grep -qE "(extra-index-url|no-index)=" <<<"$settings"; then
    say "pip is set up with its own package sources, so pip installs"
    return 1
  fi
  index=$(sed -n "s/.*[.]index-url='\(.*\)'$/\1/p" <<<"$settings" | tail -n 1)
  pip install --quiet --only-binary :all: -c constraints.txt uv || return 1
  VIRTUAL_ENV="$PWD/$venv" UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}" UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-20}" \
    "$venv/bin/uv" pip install --quiet --no-build-isolation -c constraints.txt -r requirements-dev.txt
}

if ! with_uv; then
  [ "${INSTALLER:-uv}" = pip ] || say "uv could not do it here; plain pip takes over"
  pip install --quiet --no-build-isolation -c constraints.txt -r requirements-dev.txt
fi
