#!/usr/bin/python3
"""Random rules and events: `eventrouterctl rule test` against an oracle of its own, written from the rule language and nothing else.

    rules_test.py --programs build/release [--seed N] [--rules 400] [--events 3000]
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile

KEYS = ["a", "b", "c", "user", "x.y", "é", "", "$d", "0"]
STRINGS = ["", "x", "xy", "order-17", "a@example.com", "A@EXAMPLE.COM", "straße", "日本", "tab\tand\nline", 'quote"\\', "true", "null", "12", "-0", "😀", "\u0000z"]
NUMBERS = ["0", "-0", "1", "12", "12.50", "1e3", "1E+3", "-7", "123456789012345678901234567890", "0.1"]
TYPES = ["order.created", "order.paid", "payment.failed", "favorite", "", "order", "é.x"]
PATTERNS = ["^x", "y$", "^$", "^12", "\\d{2}", "@example\\.(com|org)$", "(?i)^a@example", "ß", "^.{2}$", "[^a-z]", "^-?\\d+$", "e", "^true$", "\\.50$",
            "(order|payment)-\\d+", "\\t", "^日", "n\\x{00e9}|é", "^(?!x)", "(a)?x", "\\bx\\b", "\\w\\s", "\\\\$", "^[\\w.]+$", "😀", "\\x00"]
GLOBS = ["order.*", "*", "*.failed", "order*", "o*r.*d", "favorite", "**", "", "*.x", "order", "é*", "order.created"]


class Number(str):
    """A number as it is written."""


def random_value(rng, depth):
    kind = rng.randrange(10)
    if depth > 0 and kind < 3:
        return {rng.choice(KEYS): random_value(rng, depth - 1) for _ in range(rng.randrange(4))}
    if depth > 0 and kind < 5:
        return [random_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return rng.choice([rng.choice(STRINGS), rng.choice(STRINGS), Number(rng.choice(NUMBERS)), True, False, None])


def random_event(rng):
    event = {rng.choice(KEYS): random_value(rng, 3) for _ in range(rng.randrange(5))}
    kind = rng.randrange(10)
    if kind < 7:
        event["type"] = rng.choice(TYPES)
    elif kind == 7:
        event["type"] = random_value(rng, 1)
    return event


def text_of(value, rng):
    """JSON with some freedom: white space, escapes, duplicate keys."""
    space = rng.choice(["", "", " ", "\t"])
    if isinstance(value, dict):
        members = [f"{text_of(k, rng)}{space}:{space}{text_of(v, rng)}" for k, v in value.items()]
        if members and rng.random() < 0.05:
            members.insert(0, f'{text_of(next(iter(value)), rng)}:{text_of("shadowed", rng)}')
        return "{" + space + f"{space},{space}".join(members) + space + "}"
    if isinstance(value, list):
        return "[" + f",{space}".join(text_of(v, rng) for v in value) + "]"
    if isinstance(value, Number):
        return str(value)
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


def written(keys, rng):
    """A path in one of its forms, and its keys."""
    if rng.random() < 0.25:
        return "".join("/" + k.replace("~", "~0").replace("/", "~1") for k in keys)
    return ".".join(k if re.fullmatch(r'[^.\"$]+', k) and rng.random() < 0.8 else json.dumps(k, ensure_ascii=False) for k in keys)


def random_rule(rng, number):
    document, tests = {"id": f"r{number:04d}", "subscriber": f"s{number % 7}"}, []
    if rng.random() < 0.5:
        document["types"] = rng.sample(GLOBS, rng.randrange(1, 4))
    if rng.random() < 0.8:
        document["regex"] = {}
        for _ in range(rng.randrange(1, 4)):
            keys = [rng.choice(KEYS + ["type"]) for _ in range(rng.randrange(1, 4))]
            path = written(keys, rng)
            if path not in document["regex"]:
                document["regex"][path] = rng.choice(PATTERNS)
                tests.append((keys, document["regex"][path]))
    if rng.random() < 0.05:
        document["enabled"] = False
    return document, tests


def scalars(value, keys):
    """Texts of the scalars at a path; arrays are looked through at every level."""
    if isinstance(value, list):
        for element in value:
            yield from scalars(element, keys)
    elif keys:
        if isinstance(value, dict) and keys[0] in value:
            yield from scalars(value[keys[0]], keys[1:])
    elif value is True or value is False:
        yield "true" if value else "false"
    elif isinstance(value, str):
        yield str(value)


def searches(pattern, text):
    """PCRE2 and Python mean the same in these patterns, except for `$`, `\\x{..}` and that \\w, \\d and \\b are ASCII."""
    pattern = re.sub(r"\\x\{(\w+)\}", lambda m: re.escape(chr(int(m[1], 16))), pattern)
    pattern = re.sub(r"(?<!\\)\$", r"\\Z", pattern)
    return re.search(pattern, text, re.ASCII) is not None


def accepts(document, tests, event):
    if document.get("enabled") is False:
        return False
    if "types" in document:
        name = event.get("type")
        if not isinstance(name, str) or isinstance(name, Number):
            return False
        if not any(re.fullmatch(".*".join(map(re.escape, g.split("*"))), name, re.DOTALL) for g in document["types"]):
            return False
    return all(any(searches(pattern, text) for text in scalars(event, keys)) for keys, pattern in tests)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rules", type=int, default=400)
    parser.add_argument("--events", type=int, default=3000)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    rules = [random_rule(rng, i) for i in range(options.rules)]
    lines = [text_of(random_event(rng), rng) for _ in range(options.events)]
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("rules", [json.dumps(d, ensure_ascii=False) for d, _ in rules]), ("events", lines)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
                out.write("".join(row + "\n" for row in rows))
        done = subprocess.run([os.path.join(options.programs, "eventrouterctl"), "rule", "test", "--rules", os.path.join(folder, "rules"),
                               "--events", os.path.join(folder, "events")], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, f"rule test ended with {done.returncode}"
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["event"] for a in answers] == list(range(options.events))
    matches, wrong = 0, []
    for line, answer in zip(lines, answers):
        event = json.loads(line, parse_int=Number, parse_float=Number)
        expected = [document["id"] for document, tests in rules if accepts(document, tests, event)]
        matches += len(expected)
        if answer["matched"] != expected or answer["undecided"] or answer["error"]:
            wrong.append((line, set(answer["matched"]) ^ set(expected), answer["error"]))
    for line, differ, error in wrong[:5]:
        print(f"# event {line}\n# differs for {[d for d, _ in rules if d['id'] in differ]} {error or ''}")
    print(f"# seed {options.seed}: {options.rules} rules, {options.events} events, {matches} matches, {len(wrong)} events differ")
    print(f"{'not ok' if wrong or not matches else 'ok'} 1 - the engine agrees with the oracle")
    return 1 if wrong or not matches else 0


if __name__ == "__main__":
    sys.exit(main())
