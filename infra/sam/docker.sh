#!/usr/bin/env bash
# Runs a command with a Docker daemon:  infra/sam/docker.sh [--install] COMMAND…
#
#   a daemon answers (at DOCKER_HOST, or at the default)   the command uses it
#   none answers, and we are root                          the command uses a private daemon
#
# The private daemon has its own socket and its own images. It ends with the last command that uses
# it, and leaves no container, image or process. With --install, as in CI, the script first installs
# missing packages, on Debian. Without it, the script installs nothing.
set -euo pipefail

fail() {
  echo "goblins-secrets: $*" >&2
  exit 1
}

packages=(docker.io busybox-static iptables) # busybox is for base-image.sh
install=
if [ "${1-}" = --install ]; then
  install=yes
  shift
fi
[ $# -gt 0 ] || fail 'docker.sh needs a command to run'

answers() { timeout 10 docker version >/dev/null 2>&1; }

if answers; then
  exec "$@"
fi
if ! command -v dockerd >/dev/null || ! command -v iptables >/dev/null; then
  if [ -z "$install" ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "Docker is needed, and does not answer: install it, as root on Debian with infra/sam/docker.sh --install true"
  fi
  echo "Installing ${packages[*]} …" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update || fail 'Docker is needed, and the package lists cannot be downloaded'
  if apt-cache show docker-cli >/dev/null 2>&1; then # a package of its own since Debian 13
    packages+=(docker-cli)
  fi
  apt-get -qq install --no-install-recommends "${packages[@]}" >/dev/null || fail 'Docker is needed, and installing it failed'
  if answers; then # systemd has started it
    exec "$@"
  fi
fi
[ "$(id -u)" = 0 ] || fail 'Docker does not answer: start it (a private one can only be started by root)'

# Sockets need a short path, and only root can write to /run.
state=/run/goblins-secrets-docker
data=$(cd "$(dirname "$0")/../.." && pwd)/.tools/docker
export DOCKER_HOST=unix://$state/docker.sock

# Each user of the daemon holds a shared lock. The last user gets the exclusive lock and stops the daemon.
mkdir -p "$state"
chmod 700 "$state"
exec 9>"$state/users" 8>"$state/starting"
flock --shared 9

start() {
  flock 8
  answers && return
  rm -f "$state/pid" # left by a killed daemon
  # Its own session: signals of the terminal must not reach it.
  setsid dockerd --host "$DOCKER_HOST" --data-root "$data" --exec-root "$state/exec" --pidfile "$state/pid" \
    >"$state/log" 2>&1 8>&- 9>&- &
  for _ in $(seq 150); do
    answers && return
    kill -0 $! 2>/dev/null || break
    sleep 0.2
  done
  tail -n 20 "$state/log" >&2
  kill $! 2>/dev/null || true
  fail 'a private Docker daemon does not start on this machine: see its log above'
}

# shellcheck disable=SC2317 # the trap calls it
stop() {
  flock --exclusive --nonblock 9 || return 0 # others use it
  local pid
  docker ps --all --quiet | xargs --no-run-if-empty docker rm --force >/dev/null
  pid=$(cat "$state/pid")
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  rm -rf "$data" "$state/exec" "$state/log"
}

start
trap stop EXIT
flock --unlock 8

# In the background, because a shell forwards no signal while it waits for a foreground command.
"$@" <&0 8>&- 9>&- &
child=$!
trap 'kill -TERM "$child" 2>/dev/null || true' INT TERM HUP
status=0
while :; do
  wait "$child" && status=0 || status=$?
  kill -0 "$child" 2>/dev/null || break # otherwise a signal ended the wait, not the command
done
exit "$status"
