#!/usr/bin/env bash
# Checks what this machine must bring, all at once, and names the command that gets each thing.
#   need.sh [cargo] [cc] [git] [docker] [lab] [bench]
set -uo pipefail
cd "$(dirname "$0")/../.."

faults=0
lack() { printf 'missing: %s\n  get it:  %s\n' "$1" "$2" >&2; faults=1; }
packages() { # what installs packages here
  if command -v apt-get >/dev/null; then echo "apt-get install -y $1"
  elif command -v dnf >/dev/null; then echo "dnf install -y $1"
  elif command -v brew >/dev/null; then echo "brew install $1"
  else echo "install $1 with your system's package manager"; fi
}
older() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" != "$2" ]; }

for thing in "$@"; do
  case $thing in
    cargo)
      wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
      if ! command -v cargo >/dev/null || ! have=$(rustc --version 2>/dev/null | cut -d' ' -f2); then
        lack "a Rust toolchain ($wanted or newer)" "curl -sSf https://sh.rustup.rs | sh -s -- -y"
      elif older "$have" "$wanted"; then
        lack "Rust $wanted or newer (this is $have)" "rustup update stable"
      else
        cargo fmt --version >/dev/null 2>&1 || lack rustfmt "rustup component add rustfmt"
        cargo clippy --version >/dev/null 2>&1 || lack clippy "rustup component add clippy"
      fi
      ;;
    cc) command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null ||
      lack "a C compiler (for the cryptography crate)" "$(packages gcc)" ;;
    git) command -v git >/dev/null && [ -x "$(git --exec-path)/git-daemon" ] && [ -x "$(git --exec-path)/git-http-backend" ] ||
      lack "git with its servers (git daemon, git http-backend), for the tests of sources" "$(packages git)"
      command -v ssh-keygen >/dev/null ||
      lack "ssh-keygen, for the tests of signed commits" "$(packages "$(command -v dnf >/dev/null && echo openssh || echo openssh-client)")" ;;
    docker) command -v docker >/dev/null || lack "the docker command" "$(packages docker.io)" ;;
    lab) tests/lab/lab.sh check --install || faults=1 ;;
    bench)
      for pair in wrk:wrk haproxy:haproxy nginx:nginx-light taskset:util-linux; do
        command -v "${pair%%:*}" >/dev/null || [ -x "/usr/sbin/${pair%%:*}" ] || lack "${pair%%:*}" "$(packages "${pair#*:}")"
      done
      python3 -m pip --version >/dev/null 2>&1 || command -v traefik >/dev/null || lack "Python's pip (it gets Traefik)" "$(packages python3-pip)" ;;
    *) echo "need: unknown thing '$thing'" >&2; exit 2 ;;
  esac
done
exit $faults
