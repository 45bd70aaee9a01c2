#!/usr/bin/env bash
# The pieces that the tests need and pip cannot bring: a real nginx, a real Chromium, curl.
#
# As root on a machine with apt they are installed; anywhere else a missing piece is an error, never a skipped test.
set -euo pipefail

missing=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx)
command -v curl >/dev/null || missing+=(curl)
command -v chromium >/dev/null || missing+=(chromium)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "system: installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # Debian starts nginx once it is installed; the tests start their own, so nothing may sit on its port.
  runlevel_guard=/usr/sbin/policy-rc.d
  if [ ! -e "$runlevel_guard" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$runlevel_guard"
    chmod +x "$runlevel_guard"
    trap 'rm -f "$runlevel_guard"' EXIT
  fi
  apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
  exit 0
fi

echo "system: the tests need ${missing[*]}; on Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
exit 1
