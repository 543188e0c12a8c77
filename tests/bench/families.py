#!/usr/bin/python3
"""Rule sets and events that measure the engine, the same for the same arguments.

    families.py FAMILY RULES RULES.jsonl EVENTS.jsonl [--events 20000] [--seed 1]
    families.py --list

A family is one way in which rules select (FAMILIES below). Rule number i has the id "r<i>" and is its own subscriber. Each event is
made for one rule, drawn at random, which accepts it unless the family says otherwise; it has about 800 bytes, most of them in fields
that no rule reads.
"""
import argparse
import json
import random
import sys

TYPES = ("order.created", "payment.settled", "favorite.added")
STATES = ("new", "paid", "packed", "sent", "returned")
COUNTRIES = ("FR", "BE", "DE", "NL", "LU", "ES", "IT", "PT", "AT", "CH")
POOL = 300  # values of a field of lists-hot


def kind(i):
    return TYPES[i % len(TYPES)]


class Lists:
    """Three values for each of three fields, drawn from `pool` per field."""

    def __init__(self, seed, pool):
        self.seed, self.pool = seed, pool

    def of(self, i):
        draw = random.Random(f"{self.seed}:lists:{i}")
        return {name: [f"{name}-{draw.randrange(self.pool)}" for _ in range(3)] for name in ("shelf", "carrier", "supplier")}


# ---- rules: (i, n, seed) -> members of the document ----

def exact2(i, n, seed):
    return {"types": [kind(i)], "pattern": {"user_id": [f"u{i}"]}}


def prefix(i, n, seed):
    return {"pattern": {"sku": [{"prefix": f"p{i}-"}]}}


def suffix(i, n, seed):
    return {"pattern": {"user": {"email": [{"suffix": f"@m{i}.example"}]}}}


def ignore_case(i, n, seed):
    return {"pattern": {"user": {"name": [{"equals-ignore-case": f"Ada Lovelace {i}"}]}}}


def narrow(i, n, seed):
    return {"pattern": {"total": [{"numeric": [">=", 10 * i, "<", 10 * i + 10]}]}}


def wildcard(i, n, seed):
    return {"pattern": {"path": [{"wildcard": f"/shop/{i}/*/detail"}]}}


def wildcard2(i, n, seed):
    return {"pattern": {"note": [{"wildcard": f"*a{i}z*b{i}z*"}]}}


def regex(i, n, seed):
    return {"regex": {"note": rf"\bcampaign-{i}\b"}}


def type_regex(i, n, seed):
    return {"types": [kind(i)], "regex": {"user_id": f"^u0*{i}(-[a-z]+)?$"}}


def but(i, n, seed):
    return {"pattern": {"user_id": [f"u{i}"], "status": [{"anything-but": [f"banned-{i}"]}]}}


def absent(i, n, seed):
    return {"pattern": {"user_id": [f"u{i}"], f"flag_{i}": [{"exists": False}]}}


def own_field(i, n, seed):
    return {"pattern": {f"field_{i}": ["on"]}}


def lists(i, n, seed):
    return {"pattern": Lists(seed, max(3, n)).of(i)}


def lists_hot(i, n, seed):
    return {"pattern": Lists(seed, POOL).of(i)}


def hot(i, n, seed):
    return {"pattern": {"source": ["shop"]}} if i % 1000 == 0 else exact2(i, n, seed)


MIX = ((70, exact2), (75, prefix), (80, suffix), (88, narrow), (93, wildcard), (98, regex), (100, but))


def mix(i, n, seed):
    share = i * 37 % 100  # 37 and 100 have no common divisor: each hundred rules has each share once
    members = next(rule for limit, rule in MIX if share < limit)(i, n, seed)
    return {"types": [kind(i)], **members}


def siblings(i, n, seed):
    """One pair of each array; the last of 3,000."""
    return {"pattern": {"items": {"sku": [f"s{2999 - i}"], "qty": [2999 - i]}, "stock": {"sku": [f"s{2999 - i}"], "left": [2999 - i]}}}


def hostile_regex(i, n, seed):
    return {"types": ["hot"], "regex": {"blob": f"[a-f]{{{i % 7 + 2}}}[0-9]{{{i // 7 % 50 + 1}}}[g-z]"}}


def hostile_catastrophe(i, n, seed):
    return {"types": ["hot"], "regex": {"blob": f"(?:a{{0,{50 + i % 50}}}){{3}}[bc]{{{i // 50 + 1}}}x"}}


def hostile_or(i, n, seed):
    return {"types": ["hot"], "pattern": {"$or": [{"user_id": [f"u{i}-{k}"], "blob": [{"anything-but": f"x{k}"}]} for k in range(100)]}}


# ---- events: (draw, i, n, seed) -> members that replace those of the realistic event ----

def plain(draw, i, n, seed):
    return {}


def with_field(draw, i, n, seed):
    return {f"field_{i}": "on"}


def from_lists(pool):
    def event(draw, i, n, seed):
        return {name: draw.choice(values) for name, values in Lists(seed, pool or max(3, n)).of(i).items()}
    return event


def with_siblings(draw, i, n, seed):
    return {"items": [{"sku": f"s{k}", "qty": k} for k in range(3000)], "stock": [{"sku": f"s{k}", "left": k} for k in range(3000)]}


def with_blob(text):
    def event(draw, i, n, seed):
        return {"type": "hot", "user_id": f"u{i}-{draw.randrange(100)}", "blob": text(draw)}
    return event


def hexadecimal(draw):
    return "".join(draw.choice("0123456789abcdef") for _ in range(500))


def all_a(draw):
    return "a" * 16000


class Family:
    def __init__(self, title, rule, event=plain, **more):
        self.title, self.rule, self.event = title, rule, event
        self.sizes = more.get("sizes", (1, 1000, 10000, 100000))  # that bench-match measures
        self.events = more.get("events", 20000)
        self.limits = more.get("limits", {})  # goal in ns per event, by number of rules


MILLION = (1, 1000, 10000, 100000, 1000000)
ONE_US = {100000: 1000}
FAMILIES = {
    "exact2": Family("type AND unique user_id", exact2, sizes=MILLION,
                     limits={1: 500, 10000: 600, 100000: 700, 1000000: 1000}),
    "prefix": Family("prefix", prefix, limits=ONE_US),
    "suffix": Family("suffix", suffix, limits=ONE_US),
    "ignore-case": Family("equals-ignore-case", ignore_case, limits=ONE_US),
    "range": Family("narrow range", narrow, limits=ONE_US),
    "wildcard": Family("anchored wildcard", wildcard, limits=ONE_US),
    "mix": Family("realistic mix", mix, limits={10000: 1000, 100000: 1200}),
    "anything-but": Family("anything-but AND exact", but, limits={100000: 700}),
    "absent": Family("exists:false on distinct fields AND exact", absent, limits={10000: 700, 100000: 700}),
    "own-field": Family("every rule its own field name", own_field, with_field, limits={100000: 700}),
    "lists": Family("3 x 3 x 3 value lists", lists, from_lists(None), limits={10000: 1000, 100000: 1000}),
    "lists-hot": Family(f"3 x 3 x 3 value lists, {POOL} values per field", lists_hot, from_lists(POOL)),
    "wildcard2": Family("*a*b* wildcard", wildcard2, sizes=(1, 1000, 10000), limits={10000: 5000}),
    "regex": Family("regex with a literal", regex, limits={10000: 2000}),
    "type-regex": Family("type AND anchored regex", type_regex),
    "hot": Family("0.1 % of the rules match every event", hot, sizes=(1000, 10000, 100000)),
    "siblings": Family("two sibling arrays of 3,000 objects", siblings, with_siblings, sizes=(1,), events=20, limits={1: 1000000}),
    "hostile-regex": Family("one hot type, regexes without a literal", hostile_regex, with_blob(hexadecimal), sizes=(1000,),
                            events=50, limits={1000: 20000000}),
    "hostile-catastrophe": Family("catastrophic regexes on 16 KB", hostile_catastrophe, with_blob(all_a), sizes=(100,), events=20,
                                  limits={100: 20000000}),
    "hostile-or": Family("$or of 100 branches", hostile_or, with_blob(hexadecimal), sizes=(1000,), events=2000,
                         limits={1000: 20000000}),
}


# ---- files ----

def swap_case(draw, text):
    return "".join(c.upper() if draw.random() < 0.5 else c.lower() for c in text)


def realistic(draw, i, number):
    """One order as a shop would send it, about 800 bytes; a field for each way in which rule i may ask."""
    return {
        "id": f"{draw.getrandbits(128):032x}",
        "source": "shop",
        "type": kind(i),
        "time": f"2026-11-{1 + number % 28:02d}T{number % 24:02d}:{number % 60:02d}:{number % 59:02d}.{number % 1000:03d}Z",
        "user_id": f"u{i}",
        "user": {"name": swap_case(draw, f"ada lovelace {i}"), "email": f"user{draw.randrange(10 ** 6)}@m{i}.example",
                 "country": draw.choice(COUNTRIES), "vip": draw.random() < 0.1},
        "status": draw.choice(STATES),
        "sku": f"p{i}-{draw.randrange(10 ** 4)}",
        "path": f"/shop/{i}/{draw.choice(COUNTRIES).lower()}/detail",
        "total": round(10 * i + draw.randrange(1000) / 100, 2),
        "currency": "EUR",
        "ip": ".".join(str(draw.randrange(256)) for _ in range(4)),
        "note": f"Seen in campaign-{i} today, a{i}z then b{i}z",
        "address": {"street": f"{draw.randrange(200)} rue de la Paix", "zip": f"{draw.randrange(10 ** 5):05d}", "city": "Paris"},
        "lines": [{"article": f"A-{draw.randrange(10 ** 4)}", "count": draw.randrange(1, 9), "price": draw.randrange(10 ** 4) / 100}
                  for _ in range(3)],
        "tags": ["web", "autumn", f"ab-{draw.randrange(10)}"],
        "agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "trace": f"00-{draw.getrandbits(128):032x}-{draw.getrandbits(64):016x}-01",
    }


def write_rules(name, n, path, seed):
    rule = FAMILIES[name].rule
    with open(path, "w", encoding="utf-8") as file:
        for i in range(n):
            file.write(json.dumps({"id": f"r{i}", **rule(i, n, seed)}, separators=(",", ":")) + "\n")


def write_events(name, n, count, path, seed):
    family, draw = FAMILIES[name], random.Random(f"{seed}:{name}:{n}:events")
    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            i = draw.randrange(n)
            file.write(json.dumps({**realistic(draw, i, number), **family.event(draw, i, n, seed)}, separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--events", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for name, family in FAMILIES.items():
            print(f"{name:20} {family.title} (N = {', '.join(map(str, family.sizes))})")
        return
    if len(options.words) != 4 or options.words[0] not in FAMILIES or not options.words[1].isdigit():
        sys.exit(__doc__)
    name, n, rules, events = options.words[0], int(options.words[1]), options.words[2], options.words[3]
    write_rules(name, n, rules, options.seed)
    write_events(name, n, options.events or FAMILIES[name].events, events, options.seed)


if __name__ == "__main__":
    main()
