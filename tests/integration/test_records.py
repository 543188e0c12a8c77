"""What a copy looks like, where it goes, and the forms of events: tombstones, CloudEvents, headers, hops."""
import json

from rig import Record, assert_exact, compare, murmur2, until


def test_murmur2_of_the_rig():
    """Vectors of the Java client's own test; the rig's function is what copies are compared with."""
    vectors = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
               b"a-little-bit-longer-string": -1486304829, b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
               b"abc": 479470107}
    for key, value in vectors.items():
        assert murmur2(key) == value & 0x7FFFFFFF


def test_copy_is_identical_and_in_the_right_partition(kafka, router):
    one = router(destinations__partitions=7)
    kafka.create(one.raw, 3)
    one.start()
    one.apply([{"id": "s", "subscriber": "s"}])
    keys = [b"21", b"foobar", b"a-little-bit-long-string", b"abc", b"", b"\x00\xff\x80", "schlüssel".encode(), b"k" * 1000, None, None, None]
    records = []
    for number, key in enumerate(keys * 3):
        headers = [("a", b"1"), ("a", b"2"), ("", b"empty name"), ("none", None), ("bytes", b"\x00\xff"), ("ce_unrelated", b"x")]
        value = b'{ "type" : "x" , "n": %d.50, "e":"\\u00e9" }' % number
        records.append(Record(value, key, headers if number % 2 else None, 1500000000000 + number * 1000, number // len(keys)))
    kafka.produce(one.raw, records)
    one.settle(len(records))
    topic = one.topic("s")
    assert_exact(compare(kafka, {topic: records}, [topic], one.raw))
    by_place = {(r.partition, r.offset): r for r in records}
    for copy in kafka.read(topic):
        original = by_place[copy.source[1:]]
        right = (original.partition if original.key is None else murmur2(original.key)) % 7
        assert copy.partition == right, (copy, right)
        assert [n for n, _ in copy.headers].count("eventrouter-source") == 1
        assert [n for n, _ in copy.headers if n.startswith("eventrouter-")] == ["eventrouter-source"]


def test_tombstones(kafka, router):
    one = router()
    kafka.create(one.raw, 1)
    one.start()
    one.apply([{"id": "all", "subscriber": "all"},
               {"id": "typed", "subscriber": "typed", "types": ["*"]},
               {"id": "keyed", "subscriber": "keyed", "regex": {"$kafka.key": "^k1$"}},
               {"id": "field", "subscriber": "field", "regex": {"a": "."}}])
    records = kafka.produce(one.raw, [Record(None, b"k1", [("h", b"v")], 1500000000000), Record(None, b"k2", None, 1500000000001),
                                      Record(None, b"k3", [("ce_specversion", b"1.0"), ("ce_type", b"t")], 1500000000002)])
    one.settle(3)
    topics = {s: one.topic(s) for s in ("all", "typed", "keyed", "field")}
    wanted = {topics["all"]: records, topics["typed"]: records[2:], topics["keyed"]: records[:1], topics["field"]: []}
    assert_exact(compare(kafka, wanted, topics.values(), one.raw))
    assert all(copy.value is None for copy in kafka.read(topics["all"]))


def test_cloudevents(kafka, router):
    one = router()
    kafka.create(one.raw, 1)
    one.start()
    one.apply([{"id": "type", "subscriber": "type", "types": ["com.example.*"]},
               {"id": "source", "subscriber": "source", "regex": {"source": "^/shop", "data.user.email": "@example\\.org$"}},
               {"id": "flat", "subscriber": "flat", "regex": {"user.email": "."}},
               {"id": "extension", "subscriber": "extension", "regex": {"region": "^eu-"}}])
    payload = {"type": "inner", "user": {"email": "a@example.org"}}
    structured = {"specversion": "1.0", "type": "com.example.order", "source": "/shop/1", "id": "1", "region": "eu-1", "data": payload}
    foreign = {"type": "com.example.order", "source": "/shop/3", "id": "3", "data": payload}
    records = kafka.produce(one.raw, [
        Record(json.dumps(structured).encode()),
        Record(json.dumps(payload).encode(), None, [("ce_specversion", b"1.0"), ("ce_type", b"com.example.order"), ("ce_source", b"/shop/2"),
                                                    ("ce_id", b"2"), ("ce_region", b"eu-2"), ("content-type", b"application/json")]),
        Record(json.dumps(foreign).encode(), None, [("content-type", b"application/cloudevents+json; charset=utf-8")]),
        Record(json.dumps(payload).encode())])
    one.settle(4)
    wanted = {one.topic("type"): records[:3], one.topic("source"): records[:3], one.topic("flat"): records[3:],
              one.topic("extension"): records[:2]}
    assert_exact(compare(kafka, wanted, list(wanted), one.raw))


def test_envelope_fields(kafka, router):
    one = router()
    kafka.create(one.raw, 2)
    one.start()
    one.apply([{"id": "key", "subscriber": "key", "regex": {"$kafka.key": "^vip-"}},
               {"id": "partition", "subscriber": "partition", "regex": {"$kafka.partition": "^1$", "$kafka.topic": "raw$"}},
               {"id": "time", "subscriber": "time", "regex": {"$kafka.timestamp": "^17"}},
               {"id": "header", "subscriber": "header", "regex": {"$kafka.headers.\"x.y\"": "^last$"}}])
    value = b'{"type":"x","$kafka":{"key":"vip-forged"}}'
    records = kafka.produce(one.raw, [Record(value, b"vip-1", None, 1600000000000, 0), Record(value, b"other", None, 1700000000000, 1),
                                      Record(value, None, [("x.y", b"first"), ("x.y", b"last")], 1600000000000, 0),
                                      Record(value, b"\xffvip-", [("x.y", b"last"), ("x.y", b"first")], 1600000000000, 0)])
    one.settle(4)
    wanted = {one.topic("key"): records[:1], one.topic("partition"): records[1:2], one.topic("time"): records[1:2],
              one.topic("header"): records[2:3]}
    assert_exact(compare(kafka, wanted, list(wanted), one.raw))


def test_type_path_and_missing_types(kafka, router):
    one = router(event__type_path="meta.kind")
    kafka.create(one.raw, 1)
    one.start()
    one.apply([{"id": "a", "subscriber": "a", "types": ["a*"]}, {"id": "star", "subscriber": "star", "types": ["*"]},
               {"id": "empty", "subscriber": "empty", "types": [""]}])
    records = kafka.produce(one.raw, [Record(v) for v in (b'{"meta":{"kind":"abc"},"type":"zzz"}', b'{"meta":{"kind":5}}', b'{"type":"abc"}',
                                                         b'{"meta":{"kind":""}}', b"{}")])
    balance = one.settle(5)
    wanted = {one.topic("a"): records[:1], one.topic("star"): [records[0], records[3]], one.topic("empty"): [records[3]]}
    assert_exact(compare(kafka, wanted, list(wanted), one.raw))
    assert balance["unmatched"] == 3


def test_unmatched_topic(kafka, router, prefix):
    one = router(unmatched__topic=f"{prefix}.unmatched")
    kafka.create(one.raw, 1)
    kafka.create(f"{prefix}.unmatched", 1)
    one.start()
    one.apply([{"id": "a", "subscriber": "a", "types": ["a"]}])
    records = kafka.produce(one.raw, [Record(b'{"type":"a"}', b"k"), Record(b'{"type":"b"}', b"k", [("h", b"v")], 1500000000000)])
    assert one.settle(2) == {"received": 2, "routed": 1, "unmatched": 1, "dead_lettered": 0}
    assert_exact(compare(kafka, {f"{prefix}.unmatched": records[1:]}, [f"{prefix}.unmatched"], one.raw))


def test_loop_guard(kafka, router, prefix):
    """Two routers that feed each other: an event goes round until it has 8 hops."""
    one = router(source__topics=f"{prefix}.raw,{prefix}.back")
    two = router(source__topics=f"{prefix}.out", router__group=f"{prefix}.second", dead_letter__topic=f"{prefix}.dead2")
    kafka.create(f"{prefix}.raw", 1)
    kafka.create(f"{prefix}.back", 1)
    kafka.create(f"{prefix}.out", 1)
    one.start()
    two.start()
    one.apply([{"id": "out", "subscriber": "out"}])
    two.apply([{"id": "back", "subscriber": "back"}])
    kafka.produce(one.raw, [Record(b'{"type":"x"}', b"k", [("eventrouter-source-of-mine", b"x")])])
    letter = until(lambda: kafka.partitions(one.dead) and kafka.read(one.dead), 30, "the dead letter")[0]
    assert letter.header("eventrouter-error-code") == "E123"
    copies = kafka.read(f"{prefix}.out") + kafka.read(f"{prefix}.back")
    assert sorted(c.header("eventrouter-hops") or "1" for c in copies) == list("12345678")
    for copy in copies:
        assert [n for n, _ in copy.headers].count("eventrouter-source") == 1
        assert copy.source[0] in (f"{prefix}.raw", f"{prefix}.out", f"{prefix}.back")


def test_provenance_off(kafka, router):
    one = router(destinations__provenance="off")
    kafka.create(one.raw, 1)
    one.start()
    one.apply([{"id": "s", "subscriber": "s"}])
    kafka.produce(one.raw, [Record(b'{"type":"x"}', b"k", [("h", b"v")])])
    one.settle(1)
    assert [c.headers for c in kafka.read(one.topic("s"))] == [[("h", b"v")]]
