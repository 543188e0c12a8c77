"""One run: routers between a source and its destinations, a load, faults; then everything heals, drains and is compared.

What must hold at the end, besides the checker's counts: the routers catch up within 60 s (I9), no transaction stays open (I9), the balance of every router
is exact (I10), memory and descriptors stayed under their caps (I8), a SIGTERM ends each with 0.
"""
import errno
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections import Counter
from contextlib import closing
from http.client import HTTPException

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
from checker import Checker, Names, Result  # noqa: E402
from confluent_kafka import KafkaException, TopicPartition  # noqa: E402
from proxy import Rule  # noqa: E402
from rig import Router, until  # noqa: E402
from world import PARTITIONS, World  # noqa: E402

HEALED_SECONDS = 60  # from the last fault until nothing lags
BACKLOG = 80000  # events that are published and not committed: the load waits
RSS_CAP_MB = 400
DESCRIPTORS_CAP = 400
EX_SOFTWARE = 70  # exit code of a router that cannot go on, for example because it was fenced
TOLD = ("eventrouter_producer_renewal_seconds_bucket{", "eventrouter_transactions_doubtful_total{")  # metrics that a graceful end adds to the run's
AT_LEAST_ONCE, EXACTLY_ONCE = "at-least-once", "exactly-once"


class Broken(Exception):
    """The rig itself did not do its part (no broker, no load, a fault that never fired): the run says nothing about the router."""


def needed(condition, seconds, what):
    """rig.until for what the rig needs, not the router."""
    try:
        return until(condition, seconds, what)
    except AssertionError as error:
        raise Broken(str(error)) from None


class Skipped(Exception):
    """This machine cannot do what the scenario wants."""


def mount_small(folder, size):
    """A tmpfs of its own for a folder that is made here."""
    os.makedirs(folder, exist_ok=True)
    if os.geteuid() != 0:
        raise Skipped("mounting a tmpfs needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Skipped(f"no tmpfs here: {done.stderr.strip()}")


def unmount(folder):
    subprocess.run(["umount", "-l", folder], check=False, stderr=subprocess.DEVNULL)


def small_disk(run, folder, size):
    """Its path; it goes with the run."""
    place = os.path.join(folder, "disk")
    mount_small(place, size)
    run.disks.append(place)
    return place


def fill(disk):
    """Leaves no byte free."""
    with open(os.path.join(disk, "filler"), "wb", buffering=0) as out:
        try:
            while True:
                out.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


class Member(Router):
    """A router that may die, stop and come back. Its clients are called NAME-c and NAME-p."""

    def __init__(self, run, **config):
        super().__init__(run.programs, run.folder, run.cluster.proxy.bootstrap, run.prefix, **config)
        self.of = run
        self.client = f"{run.prefix}-{self.name}"
        self.config.update({"kafka.consumer.client.id": self.client + "-c", "kafka.producer.client.id": self.client + "-p",
                            "unmatched.topic": f"{run.prefix}.unmatched", "router.delivery": run.mode, "router.shutdown_timeout": "15s"})
        self.config.update({k.replace("__", "."): str(v) for k, v in config.items()})
        if run.mode == EXACTLY_ONCE:
            self.config.setdefault("router.instance", self.client)
        if run.options.debug:
            self.config.update({"kafka.debug": run.options.debug, "log.level": "debug"})
        self.rss_kb = self.descriptors = self.dropped = 0
        self.stopped = False
        self.wanted = False  # it should be running: its supervisor starts it again when it has ended with EX_SOFTWARE

    def start(self, ready=True, arguments=(), environment=None):
        planted = {"EVENTROUTER_PLANTED": self.of.planted} if self.of.planted else {}
        self.stopped, self.wanted = False, True
        return super().start(ready, arguments, {**planted, **(environment or {})})

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.wanted = False
        super().kill()

    def killed(self):
        """kill -9; counted as a fault."""
        self.kill()
        self.died("kill")

    def died(self, kind):
        self.of.fault(kind)
        self.of.all_told = False

    def terminate(self, seconds=25):
        """In exactly-once mode an event whose partition is lost while its commit is in doubt may be committed and not counted; the drop is."""
        try:
            metrics = self.metrics()
            self.dropped += int(metrics.get("eventrouter_dropped_events_total", 0))
            self.of.told.update({name: int(value) for name, value in metrics.items() if name.startswith(TOLD)})
        except OSError:
            pass
        self.wanted = False
        return super().terminate(seconds)

    def stop(self):
        """SIGSTOP: a zombie when it wakes up after its session has ended."""
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def wake(self):
        if self.stopped:
            self.process.send_signal(signal.SIGCONT)
            self.stopped = False

    def final_balances(self):
        """What each graceful end of this router left in its log."""
        found = re.findall(r"msg=\"?stopped\"? received=(\d+) routed=(\d+) unmatched=(\d+) dead_lettered=(\d+)", self.log_text())
        return [dict(zip(("received", "routed", "unmatched", "dead_lettered"), map(int, row))) for row in found]

    def sample(self):
        """I8: what it uses of the machine."""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
                found = re.search(r"VmRSS:\s+(\d+)", status.read())
            self.rss_kb = max(self.rss_kb, int(found[1]) if found else 0)
            self.descriptors = max(self.descriptors, len(os.listdir(f"/proc/{self.process.pid}/fd")))
        except OSError:
            pass


class Load:
    """Events of the world at a steady rate from a thread of its own; it waits while so many of them are not committed that the routers (or this
    machine) could not be through soon after the last fault."""

    def __init__(self, run, rate):
        self.run, self.rate = run, rate
        self.looked = time.monotonic()
        self.ending = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self.work, name="load", daemon=True)
        self.thread.start()

    def work(self):
        try:
            begin, done = time.monotonic(), 0
            while not self.ending.is_set():
                due = int((time.monotonic() - begin) * self.rate)
                if not self.is_behind():
                    self.run.put(min(due - done, self.rate // 5 + 1))
                done = due
                self.ending.wait(0.01)
        except Exception:  # pylint: disable=broad-except
            self.error = traceback.format_exc()

    def is_behind(self):
        if time.monotonic() - self.looked > 0.5:
            self.run.committed()
            self.looked = time.monotonic()
        return self.run.world.count() - sum(self.run.known) > BACKLOG

    def stop(self):
        self.ending.set()
        self.thread.join(120)
        if self.error is not None or self.thread.is_alive():
            raise Broken(f"the load failed: {self.error}")


class Run:
    """cluster: started. mode: router.delivery. planted: name of a bug that every router has. Scenarios use the methods of the first part."""

    def __init__(self, cluster, options, scenario, seed, mode):
        name = scenario.name
        self.cluster, self.programs, self.name, self.seed, self.mode = cluster, options.programs, name, seed, mode
        self.options, self.planted = options, options.planted
        self.guard = options.guard
        self.rng = random.Random(f"{name}/{mode}/{seed}")
        self.prefix = f"{name}-{uuid.uuid4().hex[:8]}"
        self.folder = os.path.join(options.folder, self.prefix)
        os.makedirs(self.folder)
        self.world = World(seed, **scenario.world)
        self.members, self.faults, self.problems, self.disks = [], {}, [], []
        self.load, self.sent_failed = None, []
        self.patience = 15 if self.planted else HEALED_SECONDS
        self.exits = []  # why routers ended by themselves
        self.reached = []  # steps of the sweep that were
        self.told = Counter()
        self.diverting, self.extra_subscribers = set(), set()
        self.history, self.answered = {}, []  # rules by revision, and from which events on a revision must count
        self.all_told = True  # no process died without its last balance
        self.producer = cluster.producer()
        self.group = cluster.consumer(**{"group.id": f"{self.prefix}.group"})  # only asked for offsets
        self.known = [0] * self.world.partitions  # committed offsets
        self.turn, self.healed_seconds, self.recoveries = 0, 0.0, []
        self.watching = threading.Event()
        self.watcher = threading.Thread(target=self.watch, name="watch", daemon=True)
        cluster.create(self.raw, self.world.partitions)
        self.watcher.start()

    @property
    def raw(self):
        return f"{self.prefix}.raw"

    # ---- for scenarios ----

    def log(self, text):
        """What happened when; stays with the folder of a run that found something."""
        with open(os.path.join(self.folder, "run.log"), "a", encoding="utf-8") as out:
            out.write(f"{time.strftime('%H:%M:%S')}.{int(time.time() * 1000) % 1000:03d} {text}\n")

    def fault(self, kind, count=1):
        self.log(kind)
        self.faults[kind] = self.faults.get(kind, 0) + count

    def problem(self, text):
        self.problems.append(text)

    def router(self, start=True, rules=True, **config):
        """A new member of the group. It has its rules before it joins a group at work: without them it would take every event for unmatched."""
        if self.guard is not None:
            config.setdefault("router__guard", self.guard)
        member = Member(self, **config)
        copied = start and rules and any(os.path.exists(other.store) for other in self.members)
        if copied:
            self.copy_store(self.members[0], member)
        self.members.append(member)
        if start:
            member.start()
            if rules and not copied:
                self.apply_rules(member)
        return member

    @staticmethod
    def copy_store(one, other):
        with closing(sqlite3.connect(one.store)) as source, closing(sqlite3.connect(other.store)) as target:
            source.backup(target)

    @staticmethod
    def apply_partitions(member):
        for subscriber, count in PARTITIONS.items():
            member.must("PUT", f"/v1/subscribers/{subscriber}", {"id": subscriber, "partitions": count})

    def apply_rules(self, member):
        """A broker that is busy may need longer for the topics than a change waits."""
        def applied():
            answer = member.admin("PUT", "/v1/subscriptions?prune=false", self.world.rules, timeout=60)
            if answer.status not in (200, 504):
                raise AssertionError(f"rules were not taken: {answer}")
            return answer.status == 200
        self.apply_partitions(member)
        needed(applied, 120, "rules of the world")

    def changed(self, rules, change):
        """From the answer of change() on, rules decide: the revision that it names must be on every later event, or a newer one."""
        revision = change().revision
        self.history[revision] = rules
        self.answered.append((revision, [len(events) for events in self.world.events]))

    def arm(self, action, api=None, member=None, kind=None, **options):
        """A rule of the proxy for one member's clients (or all of this run's); counted as a fault when it has fired (see fired)."""
        client = re.escape(member.client if member else self.prefix)
        rule = self.cluster.proxy.arm(Rule(action, api, client, **options))
        rule.kind = kind or action
        return rule

    def fired(self, rule, seconds=20):
        """Waits until the rule has fired as often as it may; False: it did not, and is no longer armed."""
        if rule.over.wait(seconds):
            self.fault(rule.kind, rule.count)
            return True
        self.cluster.proxy.disarm(rule)
        if rule.fired.is_set():
            self.fault(rule.kind)
        return rule.fired.is_set()

    def must_fire(self, rule, seconds=30):
        if not self.fired(rule, 5 if self.planted else seconds) and not self.planted:  # who has a bug may not get there
            raise Broken(f"{rule} did not fire within {seconds} s")

    def put(self, count):
        """Publishes so many events, round the partitions; does not wait."""
        world, producer, raw = self.world, self.producer, self.raw
        for _ in range(count):
            partition = self.turn = (self.turn + 1) % world.partitions
            number, kind = world.next_event(partition)
            value, key, when = kind.value(partition, number), kind.key(partition), world.timestamp(partition, number)
            while True:
                try:
                    producer.produce(raw, value, key, partition, self.reported, timestamp=when, headers=kind.headers or None)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)

    def reported(self, error, _message):
        if error is not None:
            self.sent_failed.append(str(error))

    def publish(self, count):
        """... and waits until the brokers have them."""
        self.put(count)
        if self.producer.flush(60) != 0 or self.sent_failed:
            raise Broken(f"events could not be published: {self.sent_failed[:1]}")

    def ghosts(self, count=50):
        """Events of a transaction that is aborted: no reader may take them for events."""
        producer = self.cluster.producer(**{"transactional.id": f"{self.prefix}.ghosts", "transaction.timeout.ms": 60000})
        producer.init_transactions(30)
        producer.begin_transaction()
        for n in range(count):
            producer.produce(self.raw, b'{"type":"order.created","seq":"ghost-%d"}' % n, b"p0-k3", n % self.world.partitions)
        producer.flush(30)
        producer.abort_transaction(30)

    def start_load(self, rate=1000):
        self.load = Load(self, rate)

    def stop_load(self):
        if self.load is not None:
            self.load.stop()
            self.load = None
        self.publish(0)

    def committed_offsets(self):
        """The group's, by partition; those of the last time when the brokers do not say."""
        places = [TopicPartition(self.raw, p) for p in range(self.world.partitions)]
        try:
            for place in self.group.committed(places, timeout=20):
                self.known[place.partition] = max(self.known[place.partition], place.offset)
        except KafkaException:
            pass
        return self.known

    def committed(self):
        return sum(self.committed_offsets())

    def progress(self, more=1, seconds=60):
        """Waits until the group has committed so many offsets more. Routing must go on again within the time, so a time-out is a problem."""
        goal = self.committed() + more
        self.log(f"waiting for {goal}")
        until(lambda: self.committed() >= goal, seconds, f"{more} more events committed ({self.committed()} of {self.world.count()})")

    def drain(self, seconds=60):
        """Waits until everything that was published is committed; only without ghosts."""
        until(lambda: self.committed() >= self.world.count(), seconds, f"commit of all events ({self.committed()} of {self.world.count()})")

    def look_around(self):
        """Something went wrong: what the routers and the brokers say about it, for run.log and the folder."""
        for member in self.members:
            if not member.alive() or member.stopped:
                self.log(f"{member.name} does not run")
                continue
            try:
                self.log(f"{member.name} {member.admin('GET', '/readyz', timeout=5)}\n{member.admin('GET', '/v1/status', timeout=5)}")
            except (OSError, HTTPException) as error:
                self.log(f"{member.name} does not answer: {error}")
        for number in range(1, self.cluster.nodes + 1):
            shutil.copy(os.path.join(self.cluster.node(number), "broker.log"), os.path.join(self.folder, f"broker-{number}.log"))

    def pause(self, seconds):
        """Lets time pass: for what has no condition to wait for, such as a zombie's sleep."""
        self.watching.wait(seconds)

    def killed_and_back(self, member):
        """kill -9 of the only router and a start at once; takes the time until all that was published before the kill is committed."""
        begin, before = time.monotonic(), self.world.count()
        member.killed()
        member.start(ready=False)
        until(lambda: self.committed() >= before, 60, "routing after kill -9", every=0.005)
        self.recoveries.append(time.monotonic() - begin)

    # ---- the end ----

    def watch(self):
        """Looks after the routers as a service manager does: one that ends because it was fenced is started again."""
        while not self.watching.wait(0.25):
            for member in list(self.members):
                if member.alive():
                    member.sample()
                elif member.wanted and member.process is not None and member.process.returncode == EX_SOFTWARE:
                    self.exits.append((re.findall(r'cannot go on.*error="([^"]*)', member.log_text()) or ["no reason"])[-1])
                    self.log(f"{member.name} ended: {self.exits[-1]}")
                    member.start(ready=False)

    def heal(self):
        self.cluster.proxy.heal(re.escape(self.prefix))
        for member in self.members:
            member.wake()
            if not member.alive():
                member.start(ready=False)

    def finish(self):
        """Returns the Result."""
        self.stop_load()
        self.heal()
        healed = time.monotonic()
        names = Names(self.raw, f"{self.prefix}.dead", f"{self.prefix}.unmatched", lambda s: f"{self.prefix}.{s}",
                      set(self.world.subscribers) | self.extra_subscribers)
        checker = Checker(self.world, names, (self.history, self.answered), self.diverting)
        for message in self.cluster.scan([self.raw], make=lambda m: m):
            checker.take_source(message)
        checker.source_is_complete()
        self.caught_up([len(numbers) for numbers in checker.numbers], healed)
        self.balances()
        self.ends()
        for message in self.cluster.scan([t for t in names.all() if self.cluster.partitions(t)], make=lambda m: m):
            checker.take(message)
        if not self.planted:
            checker.behind(self.committed_offsets())
        result = checker.finish()
        self.count_all(result)
        self.look_for_strangers(names)
        self.limits()
        if self.diverting and result.diverted == 0 and not self.planted:
            raise Broken("no copy was refused")
        result.faults = sum(self.faults.values())
        result.problems = self.problems
        result.kinds, result.healed_seconds, result.recoveries = dict(self.faults), self.healed_seconds, self.recoveries
        result.exits, result.reached, result.told = self.exits, self.reached, self.told
        return result

    def caught_up(self, ends, healed):
        def lag():
            return sum(max(0, end - done) for end, done in zip(ends, self.committed_offsets()))
        try:
            until(lambda: lag() == 0, max(5, self.patience - (time.monotonic() - healed)), "end of the lag")
        except AssertionError:
            self.problem(f"lag {lag()} after {self.patience} s (I9)")
            self.look_around()
            self.wait_while_shrinking(lag)
        self.healed_seconds = time.monotonic() - healed
        mine = [topic for topic in self.cluster.topics() if topic.startswith(self.prefix)]
        try:
            until(lambda: self.open_transactions(mine) == [], HEALED_SECONDS, "end of all transactions")
        except AssertionError:
            self.problem(f"open transactions in {self.open_transactions(mine)} (I9)")

    def wait_while_shrinking(self, lag):
        """A router that is too slow has lost nothing yet."""
        last = lag()
        while last > 0 and not self.planted:
            try:
                last = until(lambda: self.less(lag(), last), 30, "less lag")[0]
            except AssertionError:
                return

    @staticmethod
    def less(now, last):
        return [now] if now < last else None

    def open_transactions(self, topics):
        """Partitions whose last stable offset is not their end."""
        ends = []
        for level in ("read_committed", "read_uncommitted"):
            consumer = self.cluster.consumer(**{"isolation.level": level})
            ends.append(self.cluster.offsets(topics, -1, consumer))
            consumer.close()
        return [place for place, end in ends[1].items() if ends[0][place] != end]

    def balances(self):
        """I10 for those that live; what a graceful end wrote down comes after it."""
        for member in self.members:
            if not member.alive():
                continue
            try:
                until(lambda m=member: self.balanced(m.balance()), self.patience / 6, "exact balance")
            except (AssertionError, OSError):
                self.problem(f"balance of {member.name}: {member.balance()} (I10)")

    @staticmethod
    def balanced(found):
        return found["received"] == found["routed"] + found["unmatched"] + found["dead_lettered"]

    def ends(self):
        for member in self.members:
            if not member.alive():
                self.problem(f"{member.name} has ended by itself with {member.process.returncode}: {member.log_tail(3)}")
                continue
            try:
                code = member.terminate()
                if code != 0:
                    self.problem(f"{member.name} ended with {code}")
            except AssertionError as error:
                self.problem(str(error).splitlines()[0])
    def count_all(self, result):
        """I10 over all processes: unless one died without a word, they have counted each event once (or, at least once, as often as it was
        routed; or dropped it with a partition that was lost)."""
        balances = [balance for member in self.members for balance in member.final_balances()]
        self.problems += [f"final balance {balance} (I10)" for balance in balances if not self.balanced(balance)]
        total, count = sum(balance["received"] for balance in balances), self.world.count()
        repeated = self.mode == AT_LEAST_ONCE and result.duplicated > 0
        dropped = sum(member.dropped for member in self.members) if self.mode == EXACTLY_ONCE else 0
        if self.all_told and (total < count - dropped or total > count and not repeated):
            self.problem(f"the routers count {total} events and {dropped} dropped ones, there were {count} (I10)")

    def look_for_strangers(self, names):
        known = {names.raw, *names.all()}
        strangers = [t for t in self.cluster.topics() if t.startswith(self.prefix) and t not in known and any(self.cluster.ends(t).values())]
        if strangers:
            self.problem(f"topics that nobody asked for: {strangers}")

    def limits(self):
        for member in self.members:
            if member.rss_kb > RSS_CAP_MB * 1024:
                self.problem(f"{member.name} used {member.rss_kb // 1024} MB (I8)")
            if member.descriptors > DESCRIPTORS_CAP:
                self.problem(f"{member.name} had {member.descriptors} descriptors (I8)")

    def close(self, keep=False):
        """Nothing of the run stays but, with keep, its folder."""
        self.watching.set()
        self.watcher.join(5)
        if self.load is not None:
            self.load.ending.set()
            self.load.thread.join(90)
        self.cluster.proxy.heal(re.escape(self.prefix))
        for member in self.members:
            member.wake()
            member.close()
        self.group.close()
        for disk in self.disks:
            unmount(disk)
        self.cluster.drop(self.prefix)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def execute(cluster, options, scenario, seed, mode):
    """Runs a scenario to its end; returns its Result (with problems when the scenario itself found some)."""
    run = Run(cluster, options, scenario, seed, mode)
    clean = False
    try:
        try:
            scenario.body(run)
        except AssertionError as error:
            run.problem(str(error).splitlines()[0])
            run.look_around()
        if scenario.alone:
            cluster.up()
        result = run.finish()
        clean = not result.verdict(scenario.duplicates_allowed(mode))
        return result
    finally:
        if scenario.alone:
            cluster.up()
        run.close(keep=options.keep or not clean)


__all__ = ["AT_LEAST_ONCE", "Broken", "EXACTLY_ONCE", "Result", "Run", "execute", "needed"]
