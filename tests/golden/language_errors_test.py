#!/usr/bin/python3
r"""Rules that must be refused, and exactly why: tests/golden/language_errors/*.txt, and the limits, through `eventrouterctl rule test`.

    == SENTENCE         a section: one test
    rule DOCUMENT       a document, to which an id is added; `pattern X`, `regex X`, `types X`: of that one member; `rule\`: printf escapes;
                        `@TEXT x N@` is TEXT N times
    CODE POINTER        one error of it; a document without errors is accepted

A refused rule gives exit code 2, nothing on standard output, and all its errors at once, each with its code and JSON Pointer.

    language_errors_test.py --programs build/release
"""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))
from language_cases import repeat, unescape  # noqa: E402


def with_id(document):
    """document: bytes of an object."""
    text = document.strip()
    return b'{"id":"r"' + (b"" if text == b"{}" else b",") + text[1:]


def read_cases(path):
    """(section, document, [error]); an error is its code and pointer with a space, or its code."""
    section = None
    with open(path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            verb, _, rest = line.partition(" ")
            if verb == "==":
                section = rest
            elif section is None or not line:
                continue
            elif verb.startswith("E") and verb[1:].isdigit():
                errors.append(line)
            else:
                escaped, verb = verb.endswith("\\"), verb.removesuffix("\\")
                if verb not in ("rule", "pattern", "regex", "types"):
                    raise SystemExit(f"{path}: {line}")
                text = repeat(rest) if verb == "rule" else '{"' + verb + '":' + repeat(rest) + "}"
                errors = []
                yield section, unescape(text) if escaped else text.encode(), errors


def many(n, text, separator=","):
    return separator.join(text.replace("#", str(i)) for i in range(n))


def pattern(text):
    return b'{"pattern":{' + text.encode() + b"}}"


def nested(n, inner):
    """n of $not around a pattern."""
    return '"$not":{' * n + inner + "}" * n


def power(n):
    """A pattern of 2 to the n branches."""
    return '"$and":[' + many(n, '{"$or":[{"a#":[1]},{"b#":[1]}]}') + "]"


def by_not(n):
    """The same, said by De Morgan."""
    return '"$not":{"$or":[' + many(n, '{"a#":[1],"b#":[1]}') + "]}"


def limit_cases():
    size, over = 65536, ["E207 "]
    filler = size - len(with_id(b'{"description":""}'))
    tests, branches, depth = "256 tests in one rule", "1024 branches, counted by De Morgan", "nesting of $or, $and and $not; depth of a pattern"
    yield "64 KiB for a document", b'{"description":"' + b"x" * filler + b'"}', []
    yield "64 KiB for a document", b'{"description":"' + b"x" * (filler + 1) + b'"}', ["E208"]
    yield tests, pattern(many(256, '"a#":[1]')), []
    yield tests, pattern(many(257, '"a#":[1]')), over
    yield tests, pattern('"a":[' + many(3000, "#") + "]"), []
    yield tests, pattern('"a":[{"anything-but":[' + many(3000, "#") + "]}]"), []
    yield tests, pattern('"a":[{"anything-but":{"prefix":[' + many(3000, '"p#"') + "]}}]"), []
    yield tests, pattern('"a":[' + many(256, '{"prefix":"p#"}') + "]"), []
    yield tests, pattern('"a":[' + many(257, '{"prefix":"p#"}') + "]"), over
    yield tests, pattern('"a":["x",' + many(256, '{"prefix":"p#"}') + "]"), over
    yield tests, b'{"types":[' + many(3000, '"t#"').encode() + b"]}", []
    yield tests, b'{"regex":{' + many(256, '"a#":"x"').encode() + b"}}", []
    yield tests, b'{"regex":{' + many(256, '"a#":"x"').encode() + b'},"pattern":{"b":[1]}}', over
    yield branches, pattern('"$or":[' + many(1024, '{"a":[1]}') + "]"), over  # its tests
    yield branches, pattern(power(10)), []
    yield branches, pattern(power(11)), over
    yield branches, pattern(by_not(10)), []
    yield branches, pattern(by_not(11)), over
    yield branches, pattern('"$or":[{"c":[1]},{' + power(10) + "}]"), over
    yield branches, pattern('"$not":{' + power(11) + "}"), []
    yield branches, pattern('"d":{' + power(5) + '},"e":{' + power(5) + "}"), []
    yield branches, pattern('"d":{' + power(5) + '},"e":{' + power(6) + "}"), over
    yield depth, pattern(nested(64, '"a":[1]')), []
    yield depth, pattern(nested(65, '"a":[1]')), over
    yield depth, pattern('"$and":[{' * 64 + '"a":[1]' + "}]" * 64), []
    yield depth, pattern('"$and":[{' * 65 + '"a":[1]' + "}]" * 65), over
    yield depth, pattern('"a":{' * 127 + '"a":[1]' + "}" * 127), []
    yield depth, pattern('"a":{' * 128 + '"a":[1]' + "}" * 128), over
    yield depth, pattern('"a":{' * 100 + nested(60, '"a":{' * 27 + '"a":[1]' + "}" * 27) + "}" * 100), []


def complaints(program, document, errors):
    """What is wrong with the program's answer to one document."""
    with tempfile.TemporaryDirectory(prefix="er-errors-") as folder:
        with open(os.path.join(folder, "r"), "wb") as file:
            file.write(with_id(document) + b"\n")
        with open(os.path.join(folder, "e"), "wb") as file:
            file.write(b"{}\n")
        done = subprocess.run([program, "rule", "test", "--rules", "r", "--events", "e"], cwd=folder, capture_output=True, timeout=60,
                              check=False)
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if not line.startswith("warning[")]
    if not errors:
        return [f"refused: {line}" for line in lines] + ([f"exit code {done.returncode}"] if done.returncode else [])
    wrong = [] if done.returncode == 2 else [f"exit code {done.returncode}"]
    wrong += ["standard output is not empty"] if done.stdout else []
    for error in errors:
        code, _, pointer = error.partition(" ")
        start = f"error[{code}]: r line 0: " + (f"{pointer}: " if pointer and error[-1] != " " else "")
        found = next((line for line in lines if line.startswith(start)), None)
        if found is None:
            wrong.append(f"lacks {error}")
        else:
            lines.remove(found)
    return wrong + [f"too much: {line}" for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release")
    program = os.path.abspath(os.path.join(parser.parse_args().programs, "eventrouterctl"))
    cases = [case for path in sorted(glob.glob(os.path.join(HERE, "language_errors", "*.txt"))) for case in read_cases(path)]
    findings = {}
    for section, document, errors in cases + list(limit_cases()):
        wrong = complaints(program, document, errors)
        findings.setdefault(section, []).extend(f"{document[:200]!r}: {line[:400]}" for line in wrong)
    for number, (section, lines) in enumerate(findings.items(), 1):
        for line in lines:
            print("#", line)
        print(f"{'not ok' if lines else 'ok'} {number} - {section}")
    return 1 if any(findings.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
