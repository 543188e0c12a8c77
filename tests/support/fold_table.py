#!/usr/bin/python3
"""Writes rules/base/fold.def, the table of simple case folding, from Unicode's CaseFolding.txt (Debian package unicode-data).

    fold_table.py [CaseFolding.txt] > rules/base/fold.def

A row is a run of characters, `step` apart, that fold to the character `delta` further on.
"""
import re
import sys


def mappings(path):
    found = []
    for line in open(path, encoding="utf-8"):
        row = re.match(r"([0-9A-F]+); ([CS]); ([0-9A-F]+);", line)
        if row:
            found.append((int(row[1], 16), int(row[3], 16)))
    return sorted(found)


def runs(pairs):
    rows = []  # [first, last, step, delta]
    for c, folded in pairs:
        delta = folded - c
        if rows and rows[-1][3] == delta:
            first, last, step, _ = rows[-1]
            gap = c - last
            if gap in (1, 2) and (first == last or gap == step):
                rows[-1][1:3] = [c, gap]
                continue
        rows.append([c, c, 1, delta])
    return rows


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode/CaseFolding.txt"
    with open(path, encoding="utf-8") as text:
        source = text.readline().strip("# \n")
    pairs = mappings(path)
    rows = runs(pairs)
    print(f"/* Made by tests/support/fold_table.py from {source} (Unicode Character Database, Debian package")
    print(f" * unicode-data): the {len(pairs)} mappings with status C or S. ER_FOLD(first, last, step, delta), ascending. */")
    for first, last, step, delta in rows:
        print(f"ER_FOLD(0x{first:04X}, 0x{last:04X}, {step}, {delta})")


if __name__ == "__main__":
    main()
