"""A small world for tests about faults: numbered events, three subscribers, and who gets what."""
import json

from rig import Record

TYPES = ["order.created", "payment.failed", "favorite.added"]

RULES = [
    {"id": "all", "subscriber": "all"},
    {"id": "orders", "subscriber": "orders", "types": ["order.*"]},
    {"id": "fives", "subscriber": "fives", "regex": {"n": "[05]$", "user.email": "@example\\.(com|org)$"}},
]


def event(number, **more):
    body = {"type": TYPES[number % 3], "n": number,
            "user": {"email": f"u{number % 50}@example.{'com' if number % 2 else 'net'}"}, **more}
    return Record(json.dumps(body).encode(), f"key-{number % 97}".encode() if number % 4 else None, None, 1700000000000 + number)


def wants(subscriber, record):
    body = json.loads(record.value)
    return {
        "all": True,
        "orders": body["type"].startswith("order."),
        "fives": body["n"] % 5 == 0 and body["user"]["email"].endswith(("@example.com", "@example.org")),
    }[subscriber]


def expected(router, records):
    """{topic: records} for rig.compare."""
    return {router.topic(s): [r for r in records if wants(s, r)] for s in ("all", "orders", "fives")}
