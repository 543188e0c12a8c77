"""Rules that change while events flow: each event is decided by one revision, and an answered change holds."""
import json

import pytest
from rig import Load, Record, assert_exact, compare, until
from small import RULES, event, expected


def numbers(kafka, topic):
    return [json.loads(r.value)["n"] for r in kafka.read(topic)] if kafka.partitions(topic) else []


@pytest.mark.deadline(240)
def test_swap_puts_each_event_in_exactly_one(kafka, router):
    one = router(destinations__provenance="full", router__workers=1)
    kafka.create(one.raw, 4)
    one.start()
    one.apply([{"id": "a", "subscriber": "a"}])
    for name in ("a", "b"):
        one.must("PUT", f"/v1/subscribers/{name}", {"id": name})
    load = Load(kafka, one.raw, 4, event, 3000).start()
    swaps = 40
    for turn in range(swaps):
        name = "ba"[turn % 2]
        revision = one.apply([{"id": name, "subscriber": name}], prune=True).revision
        assert revision == one.revision()
        before = one.balance()["received"]  # not what the load has produced: its first events may wait for the broker
        until(lambda: one.balance()["received"] > before + 50, 20, "events decided by this revision")
    records = load.stop()
    one.settle(len(records))
    assert one.terminate() == 0
    wanted = {(r.partition, r.offset): r for r in records}
    where, revisions = {}, {}
    for name in ("a", "b"):
        for copy in kafka.read(one.topic(name)):
            place = copy.source[1:]
            assert place not in where, f"{place} is in both"
            where[place] = name
            revisions[place] = int(copy.header("eventrouter-revision"))
            assert copy.header("eventrouter-subscriptions") == name
            assert copy.value == wanted[place].value
    assert len(where) == len(records), f"{len(records) - len(where)} events are in neither"
    assert len(set(where.values())) == 2
    for partition in range(4):
        seen = [revisions[p] for p in sorted(revisions) if p[0] == partition]
        assert seen == sorted(seen), "revisions go back along a partition"


@pytest.mark.deadline(240)
def test_answered_rules_hold_under_load(kafka, router):
    """An event that was written after the 2xx of an addition is delivered by it; one written after the 2xx of a removal is not."""
    one = router()
    kafka.create(one.raw, 4)
    one.start()
    one.apply(RULES)
    load = Load(kafka, one.raw, 4, event, 2000).start()
    spans, reader = {}, kafka.consumer()

    def copies(topic):
        return sum(kafka.ends(topic, reader).values())

    for turn in range(15):
        name = f"late-{turn}"
        one.must("POST", "/v1/subscriptions", {"id": name, "subscriber": name, "types": ["order.*"]})
        begin = load.count() + 1
        until(lambda: copies(one.topic(name)) >= 20, 20, f"copies for {name}")
        end = load.count()
        one.must("DELETE", f"/v1/subscriptions/{name}")
        spans[name] = begin, end, load.count() + 1
    records = load.stop()
    one.settle(len(records))
    assert one.terminate() == 0
    assert_exact(compare(kafka, expected(one, records), expected(one, []), one.raw))
    for name, (begin, end, over) in spans.items():
        got = numbers(kafka, one.topic(name))
        orders = [n for n in range(len(records)) if n % 3 == 0]
        assert len(got) == len(set(got)), "a duplicate"
        # Events that were read before the addition was active may be missing, but a worker may lag behind the producer, never
        # lead it: everything written after the answer is in.
        missing = [n for n in orders if begin <= n < end and n not in set(got)]
        # What was written before the removal was asked for but not yet read may be gone: only a suffix may be missing.
        by_partition = {}
        for n in missing:
            by_partition.setdefault(n % 4, []).append(n)
        for partition, lost in by_partition.items():
            arrived = [n for n in got if n % 4 == partition]
            assert not arrived or min(lost) > max(arrived), f"{name}: hole at {min(lost)} in partition {partition}"
        assert not [n for n in got if n >= over], f"{name}: an event from after its time"


@pytest.mark.deadline(120)
def test_new_rule_routes_the_next_event_and_survives_kill(kafka, router):
    one = router()
    kafka.create(one.raw, 1)
    one.start()
    for turn in range(10):
        name = f"s{turn}"
        one.must("POST", "/v1/subscriptions", {"id": name, "subscriber": name})
        kafka.produce(one.raw, [event(turn)])
        one.settle(turn + 1)
        assert numbers(kafka, one.topic(name)) == [turn]
    one.kill()
    one.start()
    assert sorted(d["id"] for d in one.must("GET", "/v1/subscriptions").json["items"]) == sorted(f"s{i}" for i in range(10))
    kafka.produce(one.raw, [event(99)])
    until(lambda: numbers(kafka, one.topic("s0")).count(99) == 1, 30, "copy after the restart")


def test_one_subscriber_with_many_rules_gets_one_copy(kafka, router):
    one = router(destinations__provenance="full")
    kafka.create(one.raw, 1)
    one.start()
    one.apply([{"id": f"r{i}", "subscriber": "s", "types": [t]} for i, t in enumerate(["*", "order.*", "order.created", "x"])])
    kafka.produce(one.raw, [event(0)])
    assert one.settle(1)["routed"] == 1
    copies = kafka.read(one.topic("s"))
    assert len(copies) == 1
    assert copies[0].header("eventrouter-subscriptions") == "r0,r1,r2"
    assert copies[0].header("eventrouter-revision") == str(one.revision())


def test_disabled_rule_does_not_match(kafka, router):
    one = router()
    kafka.create(one.raw, 1)
    one.start()
    one.apply([{"id": "on", "subscriber": "on"}, {"id": "off", "subscriber": "off", "enabled": False}])
    kafka.produce(one.raw, [Record(b'{"type":"x"}')])
    assert one.settle(1)["routed"] == 1
    one.must("PATCH", "/v1/subscriptions/off", {"enabled": True}, {"Content-Type": "application/merge-patch+json"})
    kafka.produce(one.raw, [Record(b'{"type":"y"}')])
    one.settle(2)
    assert [r.value for r in kafka.read(one.topic("off"))] == [b'{"type":"y"}']
