#!/usr/bin/env bash
# Builds the static programs and packs them as images for `docker load`:
# target/images/skep.tar (localhost:5000/skep:dev) and target/images/whoami.tar (localhost:5000/whoami:dev).
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(uname -s)" = Linux ] || { echo "image: static programs are built on Linux; elsewhere use deploy/Dockerfile" >&2; exit 1; }
target=$(uname -m)-unknown-linux-gnu
built=${CARGO_TARGET_DIR:-target}/$target/release
# A target of its own name keeps the static flag away from build scripts and macros.
# The first time takes minutes: whoever watches sees cargo go on, and a log says what it waits for.
quiet=--quiet
[ ! -t 2 ] || quiet=
if [ -t 2 ] || [ ! -x "$built/skep" ]; then
  echo "building the programs of the images (the first time takes some minutes)" >&2
fi
RUSTFLAGS="-C target-feature=+crt-static" cargo build $quiet --locked --release --target "$target" --features demo --bins
deploy/image.sh localhost:5000/skep:dev "$built/skep" target/images/skep.tar --user 65532
deploy/image.sh localhost:5000/whoami:dev "$built/whoami" target/images/whoami.tar --user 65532 --port 8000
echo "images: target/images/skep.tar ($(du -h target/images/skep.tar | cut -f1)), target/images/whoami.tar ($(du -h target/images/whoami.tar | cut -f1))"
