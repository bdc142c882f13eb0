#!/usr/bin/env bash
# Tells where Chromium is, which the tests of the console drive:  e2e/browser/chromium.sh [--install]
#
# With --install, as in CI, it is installed first where it is missing, on Debian and as root.
set -euo pipefail

fail() {
  echo "goblins-secrets: $*" >&2
  exit 1
}

where() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

where && exit
if [ "${1-}" != --install ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  fail 'Chromium is needed, and is not on the PATH (as root on Debian: e2e/browser/chromium.sh --install)'
fi
echo 'Installing chromium …' >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update || fail 'Chromium is needed, and the package lists can not be had'
# Without a font there is nothing to see, and no width to measure.
apt-get -qq install --no-install-recommends chromium fonts-dejavu-core >/dev/null || fail 'Chromium is needed, and installing it failed'
where
