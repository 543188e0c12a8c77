#!/usr/bin/python3
"""Runs test programs and counts their cases.

    run.py [options] SUITE COMMAND... [-- SUITE COMMAND...]...

A command is one shell line. Its cases are read from what it prints: TAP (`ok`, `not ok`, `# SKIP reason`; cmocka is told to speak it),
or pytest's lines; a program that prints neither is one case, judged by its exit code. A program that fails without naming a failed
case (a crash, a sanitizer report, a time-out) counts as one failed case more. Suites marked `NAME:serial` run one command at a time,
after all others; those run together, two commands per core (many wait for timers of a mock cluster), the longest first. In CI (CI=true) a
case that was skipped because something is not installed counts as failed.

Logs go to DIR/SUITE/PROGRAM.log, the counts to DIR/summary.tsv, durations to DIR/times.tsv. The last line is `N passed, N failed`; exit 1 if any failed.
"""
import argparse
import concurrent.futures
import os
import re
import shlex
import signal
import subprocess
import sys
import time

TAP = re.compile(r"^(not )?ok\b[ \d]*(?:- )?(.*)$")
PYTEST = re.compile(r"^(\S+\.py::\S.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b(.*)$")
NESTED = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
SKIP = re.compile(r"#\s*SKIP\b:?\s*(.*)", re.IGNORECASE)
MISSING = re.compile(r"missing|not installed|not found", re.IGNORECASE)


class Result:
    def __init__(self, suite, name):
        self.suite, self.name = suite, name
        self.passed, self.failed, self.skipped = 0, [], []
        self.seconds, self.exit_code, self.log = 0.0, 0, ""

    def case(self, ok, name, skip_reason=None):
        if skip_reason is not None:
            if os.environ.get("CI") == "true" and MISSING.search(skip_reason):
                self.failed.append(f"{name}: skipped in CI: {skip_reason}")
            else:
                self.skipped.append(f"{name}: {skip_reason}")
        elif ok:
            self.passed += 1
        else:
            self.failed.append(name)


def program_name(command):
    """Last path-like word that tells commands of a suite apart."""
    if command.startswith("make "):
        return re.sub(r"[^A-Za-z0-9._=-]+", "-", command)
    words = [w for w in shlex.split(command) if "/" in w and not w.startswith("-")]
    stems = [os.path.splitext(os.path.basename(w))[0] for w in words]
    tests = [s for s in stems if s.startswith("test_") or s.endswith(("_test", "_fuzz", "_bench"))]
    return (tests or stems or [command.split()[0]])[0]


def count_nested(result, lines):
    """A command that is itself a run of this program (make MODE=asan check): its closing line counts."""
    closing = NESTED.match(lines[-1]) if lines else None
    if closing:
        result.passed = int(closing[1])
        result.failed = [line[len("failed: "):] for line in lines if line.startswith("failed: ")][:int(closing[2])]
        result.skipped = [line.strip()[len("skipped: "):] for line in lines if line.startswith("     skipped: ")]
    return closing is not None


def count(result, text):
    lines = [line for line in text.splitlines() if line and not line.startswith("make")]
    seen = count_nested(result, lines)
    for line in lines if not seen else []:
        tap = TAP.match(line)
        if tap:
            skip = SKIP.search(tap[2])
            result.case(not tap[1], tap[2].strip(), skip[1] if skip else None)
            seen = True
            continue
        py = PYTEST.match(line)
        if py:
            reason = py[3].strip(" ()") if py[2] == "SKIPPED" else None
            result.case(py[2] in ("PASSED", "XFAIL"), py[1].split("/")[-1], reason)
            seen = True
    if result.exit_code != 0 and not result.failed:
        how = f"exit {result.exit_code}" if result.exit_code > 0 else f"signal {-result.exit_code}"
        result.failed.append(f"{result.name}: {how}")
    elif not seen and result.exit_code == 0:
        result.passed += 1


def run(suite, command, options):
    result = Result(suite, program_name(command))
    folder = os.path.join(options.logs, suite)
    os.makedirs(folder, exist_ok=True)
    result.log = os.path.join(folder, result.name + ".log")
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    begin = time.monotonic()
    line = f"{options.prefix} {command}" if options.prefix and not suite.startswith("integration") else command
    with open(result.log, "wb") as log:
        process = subprocess.Popen(["sh", "-c", "exec " + line], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   env=environment, start_new_session=True)
        try:
            result.exit_code = process.wait(options.timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            result.exit_code = 124
            log.write(f"\nnot ok {result.name}: no end after {options.timeout} s\n".encode())
    result.seconds = time.monotonic() - begin
    with open(result.log, encoding="utf-8", errors="replace") as log:
        count(result, log.read())
    return result


def report(result, options):
    mark = "ok  " if not result.failed else "FAIL"
    print(f"{mark} {result.suite:<12} {result.name:<40} {result.passed:>5} passed {len(result.failed):>3} failed "
          f"{result.seconds:>7.1f} s", flush=True)
    for skipped in result.skipped:
        print(f"     skipped: {skipped}")
    if result.failed:
        for name in result.failed[:20]:
            print(f"     failed: {name}")
        with open(result.log, encoding="utf-8", errors="replace") as log:
            tail = log.read().splitlines()[-options.tail:]
        print(f"     --- end of {result.log}")
        for line in tail:
            print("     | " + line[:400])
    sys.stdout.flush()


def suites_of(words):
    suite = []
    for word in words + ["--"]:
        if word == "--":
            if suite:
                yield suite[0], suite[1:]
            suite = []
        else:
            suite.append(word)


def rounds_of(words):
    """(serial?, [(suite, command)]): all suites that may run at once are one round."""
    serial, together = [], []
    for name, commands in suites_of(words):
        suite, _, kind = name.partition(":")
        (serial if kind == "serial" else together).extend((suite, command) for command in commands)
    return [(kind, jobs) for kind, jobs in ((False, together), (True, serial)) if jobs]


class Times:
    """How long the programs took last time: the longest go first, and before them those that nobody knows."""

    def __init__(self, path):
        self.path, self.rows = path, {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as rows:
                for row in rows:
                    suite, name, seconds = row.rstrip("\n").split("\t")
                    self.rows[suite, name] = float(seconds)

    def of(self, suite, command):
        return self.rows.get((suite, program_name(command)), float("inf"))

    def note(self, result):
        self.rows[result.suite, result.name] = result.seconds

    def save(self):
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        with open(self.path, "w", encoding="utf-8") as out:
            for (suite, name), seconds in sorted(self.rows.items()):
                out.write(f"{suite}\t{name}\t{seconds:.1f}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", default="build/test-logs")
    parser.add_argument("--prefix", default="", help="put before every command, for example valgrind")
    parser.add_argument("--timeout", type=float, default=float(os.environ.get("TEST_TIMEOUT", "600")), help="seconds for one command")
    parser.add_argument("--tail", type=int, default=40, help="lines of a log to show after a failure")
    parser.add_argument("--add", action="append", default=[], metavar="SUMMARY", help="counts of an earlier run to add")
    parser.add_argument("suites", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    totals, failed_before = {}, []
    for path in options.add:
        with open(path, encoding="utf-8") as rows:
            for row in rows:
                suite, passed, failed, skipped, seconds = row.rstrip("\n").split("\t")
                totals[suite] = [int(passed), int(failed), int(skipped), float(seconds)]
    words = options.suites[1:] if options.suites[:1] == ["--"] else options.suites
    times = Times(os.path.join(options.logs, "times.tsv"))
    for serial, jobs in rounds_of(words):
        jobs.sort(key=lambda job: -times.of(*job))
        with concurrent.futures.ThreadPoolExecutor(1 if serial else 2 * (os.cpu_count() or 1)) as pool:
            begin = time.monotonic()
            for done in concurrent.futures.as_completed([pool.submit(run, suite, c, options) for suite, c in jobs]):
                result = done.result()
                report(result, options)
                times.note(result)
                row = totals.setdefault(result.suite, [0, 0, 0, 0.0])
                row[0] += result.passed
                row[1] += len(result.failed)
                row[2] += len(result.skipped)
                row[3] += result.seconds
                failed_before += [f"{result.suite}: {n}" for n in result.failed]
        print(f"{time.monotonic() - begin:.1f} s", flush=True)
    times.save()
    os.makedirs(options.logs, exist_ok=True)
    with open(os.path.join(options.logs, "summary.tsv"), "w", encoding="utf-8") as out:
        for suite, (passed, failed, skipped, seconds) in totals.items():
            out.write(f"{suite}\t{passed}\t{failed}\t{skipped}\t{seconds:.1f}\n")
    print(f"\n{'suite':<14}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for suite, (passed, failed, skipped, seconds) in totals.items():
        if passed + failed + skipped:
            print(f"{suite:<14}{passed:>8}{failed:>8}{skipped:>9}{seconds:>9.1f}")
    for name in failed_before:
        print(f"failed: {name}")
    passed, failed, skipped = (sum(row[i] for row in totals.values()) for i in range(3))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
