#!/usr/bin/env bash
# Makes sure that Docker has the base image that `sam local` uses for functions of provided.al2023:
# public.ecr.aws/lambda/provided:al2023-<architecture>, for this machine's architecture.
#
#   the image exists        the script does nothing
#   the registry answers    it pulls the image
#   otherwise               it builds a stand-in of that name from a static busybox
#
# The stand-in is a development aid for machines without access to a registry; AWS runs another image.
# It has a shell, the two commands with which the SAM CLI adds its runtime emulator, and an empty /tmp.
# It has no C library, so it runs only static binaries (the functions are: infra/build/functions.mk).
# It has no certificates, so they cannot use TLS. Remove it with `docker image rm` to pull the real
# image.
set -euo pipefail

fail() {
  echo "goblins-secrets: $*" >&2
  exit 1
}

arch=$(uname -m)
case $arch in
  x86_64) ;;
  aarch64 | arm64) arch=arm64 ;;
  *) fail "Lambda has no functions for $arch" ;;
esac
image=public.ecr.aws/lambda/provided:al2023-$arch

if docker image inspect "$image" >/dev/null 2>&1; then
  exit
fi
# Docker may try for minutes if the registry can't be reached.
if timeout "${PULL_SECONDS:-60}" docker pull --quiet "$image" >/dev/null 2>&1; then
  exit
fi
busybox=$(command -v busybox) || fail "$image can't be pulled, and there is no busybox to build a stand-in: install busybox-static"
# Every binary that needs a dynamic loader contains its path. The stand-in has no loader.
if grep -qaE '/ld-(linux|musl)[^/]*\.so' "$busybox"; then
  fail "$image can't be pulled, and $busybox is not static: install busybox-static"
fi

root=$(mktemp -d)
trap 'rm -r "$root"' EXIT
mkdir -p "$root/bin" "$root/var/task" "$root/var/rapid"
mkdir -m 1777 "$root/tmp"
cp "$busybox" "$root/bin/busybox"
for command in sh mv chmod; do
  ln -s busybox "$root/bin/$command"
done
tar -C "$root" --owner=0 --group=0 --numeric-owner -c . |
  docker import --change 'WORKDIR /var/task' --change 'ENV PATH=/bin' --message 'stand-in, made by infra/sam/base-image.sh' - "$image" >/dev/null
echo "$image can't be pulled: built a stand-in from $busybox" >&2
