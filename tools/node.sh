#!/usr/bin/env bash
# Is there a Node that can build and test the TypeScript client? The server needs none.
set -euo pipefail

wanted="Node 20.10 or newer, with npm, is needed to build and test clients/typescript"
command -v node >/dev/null && command -v npm >/dev/null || {
  echo "node: $wanted; neither the server nor \`make serve\` needs it" >&2
  exit 1
}
node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 20 || (major === 20 && minor >= 10) ? 0 : 1);
' || {
  echo "node: $wanted; this is Node $(node --version)" >&2
  exit 1
}
