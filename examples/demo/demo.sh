#!/usr/bin/env bash
# `make demo`: Skep on a Swarm of three nodes, two service clusters, one application behind each.
#   demo.sh up | down        DEMO=here: on the Swarm that this machine's engine manages
set -euo pipefail
cd "$(dirname "$0")/../.."
LAB=${DEMO_LAB:-demo} # a test gives it another name, to run beside yours
lab=tests/lab/lab.sh
skep=${CARGO_TARGET_DIR:-target}/$(uname -m)-unknown-linux-gnu/release/skep

bold() { if [ -t 1 ]; then printf '\033[1m%s\033[0m\n' "$*"; else printf '%s\n' "$*"; fi; }
note() { printf '\n'; bold "# $*"; }
# Shows a command as one would type it, and runs it.
run() { bold "\$ $(printf '%s' "$*" | sed "s|^$skep|skep|")"; "$@"; }
quiet() { bold "\$ $*"; "$@" >/dev/null; }
fail() { printf '\nThe demo FAILED: %s\n' "$*" >&2; exit 1; }

here() {
  local state; state=$(docker info --format '{{.Swarm.ControlAvailable}}' 2>/dev/null) || fail "no Docker engine answers here"
  [ "$state" = true ] || fail "this engine is not a Swarm manager; 'docker swarm init' makes it one"
  mapfile -t NODES < <(docker node ls --filter role=worker --format '{{.Hostname}}'; docker node ls --filter role=manager --format '{{.Hostname}}')
  [ ${#NODES[@]} -ge 2 ] || fail "east and west need a node each; this Swarm has one (plain 'make demo' makes a Swarm of three)"
  EAST_NODE=${NODES[0]} WEST_NODE=${NODES[1]}
  EAST=$(docker node inspect "$EAST_NODE" --format '{{.Status.Addr}}'); WEST=$(docker node inspect "$WEST_NODE" --format '{{.Status.Addr}}')
  printf 'Every node needs the images: docker load -i target/images/skep.tar there, and whoami.tar.\n'
  docker load -q -i target/images/skep.tar; docker load -q -i target/images/whoami.tar
}

# A demo of another checkout is somebody's: it is never taken away unasked.
mine() {
  local owner; owner=$(cat "${SKEP_LAB_ROOT:-/var/lib/skep-lab}/$LAB/checkout" 2>/dev/null || pwd)
  [ "$owner" = "$PWD" ] || fail "the demo of $owner runs on this machine: 'make demo-down' there takes it away"
}
makelab() {
  mine
  $lab down $LAB
  export DOCKER_HOST
  DOCKER_HOST=$($lab up $LAB --nodes 3 --images target/images/skep.tar,target/images/whoami.tar | sed -n 's/^DOCKER_HOST=//p')
  [ -n "$DOCKER_HOST" ] || fail "the lab did not start"
  echo "$PWD" >"${SKEP_LAB_ROOT:-/var/lib/skep-lab}/$LAB/checkout"
  EAST_NODE=node-0 WEST_NODE=node-1
  EAST=$(docker node inspect node-0 --format '{{.Status.Addr}}'); WEST=$(docker node inspect node-1 --format '{{.Status.Addr}}')
}

manifest() { sed "s/nodes: .*/nodes: [$2]/" "examples/demo/$1.yaml"; } # NAME NODE

# Asks until the status is the wanted one.
await() { # STATUS HOST ADDRESS
  local _ code
  for _ in $(seq 300); do
    code=$(curl -s -m 3 -o /dev/null -w '%{http_code}' -H "Host: $2" "http://$3/") || true
    [ "$code" != "$1" ] || return 0
    sleep .1
  done
  docker service ls; "$skep" get -o wide || true; "$skep" routes || true
  fail "Host: $2 on $3 answers $code, not $1"
}
shows() { # STATUS HOST ADDRESS SERVICE
  bold "\$ curl -H 'Host: $2' http://$3/"
  local answer code; answer=$(curl -s -m 5 -w '\n%{http_code}' -H "Host: $2" "http://$3/"); code=${answer##*$'\n'}
  printf '%s\n' "${answer%$'\n'*}" | sed "/^$/d" | head -n 2 | sed 's/^/  /'; printf '  -> %s\n' "$code"
  [ "$code" = "$1" ] || fail "expected $1"
  [ -n "${4:-}" ] || return 0
  local id want; id=$(printf '%s\n' "$answer" | sed -n 's/^container: //p')
  want=$(docker service ps -q --no-trunc --filter desired-state=running "$4" | xargs docker inspect --type task --format '{{.Status.ContainerStatus.ContainerID}}')
  grep -qx "$id" <<<"$want" || fail "container $id is not one of $4"
}
app() { # NAME NETWORK HOST CLUSTER
  quiet docker service create --detach --quiet --no-resolve-image --name "$1" --network "$2" \
    --label com.docker.lb.hosts="$3" --label com.docker.lb.port=8000 --label com.docker.lb.service_cluster="$4" \
    localhost:5000/whoami:dev
}

up() {
  note "A Swarm"
  if [ "${DEMO:-}" = here ]; then here; else makelab; fi
  run docker node ls --format 'table {{.Hostname}}\t{{.Status}}\t{{.ManagerStatus}}\t{{.EngineVersion}}'
  note "Skep, and two service clusters"
  run "$skep" install --image localhost:5000/skep:dev
  { manifest east "$EAST_NODE"; echo ---; manifest west "$WEST_NODE"; } >"target/$LAB.yaml"
  run "$skep" apply -f "target/$LAB.yaml" --wait
  note "Two applications"
  app demoeast eastnet demo.A east
  app demowest westnet demo.B west
  await 200 demo.A "$EAST"; await 200 demo.B "$WEST"
  run "$skep" get
  run "$skep" routes
  note "East is served by the proxies of east ($EAST_NODE), and by no others"
  shows 200 demo.A "$EAST" demoeast
  shows 404 demo.A "$WEST"
  note "West is served by the proxies of west ($WEST_NODE), and by no others"
  shows 200 demo.B "$WEST" demowest
  shows 404 demo.B "$EAST"
  note "It works. Look around:"
  [ "${DEMO:-}" = here ] || printf '  export DOCKER_HOST=%s\n' "$DOCKER_HOST"
  printf '  %s\n' "alias skep=$(realpath "$skep")" "skep describe east" "docker service update --label-add com.docker.lb.hosts=other.A demoeast" \
    "curl -H 'Host: other.A' http://$EAST/" "make demo-down${DEMO:+ DEMO=$DEMO}      # when you are done"
}

down() {
  if [ "${DEMO:-}" != here ]; then mine; $lab down $LAB; echo "The demo is gone."; return; fi
  docker service rm demoeast demowest 2>/dev/null || true
  "$skep" uninstall --delete-clusters
}

case ${1:-} in up) up ;; down) down ;; *) sed -n 2,3p "$0"; exit 2 ;; esac
