#!/usr/bin/env bash
# Opens every page of a site in headless Chromium: tests/site/check.sh SITE [FOLDER FOR SCREENSHOTS].
# Installs Chromium where that is apt's to do; skips, and says why, where there is none or no Python.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
cd "$OLDPWD"

skip() { echo "the site was not checked in a browser: $1"; exit 0; }

browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

command -v python3 >/dev/null || skip "no python3"
if ! browser >/dev/null; then
  command -v apt-get >/dev/null || skip "no chromium, and no apt-get to install it with"
  [ "$(id -u)" = 0 ] || skip "no chromium, and not root to install it"
  log=$(mktemp)
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >"$log" 2>&1 ||
    skip "chromium could not be installed: $(tail -n 1 "$log")"
  rm -f "$log"
fi
exec python3 "$here/check.py" "$(browser)" "$@"
