#!/usr/bin/python3
"""The fault rig's command.

    faults.py list                             scenarios and planted bugs
    faults.py run [SCENARIO...]                each in every mode it has, or in that of --mode
    faults.py planted [BUG...]                 bugs of test builds (guard-off is one too): each must be found
    faults.py sweep                            every step of the protocol x action x ordinal
    faults.py check                            a sample of both from --seed
    faults.py prove                            late requests: --repeat of each kind with router.guard on (clean?), a fifth of that with it off (damage?)
    faults.py campaign --seconds N             storms and other scenarios for so long; adds lines to docs/campaigns.md

Prints TAP. Every run says `faults N, events N, lost N, duplicated N, reordered N, unexplained N, seed S`; exit 1 if a promise was broken. The
same seed gives the same runs, events and choices (but not the same moments). The programs must be those of a build with FAULTS=1. Folders of
runs that found something stay in --folder.
"""
import argparse
import copy
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from cluster import Cluster, keep_none_alive  # noqa: E402
from run import AT_LEAST_ONCE, EXACTLY_ONCE, Broken, Skipped, execute, mount_small, unmount  # noqa: E402
from scenarios import FIRST_START, PLANTED, SCENARIOS, cells  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
CAMPAIGNS = os.path.join(ROOT, "docs", "campaigns.md")
STORMS_PER_ROUND = 2  # of a campaign, between two rounds of other scenarios


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release-faults")
    parser.add_argument("--folder", default="build/faults")
    parser.add_argument("--seed", type=int, default=None, help="otherwise a random one")
    parser.add_argument("--mode", choices=(AT_LEAST_ONCE, EXACTLY_ONCE))
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side")
    parser.add_argument("--seconds", type=float, default=520, help="of a check or campaign; nothing begins after that")
    parser.add_argument("--repeat", type=int, default=1, help="run, planted and prove: so often, with the next seeds")
    parser.add_argument("--rounds", type=int, default=2, help="late requests in one run of these scenarios")
    parser.add_argument("--cluster", choices=("one", "three"), help="brokers for every scenario, instead of what it needs")
    parser.add_argument("--rate", type=int, default=4000, help="events per second in a storm")
    parser.add_argument("--storm-seconds", type=float, default=180)
    parser.add_argument("--guard", choices=("on", "off"))
    parser.add_argument("--trace", type=argparse.FileType("w"), help="a file that gets a line for each request that passes the proxy")
    parser.add_argument("--debug", metavar="WHAT", help="librdkafka's debug contexts for the logs of the routers, such as cgrp,eos")
    parser.add_argument("--keep", action="store_true", help="folders of runs that found nothing, too")
    parser.add_argument("--record", action="store_true", help="campaign: add its lines to docs/campaigns.md")
    parser.add_argument("verb", choices=("list", "run", "planted", "sweep", "check", "prove", "campaign"))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    options.planted = options.steps = None
    options.programs, options.folder = os.path.abspath(options.programs), os.path.abspath(options.folder)
    if options.seed is None:
        options.seed = random.randrange(1000000)
    return options


class Clusters:
    """Those that are needed, started when they are."""

    def __init__(self, options):
        self.options, self.found, self.lock = options, {}, threading.Lock()

    def get(self, kind):
        with self.lock:
            if kind not in self.found:
                self.found[kind] = self.start(kind)
            return self.found[kind]

    def start(self, kind):
        folder = os.path.join(self.options.folder, f"kafka-{os.getpid()}-{kind.replace(' ', '-')}")
        shutil.rmtree(folder, ignore_errors=True)
        if kind == "small disk":
            mount_small(folder, "300m")
        cluster = Cluster(os.path.join(folder, "node") if kind == "small disk" else folder, 3 if kind == "three" else 1, trace=self.options.trace)
        cluster.disk = folder if kind == "small disk" else None
        try:
            return cluster.start()
        except BaseException:
            self.end(cluster)
            raise

    @staticmethod
    def end(cluster):
        cluster.close()
        if cluster.disk is not None:
            unmount(cluster.disk)

    def close(self, kind=None):
        for name in [kind] if kind else list(self.found):
            if name in self.found:
                self.end(self.found.pop(name))


class Job:
    """One run: of a scenario that must keep its promises, or of a planted bug that must be found (row); counted: what is found is only counted."""

    def __init__(self, name, mode, seed, row=None, steps=None, counted=False):
        self.scenario, self.mode, self.seed, self.row, self.steps, self.counted = SCENARIOS[name], mode, seed, row, steps, counted
        self.alone = self.scenario.alone

    @property
    def title(self):
        return f"{self.scenario.name} {self.mode}" if self.row is None else f"planted {self.row[0]} in {self.scenario.name} {self.mode}"

    def again(self):
        verb = f"--mode {self.mode} run {self.scenario.name}" if self.row is None else f"planted {self.row[0]}"
        return f"again: tests/faults/faults.py --seed {self.seed} {verb}"


def planted_job(row, seed):
    return Job(row[1], row[2], seed, row)


class Runner:
    def __init__(self, options):
        self.options, self.clusters = options, Clusters(options)
        self.lock = threading.Lock()
        self.begin = time.monotonic()
        self.failed, self.left_out, self.results = 0, 0, []

    def say(self, ok, job, text, details=()):
        with self.lock:
            print(f"{'ok' if ok else 'not ok'} - {job.title}: {text}")
            for line in details if ok else (*details, job.again()):
                print("#  ", line[:600])
            sys.stdout.flush()
            self.failed += not ok

    def late(self):
        return time.monotonic() - self.begin > self.options.seconds

    def kind(self, job):
        return self.options.cluster if self.options.cluster and job.scenario.cluster != "small disk" else job.scenario.cluster

    def run(self, job):
        """The Result, or None: skipped, left out or broken. What the rig itself could not do is tried once more."""
        begin, options = time.monotonic(), copy.copy(self.options)
        options.steps = job.steps
        if job.row is not None:
            options.planted, options.guard = (None, "off") if job.row[0] == "guard-off" else (job.row[0], None)
        for attempt in (1, 2):
            try:
                result = execute(self.clusters.get(self.kind(job)), options, job.scenario, job.seed, job.mode)
                return self.judge(job, result, time.monotonic() - begin)
            except Skipped as reason:
                print(f"ok - {job.title} # SKIP {reason}", flush=True)
                return None
            except Broken as reason:
                if attempt == 2:
                    self.say(False, job, f"the rig failed twice: {reason}")
            except Exception as error:  # pylint: disable=broad-except
                if attempt == 2:
                    self.say(False, job, f"the rig failed: {error!r}", traceback.format_exc().splitlines())
        return None

    def judge(self, job, result, seconds):
        wrong = result.verdict(job.scenario.duplicates_allowed(job.mode))
        kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(result.kinds.items()))
        kinds += f"; {len(result.exits)} ended by themselves: {', '.join(sorted(set(result.exits)))}" if result.exits else ""
        text = f"{result.line()} ({seconds:.1f} s; {kinds or 'no faults'})"
        if job.row is None:
            self.say(not wrong, job, text, wrong + result.examples if wrong else ())
        else:
            self.say(job.counted or any(job.row[3] in what for what in wrong), job, text, ["found: " + "; ".join(wrong)[:200]])
        with self.lock:
            self.results.append((job, result, wrong))
        return result

    def unless_late(self, job):
        if self.late():
            self.left_out += 1
        else:
            self.run(job)

    def all(self, jobs):
        """Side by side, then those that need a cluster of their own, by kind of cluster."""
        for kind in ("one", "three", "small disk"):
            mine = [job for job in jobs if self.kind(job) == kind]
            if mine:
                with ThreadPoolExecutor(self.options.jobs) as pool:
                    for done in [pool.submit(self.unless_late, job) for job in mine if not job.alone]:
                        done.result()
                for job in mine:
                    if job.alone:
                        self.unless_late(job)
                self.clusters.close(kind)
        if self.left_out:
            print(f"# out of time: {self.left_out} runs were left out", flush=True)


def listed():
    for one in SCENARIOS.values():
        print(f"{one.name:28} {', '.join(one.modes):28} {one.cluster:12} {' '.join(one.body.__doc__.split()).split('.')[0]}")
    for bug, name, mode, expected in PLANTED:
        print(f"planted {bug:28} in {name}, {mode}: {expected}")


def named(options):
    if options.verb == "planted":
        rows = [row for row in PLANTED if not options.names or row[0] in options.names]
        return [planted_job(row, options.seed + n) for n in range(options.repeat) for row in rows]
    return [Job(name, mode, options.seed + n) for n in range(options.repeat) for name in options.names or SCENARIOS
            for mode in ([options.mode] if options.mode else SCENARIOS[name].modes)]


STEPS_PER_RUN = 9


def sweep(options):
    """All steps, some in each run; at most one of a run's can be of those that only a first start takes."""
    jobs = []
    for mode in [options.mode] if options.mode else (AT_LEAST_ONCE, EXACTLY_ONCE):
        steps = cells(mode)
        count = max(-(-len(steps) // STEPS_PER_RUN), sum(step[0] in FIRST_START for step in steps))
        random.Random(f"sweep/{options.seed}").shuffle(steps)
        steps.sort(key=lambda step: step[0] not in FIRST_START)
        jobs += [Job("protocol-steps", mode, options.seed + n, steps=steps[n::count]) for n in range(count)]
    return jobs


def show_sweep(runner):
    for mode in (AT_LEAST_ONCE, EXACTLY_ONCE):
        asked = [step for job, _, _ in runner.results if job.mode == mode for step in job.steps]
        reached = {step for job, result, _ in runner.results if job.mode == mode for step in result.reached}
        if asked:
            missed = Counter(api for api, _, _ in set(asked) - reached)
            print(f"# {mode}: {len(reached)} of {len(asked)} steps reached; not reached: {dict(missed)}")


LATE = ("late-abort", "late-commit", "late-offsets", "late-copies")
SLOW = ("storm", "only-broker", "broker-faults", "full-broker-disk")


def sample(options):
    """What `check` runs: the late requests, some bugs, some of the rest, and one scenario that hurts brokers."""
    rng = random.Random(f"check/{options.seed}")
    seeds = iter(rng.sample(range(1000000), 1000))
    rest = [(one.name, mode) for one in SCENARIOS.values() for mode in one.modes if one.name not in LATE + SLOW]
    bugs = [row for row in PLANTED if row[0] != "guard-off"]
    unguarded = [row for row in PLANTED if row[0] == "guard-off"]
    jobs = [Job(name, EXACTLY_ONCE, next(seeds)) for name in LATE]
    jobs += [planted_job(row, next(seeds)) for row in rng.sample(bugs, 6) + rng.sample(unguarded, 2)]
    jobs += [Job(name, mode, next(seeds)) for name, mode in rng.sample(rest, 14)]
    jobs.append(Job(rng.choice(SLOW[1:]), rng.choice((AT_LEAST_ONCE, EXACTLY_ONCE)), next(seeds)))
    return jobs


# ---- the proof of the guard ----

def proof(options):
    """As many late requests of each kind as --repeat says with the guard, --rounds in a run; a fifth of these runs without it."""
    off = {row[1]: row for row in PLANTED if row[0] == "guard-off"}
    runs = -(-options.repeat // options.rounds)
    return [job for n in range(runs) for name in options.names or LATE for job in
            [Job(name, EXACTLY_ONCE, options.seed + n)] + [Job(name, EXACTLY_ONCE, options.seed + n, off[name], counted=True)] * (n % 5 == 0)]


def show_proof(runner):
    """Late requests must have done their damage without the guard, and none with it."""
    for name in runner.options.names or LATE:
        mine = [one for one in runner.results if one[0].scenario.name == name]
        clean = [not wrong for job, _, wrong in mine if job.row is None]
        damaged = [any(job.row[3] in what for what in wrong) for job, _, wrong in mine if job.row is not None]
        on, off = (sum(count for job, result, _ in mine if (job.row is None) == guarded for kind, count in result.kinds.items() if kind.startswith("late"))
                   for guarded in (True, False))
        ok = on >= runner.options.repeat and all(clean) and any(damaged)
        print(f"{'ok' if ok else 'not ok'} - {name}: guard on: {on} late requests, {sum(clean)} of {len(clean)} runs clean; "
              f"guard off: {off} late requests, damage in {sum(damaged)} of {len(damaged)} runs", flush=True)
        runner.failed += not ok


# ---- campaigns ----

def campaign(runner):
    """Rounds of storms, of routers that come back after kill -9 (these are timed), and of some other scenarios."""
    options = runner.options
    rng = random.Random(f"campaign/{options.seed}")
    options.cluster = options.cluster or "three"
    others = [(one.name, mode) for one in SCENARIOS.values() for mode in one.modes if not one.alone and one.cluster != "small disk"]
    storms = 0
    while not runner.late():
        for _ in range(STORMS_PER_ROUND):
            storms += 1
            mode = options.mode or (AT_LEAST_ONCE if storms % 6 == 0 else EXACTLY_ONCE)
            runner.unless_late(Job("storm", mode, rng.randrange(1000000)))
        runner.unless_late(Job("back-again", mode, rng.randrange(1000000)))
        some = [one for one in rng.sample(others, len(others)) if options.mode in (None, one[1])][:2 * options.jobs]
        with ThreadPoolExecutor(options.jobs) as pool:
            for done in [pool.submit(runner.unless_late, Job(name, mode, rng.randrange(1000000))) for name, mode in some]:
                done.result()
    report(runner)


CLASSES = (("kill", "kill"), ("zombie|deaf", "zombie"), ("rebalance|sigterm", "rebalance"), ("broker|disk", "broker"), ("", "network"))


def classes(kinds):
    """The faults of many kinds in the few classes of docs/campaigns.md."""
    found = Counter()
    for kind, count in kinds.items():
        found[next(name for pattern, name in CLASSES if re.search(pattern, kind))] += count
    return found


def versions(options):
    found = subprocess.run([os.path.join(options.programs, "eventrouterd"), "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    library = re.search(r"librdkafka (\S+?)[,;)\s]", found + " ")
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    return f"{commit or 'no commit'}, librdkafka {library[1] if library else '?'}, Kafka 4.1.1"


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def back(results):
    """How long routers took to be back after kill -9."""
    seconds = [s for result in results for s in result.recoveries]
    return f"{quantile(seconds, 0.5):.1f} s / {quantile(seconds, 0.99):.1f} s ({len(seconds)})" if seconds else "-"


def doubts(results):
    """What it cost to take a new transactional producer, from the routers' own histograms: upper bounds of the buckets."""
    told = sum((result.told for result in results), Counter())
    found = sorted((float(m[1].replace("+Inf", "inf")), count) for name, count in told.items() if (m := re.search(r'_bucket{le="(.*)"}', name)))
    if not found or found[-1][1] == 0:
        return "-"
    bounds = [next(bound for bound, count in found if count >= share * found[-1][1]) for share in (0.5, 0.99)]
    return f"{bounds[0] * 1000:.0f} ms / {bounds[1] * 1000:.0f} ms ({found[-1][1]})"


def report(runner):
    options = runner.options
    rows = []
    for mode in (EXACTLY_ONCE, AT_LEAST_ONCE):
        mine = [result for job, result, _ in runner.results if job.mode == mode]
        if not mine:
            continue
        faults = sum((classes(result.kinds) for result in mine), Counter())
        totals = [sum(getattr(result, name) for result in mine) for name in ("events", "lost", "duplicated", "reordered", "unexplained")]
        broken = sum(bool(wrong) for job, _, wrong in runner.results if job.mode == mode)
        lag = max(result.healed_seconds for result in mine)
        rows.append([time.strftime("%Y-%m-%d"), mode, f"{(time.monotonic() - runner.begin) / 60:.0f} min", str(len(mine)),
                     *[str(faults[name]) for _, name in CLASSES], *map(str, totals), str(broken), f"{lag:.0f} s", back(mine), doubts(mine),
                     str(options.seed), versions(options)])
        print(f"# {mode}: faults {sum(faults.values())} ({', '.join(f'{name} {n}' for name, n in faults.items())}), events {totals[0]}, lost {totals[1]}, "
              f"duplicated {totals[2]}, reordered {totals[3]}, unexplained {totals[4]}, seed {options.seed}")
        print(f"# {mode}: routing again after kill -9, median / p99: {back(mine)}; a new producer after doubt: {doubts(mine)}", flush=True)
    for reason, count in Counter(reason for _, result, _ in runner.results for reason in result.exits).items():
        print(f"# {count} routers ended by themselves and were started again: {reason}")
    if options.record:
        with open(CAMPAIGNS, "a", encoding="utf-8") as out:
            for row in rows:
                out.write("| " + " | ".join(row) + " |\n")


def main():
    keep_none_alive()
    options = arguments()
    if options.verb == "list":
        return listed()
    os.makedirs(options.folder, exist_ok=True)
    print(f"# seed {options.seed}", flush=True)
    runner = Runner(options)
    try:
        if options.verb == "campaign":
            campaign(runner)
        else:
            runner.options.seconds = options.seconds if options.verb == "check" else float("inf")
            runner.all({"check": sample, "sweep": sweep, "prove": proof}.get(options.verb, named)(options))
            {"sweep": show_sweep, "prove": show_proof}.get(options.verb, lambda _: None)(runner)
    finally:
        runner.clusters.close()
    return 1 if runner.failed else 0


if __name__ == "__main__":
    sys.exit(main())
