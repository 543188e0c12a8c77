"""router.delivery = exactly-once on a real node: copies and offsets are one, nothing is doubled whatever happens, and it says so."""
import json
import random
import re
import threading
import time
from datetime import datetime

import pytest
from confluent_kafka import TopicPartition

from rig import Load, Record, assert_balance, assert_exact, compare, until
from small import RULES, event, expected
from test_faults import Progress, all_committed

ALL = ("all", "orders", "fives")
TRANSACTIONS = "eventrouter_transactions_total"


@pytest.fixture
def exact(router):
    """A router that delivers exactly once."""
    return lambda **config: router(**{"router__delivery": "exactly-once", **config})


def started(kafka, one, partitions=4):
    kafka.create(one.raw, partitions)
    one.start()
    one.apply(RULES)
    return one


def assert_exactly_once(kafka, one, records):
    result = compare(kafka, expected(one, records), expected(one, []), one.raw)
    print(f"# {len(records)} events, {result['copies']} copies, lost {result['lost']}, duplicated {result['duplicated']}, "
          f"reordered {result['reordered']}")
    assert_exact(result)


class Reader:
    """Reads a topic read_committed, from its start, as its consumers do."""

    def __init__(self, kafka, topic):
        self.consumer = kafka.consumer(**{"enable.partition.eof": False, "fetch.wait.max.ms": 5})
        self.consumer.assign([TopicPartition(topic, p, 0) for p in range(kafka.partitions(topic))])

    def records(self, most=500, seconds=1.0):
        """[(source partition, source offset, value)]"""
        found = []
        for message in self.consumer.consume(most, seconds):
            assert message.error() is None, message.error()
            source = dict(message.headers())["eventrouter-source"].decode().rsplit("/", 2)
            found.append((int(source[1]), int(source[2]), message.value()))
        return found

    def close(self):
        self.consumer.close()


@pytest.mark.deadline(180)
def test_no_copy_is_there_before_its_offset(kafka, exact):
    """Whoever sees a copy finds the event's offset committed: the two became visible together."""
    one = started(kafka, exact())
    load = Load(kafka, one.raw, 4, event, 2000).start()
    reader, group = Reader(kafka, one.topic("all")), kafka.consumer(**{"group.id": one.config["router.group"]})
    samples, ahead, end = 0, [], time.monotonic() + 60
    while samples < 150 and time.monotonic() < end:
        seen = {}
        for partition, offset, _ in reader.records(random.randrange(1, 300)):
            seen[partition] = max(offset, seen.get(partition, -1))
        if not seen:
            continue
        # the answer waits for offsets of transactions that are just being committed
        for place in group.committed([TopicPartition(one.raw, p) for p in seen], timeout=20):
            samples += 1
            if place.offset <= seen[place.partition]:
                ahead.append((place.partition, seen[place.partition], place.offset))
    records = load.stop()
    reader.close()
    group.close()
    assert samples >= 150
    assert not ahead, f"{len(ahead)} of {samples} samples: copy of (partition, offset) with the group at: {ahead[:3]}"
    one.settle(len(records))
    assert one.terminate() == 0
    assert_exactly_once(kafka, one, records)


@pytest.mark.deadline(300)
def test_killed_twenty_times(kafka, exact):
    """kill -9 at any moment: the next process ends what the last one began, and goes on where it had committed."""
    rng = random.Random(7)
    one = started(kafka, exact())
    load = Load(kafka, one.raw, 4, event, 2000).start()
    progress = Progress(kafka, one.topic("all"))
    for turn in range(20):
        progress.wait(rng.randrange(1, 1500))
        if turn % 2:  # within the first transactions of a new process, too
            threading.Event().wait(rng.random() * 0.3)
        one.kill()
        one.start(ready=False)
    progress.wait(100)
    records = load.stop()
    one.wait_ready()
    all_committed(kafka, one, records)
    assert_balance(one.balance())
    assert one.terminate() == 0
    assert_exactly_once(kafka, one, records)


def ending_seconds(router):
    """From the failure to the end, as its log says."""
    failed, stopped = (datetime.fromisoformat(re.findall(r"time=(\S+)Z .*" + what, router.log_text())[-1])
                       for what in ('msg="the router cannot go on"', "msg=stopped"))
    return (stopped - failed).total_seconds()


@pytest.mark.deadline(180)
def test_second_router_of_the_same_name(kafka, exact):
    """Two processes with one router.instance: the first is fenced, says so and ends; what it had begun is not committed."""
    one, two = exact(router__instance="twin"), exact(router__instance="twin")
    started(kafka, two)
    assert two.terminate() == 0  # its store has the rules
    one.start()
    one.apply(RULES)
    load = Load(kafka, one.raw, 4, event, 2000).start()
    Progress(kafka, one.topic("all")).wait(500)
    two.start()
    until(lambda: one.process.poll() is not None, 60, f"end of the first\n{one.log_tail()}")
    assert one.process.returncode == 70, one.log_tail()
    assert "fenced" in one.log_text().lower(), one.log_tail()
    assert ending_seconds(one) < 8, one.log_tail()  # whoever starts it again should not have to wait for the whole shutdown_timeout
    Progress(kafka, one.topic("all")).wait(500)
    records = load.stop()
    all_committed(kafka, two, records)
    assert two.process.poll() is None, two.log_tail()
    assert two.terminate() == 0
    assert_exactly_once(kafka, two, records)


@pytest.mark.deadline(400)
def test_broker_stops_and_starts_in_mid_stream(own_kafka, exact):
    own_kafka.start()
    one = started(own_kafka, exact(bootstrap=own_kafka.bootstrap))
    load = Load(own_kafka, one.raw, 4, event, 1000).start()

    def committed():
        assert one.process.poll() is None, f"the router ended with {one.process.returncode}\n{one.log_tail()}"
        return one.metrics().get(TRANSACTIONS + '{result="committed"}', 0)

    def transactions(more):
        """What has waited meanwhile may all be in the first one."""
        goal = committed() + more
        try:
            until(lambda: committed() >= goal, 100, f"{more} transactions more", every=0.1)
        except AssertionError as error:
            lines = [line for line in one.log_text().splitlines() if "admin request" not in line]
            raise AssertionError("\n".join([str(error), str(one.metrics()), *lines[-60:]])) from None

    for how in ("TERM", "KILL"):
        transactions(5)
        own_kafka.stop(how)
        own_kafka.start()
        begin = time.monotonic()
        transactions(1)
        print(f"# {how}: a transaction {time.monotonic() - begin:.1f} s after the broker's return")
    transactions(5)
    load.stop()
    records = own_kafka.read(one.raw)  # the load's producer may have written some twice: it has no transactions
    all_committed(own_kafka, one, records)
    balance, metrics = one.balance(), one.metrics()
    assert balance["received"] + metrics["eventrouter_dropped_events_total"] >= len(records) >= balance["received"], balance
    assert_balance(balance)
    renewals, doubtful = metrics["eventrouter_producer_renewals_total"], metrics["eventrouter_transactions_doubtful_total"]
    print(f"# transactions: {committed():.0f} committed, {metrics[TRANSACTIONS] - committed():.0f} aborted, {doubtful:.0f} doubtful, "
          f"{renewals:.0f} producers")
    assert 1 <= renewals < 50
    assert metrics["eventrouter_in_flight_events"] == 0
    assert one.terminate() == 0
    assert_exactly_once(own_kafka, one, records)


@pytest.mark.deadline(120)
def test_large_record_between_others(kafka, exact):
    """One copy is too large for one destination: it alone becomes a dead letter, and everybody else sees each event once, in order."""
    one = exact()
    kafka.create(one.raw, 1)
    kafka.create(one.topic("orders"), 1, max_message_bytes=5000)
    one.start()
    one.apply(RULES)
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=20000))
    records = [event(n) for n in range(600)]
    big = records[300] = event(300, text=noise)  # an order
    begin = time.time()
    kafka.produce(one.raw, records)
    balance = one.settle(len(records))
    assert balance == {"received": 600, "routed": 599, "unmatched": 0, "dead_lettered": 1}, balance
    letters = kafka.read(one.dead)
    assert [(r.value, r.key, r.header("eventrouter-error-code"), r.header("eventrouter-subscriber")) for r in letters] == \
        [(big.value, big.key, "E604", "orders")]
    assert int(letters[0].header("eventrouter-attempts")) >= 1
    assert begin - 60 < time.mktime(time.strptime(letters[0].header("eventrouter-first-failed-at")[:19], "%Y-%m-%dT%H:%M:%S")) - \
        time.timezone < time.time() + 60
    metrics = one.metrics()
    assert metrics[TRANSACTIONS + '{result="aborted"}'] >= 1
    assert metrics.get("eventrouter_breakers_open", 0) == 0
    assert one.terminate() == 0
    wanted = expected(one, records)
    wanted[one.topic("orders")].remove(big)
    assert_exact(compare(kafka, wanted, wanted, one.raw))


def test_guard_off_is_warned_of(kafka, exact):
    for guard in ("off", "on"):
        one = exact(router__guard=guard)
        if guard == "off":
            kafka.create(one.raw, 1)
        one.start()
        warned = [line for line in one.log_text().splitlines() if "router.guard is off" in line]
        assert len(warned) == (guard == "off"), one.log_text()
        assert all("warn" in line for line in warned), warned
        assert one.terminate() == 0


@pytest.mark.deadline(120)
def test_time_until_a_copy_is_seen(kafka, exact):
    """From the producer's clock to a read_committed reader; printed, and checked only for being there."""
    one = started(kafka, exact(), 1)
    load = Load(kafka, one.raw, 1, lambda n: event(n, at=time.time_ns()), 500).start()
    reader, waits = Reader(kafka, one.topic("all")), []
    until(lambda: reader.records() or None, 30, "first copy")
    end = time.monotonic() + 10
    while len(waits) < 2000 and time.monotonic() < end:
        found = reader.records(100, 0.1)
        now = time.time_ns()
        waits += [(now - json.loads(value)["at"]) / 1e6 for _, _, value in found]
    records = load.stop()
    reader.close()
    one.settle(len(records))
    assert one.terminate() == 0
    waits.sort()
    assert len(waits) > 500
    print(f"# 500 events/s, {len(waits)} copies: median {waits[len(waits) // 2]:.0f} ms, p99 {waits[len(waits) * 99 // 100]:.0f} ms, "
          f"longest {waits[-1]:.0f} ms")


def test_a_single_event_is_not_kept(kafka, exact):
    """Nothing else comes: its transaction ends by itself."""
    one = started(kafka, exact(), 1)
    kafka.produce(one.raw, [Record(b'{"type":"order.created","n":1}', b"k")])
    until(lambda: len(kafka.read(one.topic("all"))) == 1, 20, "the copy")
    assert one.settle(1)["routed"] == 1
    assert one.metrics()[TRANSACTIONS + '{result="committed"}'] == 1
