#!/usr/bin/python3
"""The files of schemas/ against each other and against the code.

* every example event is valid by its schema, and an example with a member cut out is not;
* every sample subscription is valid by subscription.schema.json and by `eventrouterctl rule check`;
* documents that are wrong are refused by both: the schema says no more and no less than the code for what a schema can say;
* so for the documents of tests/golden/rules.

Usage: schemas_test.py --programs build/release. Prints TAP.
"""
import argparse
import json
import os
import subprocess
import sys

import jsonschema

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Errors of the code that a schema cannot see: ids, duplicate keys, regexes, paths, ranges, blocks, limits.
UNSEEN = {"E110", "E207", "E208", "E216", "E217", "E301", "E302", "E303", "E310", "E311"}
NO_JSON = {f"E10{n}" for n in range(1, 10)}
GOLDEN = os.path.join(TOP, "tests", "golden", "rules")
EVENTS = ("favorite", "order", "payment")
BAD_SUBSCRIPTIONS = (
    {"id": "no-subscriber"},
    {"subscriber": ""},
    {"subscriber": "-starts-with-dash"},
    {"subscriber": "s", "id": "Upper"},
    {"subscriber": "s", "id": "a" * 101},
    {"subscriber": "s", "types": []},
    {"subscriber": "s", "types": None},
    {"subscriber": "s", "types": "order"},
    {"subscriber": "s", "types": [1]},
    {"subscriber": "s", "regex": {}},
    {"subscriber": "s", "regex": {"a": 1}},
    {"subscriber": "s", "regex": {"": "x"}},
    {"subscriber": "s", "regex": {"a": "x" * 4097}},
    {"subscriber": "s", "labels": {"team": 1}},
    {"subscriber": "s", "enabled": "yes"},
    {"subscriber": "s", "description": 7},
    {"subscriber": "s", "tpyes": ["order"]},
    [],
    "text",
)
GOOD_SUBSCRIPTIONS = (
    {"subscriber": "s", "id": "a"},
    {"subscriber": "S.9_x-" + "y" * 90, "id": "a" * 100},
    {"subscriber": "s", "id": "empty-type", "types": [""]},
    {"subscriber": "s", "id": "server-members", "revision": 4, "created_at": "x", "updated_at": None, "status": {}},
    {"subscriber": "s", "id": "all", "description": "", "types": ["order.*", "x"], "regex": {"user.email": "@example\\.org$"},
     "labels": {"team": "a", "": ""}, "enabled": False},
)


class Tap:
    def __init__(self):
        self.n, self.failed = 0, 0

    def check(self, ok, name, detail=""):
        self.n += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.n} - {name}")
        if not ok:
            print(f"# {detail}")


def load(*path):
    with open(os.path.join(TOP, "schemas", *path), encoding="utf-8") as file:
        return json.load(file)


def lines(*path):
    with open(os.path.join(TOP, "schemas", *path), encoding="utf-8") as file:
        return [line for line in file.read().splitlines() if line.strip()]


def valid(schema, value):
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def check_events(tap):
    for name in EVENTS:
        schema = load("events", f"{name}.schema.json")
        jsonschema.Draft202012Validator.check_schema(schema)
        examples = [json.loads(line) for line in lines("events", f"{name}.examples.jsonl")]
        tap.check(len(examples) >= 3, f"{name}: there are examples")
        for i, event in enumerate(examples):
            tap.check(valid(schema, event), f"{name}: example {i} is valid", event)
            for member in schema["required"]:
                cut = {k: v for k, v in event.items() if k != member}
                tap.check(not valid(schema, cut), f"{name}: example {i} without {member} is not", cut)


def rule_check(ctl, documents):
    text = "".join((d if isinstance(d, str) else json.dumps(d)) + "\n" for d in documents)
    return subprocess.run([ctl, "rule", "check", "-"], input=text, capture_output=True, text=True, timeout=60, check=False)


def check_subscriptions(tap, ctl):
    schema = load("subscription.schema.json")
    jsonschema.Draft202012Validator.check_schema(schema)
    samples = lines("events", "subscriptions.jsonl")
    run = rule_check(ctl, samples)
    tap.check(run.returncode == 0, "sample subscriptions pass rule check", run.stderr)
    for line in samples:
        tap.check(valid(schema, json.loads(line)), f"sample {json.loads(line)['id']} is valid by the schema", line)
    for document in GOOD_SUBSCRIPTIONS:
        run = rule_check(ctl, [document])
        tap.check(valid(schema, document), f"schema accepts {json.dumps(document)[:60]}")
        tap.check(run.returncode == 0, f"code accepts {json.dumps(document)[:60]}", run.stderr)
    for document in BAD_SUBSCRIPTIONS:
        run = rule_check(ctl, [json.dumps(document)])
        named = isinstance(document, dict) and "subscriber" not in document  # offline the id stands in for the subscriber
        tap.check(not valid(schema, document), f"schema refuses {json.dumps(document)[:60]}")
        tap.check(named or run.returncode == 2, f"code refuses {json.dumps(document)[:60]}", run.stderr)


def check_golden(tap):
    """What the code says of a document is in tests/golden/rules, checked there."""
    schema, seen = load("subscription.schema.json"), 0
    for name in sorted(os.listdir(GOLDEN)):
        if not name.endswith(".json"):
            continue
        with open(os.path.join(GOLDEN, name[:-5] + ".txt"), encoding="utf-8") as file:
            errors = {line.split()[1].rstrip(":") for line in file if line.startswith("error ")}
        if any(code in NO_JSON for code in errors):
            continue
        with open(os.path.join(GOLDEN, name), encoding="utf-8") as file:
            good = valid(schema, json.load(file))
        seen += 1
        # What the schema need not see it may see all the same.
        tap.check(good if not errors else not good or errors <= UNSEEN, f"schema and code agree on {name}", errors)
    tap.check(seen > 60, "there are golden documents", seen)


def check_match(tap, ctl):
    """Every sample subscription accepts at least one example event, and rule lint has nothing to say about them."""
    rules = os.path.join(TOP, "schemas", "events", "subscriptions.jsonl")
    events = [line for name in EVENTS for line in lines("events", f"{name}.examples.jsonl")]
    run = subprocess.run([ctl, "rule", "test", "--rules", rules, "--events", "-"], input="\n".join(events) + "\n",
                         capture_output=True, text=True, timeout=60, check=False)
    tap.check(run.returncode == 0, "rule test reads all examples", run.stderr)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    tap.check(len(answers) == len(events), "one answer per event", run.stdout)
    asleep = {json.loads(line)["id"] for line in lines("events", "subscriptions.jsonl")} - {i for a in answers for i in a["matched"]}
    tap.check(not asleep, "each sample subscription accepts an example", asleep)
    run = subprocess.run([ctl, "rule", "lint", rules], capture_output=True, text=True, timeout=60, check=False)
    tap.check(run.returncode == 0, "rule lint has nothing to say about the samples", run.stdout + run.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", default=os.path.join(TOP, "build", "release"))
    ctl = os.path.join(parser.parse_args().programs, "eventrouterctl")
    sys.setrecursionlimit(20000)  # jsonschema takes many levels for each of a document
    tap = Tap()
    check_events(tap)
    check_subscriptions(tap, ctl)
    check_golden(tap)
    check_match(tap, ctl)
    print(f"1..{tap.n}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
