#!/usr/bin/python3
"""make bench-isolation: what one broken destination of 20 costs the others, and how soon its breaker opens and closes again; both modes.

    isolation.py --programs build/release [--events 200000] [--pairs 3] [--only missing,size,leaderless] [--modes ...]

Each event has one destination. Rounds with all destinations in order and rounds with a broken one take turns: the router is stopped
(SIGSTOP), events of 300 bytes are written, it goes on, and CPU (user and system time of all its threads) and wall time count until the
last of them has its outcome. Wall time is the whole machine's, brokers and all; CPU per event says what the router has to do more. The
broker without a leader is one of three nodes; the others' topics are on all three.

  missing     the topic is deleted, and made again by its owner (destinations.create = false)
  size        its max.message.bytes is smaller than any copy (no breaker opens: that is about each record)
  leaderless  its only replica is on a node that is shut down
"""
import argparse
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from confluent_kafka.admin import ConfigResource, NewTopic

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from rig import KAFKA_SH, Kafka, Router, until, wait_for  # noqa: E402

COUNT = 20
OPENS, CLOSES = 60, 60  # seconds, at most


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Nodes(Kafka):
    """One node, or three that are a cluster."""

    def __init__(self, folder, nodes):
        super().__init__(folder)
        self.nodes = nodes

    def start(self):
        command = [KAFKA_SH, "start", self.folder, *(["--nodes", str(self.nodes)] if self.nodes > 1 else []), *self.properties]
        self.bootstrap = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        return self.connect()

    def create(self, topic, partitions=1, replicas=None, **config):
        new = NewTopic(topic, partitions, **({"replica_assignment": [replicas]} if replicas else {"replication_factor": self.nodes}),
                       config={k.replace("_", "."): str(v) for k, v in config.items()})
        wait_for(self.admin.create_topics([new])[topic])
        until(lambda: self.partitions(topic) == partitions, what=f"metadata of {topic}")

    def leader(self, topic):
        return self.admin.list_topics(timeout=20).topics[topic].partitions[0].leader


class Missing:
    nodes, replicas, breaker = 1, None, True

    @staticmethod
    def spoil(kafka, topic):
        kafka.delete(topic)

    @staticmethod
    def heal(kafka, topic):
        kafka.create(topic)


class Size(Missing):
    breaker = False

    @staticmethod
    def limit(kafka, topic, size):
        resource = ConfigResource("topic", topic, set_config={"max.message.bytes": str(size)})
        wait_for(kafka.admin.alter_configs([resource])[resource])

    @classmethod
    def spoil(cls, kafka, topic):
        cls.limit(kafka, topic, 100)

    @classmethod
    def heal(cls, kafka, topic):
        cls.limit(kafka, topic, 1048588)


class Leaderless(Missing):
    nodes, replicas = 3, [3]

    @staticmethod
    def spoil(kafka, topic):
        subprocess.run([KAFKA_SH, "stop", os.path.join(kafka.folder, "3")], check=True, stdout=subprocess.PIPE)
        until(lambda: kafka.leader(topic) < 0, 60, "a topic without a leader")

    @staticmethod
    def heal(kafka, topic):
        subprocess.run([KAFKA_SH, "start", os.path.join(kafka.folder, "3")], check=True, stdout=subprocess.PIPE)
        until(lambda: kafka.leader(topic) == 3, 60, "a leader")


KINDS = {"missing": Missing, "size": Size, "leaderless": Leaderless}


class Bench:
    def __init__(self, options, kind, mode):
        self.options, self.kind, self.mode = options, KINDS[kind], mode
        self.folder = tempfile.mkdtemp(prefix="er-isolation-")
        self.kafka = Nodes(os.path.join(self.folder, "kafka"), self.kind.nodes).start()
        self.copy = os.path.join(options.programs, "bench", "copy")
        self.one = Router(options.programs, self.folder, self.kafka.bootstrap, "b", **{
            "router.delivery": mode, "router.instance": "bench", "destinations.create": "false", "source.start": "earliest",
            "kafka.consumer.session.timeout.ms": "45000", "kafka.consumer.heartbeat.interval.ms": "3000"})
        self.bad = self.one.topic("s00")
        self.sent = 0

    def close(self):
        self.one.close()
        self.kafka.wipe()
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def prepare(self):
        self.kafka.create(self.one.raw, 4)
        self.kafka.create(self.one.dead)
        for i in range(COUNT):
            self.kafka.create(self.one.topic(f"s{i:02d}"), replicas=self.kind.replicas if i == 0 else None)
        self.one.start()
        self.one.apply([{"id": f"r{i:02d}", "subscriber": f"s{i:02d}", "types": [f"shop.kind-{i}"]} for i in range(COUNT)])

    def fill(self, events):
        subprocess.run([self.copy, "fill", self.kafka.bootstrap, self.one.raw, str(events), "300"], check=True, stdout=subprocess.DEVNULL)
        self.sent += events

    def settled(self):
        until(lambda: self.one.balance()["received"] >= self.sent, 300, f"{self.sent} events: {self.one.balance()}", every=0.05)

    def round(self):
        """(CPU us per event, events/s)"""
        self.settled()
        self.one.process.send_signal(signal.SIGSTOP)
        self.fill(self.options.events)
        cpu, begin = cpu_seconds(self.one.process.pid), time.monotonic()
        self.one.process.send_signal(signal.SIGCONT)
        self.settled()
        wall, cpu = time.monotonic() - begin, cpu_seconds(self.one.process.pid) - cpu
        return cpu / self.options.events * 1e6, self.options.events / wall

    def state(self):
        return self.one.must("GET", "/v1/subscribers/s00").json["status"]["destination"]["breaker"]

    def wait_breaker(self, closed, seconds):
        """Under some load, 40 events at a time: a breaker is about copies."""
        begin, next_fill = time.monotonic(), 0
        while (self.state() == "closed") != closed:
            now = time.monotonic()
            assert now - begin < seconds, f"breaker is {self.state()} after {seconds} s\n{self.one.log_tail()}"
            if now >= next_fill:
                self.fill(40)
                next_fill = time.monotonic() + 0.1
            select.select([], [], [], 0.01)
        return time.monotonic() - begin

    def wait_letters(self, more, seconds):
        """Likewise, where no breaker opens."""
        end, goal = time.monotonic() + seconds, self.one.balance()["dead_lettered"] + more
        while self.one.balance()["dead_lettered"] < goal:
            assert time.monotonic() < end, f"no {more} dead letters within {seconds} s\n{self.one.log_tail()}"
            self.fill(40)
            select.select([], [], [], 0.1)

    def run(self):
        self.prepare()
        self.fill(20000)
        self.round()  # warm
        whole, broken, opens, closes = [], [], [], []
        for _ in range(self.options.pairs):
            whole.append(self.round())
            self.kind.spoil(self.kafka, self.bad)
            if self.kind.breaker:
                opens.append(self.wait_breaker(False, OPENS))
            else:
                self.wait_letters(20, OPENS)
            broken.append(self.round())
            self.kind.heal(self.kafka, self.bad)
            if self.kind.breaker:
                closes.append(self.wait_breaker(True, CLOSES))
        self.settled()
        balance = self.one.balance()
        assert balance["received"] == balance["routed"] + balance["dead_lettered"] == self.sent, (balance, self.sent)
        assert self.one.terminate(30) == 0
        return {"whole_us": [c for c, _ in whole], "broken_us": [c for c, _ in broken], "whole_rate": [r for _, r in whole],
                "broken_rate": [r for _, r in broken], "opens": opens, "closes": closes, "dead_lettered": balance["dead_lettered"]}


def share(found):
    """Of the throughput that is left: (by CPU per event, by wall time), medians over the pairs."""
    cpu = statistics.median(w / b for w, b in zip(found["whole_us"], found["broken_us"]))
    wall = statistics.median(b / w for w, b in zip(found["whole_rate"], found["broken_rate"]))
    return cpu, wall


def seconds(values):
    return f"{min(values):.1f} to {max(values):.1f} s" if values else "-"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release")
    parser.add_argument("--out", default="build/bench")
    parser.add_argument("--events", type=int, default=200000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--modes", default="at-least-once,exactly-once")
    options = parser.parse_args()
    lines = ["| broken | mode | breaker opens | closes | us CPU per event, in order and with it | throughput left, by CPU | by wall time |",
             "|---|---|---|---|---|---|---|"]
    for kind in options.only.split(","):
        for mode in options.modes.split(","):
            bench = Bench(options, kind, mode)
            try:
                found = bench.run()
            finally:
                bench.close()
            print(json.dumps({"kind": kind, "mode": mode, **found}), flush=True)
            cpu, wall = share(found)
            lines.append(f"| {kind} | {mode} | {seconds(found['opens'])} | {seconds(found['closes'])} | "
                         f"{statistics.median(found['whole_us']):.2f}, {statistics.median(found['broken_us']):.2f} | {cpu:.0%} | {wall:.0%} |")
    os.makedirs(options.out, exist_ok=True)
    with open(os.path.join(options.out, "isolation.md"), "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
