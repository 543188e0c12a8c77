"""Killed, stopped, joined, left, started without a broker: nothing lost, and doubled only after a fault."""
import random

import pytest
from rig import Load, assert_balance, assert_exact, compare, until
from small import RULES, event, expected


class Progress:
    """Copies that have arrived at a topic, asked cheaply."""

    def __init__(self, kafka, topic):
        self.kafka, self.topic = kafka, topic
        self.consumer = kafka.consumer()

    def copies(self):
        """With exactly-once, markers of transactions count too."""
        return sum(self.kafka.ends(self.topic, self.consumer).values())

    def exactly(self):
        return sum(1 for _ in self.kafka.scan([self.topic]))

    def wait(self, more, seconds=40):
        goal = self.copies() + more
        until(lambda: self.copies() >= goal, seconds, f"{more} more copies at {self.topic}")


def all_committed(kafka, router, records):
    """Waits until the group has committed everything that was produced."""
    until(lambda: sum(kafka.committed(router.config["router.group"], router.raw).values()) == len(records), 60, "commit of every event")


@pytest.mark.deadline(300)
def test_killed_twenty_times(kafka, router):
    rng = random.Random(3)
    one = router(router__instance="killed-one")
    kafka.create(one.raw, 4)
    one.start()
    one.apply(RULES)
    load = Load(kafka, one.raw, 4, event, 3000).start()
    progress = Progress(kafka, one.topic("all"))
    unmatched = 0
    for _ in range(20):
        progress.wait(rng.randrange(1, 2000))
        unmatched += one.balance()["unmatched"]
        one.kill()
        one.start(ready=False)
    progress.wait(100)
    records = load.stop()
    one.wait_ready()
    all_committed(kafka, one, records)
    until(lambda: one.balance()["received"] > 0, 10, "counters")
    assert_balance(one.balance())
    assert len(one.must("GET", "/v1/subscriptions").json["items"]) == len(RULES)
    assert one.terminate() == 0
    result = compare(kafka, expected(one, records), expected(one, []), one.raw)
    print(f"# kill -9 x 20: {len(records)} events, {result['copies']} copies, lost {result['lost']}, "
          f"duplicated {result['duplicated']}, unmatched {unmatched}")
    # A replay begins again at the last commit: order is kept within each run, so only first copies are compared for it.
    assert_exact(result, duplicates=not one.exactly_once)


@pytest.mark.deadline(300)
def test_stopped_ten_times_without_a_duplicate(kafka, router):
    rng = random.Random(4)
    one = router()
    kafka.create(one.raw, 4)
    one.start()
    one.apply(RULES)
    load = Load(kafka, one.raw, 4, event, 3000).start()
    progress = Progress(kafka, one.topic("all"))
    handled = 0
    for _ in range(10):
        progress.wait(rng.randrange(1, 3000))
        assert one.terminate(seconds=12) == 0
        done = sum(max(0, o) for o in kafka.committed(one.config["router.group"], one.raw).values())
        assert done == progress.exactly(), "a graceful stop commits exactly what it delivered"
        handled = done
        one.start(ready=False)
    one.wait_ready()
    records = load.stop()
    all_committed(kafka, one, records)
    assert one.settle(len(records) - handled)["dead_lettered"] == 0
    assert one.terminate() == 0
    assert_exact(compare(kafka, expected(one, records), expected(one, []), one.raw))


@pytest.mark.deadline(300)
def test_two_routers_join_and_leave(kafka, router):
    one, two = router(), router()
    kafka.create(one.raw, 4)
    for each in (one, two):
        each.start()
        each.apply(RULES)
    load = Load(kafka, one.raw, 4, event, 2000).start()
    progress = Progress(kafka, one.topic("all"))

    def both_work():
        before = [r.balance()["received"] for r in (one, two)]
        until(lambda: all(r.balance()["received"] > b for r, b in zip((one, two), before)), 60, "work at both routers")

    both_work()
    for leaver in (two, one, two):
        assert leaver.terminate(12) == 0
        progress.wait(500)
        leaver.start()
        both_work()
    records = load.stop()
    all_committed(kafka, one, records)
    for each in (one, two):
        assert_balance(each.balance())
        assert each.terminate() == 0
    assert_exact(compare(kafka, expected(one, records), expected(one, []), one.raw))


@pytest.mark.deadline(300)
def test_survivor_takes_over_from_a_killed_router(kafka, router):
    one, two = router(), router()
    kafka.create(one.raw, 4)
    for each in (one, two):
        each.start()
        each.apply(RULES)
    load = Load(kafka, one.raw, 4, event, 2000).start()
    until(lambda: all(r.balance()["received"] > 100 for r in (one, two)), 60, "work at both routers")
    two.kill()
    before = one.balance()["received"]
    until(lambda: len([o for o in kafka.committed(one.config["router.group"], one.raw).values() if o > 0]) == 4 and
          one.balance()["received"] > before + 4000, 60, "work of the survivor")
    records = load.stop()
    all_committed(kafka, one, records)
    assert one.terminate() == 0
    result = compare(kafka, expected(one, records), expected(one, []), one.raw)
    print(f"# one of two killed: {len(records)} events, lost {result['lost']}, duplicated {result['duplicated']}")
    assert_exact(result, duplicates=not one.exactly_once)


@pytest.mark.deadline(180)
def test_no_broker_at_start(own_kafka, router):
    own_kafka.start()
    one = router(bootstrap=own_kafka.bootstrap)
    own_kafka.create(one.raw, 2)
    own_kafka.stop()
    one.start(ready=False)

    def not_ready():
        assert one.process.poll() is None, one.log_tail()
        try:
            return one.admin("GET", "/readyz?verbose")
        except OSError:
            return None

    answer = until(not_ready, 20, "admin socket")
    assert answer.status == 503, answer
    assert one.must("GET", "/v1/subscriptions").json["items"] == []
    assert one.must("GET", "/livez").status == 200
    own_kafka.start()
    one.wait_ready(60)
    one.apply(RULES)
    records = own_kafka.produce(one.raw, [event(n) for n in range(200)])
    one.settle(200)
    assert one.terminate() == 0
    assert_exact(compare(own_kafka, expected(one, records), expected(one, []), one.raw))


@pytest.mark.deadline(180)
def test_broker_goes_away_and_comes_back(own_kafka, router):
    own_kafka.start()
    one = router(bootstrap=own_kafka.bootstrap)
    own_kafka.create(one.raw, 2)
    one.start()
    one.apply(RULES)
    records = own_kafka.produce(one.raw, [event(n) for n in range(500)])
    one.settle(500)
    own_kafka.stop("KILL")
    until(lambda: one.admin("GET", "/readyz").status == 503, 60, "not ready without a broker")
    assert one.must("GET", "/v1/status").status == 200
    own_kafka.start()
    records += own_kafka.produce(one.raw, [event(n) for n in range(500, 1000)])
    one.settle(1000, 60)
    one.wait_ready(30)
    assert one.terminate() == 0
    assert_exact(compare(own_kafka, expected(one, records), expected(one, []), one.raw), duplicates=not one.exactly_once)
