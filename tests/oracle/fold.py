"""Simple case folding (statuses C and S of Unicode's CaseFolding.txt 15.0), from case_folding.txt in this folder.

    fold.py CaseFolding.txt      prints that file anew

str.casefold is something else: it folds in full (sharp s becomes two letters) and by the version of Python.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = "/usr/share/unicode/CaseFolding.txt"  # Debian package unicode-data


def read_unicode(path):
    """{code point: folded} of Unicode's own file."""
    table = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            fields = [field.strip() for field in line.split("#")[0].split(";")]
            if len(fields) >= 3 and fields[1] in ("C", "S"):
                table[int(fields[0], 16)] = int(fields[2], 16)
    return table


def compact(table):
    """Lines `FIRST LAST STEP DELTA` (hexadecimal, decimal): FIRST, FIRST + STEP .. LAST fold to themselves plus DELTA."""
    runs = []
    for code in sorted(table):
        delta = table[code] - code
        if runs:
            first, last, step, known = runs[-1]
            gap = code - last
            if delta == known and gap <= 2 and step in (0, gap):
                runs[-1] = (first, code, gap, delta)
                continue
        runs.append((code, code, 0, delta))
    return [f"{first:04X} {last:04X} {step or 1} {delta}" for first, last, step, delta in runs]


def read_compact(path=os.path.join(HERE, "case_folding.txt")):
    table = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                first, last, step, delta = line.split()
                for code in range(int(first, 16), int(last, 16) + 1, int(step)):
                    table[code] = code + int(delta)
    return table


TABLE = read_compact() if os.path.exists(os.path.join(HERE, "case_folding.txt")) else {}


def fold(text):
    return text.translate(TABLE)


if __name__ == "__main__":
    print("# Simple case folding, derived from CaseFolding-15.0.0.txt of the Unicode Character Database (statuses C and S),")
    print("# (C) 2022 Unicode, Inc., https://www.unicode.org/terms_of_use.html; made by fold.py. FIRST LAST STEP DELTA:")
    print("# FIRST, FIRST + STEP .. LAST fold to themselves plus DELTA.")
    print("\n".join(compact(read_unicode(sys.argv[1]))))
