#!/usr/bin/env bash
# The measurements of docs/performance.md. Arguments go to the program: --networks 1,5 --changes 50 --swaps 5 --seconds 5 --rolling 1
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/sbin:/sbin"
# The rival of the change test: Debian's HAProxy with its libraries, as an image.
libraries=$(ldd "$(command -v haproxy)" | sed -n 's/.* => \(\/[^ ]*\) .*/--add \1=\1/p; s/^\t\(\/[^ ]*\) .*/--add \1=\1/p')
# shellcheck disable=SC2046,SC2086
deploy/image.sh localhost:5000/haproxy:bench "$(command -v haproxy)" target/images/haproxy.tar --user 65532 \
  $libraries --arg -W --arg -db --arg -f --arg /haproxy.cfg
# The rival of the rolling updates.
traefik=$(tests/tools/traefik.sh)
deploy/image.sh localhost:5000/traefik:bench "$traefik" target/images/traefik.tar
SKEP_BENCH_BINARY=${CARGO_TARGET_DIR:-target}/$(uname -m)-unknown-linux-gnu/release/skep \
  cargo bench --quiet --locked --profile dev --features demo --bench headline -- "$@"
