#!/usr/bin/python3
"""The rule language, sentence by sentence: the cases of tests/golden/language through `eventrouterctl rule test`.

    language_test.py --programs build/release

All rules with the same options are one set, so that each answer is also one among hundreds of others; a case that goes wrong is run again
alone. Prints TAP, one test per section of the files.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import language_cases  # noqa: E402


def with_id(rule, name):
    return '{"id":"' + name + '"' + ("," if rule.strip() != "{}" else "") + rule.strip()[1:]


def ask(program, rules, events, options):
    """The answers to files of events, given as bytes; rules are texts without ids, which become r0, r1, ..."""
    with tempfile.TemporaryDirectory(prefix="er-language-") as folder:
        with open(os.path.join(folder, "rules.jsonl"), "w", encoding="utf-8") as file:
            file.write("".join(with_id(rule, f"r{i}") + "\n" for i, rule in enumerate(rules)))
        names = []
        for number, event in enumerate(events):
            names.append(f"e{number}")
            with open(os.path.join(folder, names[-1]), "wb") as file:
                file.write(event)
        done = subprocess.run([program, "rule", "test", "--rules", "rules.jsonl", *options, *names], cwd=folder, capture_output=True,
                              timeout=300, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode not in (0, 1) or len(answers) != len(events):
        return None, done.stderr.decode(errors="replace")
    return answers, ""


def verdict(answer, name):
    """yes, no, undecided or the code of the error."""
    if answer["error"]:
        return answer["error"]["code"] + ("" if not answer["matched"] else " and matches")
    return "yes" if name in answer["matched"] else "undecided" if name in answer["undecided"] else "no"


def accepted_rules(program, rules, options):
    """The rules that the program takes, and {rule: what it says about the others}."""
    answers, complaint = ask(program, rules, [b"{}"], options)
    if answers is not None:
        return rules, {}
    refused = {}
    for rule in rules:
        answers, complaint = ask(program, [rule], [b"{}"], options)
        if answers is None:
            refused[rule] = complaint.strip()
    return [rule for rule in rules if rule not in refused], refused


def run_group(program, options, cases):
    """{section: findings} of the cases with the same options."""
    findings = {}
    rules, refused = accepted_rules(program, sorted({case.rule for case in cases}), options)
    events = sorted({case.event for case in cases})
    answers, complaint = ask(program, rules, events, options)
    if answers is None:
        return {case.section: [complaint] for case in cases}
    numbers, found = {rule: f"r{i}" for i, rule in enumerate(rules)}, dict(zip(events, answers))
    for case in cases:
        text = f"{case.place}: {case.rule[:300]} ~ {case.event[:300]!r}"
        if case.rule in refused:
            findings.setdefault(case.section, []).append(f"{text}: {refused[case.rule]}")
            continue
        got = verdict(found[case.event], numbers[case.rule])
        if got != case.want and not (case.want == "*" and got.startswith("E")):
            alone = verdict(ask(program, [case.rule], [case.event], options)[0][0], "r0")
            findings.setdefault(case.section, []).append(f"{text}: {got}, not {case.want} (alone {alone})")
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release")
    program = os.path.abspath(os.path.join(parser.parse_args().programs, "eventrouterctl"))
    cases, groups, findings = language_cases.read_all(), {}, {}
    for number, case in enumerate(cases):
        # A rule that is out of time again and again is put into quarantine: such cases have a process each.
        groups.setdefault((case.options, number if case.place.startswith("10_undecided") else None), []).append(case)
    for (options, _), group in groups.items():
        for section, lines in run_group(program, options, group).items():
            findings.setdefault(section, []).extend(lines)
    print(f"# {len(cases)} cases")
    for number, section in enumerate(dict.fromkeys(case.section for case in cases), 1):
        for line in findings.get(section, []):
            print("#", line.replace("\n", "\n# "))
        print(f"{'not ok' if section in findings else 'ok'} {number} - {section}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
