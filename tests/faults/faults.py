#!/usr/bin/python3
"""The fault rig's command.

    faults.py [options] run SCENARIO...        each in every mode it has, or in that of --mode
    faults.py [options] list

Every run prints `faults N, events N, lost N, duplicated N, reordered N, unexplained N, seed S`; exit 1 if a promise was broken. The programs must be
those of a build with FAULTS=1. Folders of runs that found something stay in --folder.
"""
import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from cluster import Cluster, keep_none_alive  # noqa: E402
from run import execute  # noqa: E402
from scenarios import PLANTED, SCENARIOS  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default="build/release-faults")
    parser.add_argument("--folder", default="build/faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", help="at-least-once or exactly-once; both when not given")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--planted", help="name of a bug to plant")
    parser.add_argument("--guard", choices=("on", "off"))
    parser.add_argument("--trace", type=argparse.FileType("w"), help="a file that gets a line for each request that passes the proxy")
    parser.add_argument("verb")
    parser.add_argument("names", nargs="*")
    return parser.parse_args()


def one_run(cluster, options, name, mode):
    """Prints its line; True when it was as it must be."""
    begin = time.monotonic()
    one = SCENARIOS[name]
    result = execute(cluster, options, one, options.seed, mode)
    wrong = result.verdict(one.duplicates_allowed(mode))
    print(f"{'not ok' if wrong else 'ok'} - {name} {mode}: {result.line()} ({time.monotonic() - begin:.1f} s) {result.kinds}", flush=True)
    for text in wrong + result.examples if wrong else ():
        print("#  ", text[:1000], flush=True)
    return not wrong


def planted_run(cluster, options, row):
    """A planted bug must be seen, and as what it is."""
    bug, name, mode, expected = row
    options.planted, options.guard = (None, "off") if bug == "guard-off" else (bug, None)
    result = execute(cluster, options, SCENARIOS[name], options.seed, mode)
    options.planted = options.guard = None
    wrong = result.verdict(SCENARIOS[name].duplicates_allowed(mode))
    seen = any(expected in text for text in wrong)
    print(f"{'ok' if seen else 'not ok'} - planted {bug} in {name} {mode}: {result.line()}: {'; '.join(wrong)[:200]}", flush=True)
    return seen


def main():
    keep_none_alive()
    options = arguments()
    options.programs = os.path.abspath(options.programs)
    options.folder = os.path.abspath(options.folder)
    os.makedirs(options.folder, exist_ok=True)
    cluster = Cluster(os.path.join(options.folder, f"kafka-{os.getpid()}"), options.nodes, trace=options.trace)
    failed = 0
    try:
        cluster.start()
        if options.verb == "planted":
            for row in PLANTED:
                if not options.names or row[0] in options.names:
                    failed += not planted_run(cluster, options, row)
        for name in options.names if options.verb == "run" else ():
            for mode in [options.mode] if options.mode else SCENARIOS[name].modes:
                failed += not one_run(cluster, options, name, mode)
    finally:
        cluster.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
