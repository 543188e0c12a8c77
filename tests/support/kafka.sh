#!/bin/bash
# Real Kafka (KRaft, broker and controller in one process) for tests: one node, or several that are a cluster; many may run side by side.
#
#   kafka.sh fetch                          the jars, once, into build/kafka/lib (Maven, cached in ~/.m2)
#   kafka.sh start DIR [--nodes N] [--advertise PORT,...] [PROPERTY=VALUE]...
#                                           makes or restarts the node of DIR; prints HOST:PORT; log in DIR/broker.log
#   kafka.sh stop DIR [TERM|KILL]           ends it (by its own pid) and waits
#   kafka.sh pause DIR, kafka.sh resume DIR SIGSTOP and SIGCONT
#   kafka.sh wipe DIR                       stop KILL, then the folder goes away
#
# --nodes N (more than 1): the nodes are DIR/1 ... DIR/N, RF 3 and min ISR 2 by default (as far as N allows); every command takes DIR for all
# of them or DIR/I for one. --advertise: each node gets a second client listener that tells clients to connect to 127.0.0.1:PORT (the I-th
# for the I-th node), where something must stand that passes on to the address in the file DIR/behind.
#
# A restart keeps ports and data. Properties given at the first start stay. Topics are never made automatically, so that a test
# sees what the router makes; give auto.create.topics.enable=true to change that. KAFKA_HEAP (default 768m) bounds the heap of a node,
# KAFKA_PORT is the port of a new (or the first) node (default: a free one).
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
lib=${KAFKA_LIB:-$root/build/kafka/lib}

die() { echo "kafka.sh: $*" >&2; exit 1; }

fetch() {
    if [ -e "$lib/.complete" ] && [ "$lib/.complete" -nt "$root/tests/support/kafka-pom.xml" ]; then return; fi
    command -v mvn >/dev/null || die "mvn is missing; run tests/support/setup.sh test"
    mkdir -p "$lib"
    exec 8>"$lib/.lock"
    flock 8
    if [ -e "$lib/.complete" ] && [ "$lib/.complete" -nt "$root/tests/support/kafka-pom.xml" ]; then return; fi
    mvn -B -q -f "$root/tests/support/kafka-pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$lib" >&2 || die "Maven could not resolve the Kafka artifacts"
    touch "$lib/.complete"
    exec 8>&-
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
    local port
    for _ in {1..200}; do
        port=$((20000 + RANDOM % 12000))
        taken "$port" || { echo "$port"; return; }
    done
    die "no free port"
}

# Writes the configuration of a node and formats its storage. The surroundings say what it has in common with its cluster:
# voters (ID@HOST:PORT,...), nodes (how many) and advertise (a port or nothing).
configure() { # DIR, node id, controller port, then properties
    local dir=$1 id=$2 controller=$3 port behind replicas=$((nodes < 3 ? nodes : 3)) isr
    shift 3
    isr=$((replicas > 1 ? replicas - 1 : 1))
    mkdir -p "$dir"
    port=$(free_port)
    if [ "$id" -eq 1 ]; then port=${KAFKA_PORT:-$port}; fi
    cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=$id
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data
num.partitions=1
default.replication.factor=$replicas
min.insync.replicas=$isr
offsets.topic.num.partitions=5
offsets.topic.replication.factor=$replicas
transaction.state.log.num.partitions=5
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$isr
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=4194304
PROPERTIES
    if [ -n "$advertise" ]; then
        behind=$(free_port)
        cat >>"$dir/server.properties" <<PROPERTIES
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller,FAULTY://127.0.0.1:$behind
advertised.listeners=PLAINTEXT://127.0.0.1:$port,FAULTY://127.0.0.1:$advertise
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FAULTY:PLAINTEXT
PROPERTIES
        echo "127.0.0.1:$behind" >"$dir/behind"
    fi
    printf '%s\n' "$@" >>"$dir/server.properties"
    cat >"$dir/log4j2.properties" <<LOG
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1}: %m%n
LOG
    echo "127.0.0.1:$port" >"$dir/bootstrap"
    rm -rf "$dir/data"
    java_command "$dir"
    "${java[@]}" kafka.tools.StorageTool format -t AAAAAAAAQACAAAAAAAAAAA -c "$dir/server.properties" >"$dir/format.log" 2>&1 ||
        { cat "$dir/format.log" >&2; die "format failed"; }
}

java_command() { # DIR: fills the array java
    java=(java -Xms128m -Xmx"${KAFKA_HEAP:-768m}" -XX:+UseParallelGC -XX:+ExitOnOutOfMemoryError -Xshare:auto
        -Dlog4j2.configurationFile="$1/log4j2.properties" -cp "$lib/*")
}

alive() { [ -e "$1/pid" ] && kill -0 "$(cat "$1/pid")" 2>/dev/null; }

launch() { # DIR: true when it serves
    local dir=$1 pid tail started=1
    : >"$dir/broker.log"
    java_command "$dir"
    # A session of its own: the node must survive the shell that starts it, and a Ctrl-C meant for a test.
    setsid --fork bash -c 'echo $$ >"$1/pid"; shift; exec "$@"' - "$dir" \
        "${java[@]}" kafka.Kafka "$dir/server.properties" \
        >>"$dir/broker.log" 2>&1 </dev/null
    until [ -s "$dir/pid" ]; do read -rt 0.02 <> <(:) || true; done
    pid=$(cat "$dir/pid")
    # Ends when the line appears, when the node dies or at the deadline.
    exec 7< <(exec timeout 60 tail --pid="$pid" -s 0.05 -n +1 -F "$dir/broker.log" 2>/dev/null)
    tail=$!
    grep -qm1 'Kafka Server started' <&7 && started=0
    exec 7<&-
    kill "$tail" 2>/dev/null || true
    return $started
}

members() { # DIR: the folders of its nodes
    local i count=1
    if [ -e "$1/nodes" ]; then count=$(cat "$1/nodes"); fi
    if [ "$count" -eq 1 ]; then echo "$1"; return; fi
    for ((i = 1; i <= count; i++)); do echo "$1/$i"; done
}

# All at once: a cluster is up only when most of its nodes are. True when all serve.
launch_all() { # DIR...
    local dir failed=0 running=()
    for dir in "$@"; do
        if alive "$dir"; then continue; fi
        rm -f "$dir/pid"
        launch "$dir" &
        running+=($!)
    done
    for dir in "${running[@]}"; do wait "$dir" || failed=1; done
    return $failed
}

configure_all() { # ports to advertise (with commas), properties; the array folders says where
    local i faces controllers=() voters='' nodes=${#folders[@]} advertise running=()
    IFS=, read -ra faces <<<"$1"
    shift
    for ((i = 0; i < nodes; i++)); do
        controllers+=("$(free_port)")
        voters+="${voters:+,}$((i + 1))@127.0.0.1:${controllers[i]}"
    done
    for ((i = 0; i < nodes; i++)); do
        advertise=${faces[i]:-}
        configure "${folders[i]}" $((i + 1)) "${controllers[i]}" "$@" &
        running+=($!)
    done
    for i in "${running[@]}"; do wait "$i" || die "a node could not be configured"; done
}

bootstrap() { # DIR...
    local dir list=''
    for dir in "$@"; do list+="${list:+,}$(cat "$dir/bootstrap")"; done
    echo "$list"
}

start() {
    local dir try count=1 ports='' folders
    [ $# -ge 1 ] || die "start DIR [--nodes N] [--advertise PORT,...] [PROPERTY=VALUE]..."
    command -v java >/dev/null || die "java is missing; run tests/support/setup.sh test"
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        --nodes) count=$2; shift 2 ;;
        --advertise) ports=$2; shift 2 ;;
        *) break ;;
        esac
    done
    fetch
    if [ ! -e "$dir/nodes" ] && [ ! -e "$dir/server.properties" ]; then
        if [ -n "${KAFKA_PORT:-}" ] && taken "$KAFKA_PORT"; then die "port $KAFKA_PORT is in use; set another KAFKA_PORT"; fi
        echo "$count" >"$dir/nodes"
        mapfile -t folders < <(members "$dir")
        for try in 1 2 3; do # another process may take a port between the look and the bind
            configure_all "$ports" "$@"
            if launch_all "${folders[@]}"; then bootstrap "${folders[@]}"; return; fi
            stop "$dir" KILL
            grep -q 'Address already in use' "${folders[@]/%//broker.log}" || break
        done
        tail -n 30 "${folders[@]/%//broker.log}" >&2
        die "the node of $dir did not start (try $try)"
    fi
    mapfile -t folders < <(members "$dir")
    launch_all "${folders[@]}" || { tail -n 30 "${folders[@]/%//broker.log}" >&2; die "the node of $dir did not start"; }
    bootstrap "${folders[@]}"
}

stop_one() { # DIR SIGNAL
    local dir=$1 signal=$2 pid
    [ -e "$dir/pid" ] || return 0
    pid=$(cat "$dir/pid")
    rm -f "$dir/pid"
    kill -"$signal" "$pid" 2>/dev/null || return 0
    kill -CONT "$pid" 2>/dev/null || true # one that is paused does not see a TERM
    if ! timeout 30 tail --pid="$pid" -s 0.05 -f /dev/null; then
        kill -KILL "$pid" 2>/dev/null || true
        timeout 10 tail --pid="$pid" -s 0.05 -f /dev/null || true
    fi
}

stop() { # DIR [SIGNAL]; a cluster's nodes together: the last ones alone would wait for a quorum
    local dir
    while read -r dir; do stop_one "$dir" "${2:-TERM}" & done < <(members "$1")
    wait
}

send() { # DIR SIGNAL
    local dir
    while read -r dir; do
        if alive "$dir"; then kill -"$2" "$(cat "$dir/pid")"; fi
    done < <(members "$1")
}

wipe() {
    stop "$1" KILL
    rm -rf "$1"
}

case ${1:-} in
fetch) fetch ;;
start) shift; start "$@" ;;
stop) shift; [ $# -ge 1 ] || die "stop DIR"; stop "$@" ;;
pause) [ $# -eq 2 ] || die "pause DIR"; send "$2" STOP ;;
resume) [ $# -eq 2 ] || die "resume DIR"; send "$2" CONT ;;
wipe) shift; [ $# -eq 1 ] || die "wipe DIR"; wipe "$1" ;;
*) sed -n '2,19s/^# \{0,1\}//p' "$0"; exit 64 ;;
esac
