#!/usr/bin/env bash
# Packs one static program as an image from scratch, without an engine: an archive for `docker load`.
#
#   image.sh IMAGE[,IMAGE...] PROGRAM OUT.tar [--user UID] [--entry NAME] [--port N] [--add FILE=PATH]... [--arg ARG]...
#
# Same program, same bytes: files are sorted, and have neither owner names nor times of today. The image has
# /state and /tmp, owned by the user it runs as (a named volume at /state inherits that owner).
set -euo pipefail

[ $# -ge 3 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2; }
names=${1//,/ } program=$2 out=$3; shift 3
user=0 entry=$(basename "$program") ports='' files='' args=''
while [ $# -gt 0 ]; do
  case $1 in
    --user) user=$2 ;;
    --entry) entry=$2 ;;
    --port) ports="${ports:+$ports,}\"$2/tcp\":{}" ;;
    --add) files="$files $2" ;;
    --arg) args="$args,\"$2\"" ;;
    *) echo "image: unknown option '$1'" >&2; exit 2 ;;
  esac
  shift 2
done

[ -x "$program" ] || { echo "image: there is no program $program; build it first (make image)" >&2; exit 1; }
tar --version 2>/dev/null | grep -q GNU || { echo "image: needs GNU tar" >&2; exit 1; }
case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) arch=$(uname -m) ;;
esac

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/state" "$work/root/tmp"
cp "$program" "$work/root/$entry"
for file in $files; do
  mkdir -p "$work/root/$(dirname "${file#*=}")"
  cp -L "${file%%=*}" "$work/root/${file#*=}"
done
chmod -R u=rwX,go=rX "$work/root"
chmod 755 "$work/root/$entry"
chmod 1777 "$work/root/tmp"
pack() { tar --format=ustar --sort=name --mtime=@0 --numeric-owner "$@"; }
(cd "$work/root" && find . -mindepth 1 -maxdepth 1 ! -name state ! -name tmp -printf '%P\n' | LC_ALL=C sort) >"$work/names"
pack --owner=0 --group=0 -C "$work/root" -cf "$work/layer.tar" -T "$work/names"
pack --owner="$user" --group="$user" -C "$work/root" -rf "$work/layer.tar" state tmp

layer=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
config='{"architecture":"'$arch'","os":"linux","created":"1970-01-01T00:00:00Z","config":{"User":"'$user:$user'",'
config+='"Entrypoint":["/'$entry'"'$args'],"ExposedPorts":{'$ports'},"WorkingDir":"/","Env":["PATH=/:/usr/bin:/bin"],'
config+='"Labels":{"org.opencontainers.image.title":"'$entry'","org.opencontainers.image.licenses":"Apache-2.0"}},'
config+='"rootfs":{"type":"layers","diff_ids":["sha256:'$layer'"]},'
config+='"history":[{"created":"1970-01-01T00:00:00Z","created_by":"deploy/image.sh"}]}'
printf '%s' "$config" >"$work/config"
id=$(sha256sum "$work/config" | cut -d' ' -f1)
mkdir -p "$work/image/$layer"
mv "$work/config" "$work/image/$id.json"
mv "$work/layer.tar" "$work/image/$layer/layer.tar"
tags=$(printf ',"%s"' $names)
printf '[{"Config":"%s.json","RepoTags":[%s],"Layers":["%s/layer.tar"]}]' "$id" "${tags#,}" "$layer" >"$work/image/manifest.json"
mkdir -p "$(dirname "$out")"
(cd "$work/image" && find . -type f -printf '%P\n' | LC_ALL=C sort) >"$work/names"
pack --owner=0 --group=0 -C "$work/image" -cf "$work/out.tar" -T "$work/names"
mv "$work/out.tar" "$out"
