#!/usr/bin/env bash
# A Docker Swarm of several engines on one Linux machine. Each engine has its own network, mount, pid, uts and
# ipc namespace, its data in memory and its own sockets. Nothing is pulled, nothing is left behind.
#
#   lab.sh up [NAME] [--nodes N] [--managers M] [--images A.tar,B.tar] [--owner PID] [--no-swarm]
#   lab.sh down [NAME]            end every process of the lab; remove namespaces, links, cgroups and files
#   lab.sh sweep                  remove the labs whose owner process is dead, and what a reboot left behind
#   lab.sh list                   name, nodes, address and owner of every lab
#   lab.sh load NAME FILE...      load image archives on every node, side by side
#   lab.sh docker NAME I ARG...   the docker command against node I (node 0 is the first manager)
#   lab.sh sh NAME I CMD...       run a command inside node I
#   lab.sh stop|start|kill NAME I engine of node I: SIGTERM, start, SIGKILL (its containers live on)
#   lab.sh freeze|thaw NAME I     SIGSTOP and SIGCONT to that engine
#   lab.sh cut|heal NAME I        pull and plug the network cable of node I
#   lab.sh crash NAME I           power loss: everything of node I dies at once, with its data
#   lab.sh check [--install]      is all here that a lab needs? (--install: get it, as root with apt)
#
# The nodes are called node-0, node-1, ...; node I has the address NET.(I+1), this machine has NET.253, where NET
# is the first free 10.99.X (`lab.sh list`). With --owner the lab goes away by itself when that process ends.
set -euo pipefail

ROOT=${SKEP_LAB_ROOT:-/var/lib/skep-lab}
SELF=$(readlink -f "${BASH_SOURCE[0]}")
POOL=10.200.0.0/13
# A DOCKER_HOST of the caller must never be mistaken for a node.
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION
export PATH="$PATH:/usr/sbin:/sbin:/usr/local/sbin"

say() { printf '%s\n' "$*" >&2; }
die() { say "lab: $*"; exit 1; }

# --- what the machine must bring ----------------------------------------------------------------------------

missing() {
  local pair
  for pair in dockerd:docker.io containerd:docker.io runc:docker.io docker:docker.io ip:iproute2 iptables:iptables \
    nsenter:util-linux unshare:util-linux flock:util-linux setsid:util-linux curl:curl openssl:openssl find:findutils; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s\n' "$pair"
  done
}

check() {
  [ "$(uname -s)" = Linux ] || die "a lab needs Linux (its nodes are Linux namespaces); this is $(uname -s)"
  [ "$(id -u)" = 0 ] || die "a lab needs root (namespaces, links, cgroups). Run it with: sudo $SELF ..."
  local gone; gone=$(missing)
  if [ -n "$gone" ] && [ "${1:-}" = --install ] && command -v apt-get >/dev/null 2>&1; then
    install_packages "$gone"; gone=$(missing)
  fi
  if [ -n "$gone" ]; then
    local tools packages
    tools=$(printf '%s\n' "$gone" | cut -d: -f1 | paste -sd' ')
    packages=$(printf '%s\n' "$gone" | cut -d: -f2 | sort -u | paste -sd' ')
    die "missing: $tools. On Debian and Ubuntu this gets them: apt-get install -y $packages"
  fi
  unshare --net --mount --pid --fork true 2>/dev/null ||
    die "this machine does not let root make network, mount and pid namespaces (a container without --privileged?)"
}

# Debian's docker.io starts an engine of its own when it is installed, with a bridge and firewall rules in the
# machine's own network. A lab needs the programs only, so a policy file holds services back meanwhile.
install_packages() {
  local packages policy=/usr/sbin/policy-rc.d ours=
  packages=$(printf '%s\n' "$1" | cut -d: -f2 | sort -u)
  say "lab: installing" $packages
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; ours=yes
  fi
  local log status=0; log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -q && apt-get install -yq --no-install-recommends $packages; } >"$log" 2>&1 || status=1
  # Newer Debian and Ubuntu have the docker command in a package of its own.
  if [ $status = 0 ] && ! command -v docker >/dev/null 2>&1; then
    apt-get install -yq --no-install-recommends docker-cli >>"$log" 2>&1 || status=1
  fi
  [ -z "$ours" ] || rm -f "$policy"
  [ $status = 0 ] || { tail -n 20 "$log" >&2; rm -f "$log"; die "apt-get could not install" $packages; }
  rm -f "$log"
}

# --- processes ----------------------------------------------------------------------------------------------

# A pid alone may be another process by now: it is kept with its start time, and only both together count.
stamp() { local s; s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1; s=${s##*) }; set -- $s; printf '%s\n' "${20}"; }
remember() { printf '%s %s\n' "$2" "$(stamp "$2")" >"$1"; }
recall() { # FILE: the pid, if that very process still lives
  local pid start; read -r pid start <"$1" 2>/dev/null || return 1
  [ -n "$start" ] && [ "$(stamp "$pid")" = "$start" ] || return 1
  printf '%s\n' "$pid"
}
first_child() {
  local c _
  for _ in $(seq 500); do
    read -r c _ <"/proc/$1/task/$1/children" 2>/dev/null || true
    [ -z "${c:-}" ] || { printf '%s\n' "$c"; return; }
    [ -d "/proc/$1" ] || return 1
    sleep .01
  done
  return 1
}
signal() { local pid; pid=$(recall "$2") || { say "lab: that process is gone"; return 1; }; kill "-$1" "$pid"; }

# --- one node -----------------------------------------------------------------------------------------------

node() { printf '%s\n' "$LAB/node-$1"; }
sock() { printf '%s\n' "$LAB/node-$1/docker.sock"; }
on() { local i=$1; shift; docker -H "unix://$(sock "$i")" "$@"; }
ping_engine() { curl -sf -m 2 -o /dev/null --unix-socket "$(sock "$1")" http://engine/_ping; }
inside() { local i=$1 pid; shift; pid=$(recall "$(node "$i")/init") || die "node-$i is down"; nsenter -t "$pid" -m -u -i -n -p "$@"; }
nodes() { local d; for d in "$LAB"/node-*; do [ -d "$d" ] && printf '%s\n' "${d##*/node-}"; done; }

make_node() {
  local i=$1 dir ns=skep-$NAME-$1; dir=$(node "$1")
  mkdir -p "$dir"
  ip netns add "$ns"
  ip link add "p$i" netns "skep-$NAME-sw" type veth peer name eth0 netns "$ns"
  ip -n "skep-$NAME-sw" link set "p$i" master br0 up
  ip -n "$ns" addr add "$NET.$((i + 1))/24" dev eth0
  ip -n "$ns" link set eth0 up
  ip -n "$ns" link set lo up
  # Pid 1 of the node: when it dies the kernel ends everything in the node. What engines write outside their data
  # folder (/etc/docker, /opt/containerd) goes to a layer in memory.
  nsenter --net="/run/netns/$ns" setsid unshare --fork --pid --mount --mount-proc --uts --ipc bash -c '
    set -e
    echo "node-$1" >/proc/sys/kernel/hostname
    echo 1 >/proc/sys/net/ipv4/ip_forward
    mount --make-rprivate /
    mount -t tmpfs tmpfs /run
    mkdir -p /run/lock /run/cgroup /run/skep
    mount --rbind /sys/fs/cgroup /run/cgroup
    mount -t sysfs sysfs /sys
    mount --rbind /run/cgroup /sys/fs/cgroup
    for d in etc opt; do
      [ -d "/$d" ] || continue
      mkdir -p "/run/skep/$d.new" "/run/skep/$d.work"
      mount -t overlay overlay -o "lowerdir=/$d,upperdir=/run/skep/$d.new,workdir=/run/skep/$d.work" "/$d"
    done
    echo "{}" >/run/skep/daemon.json
    : >"$2/ready"
    while :; do sleep 3600 & wait; done' node "$i" "$dir" >"$dir/init.log" 2>&1 </dev/null 9>&- &
  local outer=$!
  remember "$dir/init" "$(first_child $outer)"
  local _; for _ in $(seq 500); do
    [ ! -e "$dir/ready" ] || return 0
    recall "$dir/init" >/dev/null || break
    sleep .01
  done
  say "lab: node-$i did not start:"; cat "$dir/init.log" >&2; return 1
}

start_engine() {
  local i=$1 dir pid; dir=$(node "$1")
  pid=$(recall "$dir/init") || die "node-$i is down"
  rm -f "$dir/docker.sock"
  nsenter -t "$pid" -m -u -i -n -p dockerd --data-root /run/skep/docker --exec-root /run/docker \
    --pidfile /run/docker.pid --config-file /run/skep/daemon.json --exec-opt native.cgroupdriver=cgroupfs \
    --cgroup-parent "/skep-lab-$NAME/node-$i" -H "unix://$dir/docker.sock" -H unix:///run/docker.sock \
    >>"$dir/engine.log" 2>&1 </dev/null 9>&- &
  local outer=$!
  remember "$dir/engine" "$(first_child $outer)"
  local _; for _ in $(seq 1200); do
    ! ping_engine "$i" || return 0
    recall "$dir/engine" >/dev/null || break
    sleep .05
  done
  say "lab: the engine of node-$i does not answer; the end of its log:"; tail -n 15 "$dir/engine.log" >&2; return 1
}

load() { local i=$1 f; shift; for f in "$@"; do on "$i" load -q -i "$f" >/dev/null || return 1; done; }

# Runs a shell function for every node at once; one that fails, fails all.
everywhere() {
  local i p failed=0 pids=()
  for i in $(nodes); do { "$1" "$i" "${@:2}"; } & pids+=($!); done
  for p in "${pids[@]}"; do wait "$p" || failed=1; done
  return $failed
}

# --- the lab ------------------------------------------------------------------------------------------------

use() {
  NAME=${1:-lab}
  [[ $NAME =~ ^[a-z0-9][a-z0-9-]{0,15}$ ]] || die "'$NAME' cannot name a lab: use 1 to 16 of a-z, 0-9 and -"
  LAB=$ROOT/$NAME
  NET=$(cat "$LAB/net" 2>/dev/null || true)
}
existing() { use "${1:-lab}"; [ -n "$NET" ] || die "there is no lab '$NAME' (lab.sh list shows them)"; }
number() { [[ ${1:-} =~ ^[0-9]+$ ]] && [ -d "$(node "$1")" ] || die "lab '$NAME' has no node '${1:-}'"; }

# Takes the first 10.99.X that neither another lab nor anything else on this machine uses.
pick_net() {
  local x; exec 8>"$ROOT/.net"; flock 8
  for x in $(seq 1 250); do
    ! grep -qsx "10.99.$x" "$ROOT"/*/net || continue
    [ -z "$(ip -4 route show root 10.99.$x.0/24 2>/dev/null)" ] || continue
    NET=10.99.$x; printf '%s\n' "$NET" >"$LAB/net"; exec 8>&-; return
  done
  die "no free network in 10.99.1.0 .. 10.99.250.0"
}
host_link() { printf 'skep-lab%s\n' "${NET##*.}"; }

up() {
  local name=lab count=3 managers=1 images= owner= swarm=yes
  [[ ${1:-} == -* || -z ${1:-} ]] || { name=$1; shift; }
  while [ $# -gt 0 ]; do
    case $1 in
      --nodes) count=$2; shift 2 ;;
      --managers) managers=$2; shift 2 ;;
      --images) images=${2//,/ }; shift 2 ;;
      --owner) owner=$2; shift 2 ;;
      --no-swarm) swarm=; shift ;;
      *) die "up: unknown option '$1'" ;;
    esac
  done
  local f; for f in $images; do [ -r "$f" ] || die "there is no image archive $f (make image builds it)"; done
  check --install
  use "$name"
  [ ! -d "$LAB" ] || die "lab '$NAME' exists already (lab.sh down $NAME removes it)"
  mkdir -p "$LAB"
  exec 9>"$LAB/lock"; flock 9
  cat /proc/sys/kernel/random/boot_id >"$LAB/boot"
  [ -z "$owner" ] || remember "$LAB/owner" "$owner"
  # A lab that could not be built is taken down again; its logs have been shown by then.
  trap 'down; exit 1' EXIT
  trap 'exit 130' INT TERM
  build "$count" "$managers" "$images" "$swarm"
  trap - EXIT INT TERM
  [ -z "$owner" ] || { setsid bash "$SELF" watch "$NAME" </dev/null >/dev/null 2>&1 9>&- & }
  say "lab: '$NAME' is up in ${SECONDS}s: $count nodes at $NET.1 .. $NET.$count"
  printf 'DOCKER_HOST=unix://%s\n' "$(sock 0)"
}

build() {
  local count=$1 managers=$2 images=$3 swarm=$4 i
  modprobe -q -a br_netfilter vxlan 2>/dev/null || true
  pick_net
  ip netns add "skep-$NAME-sw"
  ip -n "skep-$NAME-sw" link set lo up
  ip -n "skep-$NAME-sw" link add br0 type bridge
  ip -n "skep-$NAME-sw" link set br0 up
  ip link add "$(host_link)" type veth peer name up0 netns "skep-$NAME-sw"
  ip -n "skep-$NAME-sw" link set up0 master br0 up
  ip addr add "$NET.253/24" dev "$(host_link)"
  ip link set "$(host_link)" up
  for i in $(seq 0 $((count - 1))); do make_node "$i"; done
  everywhere start_engine
  # shellcheck disable=SC2086
  everywhere load $images
  [ -n "$swarm" ] || return 0
  on 0 swarm init --advertise-addr "$NET.1" --listen-addr "$NET.1:2377" --default-addr-pool "$POOL" \
    --default-addr-pool-mask-length 24 >/dev/null
  local token workers; token=$(on 0 swarm join-token -q manager); workers=$(on 0 swarm join-token -q worker)
  for i in $(seq 1 $((count - 1))); do
    [ "$i" -lt "$managers" ] || token=$workers
    on "$i" swarm join --token "$token" --advertise-addr "$NET.$((i + 1))" \
      --listen-addr "$NET.$((i + 1)):2377" "$NET.1:2377" >/dev/null
  done
  for _ in $(seq 600); do
    [ "$(on 0 node ls --format '{{.Status}}' | grep -c Ready)" != "$count" ] || return 0
    sleep .05
  done
  say "lab: not all nodes are ready:"; on 0 node ls >&2; return 1
}

down() {
  local d i pid _
  trap - EXIT INT TERM
  [ -d "$LAB" ] || return 0
  NET=$(cat "$LAB/net" 2>/dev/null || true)
  for d in "$LAB"/node-*; do
    ! pid=$(recall "$d/init") || kill -9 "$pid" 2>/dev/null || true
  done
  for d in "$LAB"/node-*; do
    for _ in $(seq 500); do gone "$d/init" && gone "$d/engine" && break; sleep .02; done
  done
  for i in $(ip netns list | sed -n "s/^skep-$NAME-\([0-9]*\)\( .*\)*$/\1/p"); do ip netns del "skep-$NAME-$i" || true; done
  ip netns del "skep-$NAME-sw" 2>/dev/null || true
  [ -z "$NET" ] || ip link del "$(host_link)" 2>/dev/null || true
  for _ in $(seq 50); do
    local trees; mapfile -t trees < <(find /sys/fs/cgroup -maxdepth 2 -type d -name "skep-lab-$NAME" 2>/dev/null)
    [ ${#trees[@]} -gt 0 ] || break
    find "${trees[@]}" -depth -type d -exec rmdir {} + 2>/dev/null || true
    sleep .1
  done
  rm -rf "$LAB"
  [ -n "$(find "$ROOT" -mindepth 1 -maxdepth 1 -type d)" ] || rm -rf "$ROOT"
}
gone() { # FILE: that process has ended (one that only waits to be reaped has)
  local pid state; pid=$(recall "$1") || return 0
  state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null) || return 0
  [ -z "$state" ] || [ "$state" = Z ]
}

# A lab is left over when its owner has ended, or when it stems from before the machine's last start.
sweep() {
  local d
  for d in "$ROOT"/*/; do
    [ -d "$d" ] || continue
    use "$(basename "$d")"
    if [ -e "$LAB/owner" ]; then ! recall "$LAB/owner" >/dev/null || continue
    elif [ "$(cat "$LAB/boot" 2>/dev/null)" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then continue; fi
    # Someone is just building it: that one cleans up itself.
    flock -n "$LAB/lock" true 2>/dev/null || continue
    say "lab: removing '$NAME', left over from a process that has ended"
    down
  done
}

watch() {
  while [ -d "$LAB" ] && recall "$LAB/owner" >/dev/null; do sleep 1; done
  down
}

list() {
  local d
  for d in "$ROOT"/*/; do
    [ -d "$d" ] || continue
    use "$(basename "$d")"
    printf '%-16s nodes=%s net=%s owner=%s DOCKER_HOST=unix://%s\n' "$NAME" "$(nodes | wc -l)" "${NET:-none}" \
      "$(recall "$LAB/owner" 2>/dev/null || echo none)" "$(sock 0)"
  done
}

command=${1:-}; [ $# = 0 ] || shift
case $command in
  up) up "$@" ;;
  down) use "${1:-lab}"; [ "$(id -u)" = 0 ] || die "removing a lab needs root"; down ;;
  sweep) [ "$(id -u)" != 0 ] || sweep ;;
  watch) use "$1"; watch ;;
  list) list ;;
  check) check "${1:-}" ;;
  load) existing "${1:-}"; shift; everywhere load "$@" ;;
  docker) existing "${1:-}"; number "${2:-}"; i=$2; shift 2; exec docker -H "unix://$(sock "$i")" "$@" ;;
  sh) existing "${1:-}"; number "${2:-}"; i=$2; shift 2; inside "$i" "$@" ;;
  start) existing "${1:-}"; number "${2:-}"; start_engine "$2" ;;
  stop) existing "${1:-}"; number "${2:-}"; signal TERM "$(node "$2")/engine" ;;
  kill) existing "${1:-}"; number "${2:-}"; signal KILL "$(node "$2")/engine" ;;
  freeze) existing "${1:-}"; number "${2:-}"; signal STOP "$(node "$2")/engine" ;;
  thaw) existing "${1:-}"; number "${2:-}"; signal CONT "$(node "$2")/engine" ;;
  cut) existing "${1:-}"; number "${2:-}"; ip -n "skep-$NAME-sw" link set "p$2" down ;;
  heal) existing "${1:-}"; number "${2:-}"; ip -n "skep-$NAME-sw" link set "p$2" up ;;
  crash) existing "${1:-}"; number "${2:-}"; signal KILL "$(node "$2")/init" ;;
  *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$SELF"; exit 2 ;;
esac
