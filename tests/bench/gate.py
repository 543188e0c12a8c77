#!/usr/bin/python3
"""make bench-gate: instructions per event of fixed cells against tests/bench/gate.tsv, 5 % either way.

    gate.py --programs build/release [--update]

Callgrind counts what er_matcher_match and all that it calls execute, in every pass of `eventrouterctl rule bench`; loading and single
changes are not in it. The engine's random seed is fixed by a preloaded getentropy, so a cell gives the same number in every run. The
numbers hold for one compiler version and for processors with AVX2: with others the gate is skipped, but fails where CI is set. --update writes them anew.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "gate.tsv")
CELLS = (("exact2", 10000), ("mix", 1000), ("lists", 1000))
EVENTS, PASSES, MARGIN = 500, 6, 0.05


def made_with(program):
    """The compiler, and whether the scanner takes its widest blocks here."""
    text = subprocess.run(["readelf", "-p", ".comment", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    names = re.findall(r"(GCC|clang)\D.*?(\d+\.\d+\.\d+)\s*$", text, re.M)
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        blocks = ["AVX2"] if re.search(r"^flags\b.* avx2 ", file.read(), re.M) else []
    return " ".join(sorted({f"{name} {version}" for name, version in names}) + blocks)


def seed_library(folder):
    path = os.path.join(folder, "fixed_seed.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, os.path.join(HERE, "fixed_seed.c")], check=True)
    return path


def instructions(program, folder, library, cell):
    """Per event."""
    rules, events, out = (os.path.join(folder, name) for name in ("rules.jsonl", "events.jsonl", "callgrind.out"))
    subprocess.run([sys.executable, os.path.join(HERE, "families.py"), cell[0], str(cell[1]), rules, events, "--events", str(EVENTS)],
                   check=True)
    subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no",
                    "--toggle-collect=er_matcher_match", program, "rule", "bench", "--rules", rules, "--events", events, "--json"],
                   stdout=subprocess.DEVNULL, env={**os.environ, "LD_PRELOAD": library}, check=True)
    with open(out, encoding="utf-8") as file:
        total = int(re.search(r"^totals: (\d+)$", file.read(), re.M).group(1))
    return total // (EVENTS * PASSES)


def read_table():
    with open(TABLE, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return rows[0][1], {(row[0], int(row[1])): int(row[2]) for row in rows[2:]}


def write_table(made_by, found):
    with open(TABLE, "w", encoding="utf-8") as file:
        file.write(f"compiler\t{made_by}\nfamily\trules\tinstructions per event\n")
        file.writelines(f"{name}\t{rules}\t{count}\n" for (name, rules), count in found.items())


def compare(expected, found):
    good = True
    for cell, count in found.items():
        change = count / expected[cell] - 1
        within = abs(change) <= MARGIN
        good = good and within
        print(f"{'ok' if within else 'not ok'} - {cell[0]} {cell[1]}: {count} instructions per event, {change:+.1%} of {expected[cell]}")
    if not good:
        print(f"More than {MARGIN:.0%} from tests/bench/gate.tsv. If that is meant: make bench-gate BENCH_ARGS=--update", file=sys.stderr)
    return good


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    program = os.path.join(options.programs, "eventrouterctl")
    made_by = made_with(program)
    if not options.update and read_table()[0] != made_by:
        print(f"skipped: tests/bench/gate.tsv is for {read_table()[0]}, {program} is by {made_by}", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 0)
    with tempfile.TemporaryDirectory() as folder:
        library = seed_library(folder)
        found = {cell: instructions(program, folder, library, cell) for cell in CELLS}
    if options.update:
        write_table(made_by, found)
    elif set(read_table()[1]) != set(found) or not compare(read_table()[1], found):
        sys.exit(1)


if __name__ == "__main__":
    main()
