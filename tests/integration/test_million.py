"""A million events, 4 partitions, 100 subscribers with 300 rules: every copy against an expectation that never saw the router's engine.

ER_TEST_EVENTS sets another number of events, ER_TEST_SEED another seed.
"""
import functools
import json
import multiprocessing
import os
import random
import re
import time
from collections import Counter

import pytest
from rig import SOURCE, Record, assert_balance, murmur2, until

EVENTS = int(os.environ.get("ER_TEST_EVENTS", "1000000"))
SEED = int(os.environ.get("ER_TEST_SEED", "20"))
PARTITIONS = 4
SUBSCRIBERS = 100
RULES = 300
WIDE = 3  # every tenth subscriber has so many partitions

NAMES = ["order", "payment", "favorite", "account", "cart", "shipment", "review", "session"]
VERBS = ["created", "updated", "cancelled", "paid", "failed", "added", "removed", "expired"]
DOMAINS = ["example.com", "example.org", "mail.example.net", "shop.test", "corp.test"]
COUNTRIES = ["DE", "FR", "BE", "NL", "US", "GB", "JP", "KR", "ES", "IT"]


class World:
    """Pools of values, and the rules over them; all from one seed."""

    def __init__(self, seed):
        rng = random.Random(seed)
        self.types = [f"{n}.{v}" for n in NAMES for v in VERBS] + ["heartbeat", "", "ping*pong"]
        self.emails = [f"{rng.choice('abcdefghij')}{rng.randrange(2000)}@{rng.choice(DOMAINS)}" for _ in range(3000)]
        self.totals = [rng.choice([f"{rng.randrange(100000)}", f"{rng.randrange(1000)}.{rng.randrange(100):02d}",
                                   f"{rng.randrange(1, 9)}e{rng.randrange(5)}", f"-{rng.randrange(50)}"]) for _ in range(3000)]
        self.skus = [f"{rng.choice('ABCDEF')}-{rng.randrange(10000):04d}" for _ in range(1000)]
        self.notes = ["", "gift", "Zürich straße", "line\nbreak", "tab\there", "quote \" and \\ back", "日本", "a" * 120]
        self.rules = [self.rule(rng, i) for i in range(RULES)]

    def types_test(self, rng):
        kind = rng.randrange(4)
        if kind == 0:
            return [rng.choice(self.types[:64])]
        if kind == 1:
            return rng.sample(self.types[:64], 3)
        if kind == 2:
            return [rng.choice(NAMES) + ".*"]
        return [rng.choice(NAMES)[:3] + "*." + rng.choice(VERBS)]

    @staticmethod
    def email_test(rng):
        return rng.choice([
            f"^{rng.choice('abcdefghij')}1?{rng.randrange(10)}\\d?\\d@",
            f"{rng.randrange(10, 99)}@{re.escape(rng.choice(DOMAINS))}$",
            f"(?i)^{rng.choice('ABCDEFGHIJ')}1..?@",
            f"^[{rng.choice('abc')}{rng.choice('def')}]\\d{{1,3}}@(shop|corp)\\.test$",
        ])

    @staticmethod
    def total_test(rng):
        return rng.choice([f"^{rng.randrange(1, 9)}\\d{{3,4}}$", f"^{rng.randrange(1, 9)}e\\d$", r"^-[0-4]$", f"^{rng.randrange(1, 9)}\\d*\\."])

    def rule(self, rng, number):
        """Each is meant to accept about one event of a hundred."""
        document = {"id": f"rule-{number:03d}", "subscriber": f"s{number % SUBSCRIBERS:02d}"}
        kind = rng.randrange(8)
        tests = {}
        if kind in (0, 1, 2):
            tests["user.email"] = self.email_test(rng)
        if kind in (2, 3):
            tests["total"] = self.total_test(rng)
        if kind in (3, 4):
            tests["items.sku"] = f"^{rng.choice('ABCDEF')}-\\d{rng.randrange(10)}"
        if kind == 5:
            tests = {"user.country": f"^({'|'.join(rng.sample(COUNTRIES, 2))})$", "gift": "^true$", "items.sku": f"{rng.randrange(10)}$"}
        if kind == 6:
            tests = {"/note": rng.choice(["stra\u00dfe$", "^line\\nbreak$", "\\t", "^\u65e5.$", "\\\\ back$"]), "total": f"{rng.randrange(10)}$"}
        if kind in (1, 4) or not tests:
            document["types"] = self.types_test(rng)
        if tests:
            document["regex"] = tests
        return document


class Expectation:
    """Which rules accept an event, as bits; each distinct value of a field is tested once, with Python's re."""
    PATHS = ("user.email", "user.country", "total", "items.sku", "gift", "/note")

    def __init__(self, world):
        self.world = world
        self.all = (1 << RULES) - 1
        self.by_path = {}
        for path in self.PATHS:
            tests = [(1 << i, re.compile(r["regex"][path].replace("$", r"\Z"))) for i, r in enumerate(world.rules)
                     if path in r.get("regex", {})]
            self.by_path[path] = (self.all & ~sum(bit for bit, _ in tests), tests, {})
        self.typed = {}
        self.subscribers = {}

    def field(self, path, text):
        free, tests, known = self.by_path[path]
        mask = known.get(text)
        if mask is None:
            mask = known[text] = free | sum(bit for bit, regex in tests if regex.search(text))
        return mask

    def type(self, name):
        mask = self.typed.get(name)
        if mask is None:
            mask = 0
            for i, rule in enumerate(self.world.rules):
                globs = rule.get("types")
                if globs is None or name is not None and any(
                        re.fullmatch(".*".join(map(re.escape, g.split("*"))), name, re.DOTALL) for g in globs):
                    mask |= 1 << i
            self.typed[name] = mask
        return mask

    def decide(self, mask):
        """Numbers of the subscribers that get the event, as a bit set."""
        found = self.subscribers.get(mask)
        if found is None:
            found, rest = 0, mask
            while rest:
                low = rest & -rest
                found |= 1 << ((low.bit_length() - 1) % SUBSCRIBERS)
                rest ^= low
            self.subscribers[mask] = found
        return found


@functools.lru_cache
def json_text(text):
    return json.dumps(text, ensure_ascii=len(text) % 2 == 0)


def generate(world, expectation, partition, count, seed):
    """[(key, value, headers, timestamp, subscriber bits)] of one source partition."""
    rng = random.Random(f"{seed}/{partition}")
    pick, number, chance = rng.choice, rng.randrange, rng.random
    keys = [k for k in (f"user-{i}".encode() for i in range(8000)) if murmur2(k) % PARTITIONS == partition]
    made = []
    for sequence in range(count):
        email, country, total, note = pick(world.emails), pick(COUNTRIES), pick(world.totals), pick(world.notes)
        mask = expectation.field("user.email", email) & expectation.field("user.country", country)
        mask &= expectation.field("total", total) & expectation.field("/note", note)
        gift = "true" if sequence % 5 == 0 else "false"
        mask &= expectation.field("gift", gift)
        skus = [pick(world.skus) for _ in range(number(3))]
        any_sku = expectation.by_path["items.sku"][0]
        for sku in skus:
            any_sku |= expectation.field("items.sku", sku)
        mask &= any_sku
        name = pick(world.types)
        kind = f'"type":"{name}",'
        shape = number(50)
        if shape == 0:
            name, kind = None, ""
        elif shape == 1:
            name, kind = None, '"type":17,'
        mask &= expectation.type(name)
        items = ",".join(f'{{"sku":"{s}","qty":{sequence % 7}}}' for s in skus)
        value = (f'{{"id":"{partition}-{sequence}",{kind}"user":{{"id":{number(100000)},"email":"{email}","country":"{country}"}},'
                 f'"total":{total},"items":[{items}],"gift":{gift},"note":{json_text(note)},"padding":"{"x" * number(90)}"}}').encode()
        key = pick(keys) if chance() < 0.8 else None
        headers = [("trace", b"t%d" % sequence), ("empty", b""), ("none", None)] if sequence % 20 == 0 else None
        made.append((key, value, headers, 1700000000000 + sequence, expectation.decide(mask)))
    return made


def produce(kafka, topic, events):
    producer = kafka.producer(**{"compression.type": "lz4", "batch.num.messages": 10000})
    for partition, made in events.items():
        for key, value, headers, timestamp, _ in made:
            kafka.put(producer, topic, Record(value, key, headers, timestamp, partition))
    assert producer.flush(120) == 0


def verify(kafka, router, subscribers, events, found):
    """Reads the topics of some subscribers and puts counts of what is wrong into the queue."""
    kafka.connect()
    counts = dict(copies=0, lost=0, duplicated=0, reordered=0, unexplained=0, differing=0, misplaced=0)
    example = []
    bits = {router.topic(f"s{s:02d}"): 1 << s for s in subscribers}
    partitions = {topic: kafka.partitions(topic) for topic in bits}
    raw, last, got, hashes = router.raw.encode(), {}, dict.fromkeys(bits, 0), {}

    def note(kind, *what):
        counts[kind] += 1
        example.append((kind, *what))

    for message in kafka.scan(bits, make=lambda m: m):
        topic, headers = message.topic(), message.headers()
        where = [v for n, v in headers if n == SOURCE]
        source, partition, offset = where[0].rsplit(b"/", 2)
        partition, offset = int(partition), int(offset)
        key, value, plain, timestamp, wanted = events[partition][offset]
        if len(where) != 1 or source != raw or not wanted & bits[topic]:
            note("unexplained", topic, where)
            continue
        if message.value() != value or message.key() != key or message.timestamp()[1] != timestamp or \
                len(headers) > 1 and [h for h in headers if h[0] != SOURCE] != plain or plain and len(headers) == 1:
            note("differing", topic, where, message.value(), headers)
        if partitions[topic] > 1:
            if key is not None and key not in hashes:
                hashes[key] = murmur2(key)
            right = (partition if key is None else hashes[key]) % partitions[topic]
            counts["misplaced"] += message.partition() != right
        order = topic, message.partition(), partition
        before = last.get(order, -1)
        if offset == before:
            counts["duplicated"] += 1
        elif offset < before:
            note("reordered", order, before, offset)
        else:
            got[topic] += 1
            last[order] = offset
        counts["copies"] += 1
    decisions = Counter(event[4] for made in events.values() for event in made)
    for topic, bit in bits.items():
        expected = sum(n for mask, n in decisions.items() if mask & bit)
        counts["lost"] += max(0, expected - got[topic])
        counts["unexplained"] += max(0, got[topic] - expected)
    found.put((counts, example[:5]))


def in_processes(target, argument_lists):
    context = multiprocessing.get_context("fork")
    running = [context.Process(target=target, args=arguments) for arguments in argument_lists]
    for process in running:
        process.start()
    return running


def drain(queue, into):
    while not queue.empty():
        into.append(queue.get())
    return len(into)


@pytest.mark.deadline(900)
def test_every_copy_of_a_million_events(kafka, router):
    begin = time.monotonic()

    def lap(what):
        print(f"# {time.monotonic() - begin:6.1f} s  {what}", flush=True)

    world = World(SEED)
    expectation = Expectation(world)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        work = [(world, expectation, p, EVENTS // PARTITIONS, SEED) for p in range(PARTITIONS)]
        events = dict(enumerate(pool.starmap(generate, work, chunksize=1)))
    total = sum(map(len, events.values()))
    matched = sum(1 for made in events.values() for event in made if event[4])
    copies = sum(bin(event[4]).count("1") for made in events.values() for event in made)
    lap(f"seed {SEED}: {total} events, {matched} of them match, {copies} copies expected")

    one = router()
    kafka.create(one.raw, PARTITIONS)
    one.start()
    for number in range(0, SUBSCRIBERS, 10):
        one.must("PUT", f"/v1/subscribers/s{number:02d}", {"id": f"s{number:02d}", "partitions": WIDE})
    one.apply(world.rules)
    lap("router ready, rules applied")

    producers = in_processes(produce, [(kafka, one.raw, {p: events[p] for p in half}) for half in ((0, 1), (2, 3))])
    for process in producers:
        process.join()
        assert process.exitcode == 0
    lap("all produced")
    until(lambda: one.balance()["received"] >= total, 300, "outcome for every event")
    lap("all routed")
    balance, metrics = one.balance(), one.metrics()
    assert_balance(balance)
    assert balance == {"received": total, "routed": matched, "unmatched": total - matched, "dead_lettered": 0}, balance
    assert one.terminate() == 0
    assert sum(kafka.committed(one.config["router.group"], one.raw).values()) == total

    found = multiprocessing.get_context("fork").Queue()
    checkers = in_processes(verify, [(kafka, one, range(half, SUBSCRIBERS, 2), events, found) for half in (0, 1)])
    results = []
    until(lambda: drain(found, results) == len(checkers) or any(p.exitcode for p in checkers), 300, "results of the checkers")
    assert len(results) == len(checkers), "a checker died"
    for process in checkers:
        process.join()
    lap("all compared")
    counts = {name: sum(r[0][name] for r in results) for name in results[0][0]}
    print(f"# events {total} {counts}")
    assert counts.pop("copies") == copies, (counts, results)
    assert not any(counts.values()), (counts, results)
    assert int(metrics['eventrouter_deliveries_total{result="delivered"}']) == copies
