#!/usr/bin/python3
r"""eventrouterctl without a daemon, byte for byte: each tests/golden/cli/NAME.txt holds steps,

    file NAME       what follows is the file NAME in the step's directory; printf escapes, and every line ends with a newline unless
                    it ends with \\c
    $ ARGUMENTS     runs `eventrouterctl ARGUMENTS` there; what follows is expected: standard output, `2> ` lines of standard error,
                    and `= N`, the exit code, when it is not 0

Lines of `2> ` may end with `...`: the rest is not compared. `< NAME` at the end of a command is its standard input.

    cli_test.py --programs build/release [--update]

Prints TAP, one case per file.
"""
import argparse
import codecs
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cli")
REPEAT = re.compile(r"@([^@]*) x (\d+)@")


def content(lines):
    text = b""
    for line in lines:
        line = REPEAT.sub(lambda found: found[1] * int(found[2]), line)
        data = codecs.escape_decode(line.removesuffix("\\c").encode())[0]
        text += data if line.endswith("\\c") else data + b"\n"
    return text


def steps(text):
    """(heading, following lines); the text before the first heading is a comment."""
    heading, body = None, []
    for line in text.splitlines():
        if line.startswith("file ") or line.startswith("$ "):
            if heading:
                yield heading, body
            heading, body = line, []
        elif heading:
            body.append(line)
    if heading:
        yield heading, body


def run(program, line, directory):
    words, stdin = shlex.split(line[2:]), subprocess.DEVNULL
    if "<" in words:
        at = words.index("<")
        stdin = open(os.path.join(directory, words[at + 1]), "rb")
        words = words[:at]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run([program] + words, cwd=directory, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                          timeout=60, check=False)
    answer = done.stdout.decode(errors="backslashreplace").splitlines()
    answer += ["2> " + line for line in done.stderr.decode(errors="backslashreplace").splitlines()]
    return answer + ([f"= {done.returncode}"] if done.returncode else [])


def same(expected, got):
    return len(expected) == len(got) and all(
        g.startswith(e[:-3]) if e.startswith("2> ") and e.endswith("...") else g == e for e, g in zip(expected, got))


def check(program, path, update):
    findings, whole = [], []
    with open(path, encoding="utf-8") as file, tempfile.TemporaryDirectory(prefix="er-cli-") as directory:
        text = file.read()
        for heading, body in steps(text):
            if heading.startswith("file "):
                with open(os.path.join(directory, heading[5:]), "wb") as out:
                    out.write(content(body))
                got = body
            else:
                got = run(program, heading, directory)
                if same(body, got):
                    got = body
                else:
                    findings += [heading] + [f"  expected {line}" for line in body] + [f"  got      {line}" for line in got]
            whole += [heading] + got
    if findings and update:
        comment = text[:min(i for i in (text.find("file "), text.find("$ ")) if i >= 0)]
        with open(path, "w", encoding="utf-8") as file:
            file.write(comment + "\n".join(whole) + "\n")
        findings = []
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    program = os.path.abspath(os.path.join(options.programs, "eventrouterctl"))
    failed = 0
    for number, path in enumerate(sorted(glob.glob(os.path.join(CASES, "*.txt"))), 1):
        findings = check(program, path, options.update)
        for line in findings:
            print("#", line)
        print(f"{'not ok' if findings else 'ok'} {number} - {os.path.basename(path)}")
        failed += bool(findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
