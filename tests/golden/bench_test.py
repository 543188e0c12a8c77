#!/usr/bin/python3
"""`eventrouterctl rule bench`: its members, and its match hash against what `rule test` says. `--programs DIR`; prints TAP."""
import json
import os
import subprocess
import sys
import tempfile

MEMBERS = {"status", "ns_per_event", "events", "hash_events", "matches_total", "match_hash", "load_s", "add_p99_us", "add_max_us",
           "bytes_per_rule", "rss_kb", "candidates_per_event", "dearest_event_us", "dearest_event"}
RULES = [{"id": "all"}, {"id": "orders", "types": ["order.*"]}, {"id": "fr", "pattern": {"user": {"country": ["FR", "BE"]}}},
         {"id": "off", "enabled": False}, {"id": "late", "regex": {"note": "late$"}}]
EVENTS = ['{"type":"order.created","user":{"country":"FR"}}', " ", '{"type":"payment","note":"too late"}', "[1]",
          '{"user":{"country":"BE"},"note":"late"}', "{}"]


def fnv1a(text):
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return value


class Bench:
    def __init__(self, programs, folder):
        self.program, self.folder = os.path.join(programs, "eventrouterctl"), folder

    def file(self, name, lines):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
        return os.path.join(self.folder, name)

    def run(self, *words):
        return subprocess.run([self.program, "rule", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def agrees_with_rule_test(bench):
    files = ["--rules", bench.file("rules.jsonl", map(json.dumps, RULES)), "--events", bench.file("events.jsonl", EVENTS)]
    told = [json.loads(line) for line in bench.run("test", *files).stdout.splitlines()]
    matches = [f"{event['event']}:{rule}" for event in told for rule in event["matched"]]
    done = bench.run("bench", *files, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found.keys() == MEMBERS, done
    assert len(matches) == 9, matches
    assert found["matches_total"] == len(matches) and found["match_hash"] == f"{sum(map(fnv1a, matches)) % (1 << 64):016x}", found
    assert found["status"] == "ok" and found["events"] == found["hash_events"] == len(told) == 5, found
    assert found["dearest_event_us"] > 0 and 0 <= found["dearest_event"] <= len(EVENTS), found
    assert found["ns_per_event"] > 0 and found["bytes_per_rule"] > 0 and found["rss_kb"] > 0 and found["add_max_us"] > 0, found


def bad_rule(bench):
    done = bench.run("bench", "--rules", bench.file("bad.jsonl", ['{"id":"A"}']), "--events", bench.file("one.jsonl", ["{}"]), "--json")
    assert done.returncode == 2 and done.stdout == "" and "error[" in done.stderr, done


def no_events(bench):
    done = bench.run("bench", "--rules", bench.file("rules.jsonl", map(json.dumps, RULES)))
    assert done.returncode == 2 and "--events" in done.stderr, done


def main():
    programs = sys.argv[sys.argv.index("--programs") + 1]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate((agrees_with_rule_test, bad_rule, no_events), 1):
            try:
                case(Bench(programs, folder))
                print(f"ok {number} - {case.__name__}")
            except AssertionError as error:
                failed += 1
                print(f"not ok {number} - {case.__name__}: {error}")
    sys.exit(failed != 0)


main()
