#!/usr/bin/python3
"""Random rules and events: `eventrouterctl rule test` against the oracle, pair by pair.

    match_test.py --programs build/release [--seed N] [--pairs N]

The seed is printed; a difference is shrunk to one rule and one event before it is shown.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from oracle import Event, EventError, Regex, accepts  # noqa: E402

LETTERS = "abcxyz012.-_$ \u00e9\u20ac\U0001F600\"\\\n"
WORDS = ["", "a", "b", "ab", "abc", "xyz", "x", "0", "12", "120", "user", "user1", "user12", "user-120", "order", "order.new", "order.new.eu",
         "payment", "caf\u00e9", "a.b", "a*b", "@example.org", "bob@example.org", "eve@mail.example.org", "A-12", "long literal text", "true", "1e2",
         "a long literal text with an end", "\u20ac\u20ac", "x\ny", "q\"q", "b\\c", "1.50", "-0"]
TYPES = ["order", "order.new", "order.new.eu", "payment", "favorite", "", "a", "caf\u00e9", "x\ny"]
GLOBS = ["*", "**", "order*", "order.*", "*.new", "*new*", "o*r", "*a*", "*.*.*", "p*", "*t", "a*", "*\u00e9", "order.*.eu", "*e*", "x*y", "order.new**"]
KEYS = ["a", "b", "c", "d", "a.b", "k k", "", "$or", "0", "\u00e9", "data", "items"]
PATHS = [("event", "a"), ("event", "b"), ("event", "c"), ("event", "a", "b"), ("event", "c", "d"), ("event", "a.b"), ("event", "k k"),
         ("event", ""), ("event", "0"), ("event", "\u00e9"), ("event", "items", "a"), ("event", "items", "a", "b"), ("event", "data", "a"),
         ("event", "type"), ("event", "source"), ("event", "a", "a", "a"), ("$kafka", "topic"), ("$kafka", "key"), ("$kafka", "headers", "h"),
         ("$kafka", "headers", "ce_type")]


# ---- generation ----

def escape(text, rng):
    """Text as a regex, the same in both dialects."""
    out = ""
    for c in text:
        out += "\\" + c if c in "\\^$.|?*+()[]{}" or (c in "-\"@" and rng.random() < 0.1) else c
    return out


def random_atom(rng, depth):
    """A piece in both dialects."""
    kind = rng.randrange(10 if depth < 2 else 7)
    if kind < 4:
        text = escape(rng.choice(WORDS[1:]), rng)
        return text, text
    if kind == 4:
        return ".", "."
    if kind == 5:
        return rng.choice([("\\d", "[0-9]"), ("\\w", "[A-Za-z0-9_]"), ("\\s", "[ \\t\\n\\r\\f\\v]"), ("\\D", "[^0-9]")])
    if kind == 6:
        return (rng.choice(["[abc]", "[^a]", "[0-9]", "[a-z]", "[\u00e9x]", "[^\\n]"]),) * 2
    inner = random_branches(rng, depth + 1)
    return "(?:" + inner[0] + ")", "(?:" + inner[1] + ")"


def random_branches(rng, depth):
    branches = []
    for _ in range(1 if rng.random() < 0.8 else 2):
        pcre2 = python = ""
        for _ in range(rng.choice([1, 1, 2, 3])):
            a, b = random_atom(rng, depth)
            if rng.random() < 0.25 and not set(a) & set("*+?{"):  # never a repetition of repetitions: it may take for ever
                quantifier = rng.choice(["?", "*", "+", "{1,2}", "{0,1}", "*?", "+?"])
                single = len(a) == 1 or a[0] in "[(" or (a[0] == "\\" and len(a) == 2)
                a, b = (a, b) if single else ("(?:" + a + ")", "(?:" + b + ")")
                a, b = a + quantifier, b + quantifier
            pcre2, python = pcre2 + a, python + b
        branches.append((pcre2, python))
    return "|".join(b[0] for b in branches), "|".join(b[1] for b in branches)


def random_regex(rng):
    kind = rng.randrange(10)
    if kind < 6:  # what people write: a text, anchored or not
        text = escape(rng.choice(WORDS), rng)
        start, end = rng.choice([("", ""), ("^", ""), ("", "$"), ("^", "$")])
        return Regex(start + text + end, start + text + ("\\Z" if end else ""))
    if kind == 6:
        text = rng.choice(["bob", "order", "xyz", "abc"])  # no letter with a third form
        return Regex("(?i)" + text.upper(), "(?i)" + text)
    pcre2, python = random_branches(rng, 0)
    if rng.random() < 0.3:
        pcre2, python = "^(?:" + pcre2 + ")", "^(?:" + python + ")"
    if rng.random() < 0.3:
        pcre2, python = "(?:" + pcre2 + ")$", "(?:" + python + ")\\Z"
    return Regex(pcre2, python)


def random_rule(rng, regexes):
    rule = {}
    if rng.random() < 0.6:
        rule["types"] = [rng.choice(TYPES if rng.random() < 0.6 else GLOBS) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    if rng.random() < 0.75:
        entries = {}
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            entries[rng.choice(PATHS)] = rng.choice(regexes) if rng.random() < 0.7 else random_regex(rng)
        rule["regex"] = sorted(entries.items(), key=lambda item: item[0])
    if rng.random() < 0.03:
        rule["enabled"] = False
    return rule


def random_text(rng):
    if rng.random() < 0.75:
        return rng.choice(WORDS)
    if rng.random() < 0.5:
        return rng.choice(WORDS) + rng.choice(WORDS) + rng.choice(WORDS)
    return "".join(rng.choice(LETTERS) for _ in range(rng.randrange(12)))


def random_string(rng, text):
    """The JSON string of a text, sometimes with more escapes than it needs."""
    if rng.random() < 0.7:
        return json.dumps(text, ensure_ascii=False)
    out = ""
    for c in text:
        if rng.random() < 0.3:
            out += json.dumps(c) if ord(c) > 0x7E else '"\\u%04x"' % ord(c)
        else:
            out += json.dumps(c, ensure_ascii=False)
    return '"' + out.replace('""', "") [1:-1] + '"' if out else '""'


def random_value(rng, depth):
    kind = rng.randrange(14 if depth < 4 else 9)
    if kind < 5:
        return random_string(rng, random_text(rng))
    if kind < 7:
        return rng.choice(["0", "12", "120", "-0", "1e2", "1.50", "-12.0E+3", "0.1e-7", "123456789012345678901234567890"])
    if kind < 9:
        return rng.choice(["true", "false", "null"])
    if kind < 12:
        return random_object(rng, depth + 1)
    return "[" + ",".join(random_value(rng, depth + 1) for _ in range(rng.randrange(4))) + "]"


def random_object(rng, depth, members=()):
    parts = list(members)
    for _ in range(rng.randrange(1, 6)):
        parts.append(random_string(rng, rng.choice(KEYS)) + ":" + random_value(rng, depth))
    rng.shuffle(parts)
    space = rng.choice(["", "", "", " ", "\n\t", "\r\n"])
    return "{" + space + ("," + space).join(parts) + space + "}"


def random_event(rng):
    """One line of events: bytes without line feeds."""
    members = []
    if rng.random() < 0.85:
        members.append('"type":' + (random_string(rng, rng.choice(TYPES + WORDS)) if rng.random() < 0.9 else random_value(rng, 3)))
    if rng.random() < 0.1:
        members.append('"specversion":' + rng.choice(['"1.0"', "1.0", "null"]))
    if rng.random() < 0.2:
        members.append('"source":' + random_string(rng, random_text(rng)))
    data = random_object(rng, 0, members).replace("\r\n", " ").replace("\n", " ").encode()
    if rng.random() < 0.06:  # damaged
        at = rng.randrange(len(data))
        data = rng.choice([data[:at], data[:at] + bytes([rng.randrange(11, 256)]) + data[at + 1:], data[:at] + data[at + 1:],
                           data[:at] + rng.choice([b",", b"}", b"\\ud800", b"\xc0\x80", b'"', b"01"]) + data[at:], data + b" x"])
    return data if data.strip(b" \t\r") else b"{}"


def random_envelope(rng):
    """Options of one run."""
    topic = rng.choice([None, "raw", "a"])
    key = rng.choice([None, b"", b"user12", b"\xff"])
    headers = []
    if rng.random() < 0.5:
        headers += [("h", rng.choice([b"a", b"xyz", b"\xc3"])) for _ in range(rng.choice([1, 2]))]
    form = rng.randrange(4)
    if form == 1:
        headers += [("ce_specversion", b"1.0"), ("ce_type", rng.choice(TYPES).encode()), ("ce_source", b"user12")]
    elif form == 2:
        headers.append(("content-type", rng.choice([b"application/cloudevents+json", b"Application/CloudEvents+JSON; charset=utf-8"])))
    return topic, key, headers


# ---- comparison ----

def path_text(path):
    if path[0] == "$kafka":
        return "$kafka." + ".".join(path[1:])
    if path == ("event", ""):
        return "/"
    return ".".join(json.dumps(k, ensure_ascii=False) if not k or set(k) & set('."') or k.startswith("$") else k for k in path[1:])


def document(rule, number):
    out = {"id": f"r{number}", "subscriber": f"s{number % 7}"}
    if "types" in rule:
        out["types"] = rule["types"]
    if "regex" in rule:
        out["regex"] = {path_text(path): regex.pcre2 for path, regex in rule["regex"]}
    if "enabled" in rule:
        out["enabled"] = rule["enabled"]
    return json.dumps(out)


def run_engine(ctl, rules, events, envelope):
    topic, key, headers = envelope
    with tempfile.TemporaryDirectory() as folder:
        rules_file, events_file = os.path.join(folder, "rules.jsonl"), os.path.join(folder, "events.jsonl")
        with open(rules_file, "w", encoding="utf-8") as f:
            f.write("".join(document(rule, i) + "\n" for i, rule in enumerate(rules)))
        with open(events_file, "wb") as f:
            f.write(b"".join(e + b"\n" for e in events))
        command = [ctl, "rule", "test", "--rules", rules_file, "--events", events_file]
        if topic is not None:
            command += ["--topic", topic]
        if key is not None:
            command += [b"--key", key]
        for name, value in headers:
            command += [b"--header", name.encode() + b"=" + value]
        result = subprocess.run(command, capture_output=True, check=False)
    if result.returncode not in (0, 1):
        raise SystemExit(f"{command} ended with {result.returncode}: {result.stderr.decode(errors='replace')[:2000]}")
    return [json.loads(line) for line in result.stdout.splitlines()]


def run_oracle(rules, data, envelope):
    """Sorted ids, or None for an event that cannot be read."""
    try:
        event = Event(data, *envelope)
    except EventError:
        return None
    return sorted(f"r{i}" for i, rule in enumerate(rules) if accepts(rule, event))


def first_difference(ctl, rule, candidates, envelope):
    """The first of some events that shows a difference, or None; one run of the engine."""
    answers = run_engine(ctl, [rule], candidates, envelope)
    for data, got in zip(candidates, answers):
        if (None if got["error"] else got["matched"] + got["undecided"]) != run_oracle([rule], data, envelope):
            return data
    return None


def smaller_rules(rule):
    for part in ("types", "regex"):
        if part in rule:
            yield {k: v for k, v in rule.items() if k != part}
            for i in range(len(rule[part]) if len(rule[part]) > 1 else 0):
                yield {**rule, part: rule[part][:i] + rule[part][i + 1:]}


def smaller_values(value):
    if isinstance(value, dict):
        for k, v in value.items():
            yield {x: y for x, y in value.items() if x != k}
            yield from ({**value, k: w} for w in smaller_values(v))
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield value[:i] + value[i + 1:]
            yield from (value[:i] + [w] + value[i + 1:] for w in smaller_values(v))
    elif isinstance(value, str) and value:
        yield value[: len(value) // 2]
        yield value[len(value) // 2:]
        yield value[1:]
        yield value[:-1]


def smaller_events(data):
    for size in (16, 4, 1):
        for at in range(0, len(data), size):
            yield data[:at] + data[at + size:]
    try:
        value = json.loads(data)
    except ValueError:
        return
    for smaller in smaller_values(value):
        yield json.dumps(smaller, ensure_ascii=False).encode("utf-8", "surrogatepass")


def shrink(ctl, rule, data, envelope):
    progress = True
    while progress:
        progress = False
        for candidate in smaller_rules(rule):
            if first_difference(ctl, candidate, [data], envelope) is not None:
                rule, progress = candidate, True
                break
        candidates = [c for c in smaller_events(data) if len(c) < len(data) and c.strip() and b"\n" not in c]
        found = first_difference(ctl, rule, candidates, envelope)
        if found is not None:
            data, progress = found, True
    return rule, data


def shrink_set(ctl, rules, data, envelope):
    """As few rules as still show a difference together (numbered anew)."""
    size = len(rules) // 2
    while size > 0:
        at = 0
        while at < len(rules):
            fewer = rules[:at] + rules[at + size:]
            got = run_engine(ctl, fewer, [data], envelope)[0] if fewer else None
            if fewer and (None if got["error"] else got["matched"]) != run_oracle(fewer, data, envelope):
                rules = fewer
            else:
                at += size
        size //= 2
    return rules


def report(ctl, rules, data, envelope, got, want):
    print(f"# event {data!r}\n# engine without {sorted(set(want or ()) - set(got or ()))}, too many {sorted(set(got or ()) - set(want or ()))}")
    ids = set(got or ()) ^ set(want or ()) or {f"r{i}" for i in range(len(rules))}
    for name in sorted(ids)[:20]:
        rule = rules[int(name[1:])]
        if first_difference(ctl, rule, [data], envelope) is not None:
            rule, data = shrink(ctl, rule, data, envelope)
            print(f"# smallest: rule {document(rule, 0)} event {data!r} envelope {envelope!r}")
            return
    print("# only together:")
    for number, rule in enumerate(shrink_set(ctl, rules, data, envelope)):
        print(f"#   {document(rule, number)}")


def compare_round(ctl, rng, n_rules, n_events):
    """Number of differing events."""
    regexes = [random_regex(rng) for _ in range(max(4, n_rules // 8))]
    rules = [random_rule(rng, regexes) for _ in range(n_rules)]
    events = [random_event(rng) for _ in range(n_events)]
    envelope = random_envelope(rng)
    matches, failures = 0, 0
    answers = run_engine(ctl, rules, events, envelope)
    if len(answers) != len(events):
        print(f"# {len(events)} events, {len(answers)} answers")
        return 0, 1
    for number, (data, answer) in enumerate(zip(events, answers)):
        want = run_oracle(rules, data, envelope)
        got = None if answer["error"] else answer["matched"] + ["undecided " + name for name in answer["undecided"]]
        matches += len(want or ())
        if got != want or answer["event"] != number:
            failures += 1
            if failures <= 3:
                report(ctl, rules, data, envelope, got, want)
    return matches, failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--pairs", type=int, default=1000000)
    args = parser.parse_args()
    ctl = os.path.join(args.programs, "eventrouterctl")
    pairs = matches = failures = rounds = 0
    shapes = [(1, 200), (20, 400), (300, 400), (1500, 200)]
    print(f"# seed {args.seed}")
    while pairs < args.pairs and failures == 0:
        n_rules, n_events = shapes[rounds % len(shapes)]
        found, failed = compare_round(ctl, random.Random(f"{args.seed}/{rounds}"), n_rules, n_events)
        pairs, matches, failures, rounds = pairs + n_rules * n_events, matches + found, failures + failed, rounds + 1
    enough = args.pairs < 100000 or matches > pairs // 200
    print(f"# {pairs} pairs, {matches} matches")
    print(f"{'ok' if failures == 0 and enough else 'not ok'} 1 - engine and oracle agree (seed {args.seed})")
    return 0 if failures == 0 and enough else 1


if __name__ == "__main__":
    sys.exit(main())
