#!/usr/bin/python3
"""make bench-match: what matching costs, families of rules x number of rules, beside event-ruler on the same files in the same run.

    match.py --programs build/release [--out build/bench] [--families exact2,mix] [--sizes 1,1000,100000] [--peer yes|no]
             [--limit 20] [--run 6] [--peer-sizes 10000,100000] [--changes 1000000] [--store 1000000] [--seed 1] [--docs docs] [--from match.jsonl]

Prints one JSON line per measurement and writes match.jsonl, match.md and match.svg to --out. --sizes replaces the sizes of the families
that have more than one. --limit is the time in seconds that the peer has to load one set, --run about how long it is busy with one cell;
it runs in those of --peer-sizes, in every cell of exact2 below a million, and where a family has only one size. --changes and --store are the numbers of rules for single changes and for a start from SQLite; 0 leaves them out. --docs DIR
also puts the table between the marks of DIR/benchmarks.md, the plot to DIR/benchmarks-match.svg and the lines to DIR/benchmarks-match.jsonl.
--from measures nothing and makes table and plot of an earlier run. How long it will take is said first: with the peer about a
quarter of an hour on a machine that has nothing else to do.
"""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

import families as catalogue
import match_plot
import match_report

HERE = os.path.dirname(os.path.abspath(__file__))
OPERATORS = ("prefix", "suffix", "equals-ignore-case", "numeric", "wildcard", "exists", "anything-but")


# ---- rules for the peer ----

def expressible(node):
    """Does the peer have all operators of this pattern?"""
    if isinstance(node, list):
        return all(not isinstance(entry, dict) or set(entry) <= set(OPERATORS) for entry in node)
    return all(not name.startswith("$") and expressible(child) for name, child in node.items())


def translate(document):
    """The document as a pattern of event-ruler, or None."""
    if "regex" in document or any("*" in entry for entry in document.get("types", ())):
        return None
    pattern = dict(document.get("pattern", {}))
    if "types" in document:
        pattern = {"type": document["types"], **pattern}
    return pattern if pattern and expressible(pattern) else None


class Peer:
    """event-ruler in a Java process per cell."""

    variants = ("event-ruler", "event-ruler, reuse")

    def __init__(self, out):
        self.folder = os.path.join(out, "ruler")
        self.absent = self.prepare()

    def prepare(self):
        """Why the peer cannot run, or None."""
        for tool in ("java", "javac", "mvn"):
            if shutil.which(tool) is None:
                return f"no {tool}"
        lib, classes = os.path.join(self.folder, "lib"), os.path.join(self.folder, "classes")
        if not os.path.isdir(lib):
            done = subprocess.run(["mvn", "-B", "-q", "-f", os.path.join(HERE, "ruler-pom.xml"), "dependency:copy-dependencies",
                                   "-DincludeScope=runtime", "-DoutputDirectory=" + os.path.abspath(lib)],
                                  stdout=subprocess.DEVNULL, check=False)
            if done.returncode != 0:
                shutil.rmtree(lib, ignore_errors=True)
                return "Maven could not resolve event-ruler"
        done = subprocess.run(["javac", "-cp", lib + "/*", "-d", classes, os.path.join(HERE, "Ruler.java")], check=False)
        return None if done.returncode == 0 else "javac failed"

    def version(self):
        return next(re.sub(r"\.jar$", "", name) for name in os.listdir(os.path.join(self.folder, "lib")) if name.startswith("event-ruler"))

    def run(self, variant, rules, events, options):
        command = ["java", "-Xmx12g", "-cp", f"{self.folder}/lib/*:{self.folder}/classes", "Ruler", rules, events,
                   "true" if variant.endswith("reuse") else "false", str(options.limit), str(options.run)]
        most = 2 * options.limit + 10 * options.run + 60  # on a busy machine CPU time takes its time
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                                  timeout=most)
        except subprocess.TimeoutExpired:
            return {"status": f"not done in {most} s"}
        if done.returncode != 0:
            return {"status": "fails: " + (done.stderr.strip().splitlines() or ["no message"])[0][:120]}
        return json.loads(done.stdout)


# ---- cells ----

class Bench:
    def __init__(self, options):
        self.options = options
        self.ctl = os.path.join(options.programs, "eventrouterctl")
        self.folder = tempfile.mkdtemp(prefix="er-bench-")
        self.rows = []
        self.peer = Peer(options.out) if options.peer == "yes" else None
        if self.peer is None or self.peer.absent:
            print(f"event-ruler is left out: {self.peer.absent if self.peer else 'not asked for'}", file=sys.stderr)
            self.peer = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def say(self, **row):
        print(json.dumps(row), flush=True)
        self.rows.append(row)
        with open(os.path.join(self.options.out, "match.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def engine(self, rules, events):
        done = subprocess.run([self.ctl, "rule", "bench", "--rules", rules, "--events", events, "--json"], stdout=subprocess.PIPE,
                              check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {"status": f"fails: exit status {done.returncode}"}

    def make(self, name, n):
        catalogue.write_rules(name, n, self.path("rules.jsonl"), self.options.seed)
        catalogue.write_events(name, n, catalogue.FAMILIES[name].events, self.path("events.jsonl"), self.options.seed)

    def cell(self, name, n):
        self.make(name, n)
        found = self.engine(self.path("rules.jsonl"), self.path("events.jsonl"))
        self.say(engine="eventrouter", family=name, rules=n, goal_ns=catalogue.FAMILIES[name].limits.get(n), **found)
        if self.with_peer(name, n) and found["status"] == "ok":
            self.peers(name, n, found)

    def with_peer(self, name, n):
        """Is the peer asked in this cell?"""
        sizes = catalogue.FAMILIES[name].sizes
        return self.peer is not None and (n in self.options.peer_sizes or len(sizes) == 1 or name == "exact2" and n < 1000000)

    def for_peer(self):
        """Writes the rules that the peer can express, in both languages; returns how many, and of how many."""
        kept = total = 0
        with open(self.path("rules.jsonl"), encoding="utf-8") as rules, open(self.path("kept.jsonl"), "w", encoding="utf-8") as ours, \
                open(self.path("kept.tsv"), "w", encoding="utf-8") as theirs:
            for line in rules:
                document = json.loads(line)
                pattern = translate(document)
                total += 1
                if pattern is not None:
                    ours.write(line)
                    theirs.write(document["id"] + "\t" + json.dumps(pattern) + "\n")
                    kept += 1
        return kept, total

    def expected(self, n_events, all_rules, found):
        """The engine's answers about the peer's rules and the first events."""
        if all_rules and n_events == found["events"]:
            return found
        with open(self.path("events.jsonl"), encoding="utf-8") as events, open(self.path("first.jsonl"), "w", encoding="utf-8") as first:
            first.writelines(line for number, line in enumerate(events) if number < n_events)
        return self.engine(self.path("rules.jsonl" if all_rules else "kept.jsonl"), self.path("first.jsonl"))

    def peers(self, name, n, found):
        kept, total = self.for_peer()
        for variant in Peer.variants:
            row = {"engine": variant, "family": name, "rules": n, "rules_expressed": kept}
            if kept == 0:
                self.say(**row, status="not expressible")
                continue
            theirs = self.peer.run(variant, self.path("kept.tsv"), self.path("events.jsonl"), self.options)
            if theirs["status"] == "ok":
                ours = self.expected(theirs["hash_events"], kept == total, found)
                theirs["same_answers"] = theirs["match_hash"] == ours["match_hash"]
                if not theirs["same_answers"]:
                    # Its time would be that of another question.
                    theirs = {"status": "other answers", "matches_total": theirs["matches_total"], "ours": ours["matches_total"]}
            self.say(**row, **theirs)

    # ---- changes and start ----

    def changes(self, n):
        self.make("exact2", n)
        done = subprocess.run([os.path.join(self.options.programs, "bench", "rules_change_bench"), self.path("rules.jsonl"),
                               self.path("events.jsonl")], stdout=subprocess.PIPE, text=True, check=True)
        for line in done.stdout.splitlines():
            self.say(engine="eventrouter", family="exact2", **json.loads(line))

    def store(self, n):
        program = os.path.join(self.options.programs, "bench", "rules_load_bench")
        catalogue.write_rules("exact2", n, self.path("rules.jsonl"), self.options.seed)
        for words in (["write", self.path("store.db"), self.path("rules.jsonl")], ["load", self.path("store.db")]):
            done = subprocess.run([program, *words], stdout=subprocess.PIPE, text=True, check=True)
            self.say(engine="eventrouter", family="exact2", **json.loads(done.stdout))

    def cells(self):
        for name in self.options.families.split(",") if self.options.families else catalogue.FAMILIES:
            sizes = catalogue.FAMILIES[name].sizes
            if self.options.sizes and len(sizes) > 1:
                sizes = [int(size) for size in self.options.sizes.split(",")]
            for n in sizes:
                yield name, n

    def estimate(self):
        """Seconds, about, on an idle machine."""
        seconds = (self.options.changes + self.options.store) * 6e-5
        for name, n in self.cells():
            seconds += 3 + n * 2.5e-5
            if self.with_peer(name, n) and not name.startswith("hostile") and "regex" not in name:
                seconds += len(Peer.variants) * (3 + 0.8 * self.options.run + min(self.options.limit, n * 5e-5))
        return seconds

    def run(self):
        for name, n in self.cells():
            self.cell(name, n)
        if self.options.changes:
            self.changes(self.options.changes)
        if self.options.store:
            self.store(self.options.store)


def first_line(command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout.splitlines()[0]
    except (OSError, IndexError):
        return ""


def machine(bench):
    """Where and with what it was measured."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*:\s*(.*)", file.read())
    parts = [f"{os.cpu_count()} cores of {model.group(1) if model else platform.machine()}", f"Linux {platform.release()}",
             first_line(["cc", "--version"]), first_line([bench.ctl, "version"])]
    if bench.peer:
        parts += [bench.peer.version(), first_line(["java", "-version"])]
    return f"{time.strftime('%Y-%m-%d')}, " + ", ".join(part for part in parts if part) + f"; load {os.getloadavg()[0]:.1f} at the start"


def measure(options):
    """All rows; the first says where."""
    with open(os.path.join(options.out, "match.jsonl"), "w", encoding="utf-8"):
        pass
    bench = Bench(options)
    bench.say(where=machine(bench))
    print(f"about {bench.estimate() / 60:.0f} minutes on an idle machine", file=sys.stderr)
    start = time.monotonic()
    try:
        bench.run()
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)
    print(f"took {(time.monotonic() - start) / 60:.1f} minutes", file=sys.stderr)
    return bench.rows


def earlier(options):
    with open(options.earlier, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--out", default="build/bench")
    parser.add_argument("--families")
    parser.add_argument("--sizes")
    parser.add_argument("--peer", choices=("yes", "no"), default="yes")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--run", type=int, default=6)
    parser.add_argument("--peer-sizes", type=lambda text: [int(size) for size in text.split(",")], default=[10000, 100000])
    parser.add_argument("--from", dest="earlier")
    parser.add_argument("--changes", type=int, default=1000000)
    parser.add_argument("--store", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--docs")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    rows = earlier(options) if options.earlier else measure(options)
    where, measured = rows[0]["where"], rows[1:]
    table, plot = match_report.markdown(measured, where), match_plot.svg(measured)
    match_report.write(options.out, table, plot)
    if options.docs:
        match_report.write_docs(options.docs, table, plot, rows)
    bad = [f"{row['engine']} {row['family']} {row['rules']}: {row['status']}" for row in measured
           if row.get("status") == "other answers" or row["engine"] == "eventrouter" and row.get("status", "ok") != "ok"]
    if bad:
        sys.exit("\n".join(bad))


if __name__ == "__main__":
    main()
