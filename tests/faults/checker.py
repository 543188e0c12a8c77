"""Compares what is in the topics with what the world says must be there, and counts what is wrong.

    I1 lost, I2 duplicated, I3 reordered (per source partition and destination partition), I4 and I5 by the revision that copies carry, I7 unexplained:
    a copy that no event explains, another value, key, header or timestamp, another partition than the key says, delivered and dead-lettered.

A checker reads records that answer like confluent_kafka's messages, source topics first. It shares no code with the router.
"""
import os
import sys
from array import array
from collections import Counter

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
from rig import murmur2  # noqa: E402
from world import PARTITIONS, compile_rules, outcome  # noqa: E402

SOURCE = "eventrouter-source"
REVISION = "eventrouter-revision"
COUNTS = ("lost", "duplicated", "reordered", "unexplained")
EXAMPLES = 4  # of each kind


class Result:
    """faults and seed belong to the line that is printed; problems are other broken promises (a lag that stays, a wrong balance, ...)."""

    def __init__(self, seed=0):
        self.seed, self.faults, self.events, self.copies, self.letters = seed, 0, 0, 0, 0
        self.lost = self.duplicated = self.reordered = self.unexplained = 0
        self.diverted = 0  # dead letters instead of copies, because the destination refused them
        self.details = Counter()
        self.examples = []
        self.problems = []
        self.kinds = {}  # of faults: how many
        self.healed_seconds = 0.0  # from the last fault until nothing lagged
        self.exits = []  # why routers ended by themselves (and were started again)
        self.reached = []  # steps of the protocol-step sweep that had their fault
        self.recoveries = []  # seconds from kill -9 until everything that had been published before was committed
        self.told = Counter()  # metrics of routers that ended gracefully

    def note(self, count, kind, *example):
        setattr(self, count, getattr(self, count) + 1)
        self.details[kind] += 1
        if self.details[kind] <= EXAMPLES:
            self.examples.append(f"{kind}: {' '.join(map(repr, example))}")

    def line(self):
        return (f"faults {self.faults}, events {self.events}, lost {self.lost}, duplicated {self.duplicated}, reordered {self.reordered}, "
                f"unexplained {self.unexplained}, seed {self.seed}")

    def verdict(self, duplicates=False):
        """What is wrong, in words; empty when all promises were kept."""
        wrong = [f"{name} {getattr(self, name)}" for name in COUNTS if getattr(self, name) and not (duplicates and name == "duplicated")]
        return wrong + self.problems


class Names:
    """Which topic is what."""

    def __init__(self, raw, dead, unmatched, topic_of, subscribers):
        self.raw, self.dead, self.unmatched = raw, dead, unmatched
        self.destinations = {topic_of(s): s for s in subscribers}

    def all(self):
        return [*self.destinations, self.dead, *([self.unmatched] if self.unmatched else [])]


class Checker:
    """history: ({revision: rules}, [(revision, number of events in each partition when it was answered)]) when rules changed during the
    run; copies must then carry their revision (provenance full). diverting: subscribers whose destination may have refused copies; these may be dead letters instead."""

    def __init__(self, world, names, history=({}, ()), diverting=()):
        self.world, self.names, self.diverting = world, names, frozenset(diverting)
        self.result = Result(world.seed)
        subscribers = sorted(names.destinations.values())
        self.bits = {subscriber: 2 << n for n, subscriber in enumerate(subscribers)}
        self.bits[None] = 1  # no subscriber: the unmatched topic among copies, the event as a whole among letters
        self.words = {bit: name for name, bit in self.bits.items()}
        self.numbers = [array("l") for _ in range(world.partitions)]  # by offset of the source; -1: no event of the world
        self.published = [0] * world.partitions
        self.routed = [len(events) for events in world.events]  # numbers from here on may still be without copies
        self.copies = [[0] * len(events) for events in world.events]  # by number: bits of who got it
        self.dead = [[0] * len(events) for events in world.events]  # ... of who has a dead letter about it
        self.diverted = [[0] * len(events) for events in world.events]
        self.revisions = [array("l", [0]) * len(events) for events in world.events]
        self.last = {}
        self.hashes = {}
        self.accepts = {revision: compile_rules(rules) for revision, rules in history[0].items()}
        self.answered = history[1]
        self.decided = {}
        self.raw = names.raw.encode()

    # ---- the source ----

    def take_source(self, message):
        """Committed records of the source, in order of their offsets: they must be the world's events, one after the other."""
        partition, number = message.partition(), self.published[message.partition()]
        numbers = self.numbers[partition]
        numbers.extend([-1] * (message.offset() - len(numbers)))
        numbers.append(number)
        self.published[partition] += 1
        if number >= len(self.world.events[partition]) or message.value() != self.world.kind(partition, number).value(partition, number):
            raise AssertionError(f"the source topic does not hold what was published: {partition}/{message.offset()}")

    def source_is_complete(self):
        for partition, events in enumerate(self.world.events):
            if self.published[partition] != len(events):
                raise AssertionError(f"{len(events)} events were published to partition {partition}, it holds {self.published[partition]}")

    # ---- destinations ----

    def take(self, message):
        """A record of a destination, the dead-letter topic or the unmatched topic."""
        topic, headers = message.topic(), message.headers() or []
        where = [value for name, value in headers if name == SOURCE]
        place = self.place(where)
        if place is None:
            self.result.note("unexplained", "of no event", topic, message.partition(), message.offset(), where, message.value())
            return
        if topic == self.names.dead:
            self.take_letter(message, headers, *place)
        else:
            self.take_copy(message, headers, *place)

    def place(self, where):
        """(partition, number of the event) that a provenance header names."""
        if len(where) != 1:
            return None
        raw, partition, offset = where[0].rsplit(b"/", 2)
        partition, offset = int(partition), int(offset)
        if raw != self.raw or partition >= self.world.partitions or offset >= len(self.numbers[partition]):
            return None
        number = self.numbers[partition][offset]
        return None if number < 0 else (partition, number)

    def take_copy(self, message, headers, partition, number):
        topic, result, world = message.topic(), self.result, self.world
        kind = world.kinds[world.events[partition][number]]
        subscriber = self.names.destinations.get(topic)
        bit, got = self.bits[subscriber], self.copies[partition]
        result.copies += 1
        if message.value() != kind.value(partition, number) or message.key() != kind.key(partition) or \
                message.timestamp()[1] != world.timestamp(partition, number) or \
                (len(headers) > 1 or kind.headers) and not self.headers_fit(headers, kind):
            result.note("unexplained", "differs", topic, (partition, number), kind.name, message.key(), message.value(), headers, message.timestamp())
        if self.accepts:
            self.take_revision(headers, topic, partition, number)
        count = PARTITIONS.get(subscriber, 1)
        if count > 1 and message.partition() != self.right_partition(message.key(), partition, count):
            result.note("unexplained", "in the wrong partition", topic, message.partition(), (partition, number))
        if got[number] & bit:
            result.note("duplicated", "duplicated", topic, (partition, number))
            return
        got[number] |= bit
        self.in_order(topic, message.partition(), partition, number)

    def in_order(self, topic, to, partition, number):
        """Of first copies only: what a replay repeats lies behind."""
        place = topic, to, partition
        if self.last.get(place, -1) > number:
            self.result.note("reordered", "reordered", topic, to, (partition, number), "after", self.last[place])
        else:
            self.last[place] = number

    def right_partition(self, key, partition, count):
        if key is None:
            return partition % count
        if key not in self.hashes:
            self.hashes[key] = murmur2(key)
        return self.hashes[key] % count

    @staticmethod
    def headers_fit(headers, kind):
        own = {name: value for name, value in headers if name.startswith("eventrouter-")}
        own.pop(SOURCE), own.pop(REVISION, None), own.pop("eventrouter-subscriptions", None)
        plain = [(name, value) for name, value in headers if not name.startswith("eventrouter-")]
        return own == kind.added and plain == [h for h in kind.headers if not h[0].startswith("eventrouter-")]

    def take_revision(self, headers, topic, partition, number):
        found = [int(value) for name, value in headers if name == REVISION]
        known = self.revisions[partition]
        if len(found) != 1 or found[0] not in self.accepts:
            self.result.note("unexplained", "of no revision", topic, (partition, number), found)
        elif known[number] not in (0, found[0]):
            self.result.note("unexplained", "decided by two revisions", topic, (partition, number), known[number], found[0])
        else:
            known[number] = found[0]

    # ---- dead letters ----

    def take_letter(self, message, headers, partition, number):
        kind, result = self.world.kind(partition, number), self.result
        own = {name: value.decode() for name, value in headers if name.startswith("eventrouter-")}
        plain = [(name, value) for name, value in headers if not name.startswith("eventrouter-")]
        subscriber, stage, code = (own.get(f"eventrouter-{name}") for name in ("subscriber", "error-stage", "error-code"))
        result.letters += 1
        if (message.value(), message.key(), message.timestamp()[1], plain) != (
                kind.value(partition, number), kind.key(partition), self.world.timestamp(partition, number),
                [h for h in kind.headers if not h[0].startswith("eventrouter-")]):
            result.note("unexplained", "dead letter differs", (partition, number), kind.name, message.key(), message.value(), headers)
        if subscriber not in self.bits:
            result.note("unexplained", "dead letter of a stranger", (partition, number), own)
            return
        bit = self.bits[subscriber]
        if (self.dead[partition][number] | self.diverted[partition][number]) & bit:
            result.note("duplicated", "dead letter duplicated", (partition, number), own)
        elif stage == "produce":
            if subscriber not in self.diverting:
                result.note("unexplained", "dead letter without a reason", (partition, number), own)
            result.diverted += 1
            self.diverted[partition][number] |= bit
        else:
            expected = kind.outcomes[partition].letters.get(subscriber)
            if expected not in (None, code):
                result.note("unexplained", "dead letter with another code", (partition, number), own, expected)
            self.dead[partition][number] |= bit

    # ---- the end ----

    def outcome_of(self, kind_number, partition, revision):
        kind = self.world.kinds[kind_number]
        if not self.accepts:
            return kind.outcomes[partition]
        return outcome(kind, partition, self.accepts.get(revision, {}))

    def expected(self, kind_number, partition, revision):
        """(bits of the copies, bits of the dead letters) that an event of a kind must have."""
        place = kind_number, partition, revision
        if place not in self.decided:
            found = self.outcome_of(*place)
            copies = sum(self.bits[s] for s in found.subscribers)
            letters = sum(self.bits[s] for s in found.letters)
            if not copies and not letters and self.names.unmatched:
                copies = 1
            self.decided[place] = copies, letters
        return self.decided[place]

    def behind(self, committed):
        """committed: offsets of the group at the end, by partition. What an event behind them lacks is not lost, it will be routed."""
        for partition, offset in enumerate(committed):
            self.routed[partition] = max(self.numbers[partition][:offset], default=-1) + 1

    def finish(self):
        """Compares everything that was taken; returns the result."""
        self.source_is_complete()
        for partition, events in enumerate(self.world.events):
            revisions, newest = self.revisions[partition], 0
            for number, kind_number in enumerate(events):
                copies, letters = self.expected(kind_number, partition, revisions[number])
                got, dead, diverted = self.copies[partition][number], self.dead[partition][number], self.diverted[partition][number]
                if got != copies or dead != letters or diverted:
                    self.differs((partition, number), (copies, letters), (got, dead, diverted))
                if revisions[number]:
                    if revisions[number] < newest:
                        self.result.note("unexplained", "revision goes back", (partition, number), newest, revisions[number])
                    newest = max(newest, revisions[number])
            self.answered_revisions(partition, revisions)
        self.result.events = self.world.count()
        return self.result

    def answered_revisions(self, partition, revisions):
        """An event that was published after a change was answered is decided by that revision or a newer one (or has no copy at all)."""
        bounds = [(counts[partition], revision) for revision, counts in self.answered]
        for (begin, revision), (end, _) in zip(bounds, bounds[1:] + [(len(revisions), 0)]):
            for number in range(begin, end):
                if 0 < revisions[number] < revision:
                    self.result.note("unexplained", "older revision than answered", (partition, number), revisions[number], revision)

    def differs(self, place, wanted, found):
        (copies, letters), (got, dead, diverted) = wanted, found
        if place[1] >= self.routed[place[0]]:
            copies, letters = copies & (got | diverted), letters & dead
        for bit in self.each(copies & ~got & ~diverted):
            self.result.note("lost", "lost", self.words[bit] or "(unmatched)", place, self.world.kind(*place).name)
        for bit in self.each(letters & ~dead):
            self.result.note("lost", "dead letter lost", self.words[bit], place, self.world.kind(*place).name)
        for bit in self.each(got & ~copies):
            self.result.note("unexplained", "not wanted", self.words[bit] or "(unmatched)", place, self.world.kind(*place).name)
        for bit in self.each(dead & ~letters | diverted & ~copies):
            self.result.note("unexplained", "dead letter not wanted", self.words[bit], place, self.world.kind(*place).name)
        for bit in self.each(got & diverted):
            self.result.note("unexplained", "delivered and dead-lettered", self.words[bit], place)

    @staticmethod
    def each(bits):
        while bits:
            low = bits & -bits
            yield low
            bits ^= low

