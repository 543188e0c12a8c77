#!/bin/bash
# One real Kafka node (KRaft, broker and controller in one process) for tests; several may run side by side.
#
#   kafka.sh fetch                        the jars, once, into build/kafka/lib (Maven, cached in ~/.m2)
#   kafka.sh start DIR [PROPERTY=VALUE]   makes or restarts the node of DIR; prints HOST:PORT; log in DIR/broker.log
#   kafka.sh stop DIR [TERM|KILL]         ends it (by its own pid) and waits
#   kafka.sh wipe DIR                     stop KILL, then the folder goes away
#
# A restart keeps ports and data. Properties given at the first start stay. Topics are never made automatically, so that a test
# sees what the router makes; give auto.create.topics.enable=true to change that. KAFKA_HEAP (default 768m) bounds the heap, KAFKA_PORT
# is the port of a new node (default: a free one).
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

configure() { # DIR, then properties
    local dir=$1 port controller
    shift
    port=${KAFKA_PORT:-$(free_port)}
    controller=$(free_port)
    cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
log.dirs=$dir/data
num.partitions=1
offsets.topic.num.partitions=5
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=4194304
PROPERTIES
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

start() {
    local dir try
    [ $# -ge 1 ] || die "start DIR [PROPERTY=VALUE]..."
    command -v java >/dev/null || die "java is missing; run tests/support/setup.sh test"
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    shift
    fetch
    if alive "$dir"; then cat "$dir/bootstrap"; return; fi
    rm -f "$dir/pid"
    if [ -e "$dir/server.properties" ]; then
        launch "$dir" || { tail -n 30 "$dir/broker.log" >&2; die "the node of $dir did not start"; }
        cat "$dir/bootstrap"
        return
    fi
    if [ -n "${KAFKA_PORT:-}" ] && taken "$KAFKA_PORT"; then die "port $KAFKA_PORT is in use; set another KAFKA_PORT"; fi
    for try in 1 2 3; do # another process may take a port between the look and the bind
        configure "$dir" "$@"
        if launch "$dir"; then cat "$dir/bootstrap"; return; fi
        stop "$dir" KILL
        grep -q 'Address already in use' "$dir/broker.log" || break
    done
    tail -n 30 "$dir/broker.log" >&2
    die "the node of $dir did not start (try $try)"
}

stop() {
    local dir=$1 signal=${2:-TERM} pid
    [ -e "$dir/pid" ] || return 0
    pid=$(cat "$dir/pid")
    rm -f "$dir/pid"
    kill -"$signal" "$pid" 2>/dev/null || return 0
    if ! timeout 30 tail --pid="$pid" -s 0.05 -f /dev/null; then
        kill -KILL "$pid" 2>/dev/null || true
        timeout 10 tail --pid="$pid" -s 0.05 -f /dev/null || true
    fi
}

wipe() {
    stop "$1" KILL
    rm -rf "$1"
}

case ${1:-} in
fetch) fetch ;;
start) shift; start "$@" ;;
stop) shift; [ $# -ge 1 ] || die "stop DIR"; stop "$@" ;;
wipe) shift; [ $# -eq 1 ] || die "wipe DIR"; wipe "$1" ;;
*) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 64 ;;
esac
