"""source.start = latest: where a new group begins, and what comes after."""
from confluent_kafka.admin import NewPartitions

from rig import Record, assert_exact, compare, until, wait_for


def events(partition, first, n):
    return [Record(b'{"type":"t","n":%d}' % number, partition=partition) for number in range(first, first + n)]


def test_latest(kafka, router):
    one = router(source__start="latest", router__workers=2, kafka__consumer__topic__metadata__refresh__interval__ms=500)
    group, copies = one.config["router.group"], one.topic("all")
    kafka.create(one.raw, 4)
    kafka.produce(one.raw, [record for partition in range(4) for record in events(partition, 0, 10)])
    one.start()
    one.apply([{"id": "all", "subscriber": "all"}])
    until(lambda: kafka.committed(group, one.raw) == dict.fromkeys(range(4), 10), what="first commit of a new group")
    assert one.terminate() == 0

    # the beginning stays where it was, though nothing has been read
    wanted = kafka.produce(one.raw, [record for partition in range(4) for record in events(partition, 10, 10)])
    one.start()
    one.settle(40)
    assert_exact(compare(kafka, {copies: wanted}, [copies], one.raw))

    # a partition that is added later is read from its first event
    wait_for(kafka.admin.create_partitions([NewPartitions(one.raw, 6)])[one.raw])
    until(lambda: kafka.partitions(one.raw) == 6, what="two more partitions")
    wanted += kafka.produce(one.raw, events(4, 0, 10) + events(5, 0, 10))
    one.settle(60)
    assert_exact(compare(kafka, {copies: wanted}, [copies], one.raw))
