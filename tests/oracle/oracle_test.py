#!/usr/bin/python3
"""The oracle against the cases of tests/golden/language, and its case folding against Unicode's own data. Prints TAP.

    oracle_test.py [--programs IGNORED]
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "support")]
import fold  # noqa: E402
import language_cases  # noqa: E402
from oracle import Event, Unsupported, compile_rule  # noqa: E402
from reader import EventError, read  # noqa: E402


def answer(case):
    """yes, no, error, or None for a regex that the oracle cannot say."""
    try:
        event = Event(case.event, *language_cases.envelope(case.options))
    except EventError:
        return "error"
    try:
        return "yes" if compile_rule(read(case.rule.encode()))(event) else "no"
    except Unsupported:
        return None


def findings(cases):
    for case in cases:
        got, want = answer(case), case.want if case.want in ("yes", "no") else "error"
        if got not in (want, None):
            yield f"{case.place}: {case.rule[:200]} ~ {case.event[:200]!r}: {got}"


def folding():
    """The compact table is Unicode's, where Debian's copy of that version is installed."""
    try:
        with open(fold.SOURCE, encoding="utf-8") as file:
            version = file.readline().strip()
    except OSError:
        version = ""
    if version == "# CaseFolding-15.0.0.txt" and fold.TABLE != fold.read_unicode(fold.SOURCE):
        yield "case_folding.txt differs from " + fold.SOURCE
    if fold.fold("K\u212a\u03c2\u03a3\u1e9e\u0130\u0131I") != "kk\u03c3\u03c3\xdf\u0130\u0131i":
        yield "case_folding.txt is damaged"


def main():
    sections, failed = {}, 0
    for case in language_cases.read_all():
        if case.place.startswith("10_undecided"):  # the oracle has all the time in the world, and would need it
            continue
        sections.setdefault(case.section, []).append(case)
    tests = [("case folding", list(folding()))] + [(name, list(findings(cases))) for name, cases in sections.items()]
    unsaid = sum(answer(case) is None for cases in sections.values() for case in cases)
    tests.append((f"regexes that only PCRE2 knows are few: {unsaid} cases", ["too many"] if unsaid > 20 else []))
    for number, (name, lines) in enumerate(tests, 1):
        for line in lines:
            print("#", line)
        print(f"{'not ok' if lines else 'ok'} {number} - {name}")
        failed += bool(lines)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
