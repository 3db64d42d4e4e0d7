#!/usr/bin/env bash
# Format, lints, licences and sources.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo fmt --check
cargo clippy --quiet --locked --all-targets --features demo -- -D warnings
tests/tools/cargo-deny.sh
