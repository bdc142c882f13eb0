#!/usr/bin/env bash
# Prints the path of Chromium, which the console tests drive:  e2e/browser/chromium.sh [--install]
#
# With --install, as in CI, it installs a missing Chromium first. That needs Debian and root.
set -euo pipefail

fail() {
  echo "goblins-secrets: $*" >&2
  exit 1
}

where() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

where && exit
if [ "${1-}" != --install ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  fail 'Chromium is not on the PATH. Install it (as root on Debian: e2e/browser/chromium.sh --install)'
fi
echo 'Installing chromium …' >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update || fail 'apt-get update failed, so Chromium was not installed. Check the network and try again'
# Without a font, text is invisible and has no width.
apt-get -qq install --no-install-recommends chromium fonts-dejavu-core >/dev/null || fail 'apt-get install chromium failed. See its messages above'
where
