"""What a run publishes and what must come of it: rules, events and the expected copies, all from one seed.

A world has some hundred kinds of events. The oracle (tests/oracle, which never saw the router's engine) decides each kind once per source
partition; an event is a kind with its own number in the value and its own timestamp, on which no rule depends.
"""
import itertools
import json
import os
import random
import sys
from array import array

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "oracle"))
from oracle import Event, compile_rule  # noqa: E402

BASE_TIME = 1700000000000
HARD = "(?:a{0,60}){3}[bc]"  # runs for seconds on a long text without b and c: undecided
HARD_TEXT = "a" * 16384

RULES = [
    {"id": "all", "subscriber": "all"},
    {"id": "orders", "subscriber": "orders", "types": ["order.*"]},
    {"id": "mail", "subscriber": "mail", "regex": {"user.email": "@example\\.(com|org)$"}},
    {"id": "eu-rich", "subscriber": "eu", "pattern": {"user": {"country": ["FR", "BE"]}, "total": [{"numeric": [">=", 100]}]}},
    {"id": "eu-gift", "subscriber": "eu", "pattern": {"user": {"country": ["FR", "DE"]}, "gift": [True]}},
    {"id": "rest", "subscriber": "rest", "pattern": {"type": [{"anything-but": ["order.created"]}], "gift": [{"exists": False}]}},
    {"id": "either", "subscriber": "either", "pattern": {"$or": [{"total": [{"numeric": ["<", 10]}]}, {"items": {"sku": [{"prefix": "A-"}], "qty": [3]}}]}},
    {"id": "keyed", "subscriber": "keyed", "pattern": {"$kafka": {"key": [{"suffix": "-k3"}]}}},
    {"id": "tenant", "subscriber": "tenant", "pattern": {"$kafka": {"headers": {"tenant": ["blue"]}}}},
    {"id": "cloud", "subscriber": "cloud", "types": ["com.example.*"]},
    {"id": "hard", "subscriber": "hard", "types": ["trap.*"], "regex": {"text": HARD}},
]
PARTITIONS = {"orders": 3, "mail": 2}  # of destinations; 1 for the others

TYPES = ["order.created", "order.paid", "payment.failed", "favorite.added", "cart.expired"]
COUNTRIES = ["FR", "BE", "DE", "US", "JP"]
DOMAINS = ["example.com", "example.org", "mail.example.net", "shop.test"]
BROKEN = [(b"", "E108"), (b',"a":1,}', "E101"), (b',"a":007}', "E105"), (b',"a":"\xff"}', "E102"), (b'} x', "E107"), (b',"a":"\\ud800"}', "E104")]


class Kind:
    """tail: the value behind its number, None for a tombstone. key: a function of the source partition."""
    __slots__ = ("name", "tail", "key_number", "headers", "added", "error", "outcomes", "outcome")

    def __init__(self, name, tail, key_number=None, headers=(), added=(), error=None):
        self.name, self.tail, self.key_number, self.headers = name, tail, key_number, list(headers)
        self.added = dict(added)  # headers that the router adds to copies besides eventrouter-source
        self.error = error  # code of the dead letter that it gets as a whole
        self.outcomes = []  # by source partition

    def key(self, partition):
        if self.key_number is None:
            return None
        return b"" if self.key_number < 0 else b"p%d-k%d" % (partition, self.key_number)

    def value(self, partition, number):
        return None if self.tail is None else b'{"seq":"%d-%d"%s' % (partition, number, self.tail)


class Outcome:
    """subscribers that get a copy; letters: {subscriber or None: code} of the dead letters that must be written."""
    __slots__ = ("subscribers", "letters")

    def __init__(self, subscribers, letters):
        self.subscribers, self.letters = frozenset(subscribers), dict(letters)


def compile_rules(rules):
    """{subscriber: [function of an Event]}"""
    accepts = {}
    for rule in rules:
        if rule["id"] != "hard":
            accepts.setdefault(rule["subscriber"], []).append(compile_rule(rule))
    return accepts


def outcome(kind, partition, accepts):
    if kind.error is not None:
        return Outcome((), {None: kind.error})
    # A tombstone is an event without fields.
    event = Event(kind.value(partition, 0) or b"{}", "raw", kind.key(partition), [(n, b"" if v is None else v) for n, v in kind.headers])
    found = {subscriber for subscriber, tests in accepts.items() if any(test(event) for test in tests)}
    return Outcome(found, {"hard": "E304"} if kind.name == "hard" else {})


class World:
    """rules: what to apply; events are numbered from 0 in each source partition.

    poison: share of events that get a dead letter; a world of plain events is quicker when a fault is about something else.
    """

    def __init__(self, seed, partitions=4, kinds=240, poison=0.02, extra_rules=6):
        rng = random.Random(f"world/{seed}")
        self.seed, self.partitions = seed, partitions
        # Every second world has a rule without conditions; in the others some events are unmatched.
        self.rules = RULES[seed % 2:] + [self.random_rule(rng, n) for n in range(extra_rules)]
        self.subscribers = sorted({rule["subscriber"] for rule in self.rules})
        self.kinds = [self.plain(rng) for _ in range(kinds)]
        self.kinds += [self.binary_cloud_event(rng) for _ in range(kinds // 20)]
        self.kinds += [Kind("tombstone", None, n, [("tenant", b"blue")] if n % 2 else []) for n in range(1, 6)]
        self.kinds += [Kind("came through a router", b',"type":"order.paid"}', 1, [("eventrouter-source", b"other/0/1"), ("a", b"1")],
                            {"eventrouter-hops": b"2"})]
        common = len(self.kinds)
        self.kinds += [Kind(f"broken {code}", tail, n, [("why", code.encode())], error=code) for n, (tail, code) in enumerate(BROKEN)]
        self.kinds.append(Kind("too many hops", b"}", 2, [("eventrouter-source", b"x/0/1"), ("eventrouter-hops", b"8")], error="E123"))
        self.kinds.append(Kind("hard", b',"type":"trap.set","text":"%s"}' % HARD_TEXT.encode(), 3))
        rare = len(self.kinds) - common
        weights = [1.0] * common + [poison * common / rare] * (rare - 1) + [0.15 * poison * common]  # the hard one takes 5 ms
        self.weights = list(itertools.accumulate(weights))
        self.choices = range(len(self.kinds))
        self.decide()
        self.streams = [random.Random(f"events/{seed}/{p}") for p in range(partitions)]
        self.events = [array("H") for _ in range(partitions)]  # number of the kind

    # ---- rules and kinds ----

    @staticmethod
    def random_rule(rng, number):
        name = f"any-{number}"
        condition = rng.choice([
            {"types": rng.sample(TYPES, 2)},
            {"regex": {"total": f"^{rng.randrange(1, 9)}"}},
            {"pattern": {"user": {"country": rng.sample(COUNTRIES, 2)}}},
            {"pattern": {"total": [{"numeric": [">", rng.randrange(500)]}], "type": [{"prefix": rng.choice(["order", "pay", "c"])}]}},
            {"pattern": {"items": {"qty": [rng.randrange(5)]}}},
            {"pattern": {"$not": {"user": {"country": [rng.choice(COUNTRIES)]}}}},
        ])
        return {"id": name, "subscriber": name, **condition}

    @staticmethod
    def body(rng):
        body = {"type": rng.choice(TYPES), "user": {"email": f"u{rng.randrange(99)}@{rng.choice(DOMAINS)}", "country": rng.choice(COUNTRIES)},
                "total": rng.choice([rng.randrange(1000), round(rng.random() * 50, 2)]),
                "items": [{"sku": f"{rng.choice('AB')}-{rng.randrange(9)}", "qty": rng.randrange(5)} for _ in range(rng.randrange(3))]}
        if rng.random() < 0.4:
            body["gift"] = rng.random() < 0.5
        if rng.random() < 0.2:
            body["note"] = rng.choice(["Zürich straße", "日本", "line\nbreak", "x" * 400, "%0600x" % rng.getrandbits(2400)])
        return body

    @staticmethod
    def tail(body):
        return b"," + json.dumps(body, ensure_ascii=False).encode()[1:]

    def plain(self, rng):
        headers = rng.choice([[], [], [], [("tenant", rng.choice([b"blue", b"red"]))], [("a", b"1"), ("a", b"2"), ("b", b""), ("c", None)]])
        return Kind("plain", self.tail(self.body(rng)), rng.choice([None, *range(8), -1]), headers)

    def binary_cloud_event(self, rng):
        headers = [("ce_specversion", b"1.0"), ("ce_type", rng.choice([b"com.example.a", b"com.example.b", b"order.paid"])), ("ce_id", b"7")]
        return Kind("cloud event", self.tail({"total": rng.randrange(200)}), rng.randrange(8), headers)

    # ---- the oracle ----

    def decide(self):
        accepts = compile_rules(self.rules)
        for kind in self.kinds:
            kind.outcomes = [outcome(kind, partition, accepts) for partition in range(self.partitions)]

    # ---- events ----

    def next_event(self, partition):
        """Draws one more event of a source partition; returns (number, kind)."""
        drawn = self.streams[partition].choices(self.choices, cum_weights=self.weights)[0]
        self.events[partition].append(drawn)
        return len(self.events[partition]) - 1, self.kinds[drawn]

    def kind(self, partition, number):
        return self.kinds[self.events[partition][number]]

    def count(self):
        return sum(map(len, self.events))

    @staticmethod
    def timestamp(partition, number):
        return BASE_TIME + 10 * number + partition
