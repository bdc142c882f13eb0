#!/usr/bin/env bash
# Prints the path of Chromium, which the console tests drive:  e2e/browser/chromium.sh [--install]
#
# With --install, as in CI, it installs the headless shell first. That needs Debian and root. The shell is the engine of
# Chromium without a window: the tests take 171 CPU seconds with it, and 305 without.
set -euo pipefail

fail() {
  echo "goblins-secrets: $*" >&2
  exit 1
}

command -v chromium-headless-shell && exit
if [ "${1-}" != --install ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  command -v chromium || command -v chromium-browser || command -v google-chrome && exit
  fail 'Chromium is not on the PATH. Install it (as root on Debian: e2e/browser/chromium.sh --install)'
fi
echo 'Installing chromium-headless-shell …' >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update || fail 'apt-get update failed, so Chromium was not installed. Check the network and try again'
# Without a font, text is invisible and has no width.
apt-get -qq install --no-install-recommends chromium-headless-shell fonts-dejavu-core >/dev/null || fail 'apt-get install chromium-headless-shell failed. See its messages above'
command -v chromium-headless-shell
