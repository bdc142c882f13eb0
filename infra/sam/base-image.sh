#!/usr/bin/env bash
# Makes sure that Docker has the image that `sam local` puts functions of provided.al2023 on:
# public.ecr.aws/lambda/provided:al2023-<architecture>, for this machine's architecture.
#
#   there already           nothing is done
#   the registry answers    it is pulled
#   otherwise               a stand-in of that name is made of a static busybox
#
# The stand-in is an aid for development where no registry can be reached, and not what runs in AWS:
# a shell, the two commands with which the SAM CLI adds its runtime emulator, and an empty /tmp. It
# has no C library, so only static binaries run on it (ours are: infra/build/functions.mk), and no
# certificates, so none of them can talk TLS. `docker image rm` it to have the real image pulled.
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
# Where the registry can't be reached, Docker may try for minutes.
if timeout "${PULL_SECONDS:-60}" docker pull --quiet "$image" >/dev/null 2>&1; then
  exit
fi
busybox=$(command -v busybox) || fail "$image can't be pulled, and there is no busybox to make a stand-in of: install busybox-static"
# The path of a dynamic loader, which the stand-in does not have, is in every binary that needs one.
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
echo "$image can't be pulled: made a stand-in of $busybox" >&2
