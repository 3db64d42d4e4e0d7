#!/usr/bin/env bash
# All tests, in the order in which they fail soonest. Without root, or on another system than Linux, all but the
# lab, said in the last lines; with CI=true that is a failure.
set -uo pipefail
cd "$(dirname "$0")/../.."

step() { # NAME COMMAND...
  local name=$1 begun=$SECONDS; shift
  printf '== %s\n' "$name"
  "$@" || { printf '\nFAILED: %s (%s)\n' "$name" "$*"; exit 1; }
  printf '   %s: %ss\n' "$name" $((SECONDS - begun))
}

# The suite that the simulated engine has passed, against a real one: what the simulator claims is true.
engine_facts() {
  local name=facts-$$ host failed=0
  host=$(tests/lab/lab.sh up "$name" --nodes 2 --images target/images/whoami.tar --owner $$ | sed -n 's/^DOCKER_HOST=unix:\/\///p')
  [ -n "$host" ] || return 1
  SKEP_LAB_SOCKET=$host cargo test --quiet --locked --features demo --test engine_suite || failed=1
  tests/lab/lab.sh down "$name"
  return $failed
}

lab=yes
if [ "$(uname -s)" != Linux ]; then lab="it needs Linux, this is $(uname -s)"
elif [ "$(id -u)" != 0 ]; then lab="it needs root: sudo make test"; fi
if [ "$lab" != yes ] && [ "${CI:-}" = true ]; then
  echo "FAILED: CI=true, and the lab tests cannot run: $lab"; exit 1
fi

step "what this machine must bring" tests/tools/need.sh cargo cc git $([ "$lab" != yes ] || echo lab)
step "format, lints, licences" tests/tools/lint.sh
step "unit, golden and simulated tests" env SKEP_LAB=off cargo test --quiet --locked --features demo
if [ "$lab" != yes ]; then
  echo
  echo "passed, in ${SECONDS}s, all but the lab tests."
  echo "The lab tests were LEFT OUT: $lab"
  exit 0
fi
step "images" tests/tools/image.sh
step "the simulator's facts on a real engine" engine_facts
step "lab tests" env SKEP_LAB=on cargo test --quiet --locked --features demo --test lab
echo
echo "passed, in ${SECONDS}s, the lab tests included."
