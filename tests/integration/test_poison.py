"""Events that cannot be routed go to the dead-letter topic with the exact reason; their neighbours flow."""
import json
import re

from rig import Record, assert_balance
from small import RULES

MAX = 4096
DEEP = 16

# value, code, byte offset of the error (None: the event as a whole)
KINDS = {
    "empty value": (b"", "E108", 0),
    "words": (b"hello", "E101", 0),
    "array": (b"[1,2]", "E120", 0),
    "string": (b'"text"', "E120", 0),
    "number": (b"42", "E120", 0),
    "null": (b"null", "E120", 0),
    "trailing comma": (b'{"a":1,}', "E101", 7),
    "text after the end": (b'{"a":1} x', "E107", 8),
    "cut off": (b'{"a":', "E108", 5),
    "cut off in a string": (b'{"a":"xyz', "E108", 9),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', "E109", 0),
    "invalid UTF-8": (b'{"a":"\xff"}', "E102", 6),
    "overlong UTF-8": (b'{"a":"\xc0\xaf"}', "E102", 6),
    "UTF-8 surrogate": (b'{"a":"\xed\xa0\x80"}', "E102", 6),
    "lone surrogate escape": (b'{"a":"\\ud800"}', "E104", 6),
    "unknown escape": (b'{"a":"\\x41"}', "E104", 6),
    "raw control character": (b'{"a":"\x01"}', "E106", 6),
    "leading zero": (b'{"a":007}', "E105", 5),
    "no digits after the point": (b'{"a":1.}', "E105", 5),
    "not a number": (b'{"a":NaN}', "E101", 5),
    "too deep": (b'{"a":' * DEEP + b"[]" + b"}" * DEEP, "E103", 5 * DEEP),
    "too large": (b'{"a":"' + b"x" * (MAX - 7) + b'"}', "E121", None),
    "two colons": (b'{"a"::1}', "E101", 5),
    "a bad part that no rule reads": (b'{"type":"order.created","unused":[1,,2]}', "E101", 36),
}
FINE = [b'{"a":"' + b"x" * (MAX - 8) + b'"}', b'{"a":' * (DEEP - 1) + b"{}" + b"}" * (DEEP - 1)]


def check_dead_letter(letter, original, raw, code, offset):
    assert (letter.value, letter.key, letter.timestamp) == (original.value, original.key, original.timestamp)
    assert letter.plain_headers() == original.headers
    assert letter.header("eventrouter-error-code") == code, letter
    assert letter.header("eventrouter-error-stage") == "parse"
    assert letter.header("eventrouter-error-message")
    assert letter.header("eventrouter-source") == f"{raw}/{original.partition}/{original.offset}"
    assert letter.header("eventrouter-attempts") is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", letter.header("eventrouter-first-failed-at"))
    assert letter.header("eventrouter-subscriber") is None
    if offset is not None:
        near = int(letter.header("eventrouter-error-offset"))
        assert abs(near - offset) <= 2, f"offset {near} instead of {offset}: {letter}"


def test_twenty_kinds(kafka, router):
    one = router(event__max_bytes=MAX, event__max_depth=DEEP)
    kafka.create(one.raw, 2)
    one.start()
    one.apply(RULES[:2])
    records, bad, good = [], {}, []
    for number, (name, (value, code, offset)) in enumerate(KINDS.items()):
        key = f"key-{number}".encode()
        record = Record(value, key, [("kind", name.encode())], 1600000000000 + number, partition=number % 2)
        neighbour = Record(json.dumps({"type": "order.created", "n": number}).encode(), key, None, 1600000000000, number % 2)
        bad[name] = record, code, offset
        good.append(neighbour)
        records += [record, neighbour]
    good += [Record(value, b"fine", None, 1600000000000, 0) for value in FINE]
    records += good[-len(FINE):]
    kafka.produce(one.raw, records)
    balance = one.settle(len(records))
    assert balance == {"received": len(records), "routed": len(good), "unmatched": 0, "dead_lettered": len(bad)}
    letters = {r.header("kind"): r for r in kafka.read(one.dead)}
    assert letters.keys() == bad.keys()
    wrong = []
    for name, (record, code, offset) in bad.items():
        try:
            check_dead_letter(letters[name], record, one.raw, code, offset)
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
    assert not wrong, "\n".join(wrong)
    copies = kafka.read(one.topic("all"))
    assert sorted(c.source[1:] for c in copies) == sorted((g.partition, g.offset) for g in good)
    for partition in (0, 1):
        offsets = [c.source[2] for c in copies if c.source[1] == partition]
        assert offsets == sorted(offsets)
    assert one.terminate() == 0


def test_duplicate_keys(kafka, router):
    value = b'{"type":"a","n":1,"n":2}'
    last = router()
    kafka.create(last.raw, 1)
    last.start()
    last.apply([{"id": "one", "subscriber": "one", "regex": {"n": "^1$"}}, {"id": "two", "subscriber": "two", "regex": {"n": "^2$"}}])
    kafka.produce(last.raw, [Record(value)])
    assert last.settle(1)["routed"] == 1
    assert [r.value for r in kafka.read(last.topic("two"))] == [value] and kafka.read(last.topic("one")) == []
    assert last.terminate() == 0
    reject = router(event__duplicate_keys="reject")
    reject.start()
    kafka.produce(reject.raw, [Record(value)])
    reject.settle(1)
    assert [r.header("eventrouter-error-code") for r in kafka.read(reject.dead)] == ["E122"]


def test_undecided_rule_is_a_dead_letter_of_its_subscriber(kafka, router):
    one = router()
    kafka.create(one.raw, 1)
    one.start()
    one.apply([{"id": "hard", "subscriber": "hard", "regex": {"text": "(?:a{0,60}){3}[bc]"}},
               {"id": "easy", "subscriber": "easy", "types": ["x"]},
               {"id": "both-hard", "subscriber": "both", "regex": {"text": "(?:a{0,60}){3}[bc]"}},
               {"id": "both-easy", "subscriber": "both"}])
    value = json.dumps({"type": "x", "text": "a" * 16384}).encode()
    kafka.produce(one.raw, [Record(value, b"k")])
    balance = one.settle(1)
    assert balance["dead_lettered"] == 1
    assert_balance(balance)
    letters = kafka.read(one.dead)
    assert [(r.header("eventrouter-error-code"), r.header("eventrouter-error-stage"), r.header("eventrouter-subscriber"),
             r.header("eventrouter-subscription")) for r in letters] == [("E304", "match", "hard", "hard")]
    assert letters[0].value == value
    assert kafka.read(one.topic("hard")) == []
    assert len(kafka.read(one.topic("easy"))) == 1
    assert len(kafka.read(one.topic("both"))) == 1, "the other subscription decides"
