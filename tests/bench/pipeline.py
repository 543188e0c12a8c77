#!/usr/bin/python3
"""make bench-pipeline: what the router costs beside a bare librdkafka copy loop, on one real Kafka node, in one run.

    pipeline.py --programs build/release [--events 1000000] [--sizes 300,800] [--repeat 1] [--only throughput,latency,activation,start]

Prints one JSON line per figure and writes build/bench/pipeline.md. CPU is user plus system time of all threads of the process, from
the first event to the last; the broker's is not in it, but it shares the machine, so wall time is the whole machine's.
"""
import argparse
import json
import os
import platform
import re
import select
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from rig import Kafka, Router, until  # noqa: E402

RULES = 1000


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="er-bench-")
        self.kafka = Kafka(os.path.join(self.folder, "kafka")).start()
        self.copy = os.path.join(options.programs, "bench", "copy")
        self.rows, self.count = [], 0

    def close(self):
        self.kafka.wipe()
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def say(self, **row):
        print(json.dumps(row), flush=True)
        self.rows.append(row)

    def router(self, prefix, **config):
        os.makedirs(os.path.join(self.folder, prefix), exist_ok=True)
        return Router(self.options.programs, os.path.join(self.folder, prefix), self.kafka.bootstrap, prefix, **config)

    def fresh(self, name):
        self.count += 1
        return f"{name}-{self.count}"

    def fill(self, topic, count, size):
        subprocess.run([self.copy, "fill", self.kafka.bootstrap, topic, str(count), str(size)], check=True)


def rules_of(count, subscribers, match=True):
    """One rule of 1,000 accepts an event of copy.c's fill; without match none does."""
    user = "u{}@" if match else "nobody{}@"
    return [{"id": f"r{i:05d}", "subscriber": f"s{i % subscribers:03d}", "types": [f"shop.kind-{i % 20}"],
             "regex": {"user.email": "^" + user.format(i) + r"example\.(com|org)$"}} for i in range(count)]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024


def allocator_of(programs):
    """(name, path) of the allocator that the router is linked to; None: libc's."""
    libraries = subprocess.run(["ldd", os.path.join(programs, "eventrouterd")], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(r"lib((?:mi|je)malloc)\S* => (\S+)", libraries)
    return (found[1], found[2]) if found else None


def run_copy(bench, size, preload=None, topics=None):
    raw, out = f"raw{size}", bench.fresh(f"bare{size}")
    for name in [out] if topics is None else [f"{out}-{i}" for i in range(topics)]:
        bench.kafka.create(name, 1)
    environment = dict(os.environ, LD_PRELOAD=preload) if preload else None
    command = [bench.copy, "copy", bench.kafka.bootstrap, raw, out, str(bench.options.events)]
    with subprocess.Popen(command + ([str(topics)] if topics else []), stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, 19)  # it begins when the topic is full, as the routers do
        bench.fill(raw, bench.options.events, size)
        os.kill(process.pid, 18)
        return json.loads(process.stdout.readline())


EXACTLY_ONCE = {"router__delivery": "exactly-once"}


def run_router(bench, size, name, rules, **config):
    raw = bench.fresh(f"raw{size}{name}")  # its own: a group that starts at the end finds it only after the topic was filled
    bench.kafka.create(raw, 4)
    fresh = bench.fresh(f"{name}{size}")
    one = bench.router(fresh, source__topics=raw, router__instance=fresh, kafka__consumer__session__timeout__ms=45000, **config)
    try:
        one.start()
        one.apply(rules)
        assigned = lambda: one.metrics().get("eventrouter_assigned_partitions") == bench.kafka.partitions(one.raw)
        until(assigned, 30, "assignment")
        os.kill(one.process.pid, 19)
        bench.fill(one.raw, bench.options.events, size)
        cpu, wall = cpu_seconds(one.process.pid), time.monotonic()
        os.kill(one.process.pid, 18)
        # Not often: each look costs the router half a millisecond, and nobody asks for its metrics 50 times a second.
        until(lambda: one.balance()["received"] >= bench.options.events, 300, "every event", 0.25)
        found = {"events": bench.options.events, "wall_s": time.monotonic() - wall, "cpu_s": cpu_seconds(one.process.pid) - cpu}
        balance = one.balance()
        assert balance["received"] == balance["routed"] == bench.options.events, balance
        one.terminate()
        return found
    finally:
        one.close()


def throughput(bench):
    """Per size and case the median of --repeat rounds, by CPU."""
    allocator = allocator_of(bench.options.programs)
    for size in bench.options.sizes:
        bench.kafka.create(f"raw{size}", 4)
        cases = {"a: bare copy loop": lambda: run_copy(bench, size),
                 "b: router, one match-all subscriber": lambda: run_router(bench, size, "b", [{"id": "all", "subscriber": "all"}]),
                 "c: router, 1,000 type+regex rules of 100 subscribers": lambda: run_router(bench, size, "c", rules_of(RULES, 100))}
        if allocator:
            cases[f"a with {allocator[0]}, as the router has it"] = lambda: run_copy(bench, size, allocator[1])
            cases["a to 100 topics, with the router's header"] = lambda: run_copy(bench, size, allocator[1], 100)
        found = {name: [] for name in cases}
        for _ in range(bench.options.repeat):
            for name, case in cases.items():
                found[name].append(case())
                print(json.dumps({"round": name, **found[name][-1]}), file=sys.stderr, flush=True)
        base = None
        for name, rounds in found.items():
            middle = sorted(rounds, key=lambda one: one["cpu_s"])[len(rounds) // 2]
            rate = middle["events"] / middle["cpu_s"]
            base = base or rate
            bench.say(figure="throughput", case=name, bytes=size, events=middle["events"], cpu_us_per_event=round(1e6 / rate, 2),
                      events_per_cpu_s=round(rate), wall_s=round(middle["wall_s"], 2),
                      events_per_wall_s=round(middle["events"] / middle["wall_s"]), percent_of_bare=round(100 * rate / base))


def exactly_once(bench):
    """Both modes with 100 destinations; then the latency of exactly-once, which the commit interval decides."""
    for size in bench.options.sizes:
        found = {"at-least-once": [], "exactly-once": []}
        for _ in range(bench.options.repeat):
            for delivery, rounds in found.items():
                rounds.append(run_router(bench, size, delivery, rules_of(RULES, 100), router__delivery=delivery))
                print(json.dumps({"round": delivery, **rounds[-1]}), file=sys.stderr, flush=True)
        base = None
        for delivery, rounds in found.items():
            middle = sorted(rounds, key=lambda one: one["wall_s"])[len(rounds) // 2]
            rate = middle["events"] / middle["wall_s"]
            base = base or rate
            bench.say(figure="delivery modes, 100 destinations", case=delivery, bytes=size, events=middle["events"],
                      events_per_wall_s=round(rate), cpu_us_per_event=round(1e6 * middle["cpu_s"] / middle["events"], 2),
                      percent_of_at_least_once=round(100 * rate / base))
    latency(bench, "exactly-once", EXACTLY_ONCE)


def rate_for(bench, one, rate, seconds):
    run = subprocess.run([bench.copy, "latency", bench.kafka.bootstrap, one.raw, one.topic("all"), str(rate), str(seconds)],
                         stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def latency(bench, mode="at-least-once", config=None):
    """After a warm-up at the same rate: until the broker's code is compiled, its compiler has a core to itself."""
    name = f"latency-{mode}"
    one = bench.router(name, router__instance=name, **(config or {}))
    bench.kafka.create(one.raw, 1)
    try:
        one.start()
        one.apply([{"id": "all", "subscriber": "all"}] + rules_of(RULES, 100, match=False))
        rate_for(bench, one, 5000, bench.options.warm)
        cpu, begin = cpu_seconds(one.process.pid), one.balance()["received"]
        found = rate_for(bench, one, 5000, bench.options.seconds)
        used = (cpu_seconds(one.process.pid) - cpu) / max(1, one.balance()["received"] - begin)
        bench.say(figure=f"added latency at 5,000 events/s, 1,000 rules, {mode}", cpu_us_per_event=round(used * 1e6, 1), **found)
        one.terminate()
    finally:
        one.close()


def activation(bench):
    """From the 201 of a rule to the arrival of the first copy that it made, at a reader of its topic, under 1,000 events/s."""
    one = bench.router("activation")
    bench.kafka.create(one.raw, 1)
    found = []
    try:
        one.start()
        rounds = bench.options.rounds
        for i in range(rounds):
            one.must("PUT", f"/v1/subscribers/new{i}", {"id": f"new{i}"})
        consumer = bench.kafka.consumer(**{"fetch.wait.max.ms": 10})
        from confluent_kafka import TopicPartition
        consumer.assign([TopicPartition(one.topic(f"new{i}"), 0, 0) for i in range(rounds)])
        consumer.poll(1)
        feed = subprocess.Popen([bench.copy, "latency", bench.kafka.bootstrap, one.raw, one.topic("new0"), "1000", "30"],
                                stdout=subprocess.DEVNULL)
        until(lambda: one.balance()["received"] > 100, 20, "load")
        seen = {}

        def arrived(topic):
            message = consumer.poll(0.05)
            if message is not None and not message.error():
                seen.setdefault(message.topic(), time.monotonic())
            return seen.get(topic)

        for i in range(rounds):
            one.must("PUT", f"/v1/subscriptions/new{i}", {"id": f"new{i}", "subscriber": f"new{i}"})
            answered, topic = time.monotonic(), one.topic(f"new{i}")
            end = answered + 10
            while not arrived(topic) and time.monotonic() < end:
                pass
            found.append(max(0.0, seen[topic] - answered) * 1000)
            one.must("DELETE", f"/v1/subscriptions/new{i}")
        feed.kill()
        feed.wait()
        consumer.close()
        found.sort()
        bench.say(figure="from 201 to the first routed event, 1,000 events/s", rounds=rounds, p50_ms=round(found[len(found) // 2], 1),
                  p99_ms=round(found[len(found) * 99 // 100], 1), max_ms=round(found[-1], 1))
        one.terminate()
    finally:
        one.close()


def start(bench):
    for count in (0, 10000):
        one = bench.router(f"start{count}")
        bench.kafka.create(one.raw, 1)
        try:
            one.start()
            begin = time.monotonic()
            one.apply(rules_of(count, 100))
            applied = time.monotonic() - begin
            one.terminate()
            times = []
            for _ in range(5):
                begin = time.monotonic()
                one.start(ready=False)
                while True:
                    try:
                        if one.admin("GET", "/readyz").status == 200:
                            break
                    except OSError:
                        pass
                    select.select([], [], [], 0.002)
                times.append(time.monotonic() - begin)
                rss = resident_mb(one.process.pid)
                one.terminate()
            bench.say(figure=f"start with {count:,} rules until ready", median_s=round(sorted(times)[2], 3), rss_idle_mb=round(rss, 1),
                      apply_s=round(applied, 2))
        finally:
            one.close()


def machine():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        model = re.search(r"model name\s*:\s*(.*)", info.read())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    version = subprocess.run(["pkg-config", "--modversion", "rdkafka"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    compiler = subprocess.run(["cc", "-dumpfullversion"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    java = subprocess.run(["java", "-version"], stderr=subprocess.PIPE, text=True, check=False).stderr.splitlines()[0]
    return f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory:.0f} GiB, Linux {platform.release()}, " \
           f"librdkafka {version}, gcc {compiler}, Kafka 4.1.1 on the same machine ({java}), broker and clients share the cores"


def markdown(rows):
    lines = [f"Machine: {machine()}.", "", "| events | case | CPU us/event | events per CPU-second | of (a) | events per second (wall) |",
             "|---|---|---|---|---|---|"]
    for row in rows:
        if row["figure"] == "throughput":
            lines.append(f"| {row['events']:,} x {row['bytes']} B | {row['case']} | {row['cpu_us_per_event']} | {row['events_per_cpu_s']:,} | "
                         f"{row['percent_of_bare']} % | {row['events_per_wall_s']:,} |")
    lines += ["", "| figure | values |", "|---|---|"]
    for row in rows:
        if row["figure"] != "throughput":
            lines.append(f"| {row['figure']} | " + ", ".join(f"{k} {v}" for k, v in row.items() if k != "figure") + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release")
    parser.add_argument("--out", default="build/bench")
    parser.add_argument("--events", type=int, default=1000000)
    parser.add_argument("--sizes", type=lambda s: [int(x) for x in s.split(",")], default=[300, 800])
    parser.add_argument("--seconds", type=int, default=20, help="length of the latency run")
    parser.add_argument("--warm", type=int, default=30, help="seconds at the same rate before it")
    parser.add_argument("--repeat", type=int, default=1, help="rounds of the throughput runs; the median counts")
    parser.add_argument("--rounds", type=int, default=100, help="rules added in the activation run")
    parser.add_argument("--only", default="throughput,latency,activation,start,exactly")
    options = parser.parse_args()
    options.programs = os.path.abspath(options.programs)
    bench = Bench(options)
    try:
        for name in options.only.split(","):
            {"throughput": throughput, "latency": latency, "activation": activation, "start": start,
             "exactly": exactly_once}[name](bench)
    finally:
        bench.close()
    os.makedirs(options.out, exist_ok=True)
    with open(os.path.join(options.out, "pipeline.md"), "w", encoding="utf-8") as out:
        out.write(markdown(bench.rows))
    print(markdown(bench.rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
