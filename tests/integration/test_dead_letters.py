"""Dead letters: browsed, sent again, each once and in order."""
import json
import os
import random

import pytest
from confluent_kafka.admin import ConfigResource
from rig import SOURCE, Load, Record, until
from small import event

NOISE = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=6000))  # does not compress below 2000 bytes


def configure(kafka, topic, **config):
    """Sets the whole configuration of a topic."""
    resource = ConfigResource("topic", topic, set_config={k.replace("_", "."): str(v) for k, v in config.items()})
    kafka.admin.alter_configs([resource])[resource].result(20)


def letters(one, query="", limit=1000):
    """All items of a list, page by page."""
    found, token = [], ""
    while True:
        page = one.must("GET", f"/v1/dead-letters?limit={limit}{query}{'&page_token=' + token if token else ''}").json
        assert len(page["items"]) <= limit
        found += page["items"]
        token = page["next_page_token"]
        if not token:
            return found


def await_letters(one, n):
    """Also exactly-once: the markers of a transaction may be a moment behind the router's commit."""
    until(lambda: len(letters(one, "&brief")) >= n, 20, f"{n} dead letters")
    found = letters(one)
    assert len(found) == n
    return found


def ref(record):
    return f"{record.partition}-{record.offset}"


def big(number):
    return Record(json.dumps({"type": "x", "n": number, "text": NOISE}).encode(), f"k{number % 7}".encode(), [("h", b"\xff\x00"), ("h", None)],
                  1700000000000 + number)


def with_small_topic(kafka, router, **config):
    """A router with subscriber `small`, whose topic takes 2000 bytes, and `large`."""
    one = router(**config)
    kafka.create(one.raw, 2)
    kafka.create(one.topic("small"), 3, max_message_bytes=2000)
    one.start()
    one.apply([{"id": n, "subscriber": n} for n in ("small", "large")])
    return one


def test_browse(kafka, router):
    one = router()
    kafka.create(one.raw, 1)
    kafka.create(one.topic("small"), 1, max_message_bytes=2000)
    one.start()
    one.apply([{"id": "small", "subscriber": "small", "types": ["x"]}])
    binary = Record(b"\xfd\xfe", b"\xfd", [("h", "ä".encode()), ("b", b"\x80"), ("n", None)], 1700000000000)
    kafka.produce(one.raw, [binary, Record(b'{"a":}', None)])
    one.settle(2)
    kafka.produce(one.raw, [big(1)])
    one.settle(3)
    found = await_letters(one, 3)
    assert [ref(r) for r in reversed(kafka.read(one.dead))] == [f["ref"] for f in found]
    newest, cut, bad = found
    assert (newest["code"], newest["stage"], newest["subscriber"], newest["subscription"]) == ("E604", "produce", "small", "small")
    assert newest["value_bytes"] > 6000 and newest["value_truncated"] is True and newest["value"].startswith('{"type": "x"') and len(newest["value"]) == 4096
    assert newest["source"] == f"{one.raw}/0/2" and newest["attempts"] >= 1 and newest["timestamp"] == "2023-11-14T22:13:20.001Z"
    assert newest["headers"] == [{"name": "h", "value": "/wA=", "value_encoding": "base64"}, {"name": "h", "value": None}]
    assert (cut["code"], cut["stage"], cut["error_offset"], cut["key"], cut["subscriber"]) == ("E101", "parse", 5, None, None)
    assert bad["code"] == "E102" and bad["value"] == "/f4=" and bad["value_encoding"] == "base64"
    assert bad["key"] == "/Q==" and bad["key_encoding"] == "base64"
    assert bad["headers"] == [{"name": "h", "value": "ä"}, {"name": "b", "value": "gA==", "value_encoding": "base64"}, {"name": "n", "value": None}]
    # the same, page by page and chosen
    assert letters(one, limit=1) == found
    assert [f["ref"] for f in letters(one, "&reason=E604")] == [newest["ref"]]
    assert [f["ref"] for f in letters(one, "&stage=parse")] == [cut["ref"], bad["ref"]]
    assert [f["ref"] for f in letters(one, "&subscriber=small")] == [newest["ref"]]
    assert letters(one, "&subscriber=nobody") == [] and letters(one, "&until=1h") == []
    assert [f["ref"] for f in letters(one, "&since=1h")] == [f["ref"] for f in found]
    assert [f["ref"] for f in letters(one, f"&since={newest['first_failed_at']}")] == [newest["ref"]]
    assert "value" not in letters(one, "&brief")[0]
    # one, whole
    whole = one.must("GET", f"/v1/dead-letters/{newest['ref']}").json
    assert whole["value"].encode() == big(1).value and "value_truncated" not in whole
    shown = one.ctl("dead-letter", "show", newest["ref"], "--value", check=0)
    assert shown.stdout.encode() == big(1).value
    table = one.ctl("dead-letter", "list", "--stage", "parse", check=0).stdout.splitlines()
    assert [line.split()[:2] for line in table] == [["REF", "CODE"], [cut["ref"], "E101"], [bad["ref"], "E102"]]
    for unknown in ("0-3000", "7-0", "nonsense"):
        assert one.admin("GET", f"/v1/dead-letters/{unknown}").status == 404, unknown
        one.ctl("dead-letter", "show", unknown, check=3)
    for refused in (cut, bad):
        answer = one.admin("POST", f"/v1/dead-letters/{refused['ref']}/retry")
        assert answer.status == 422 and answer.codes == ["E441"] and refused["source"] in answer.json["detail"], answer
    assert one.terminate() == 0


def test_retry_sends_the_event_once(kafka, router):
    one = with_small_topic(kafka, router)
    records = kafka.produce(one.raw, [big(1), Record(json.dumps({"type": "x", "text": NOISE}).encode(), None, None, 5000)])
    one.settle(2)
    assert kafka.read(one.topic("small")) == []
    found = {f["source"]: f for f in await_letters(one, 2)}
    first = found[f"{one.raw}/{records[0].partition}/{records[0].offset}"]
    # it is still too large
    answer = one.admin("POST", f"/v1/dead-letters/{first['ref']}/retry")
    assert answer.status == 422 and answer.codes == ["E604"], answer
    assert letters(one)[0]["retried"] is None
    configure(kafka, one.topic("small"), max_message_bytes=100000)

    def accepted():
        answer = one.admin("POST", f"/v1/dead-letters/{first['ref']}/retry")
        assert answer.status in (200, 422), answer  # the broker may not have heard of its new setting
        return answer if answer.status == 200 else None

    sent = until(accepted, 20, "larger records").json
    written = kafka.read(one.topic("small"))
    assert [(r.topic, r.partition, r.offset) for r in written] == [(sent["topic"], sent["partition"], sent["offset"])]
    again = one.admin("POST", f"/v1/dead-letters/{first['ref']}/retry")
    assert again.status == 409 and again.codes == ["E443"], again
    one.ctl("dead-letter", "retry", "--all", "--subscriber", "small", "--reason", "E604", check=0)
    written = {r.source[1:]: r for r in kafka.read(one.topic("small"))}
    assert len(written) == 2
    for record, letter in ((record, found[f"{one.raw}/{record.partition}/{record.offset}"]) for record in records):
        copy = written[record.partition, record.offset]
        assert (copy.value, copy.key, copy.timestamp) == (record.value, record.key, record.timestamp)
        assert copy.headers == record.headers + [(SOURCE, letter["source"].encode()), ("eventrouter-attempts", str(letter["attempts"] + 1).encode())]
    # as the copies that were delivered at once: same partition
    whole = Record(records[0].value[:100] + b'"}', records[0].key)
    assert records[0].key is not None
    kafka.produce(one.raw, [Record(b'{"type":"x"}', records[0].key), Record(b'{"type":"x"}', None, partition=records[1].partition)])
    one.settle(4)
    small = kafka.read(one.topic("small"))
    assert len({r.partition for r in small if r.key == whole.key}) == 1
    assert len({r.partition for r in small if r.key is None}) == 1
    # remembered over a restart, and by the letter
    assert one.terminate() == 0
    one.start()
    assert {f["retried"]["outcome"] for f in letters(one)} == {"sent"}
    done = one.ctl("dead-letter", "retry", "--all", check=0)
    assert "0 retried, 0 left, 2 sent before" in done.stderr
    assert len(kafka.read(one.topic("small"))) == 4
    assert one.must("POST", f"/v1/dead-letters/{first['ref']}/retry?again=true").json["attempts"] == first["attempts"] + 1
    assert len(kafka.read(one.topic("small"))) == 5
    metrics = one.metrics()
    assert metrics['eventrouter_dead_letter_retries_total{result="sent"}'] == 1
    assert metrics['eventrouter_dead_letter_retries_total{result="unknown"}'] == 0


@pytest.mark.deadline(240)
def test_retry_of_many_is_in_order(kafka, router):
    """A topic that was away for a while, under load: in the end its subscriber has every event once, the late ones in order."""
    one = router(destinations__create="false")
    kafka.create(one.raw, 3)
    kafka.create(one.dead, 2)
    for name in ("theirs", "other"):
        kafka.create(one.topic(name), 1)
    one.start()
    one.apply([{"id": n, "subscriber": n} for n in ("theirs", "other")])
    kafka.produce(one.raw, [event(0)])
    one.settle(1)
    kafka.delete(one.topic("theirs"))
    load = Load(kafka, one.raw, 3, event, 300).start()
    until(lambda: one.balance()["dead_lettered"] > 300, 60, "dead letters")
    records = load.stop()
    one.settle(1 + len(records))
    dead = until(lambda: [r for r in [kafka.read(one.dead)] if len(r) == one.balance()["dead_lettered"]], 20, "all dead letters")[0]
    assert {f["ref"] for f in letters(one, "&brief")} == {ref(r) for r in dead}
    assert [f["ref"] for f in letters(one, "&brief", 7)][:50] == [f["ref"] for f in letters(one, "&brief")][:50]
    failed = one.ctl("dead-letter", "retry", "--all", "--subscriber", "theirs", check=3)
    assert "E602" in failed.stderr and f"0 retried, {len(dead)} left" in failed.stderr
    kafka.create(one.topic("theirs"), 1)
    first = one.ctl("dead-letter", "retry", "--all", "--subscriber", "theirs", "--reason", "E602", "-o", "name", check=0)
    assert len(first.stdout.split()) == len(dead)
    copies = kafka.read(one.topic("theirs"))
    late = [r.source for r in copies if r.header("eventrouter-attempts")]
    assert sorted(late) == sorted(r.source for r in dead)
    assert late == sorted(late), "in the order of their source"
    values = {(r.partition, r.offset): r.value for r in records}
    assert all(r.value == values[r.source[1:]] for r in copies if r.header("eventrouter-attempts"))
    again = one.ctl("dead-letter", "retry", "--all", "--subscriber", "theirs", check=0)
    assert f"0 retried, 0 left, {len(dead)} sent before" in again.stderr
    assert len(kafka.read(one.topic("theirs"))) == len(copies)
    assert len(kafka.read(one.topic("other"))) == 1 + len(records)


def test_retry_where_it_cannot_go(kafka, router):
    one = with_small_topic(kafka, router)
    kafka.produce(one.raw, [big(1)])
    one.settle(1)
    (letter,) = await_letters(one, 1)
    one.must("DELETE", "/v1/subscribers/small?cascade=true")
    answer = one.admin("POST", f"/v1/dead-letters/{letter['ref']}/retry")
    assert answer.status == 422 and answer.codes == ["E441"] and "small" in answer.json["detail"], answer
    # a subscriber that was made again has another topic: the copy goes there
    one.must("PUT", "/v1/subscribers/small", {"topic": f"{one.prefix}.elsewhere"})
    one.ctl("dead-letter", "retry", letter["ref"], check=0)
    assert [r.value for r in kafka.read(f"{one.prefix}.elsewhere")] == [big(1).value]
    assert kafka.read(one.topic("small")) == []


def test_truncated_letters_are_refused(kafka, router):
    one = router()
    kafka.create(one.raw, 1)
    kafka.create(one.dead, 1, max_message_bytes=3000)
    kafka.create(one.topic("small"), 1, max_message_bytes=2000)
    one.start()
    one.apply([{"id": "small", "subscriber": "small"}])
    kafka.produce(one.raw, [big(1)])
    one.settle(1)
    (letter,) = await_letters(one, 1)
    assert letter["truncated"] == len(big(1).value) and letter["value"] is None
    answer = one.admin("POST", f"/v1/dead-letters/{letter['ref']}/retry")
    assert answer.status == 422 and answer.codes == ["E442"], answer
    done = one.ctl("dead-letter", "retry", "--all", check=0)
    assert "0 retried, 0 left, 0 sent before, 1 that cannot be sent" in done.stderr


@pytest.mark.deadline(180)
def test_what_retention_took_is_gone(own_kafka, router):
    own_kafka.properties = ("log.retention.check.interval.ms=300", "log.initial.task.delay.ms=300")
    own_kafka.start()
    one = router(bootstrap=own_kafka.bootstrap)
    own_kafka.create(one.raw, 1)
    own_kafka.create(one.dead, 1, retention_ms=-1, segment_bytes=1048576)
    one.start()
    one.apply([{"id": "s", "subscriber": "s"}])
    own_kafka.produce(one.raw, [Record(b"{bad", None, None, 1700000000000), Record(b"{bad", None, None, 1700000000000)])
    one.settle(2)
    await_letters(one, 2)
    configure(own_kafka, one.dead, retention_ms=1000, segment_bytes=1048576)
    until(lambda: letters(one) == [], 60, "retention")
    answer = one.admin("GET", "/v1/dead-letters/0-1")
    assert answer.status == 410 and answer.codes == ["E440"], answer
    answer = one.admin("POST", "/v1/dead-letters/0-0/retry")
    assert answer.status == 410 and answer.codes == ["E440"], answer
    own_kafka.produce(one.raw, [Record(b"{bad", None, None, None)])  # of now: it stays for a second
    one.settle(3)
    assert one.admin("GET", "/v1/dead-letters/0-100").status == 404


def test_only_what_is_committed(kafka, router):
    """The offsets of aborted records and of transaction markers are no dead letters, and an open transaction hides what follows."""
    one = router()
    kafka.create(one.raw, 1)
    kafka.create(one.dead, 1)
    one.start()
    producer = kafka.producer(**{"transactional.id": f"{one.prefix}.txn"})
    producer.init_transactions(30)
    outcomes = []
    for number, commit in enumerate([True, False, True]):
        producer.begin_transaction()
        for _ in range(3):
            producer.produce(one.dead, f"{number}".encode(), headers={"eventrouter-error-code": "E101"})
        producer.flush(30)
        outcomes.append(commit)
        (producer.commit_transaction if commit else producer.abort_transaction)(30)
    expected = until(lambda: kafka.read(one.dead) if len(kafka.read(one.dead)) == 6 else None, 20, "committed records")
    found = letters(one, limit=2)
    assert [f["ref"] for f in found] == [ref(r) for r in reversed(expected)]
    listed = {f["ref"] for f in found}
    for offset in range(12):
        answer = one.admin("GET", f"/v1/dead-letters/0-{offset}")
        assert answer.status == (200 if f"0-{offset}" in listed else 404), (offset, answer)
    producer.begin_transaction()
    producer.produce(one.dead, b"open")
    producer.flush(30)
    assert [f["ref"] for f in letters(one)] == [ref(r) for r in reversed(expected)]
    assert one.admin("GET", "/v1/dead-letters/0-12").status == 404
    producer.abort_transaction(30)


@pytest.mark.deadline(180)
def test_without_a_broker(own_kafka, router):
    own_kafka.start()
    one = router(bootstrap=own_kafka.bootstrap)
    own_kafka.create(one.raw, 1)
    own_kafka.create(one.topic("small"), 1, max_message_bytes=2000)
    one.start()
    one.apply([{"id": "small", "subscriber": "small"}])
    own_kafka.produce(one.raw, [big(1)])
    one.settle(1)
    (letter,) = await_letters(one, 1)
    until(lambda: own_kafka.committed(one.config["router.group"], one.raw) == {0: 1}, 20, "commit; else the event is routed again")
    own_kafka.stop("KILL")
    answer = one.admin("GET", "/v1/dead-letters")
    assert answer.status == 504 and answer.codes == ["E601"], answer
    assert one.admin("GET", f"/v1/dead-letters/{letter['ref']}").status == 504
    one.ctl("dead-letter", "list", check=5)
    one.ctl("dead-letter", "retry", letter["ref"], check=5)
    assert one.must("GET", "/v1/subscribers").json["total"] == 1, "the rest of the API answers meanwhile"
    own_kafka.start()
    configure(own_kafka, one.topic("small"), max_message_bytes=100000)

    def delivered():
        answer = one.admin("POST", f"/v1/dead-letters/{letter['ref']}/retry")
        return answer.status == 200

    until(delivered, 60, "retry after the broker came back")
    assert len(own_kafka.read(one.topic("small"))) == 1
    assert one.terminate() == 0


def threads_of(one):
    return len(os.listdir(f"/proc/{one.process.pid}/task"))


@pytest.mark.deadline(180)
def test_many_letters_are_browsed_beside_routing(kafka, router):
    """A long topic: every page is bounded, all letters come once, and events go on being routed."""
    one = router()
    kafka.create(one.raw, 2)
    one.start()
    one.apply([{"id": "s", "subscriber": "s", "types": ["order.*"]}])
    kafka.produce(one.raw, [Record(b"{bad %d" % n) for n in range(30000)] + [Record(b"\xff")])
    one.settle(30001)
    before = threads_of(one)
    load = Load(kafka, one.raw, 2, event, 500).start()
    until(lambda: len(kafka.read(one.dead)) == 30001, 30, "all dead letters")
    found = letters(one, "&brief")
    assert len({f["ref"] for f in found}) == len(found) == 30001
    assert len(letters(one, "&brief&reason=E102")) == 1
    records = load.stop()
    balance = one.settle(30001 + len(records))
    assert balance["routed"] == len([r for r in records if b'"order.' in r.value])
    assert threads_of(one) > before
    until(lambda: threads_of(one) <= before + 1, 60, "end of the clients that nobody needs")  # the thread itself stays


@pytest.mark.deadline(240)
def test_a_paused_subscriber_loses_nothing(kafka, router):
    """Paused and resumed under load, also over a restart: in the end each event once, and the others notice nothing."""
    one = router()
    kafka.create(one.raw, 3)
    one.start()
    one.apply([{"id": n, "subscriber": n, "types": ["order.*"]} for n in ("sleeper", "other")])
    load = Load(kafka, one.raw, 3, event, 400).start()
    until(lambda: one.balance()["routed"] > 100, 30, "copies")
    before = one.revision()
    one.ctl("subscriber", "pause", "sleeper", check=0)
    assert one.revision() == before + 1
    one.ctl("subscriber", "pause", "sleeper", check=0)
    assert one.revision() == before + 1, "paused once is paused"
    # 2xx: active on every worker; what was read before may still be delivered
    until(lambda: one.balance()["dead_lettered"] > 200, 30, "dead letters")
    metrics = one.metrics()
    assert metrics["eventrouter_subscribers_paused"] == 1
    written = len(kafka.read(one.topic("sleeper")))
    counted = one.balance()["dead_lettered"]
    until(lambda: one.balance()["dead_lettered"] > counted + 100, 30, "more dead letters")
    assert len(kafka.read(one.topic("sleeper"))) == written, "nothing is written to the topic of a paused subscriber"
    refused = one.ctl("dead-letter", "retry", "--all", "--subscriber", "sleeper", check=3)
    assert "E610" in refused.stderr and "0 retried" in refused.stderr
    assert one.terminate() == 0
    one.start()
    until(lambda: one.balance()["dead_lettered"] > 50, 40, "dead letters after the restart")
    one.ctl("subscriber", "resume", "sleeper", check=0)
    until(lambda: len(kafka.read(one.topic("sleeper"))) > written, 30, "copies after the pause")
    records = load.stop()
    wanted = sorted((r.partition, r.offset) for r in records if b'"order.' in r.value)
    until(lambda: len(kafka.read(one.topic("other"))) >= len(wanted), 60, "all copies of the other")
    until(lambda: sum(kafka.committed(one.config["router.group"], one.raw).values()) >= len(records), 30, "commit")
    late = len(wanted) - len(kafka.read(one.topic("sleeper")))
    kept = until(lambda: [r for r in [kafka.read(one.dead)] if len(r) >= late], 20, "all that was kept")[0]
    assert {(r.header("eventrouter-error-code"), r.header("eventrouter-error-stage"), r.header("eventrouter-subscriber"), r.header("eventrouter-attempts"))
            for r in kept} == {("E610", "produce", "sleeper", "0")}
    assert not {r.source for r in kept} & {r.source for r in kafka.read(one.topic("sleeper"))}, "delivered and dead-lettered"
    done = one.ctl("dead-letter", "retry", "--all", "--subscriber", "sleeper", "--reason", "E610", check=0)
    assert f"{len(kept)} retried" in done.stderr
    copies = kafka.read(one.topic("sleeper"))
    assert sorted(r.source[1:] for r in copies) == wanted
    late = [r.source[1:] for r in copies if r.header("eventrouter-attempts") == "1"]
    assert late == sorted(late) and len(late) == len(kept)
    assert sorted(r.source[1:] for r in kafka.read(one.topic("other"))) == wanted


def test_pausing_needs_no_topic(kafka, router):
    """A subscriber whose topic is away can be paused; resuming makes or finds the topic first."""
    one = router()
    kafka.create(one.raw, 1)
    one.start()
    one.must("PUT", "/v1/subscribers/s", {"state": "paused"})
    assert kafka.partitions(one.topic("s")) == 0
    assert one.must("PUT", "/v1/subscribers/s/resume").json["state"] == "active"
    assert kafka.partitions(one.topic("s")) == 1


def test_large_letters_are_sent_in_smaller_batches(kafka, router):
    """And one that is still too large keeps no others."""
    one = with_small_topic(kafka, router)
    noise = "".join(random.Random(2).choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-", k=960000))
    records = [Record(json.dumps({"type": "x", "n": n, "text": noise[:900000 - n] if n != 20 else noise[:960000 - n]}).encode(), b"k") for n in range(40)]
    kafka.produce(one.raw, records, **{"message.max.bytes": 2000000})
    one.settle(40)
    await_letters(one, 40)
    refused = one.admin("POST", "/v1/dead-letters/retry", {"refs": [f["ref"] for f in letters(one, "&brief")]})
    assert refused.status == 413 and refused.codes == ["E413"], refused
    configure(kafka, one.topic("small"), max_message_bytes=920000)
    until(lambda: kafka_takes(kafka, one.topic("small"), 905000), 20, "larger records")
    done = one.ctl("dead-letter", "retry", "--all", "-o", "name", check=3)
    assert "39 retried, 1 left" in done.stderr and done.stderr.count("error[") == 1 and "E604" in done.stderr, done.stderr
    copies = [r for r in kafka.read(one.topic("small")) if r.source]
    assert sorted(json.loads(r.value)["n"] for r in copies) == [n for n in range(40) if n != 20]
    assert {r.value for r in copies} == {r.value for n, r in enumerate(records) if n != 20}


def kafka_takes(kafka, topic, size):
    try:
        kafka.produce(topic, [Record(random.Random(3).randbytes(size))], **{"message.max.bytes": 2000000, "compression.type": "none"})
    except AssertionError:
        return False
    return True
