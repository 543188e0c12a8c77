#!/usr/bin/python3
"""Random rules and events: `eventrouterctl rule test` against the oracle, pair by pair.

    match_test.py --programs build/release [--seed N] [--pairs N] [--seconds N] [--shape RULES EVENTS] [--round N]

Every round is a set of rules and some hundred events, asked twice: as they are, and with rules, members, elements and alternatives in
another order, which must not change an answer. The seed is printed; a difference is shrunk to one rule and one event, if it shows
there, before it is shown. --round N repeats one round only. Prints TAP.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generate  # noqa: E402
from generate import dumps  # noqa: E402
from oracle import Event, compile_rule  # noqa: E402
from reader import EventError, Number, read  # noqa: E402
from regexes import random_regex  # noqa: E402

LONG_EVENT = 100  # bytes
SHAPES = [(200, 250), (1, 200), (100, 250), (20, 300), (800, 200)]


class Round:
    """The programs, the options and the dialect that a comparison needs."""

    def __init__(self, ctl, envelope, dialect):
        self.ctl, self.envelope, self.dialect, self.undecided = ctl, envelope, dialect, 0


# ---- both sides ----

def command_line(round_, rules_file, events_file):
    topic, key, headers = round_.envelope
    command = [round_.ctl, "rule", "test", "--rules", rules_file, "--events", events_file]
    command += ["--topic", topic] if topic is not None else []
    command += [b"--key", key] if key is not None else []
    for name, value in headers:
        command += [b"--header", name.encode() + b"=" + value]
    return command


def document(rule, number):
    return dumps({"id": f"r{number}", "subscriber": f"s{number % 7}", **rule})


def run_engine(round_, documents, events):
    """The answers, or None when a rule is refused."""
    with tempfile.TemporaryDirectory(prefix="er-match-") as folder:
        rules_file, events_file = os.path.join(folder, "rules.jsonl"), os.path.join(folder, "events.jsonl")
        with open(rules_file, "w", encoding="utf-8") as file:
            file.write("\n".join(documents) + "\n")
        with open(events_file, "wb") as file:
            file.write(b"".join(event + b"\n" for event in events))
        done = subprocess.run(command_line(round_, rules_file, events_file), capture_output=True, check=False)
    if done.returncode == 2:
        run_engine.complaint = "\n".join(line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith("error["))
        return None
    if done.returncode not in (0, 1):
        raise SystemExit(f"{round_.ctl} ended with {done.returncode}: {done.stderr.decode(errors='replace')[:2000]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def engine_answer(answer):
    """Sorted ids, None for a bad event; undecided rules are marked."""
    return None if answer["error"] else sorted(answer["matched"] + ["undecided " + name for name in answer["undecided"]])


def both_answers(answer, want, rules, data):
    """(engine's, oracle's, number of undecided rules that are left out of both).

    A regex on a long text may need more than its time; then the rule is undecided, which is no difference. On short texts it is one.
    """
    got = engine_answer(answer)
    if not answer["undecided"] or want is None or len(data) < LONG_EVENT:
        return got, want, 0
    may = {name for name in answer["undecided"] if "regex" in dumps(rules[int(name[1:])])}
    return [name for name in got if name.removeprefix("undecided ") not in may], [name for name in want if name not in may], len(may)


def oracle_answer(round_, tests, data):
    """tests: [(id, function)] in the order of ids."""
    try:
        event = Event(data, *round_.envelope)
    except EventError:
        return None
    return [name for name, test in tests if test(event)]


def compiled(round_, rules):
    return sorted((f"r{i}", compile_rule(rule, round_.dialect)) for i, rule in enumerate(rules))


# ---- shrinking ----

def differing(round_, rules, candidates):
    """The first of some events that shows a difference between the two, or None; one run of the engine."""
    answers = run_engine(round_, [document(rule, i) for i, rule in enumerate(rules)], candidates)
    tests = compiled(round_, rules)
    for data, answer in zip(candidates, answers or ()):
        got, want, _ = both_answers(answer, oracle_answer(round_, tests, data), rules, data)
        if got != want:
            return data
    return None


def smaller_values(value, fixed=()):
    """Values with something less; strings in `fixed` stay whole."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {other: rest for other, rest in value.items() if other != key}
            yield from ({**value, key: less} for less in smaller_values(inner, fixed))
            if key in ("$or", "$and"):
                yield from (inner if isinstance(inner, list) and len(value) == 1 else ())
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield value[:i] + value[i + 1:]
            yield from (value[:i] + [less] + value[i + 1:] for less in smaller_values(inner, fixed))
        yield from (inner for inner in value if not isinstance(inner, list))
    elif isinstance(value, str) and value and value not in fixed:
        yield from (value[: len(value) // 2], value[(len(value) + 1) // 2:], value[1:], value[:-1])
    elif isinstance(value, Number) and value.text not in ("0", "1"):
        yield Number("1")
        yield Number("0")


def smaller_events(data):
    for size in (16, 4, 1):
        for at in range(0, len(data), size):
            yield data[:at] + data[at + size:]
    try:
        value = read(data)
    except EventError:
        return
    for less in smaller_values(value):
        yield dumps(less).encode("utf-8", "replace")


def shrink(round_, rule, data):
    progress, fixed = True, set(round_.dialect) | {"types", "regex", "pattern"}
    while progress:
        progress = False
        candidate = differing_rule(round_, [less for less in smaller_values(rule, fixed) if less and isinstance(less, dict)], data)
        if candidate is not None:
            rule, progress = candidate, True
        candidates = [c for c in smaller_events(data) if len(c) < len(data) and c.strip() and b"\n" not in c]
        found = still_differs(round_, rule, candidates)
        if found is not None:
            data, progress = found, True
    return rule, data


def differing_rule(round_, candidates, data):
    """The first of some rules, if they are rules, that shows a difference alone."""
    documents = {i: document(candidate, i) for i, candidate in enumerate(candidates)}
    answers = run_engine(round_, list(documents.values()), [data])
    if answers is None:  # leave out what is no rule
        refused = {int(line) for line in re.findall(r" line (\d+): ", run_engine.complaint)}
        documents = {i: text for i, text in documents.items() if i not in refused}
        answers = run_engine(round_, list(documents.values()), [data]) if documents else None
    got = engine_answer(answers[0]) if answers else None
    for i in documents:
        if still_differs(round_, candidates[i], [data], None if got is None else f"r{i}" in got) is not None:
            return candidates[i]
    return None


def still_differs(round_, rule, candidates, likely=None):
    """A candidate that is no rule at all is none that differs. likely: what the engine said in a set; asked again if that is wrong."""
    try:
        if likely is not None and likely == bool(oracle_answer(round_, compiled(round_, [rule]), candidates[0])):
            return None
        return differing(round_, [rule], candidates)
    except Exception:  # pylint: disable=broad-except
        return None


def shrink_set(round_, rules, data):
    """As few rules as still show a difference together (numbered anew)."""
    size = len(rules) // 2
    while size > 0:
        at = 0
        while at < len(rules):
            fewer = rules[:at] + rules[at + size:]
            if fewer and differing(round_, fewer, [data]) is not None:
                rules = fewer
            else:
                at += size
        size //= 2
    return rules


def report(round_, rules, data, got, want):
    print(f"# event {data!r}\n# engine without {sorted(set(want or ()) - set(got or ()))[:20]}, "
          f"too many {sorted(set(got or ()) - set(want or ()))[:20]}")
    if (got is None) != (want is None):
        print(f"# the event is an error for the {'engine' if got is None else 'oracle'} only")
    names = set(got or ()) ^ set(want or ()) or {"r0"}
    for name in sorted(names)[:5]:
        rule = rules[int(name.split("r")[-1])]
        if differing(round_, [rule], [data]) is not None:
            rule, data = shrink(round_, rule, data)
            print(f"# smallest: rule {document(rule, 0)} event {data.decode(errors='backslashreplace')} envelope {round_.envelope!r}")
            return
    few = shrink_set(round_, rules, data)
    print(f"# only together, event {data.decode(errors='backslashreplace')} envelope {round_.envelope!r}" if differing(round_, few, [data])
          else f"# only in this order of {len(rules)} rules")
    for number, rule in enumerate(few if len(few) < 50 else ()):
        print(f"#   {document(rule, number)}")


# ---- rounds ----

def check(round_, rules, lines, expected, answers):
    """Number of events whose answers are wrong."""
    if answers is None or len(answers) != len(lines):
        print(f"# no answers: {run_engine.complaint[:1000] if answers is None else len(answers)}")
        return 1
    failures = 0
    for number, (data, answer, want) in enumerate(zip(lines, answers, expected)):
        got, want, left_out = both_answers(answer, want, rules, data)
        round_.undecided += left_out
        if got != want or answer["event"] != number:
            failures += 1
            if failures <= 3:
                report(round_, rules, data, got, want)
    return failures


def compare_round(ctl, rng, n_rules, n_events):
    """(matches, undecided, failures)"""
    regexes = []
    for _ in range(max(4, n_rules // 8)):
        random_regex(rng, regexes)
    round_ = Round(ctl, generate.envelope(rng), {})
    rules = generate.rules(rng, regexes, n_rules)
    round_.dialect.update({regex.pcre2: regex.python for regex in regexes})
    trees = [generate.event(rng, rules) for _ in range(n_events)]
    made = [generate.line_of(rng, tree) for tree in trees]
    lines, tests = [data for data, _ in made], compiled(round_, rules)
    expected = [oracle_answer(round_, tests, data) for data in lines]
    failures = check(round_, rules, lines, expected, run_engine(round_, [document(rule, i) for i, rule in enumerate(rules)], lines))
    if failures == 0:
        other = [data if damaged else dumps(generate.permuted_event(rng, tree)).encode() for tree, (data, damaged) in zip(trees, made)]
        documents = [document(generate.permuted_rule(rng, rule), i) for i, rule in enumerate(rules)]
        failures = check(round_, rules, other, expected, run_engine(round_, generate.shuffled(rng, documents), other))
    return sum(len(want or ()) for want in expected), round_.undecided, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--pairs", type=int, default=1000000)
    parser.add_argument("--seconds", type=float, help="go on for that long, instead of --pairs")
    parser.add_argument("--shape", type=int, nargs=2, metavar=("RULES", "EVENTS"), help="of every round, instead of some that differ")
    parser.add_argument("--round", type=int, help="only that one")
    args = parser.parse_args()
    ctl, began = os.path.join(args.programs, "eventrouterctl"), time.monotonic()
    pairs = matches = undecided = failures = 0
    number = args.round or 0
    print(f"# seed {args.seed}")
    while failures == 0 and (time.monotonic() - began < args.seconds if args.seconds else pairs < args.pairs):
        n_rules, n_events = args.shape or SHAPES[number % len(SHAPES)]
        found, left_out, failures = compare_round(ctl, random.Random(f"{args.seed}/{number}"), n_rules, n_events)
        pairs, matches, undecided = pairs + n_rules * n_events, matches + found, undecided + left_out
        if failures:
            print(f"# round {number}: {failures} events differ")
        number += 1
        if args.round is not None:
            break
    enough = pairs < 100000 or (pairs // 2 > matches > pairs // 50 and undecided * 10000 < pairs)
    print(f"# {pairs} pairs, {matches} matches, {undecided} undecided" + ("" if enough else ": too few or too many to prove much"))
    print(f"{'ok' if failures == 0 and enough else 'not ok'} 1 - engine and oracle agree (seed {args.seed})")
    return 0 if failures == 0 and enough else 1


if __name__ == "__main__":
    sys.exit(main())
