#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (default 300), one after the other, or those that are named. Needs no
# nightly toolchain: fuzz/README.md says why. Ends with the first finding, which stands in fuzz/artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")/../.."

VERSION=0.13.2
tools=${CARGO_TARGET_DIR:-$PWD/target}/tools
if ! command -v cargo-fuzz >/dev/null; then
  if [ ! -x "$tools/bin/cargo-fuzz" ]; then
    echo "cargo-fuzz: building $VERSION from source, once (some minutes)"
    cargo install --quiet --locked --debug --root "$tools" --target-dir "$tools/build" "cargo-fuzz@$VERSION"
    rm -rf "$tools/build"
  fi
  PATH=$tools/bin:$PATH
fi
command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null ||
  { echo "missing: a C++ compiler, for libFuzzer. Get it: apt-get install -y g++" >&2; exit 1; }

targets=${*:-labels manifest interlock}
for target in $targets; do
  mkdir -p "fuzz/corpus/$target"
  echo "== $target: ${FUZZ_SECONDS:-300}s"
  # Our code is without `unsafe`, so the address sanitizer would find nothing and cost half the speed.
  cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="${FUZZ_SECONDS:-300}" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
done
