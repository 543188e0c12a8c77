"""Admin API over the socket and the command line client, end to end against a running router."""
import http.client
import json
import re
import subprocess
import threading

import pytest
from rig import Record, until


@pytest.fixture
def one(kafka, router):
    made = router()
    kafka.create(made.raw, 1)
    return made.start()


def document(name, **more):
    return {"id": name, "subscriber": name, **more}


def test_life_of_a_subscription(one, kafka):
    made = one.admin("POST", "/v1/subscriptions", document("s", types=["order.*"], labels={"team": "sales"}))
    assert made.status == 201 and made.headers["Location"] == "/v1/subscriptions/s"
    first = made.revision
    assert made.headers["ETag"] == f'"rev-{first}"'
    body = made.json
    assert body["revision"] == first and body["enabled"] is True and body["created_at"] == body["updated_at"] and "status" in body
    assert one.admin("POST", "/v1/subscriptions", document("s")).status == 409
    got = one.admin("GET", "/v1/subscriptions/s")
    assert got.status == 200 and got.headers["ETag"] == f'"rev-{first}"' and got.json["types"] == ["order.*"]
    # What was read can be written back: nothing changes.
    again = one.admin("PUT", "/v1/subscriptions/s", got.json)
    assert again.status == 200 and again.revision == first
    changed = one.admin("PUT", "/v1/subscriptions/s", document("s", types=["payment.*"]), {"If-Match": f'"rev-{first}"'})
    assert changed.status == 200 and changed.revision == first + 1 and changed.headers["ETag"] == f'"rev-{first + 1}"'
    assert "labels" not in changed.json
    assert one.admin("PUT", "/v1/subscriptions/s", document("s"), {"If-Match": f'"rev-{first}"'}).status == 412
    assert one.admin("DELETE", "/v1/subscriptions/s", headers={"If-Match": '"rev-0"'}).status == 412
    assert one.admin("PUT", "/v1/subscriptions/s", document("s"), {"If-None-Match": "*"}).status == 412
    created = one.admin("PUT", "/v1/subscriptions/t", document("t"), {"If-None-Match": "*"})
    assert created.status == 201 and created.revision == first + 2
    dry = one.admin("PUT", "/v1/subscriptions/t?dry_run=true", document("t", types=["x"]))
    assert dry.status == 200 and one.admin("GET", "/v1/subscriptions/t").json.get("types") is None
    patched = one.admin("PATCH", "/v1/subscriptions/s", {"description": "d", "types": None}, {"Content-Type": "application/merge-patch+json"})
    assert patched.status == 200 and patched.json["description"] == "d" and "types" not in patched.json
    gone = one.admin("DELETE", "/v1/subscriptions/s")
    assert gone.status == 204 and gone.revision == first + 4 and gone.body == b""
    assert one.admin("GET", "/v1/subscriptions/s").status == 404
    assert one.admin("DELETE", "/v1/subscriptions/s").status == 404
    assert one.revision() == first + 4


def test_made_id(one):
    made = one.admin("POST", "/v1/subscriptions", {"subscriber": "Team-A"})
    assert made.status == 201
    assert re.fullmatch(r"team-a-[a-z0-9]+", made.json["id"]), made.json["id"]
    assert made.headers["Location"] == f"/v1/subscriptions/{made.json['id']}"


def test_all_errors_of_a_document(one):
    answer = one.admin("POST", "/v1/subscriptions", {"id": "Bad Id", "subscribr": "x", "types": [], "regex": {"a..b": "x", "c": "(", "d": "\\C"}})
    assert answer.status == 422 and answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json
    assert problem["status"] == 422 and problem["title"]
    by_pointer = {e["pointer"]: e for e in problem["errors"]}
    assert {"/id", "/subscribr", "/types", "/regex/a..b", "/regex/c", "/regex/d"} <= by_pointer.keys(), by_pointer.keys()
    assert by_pointer["/regex/c"]["code"] == "E301" and by_pointer["/regex/c"]["offset"] == 1
    assert by_pointer["/regex/d"]["code"] == "E302"
    assert "subscriber" in by_pointer["/subscribr"].get("hint", "") + by_pointer["/subscribr"]["detail"]
    refused = one.admin("POST", "/v1/subscriptions", document("p", pattern={"a": [{"prefx": "x"}], "b": {"c": []}}))
    assert refused.status == 422 and refused.codes == ["E214", "E205"]
    assert [e["pointer"] for e in refused.json["errors"]] == ["/pattern/a/0/prefx", "/pattern/b/c"]


def test_requests_that_are_refused(one):
    assert one.admin("POST", "/v1/subscriptions", "{oops").status == 400
    assert one.admin("POST", "/v1/subscriptions", "{}", {"Content-Type": "text/plain"}).status == 415
    answer = one.admin("DELETE", "/v1/subscriptions")
    assert answer.status == 405 and {"GET", "POST", "PUT"} <= {m.strip() for m in answer.headers["Allow"].split(",")}
    assert one.admin("GET", "/v1/nothing").status == 404
    assert one.admin("GET", "/v1/subscriptions/..%2f..%2fetc").status == 404
    assert one.admin("POST", "/v1/subscriptions", document("d", description="x" * 66000)).status == 422
    assert one.admin("POST", "/v1/subscriptions", json.dumps(document("d", description="x" * (1 << 20)))).status == 413
    assert one.admin("GET", "/v1/subscriptions?limit=none").status == 400
    assert one.must("GET", "/v1/subscriptions").json["items"] == []


def counts(answer):
    """Of ids by what happened to them."""
    return {name: len(answer.json[name]) for name in ("created", "updated", "unchanged", "deleted")}


def test_bulk_is_all_or_nothing(one):
    docs = [document(f"s{i}", types=[f"t{i}"]) for i in range(5)]
    dry = one.must("PUT", "/v1/subscriptions?dry_run=true", docs)
    assert len(dry.json["created"]) == 5 and one.must("GET", "/v1/subscriptions").json["total"] == 0
    first = one.must("PUT", "/v1/subscriptions", docs)
    assert counts(first) == dict(created=5, updated=0, unchanged=0, deleted=0)
    docs[1]["types"] = ["other"]
    second = one.must("PUT", "/v1/subscriptions?prune=true", docs[:4])
    assert counts(second) == dict(created=0, updated=1, unchanged=3, deleted=1)
    assert second.revision == first.revision + 1
    same = one.must("PUT", "/v1/subscriptions?prune=true", docs[:4])
    assert same.revision == second.revision
    bad = one.admin("PUT", "/v1/subscriptions?prune=true", [document("x"), document("y", types=[])])
    assert bad.status == 422 and bad.json["errors"][0]["pointer"].startswith("/1/types")
    twice = one.admin("PUT", "/v1/subscriptions", [document("x"), document("x")])
    assert twice.status == 422 and "E210" in twice.codes
    assert [d["id"] for d in one.must("GET", "/v1/subscriptions").json["items"]] == ["s0", "s1", "s2", "s3"]


def test_list_pages_and_filters(one):
    one.apply([document(f"s{i:03d}", types=["even.*" if i % 2 == 0 else "odd"], labels={"n": str(i % 3)}) for i in range(250)])
    seen, token, pages = [], "", 0
    while True:
        page = one.must("GET", f"/v1/subscriptions?limit=100{'&page_token=' + token if token else ''}").json
        seen += [d["id"] for d in page["items"]]
        pages += 1
        assert page["total"] == 250
        token = page.get("next_page_token")
        if not token:
            break
    assert seen == [f"s{i:03d}" for i in range(250)] and pages == 3
    assert one.must("GET", "/v1/subscriptions?subscriber=s001").json["total"] == 1
    assert one.must("GET", "/v1/subscriptions?type=even.x&limit=1").json["total"] == 125
    assert one.must("GET", "/v1/subscriptions?label=n%3D0&limit=1").json["total"] == 84
    assert one.must("GET", "/v1/subscriptions?q=24&limit=1000").json["total"] == len([i for i in range(250) if "24" in f"s{i:03d}"])


def test_subscribers(one, kafka):
    one.must("POST", "/v1/subscriptions", document("a"))
    made = one.admin("PUT", "/v1/subscribers/b", {"id": "b", "partitions": 2, "description": "second"})
    assert made.status == 201
    got = one.must("GET", "/v1/subscribers/b").json
    assert (got["topic"], got["partitions"], got["state"]) == (one.topic("b"), 2, "active")
    assert [s["id"] for s in one.must("GET", "/v1/subscribers").json["items"]] == ["a", "b"]
    assert one.admin("DELETE", "/v1/subscribers/a").status == 409
    assert one.admin("DELETE", "/v1/subscribers/b").status == 204
    assert one.admin("DELETE", "/v1/subscribers/a?cascade=true").status == 204
    assert one.must("GET", "/v1/subscriptions").json["total"] == 0
    assert kafka.partitions(one.topic("a")) == 1, "the topic is kept"


def test_validate_stores_nothing(one):
    revision = one.revision()
    assert one.admin("POST", "/v1/validate", document("a", regex={"x": "^a"})).status == 200
    bad = one.admin("POST", "/v1/validate", [document("a"), document("b", regex={"x": "("})])
    assert bad.status == 422 and bad.json["errors"][0]["pointer"] == "/1/regex/x"
    assert one.revision() == revision
    assert one.must("GET", "/v1/subscriptions").json["total"] == 0


def test_read_only_listener(one):
    address = [v for v in re.findall(r"127\.0\.0\.1:(\d+)", one.log_text() + json.dumps(one.must("GET", "/v1/status").json))
               if v != one.bootstrap.split(":")[1]]
    assert address, "the log or the status names the address"
    for port in dict.fromkeys(address):
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        answers = {}
        for path in ("/metrics", "/livez", "/readyz", "/v1/subscriptions"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answers[path] = answer.status, answer.read()
        connection.close()
        assert [answers[p][0] for p in ("/metrics", "/livez", "/readyz")] == [200, 200, 200]
        assert answers["/v1/subscriptions"][0] in (403, 404)
        assert b"eventrouter_events_received_total" in answers["/metrics"][1]


def test_metrics_are_a_valid_exposition(one, kafka):
    one.apply([document("a")])
    kafka.produce(one.raw, [Record(b'{"type":"x"}')])
    one.settle(1)
    seen_type, samples = {}, set()
    for line in one.must("GET", "/metrics").body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in seen_type
            seen_type[name] = kind
        elif line and not line.startswith("#"):
            sample = re.fullmatch(r'([a-z_:][a-z0-9_:]*)(\{([a-z_]+="(?:[^"\\]|\\.)*",?)+\})? (\S+)', line)
            assert sample, line
            assert line.rsplit(" ", 1)[0] not in samples, line
            samples.add(line.rsplit(" ", 1)[0])
            base = re.sub(r"_(bucket|sum|count)$", "", sample[1])
            assert sample[1] in seen_type or seen_type.get(base) in ("histogram", "summary"), line
            assert sample[1].startswith(("eventrouter_", "process_")), line
    assert seen_type["eventrouter_events_received_total"] == "counter"
    assert "histogram" in seen_type.values()
    assert {"eventrouter_unindexed_rules", "eventrouter_unindexed_rules_limit", "eventrouter_quarantined_regexes"} <= set(seen_type)


def test_many_connections_at_once(one):
    failed = []

    def work(number):
        try:
            for turn in range(10):
                name = f"w{number}-{turn}"
                assert one.admin("PUT", f"/v1/subscriptions/{name}", {"id": name, "subscriber": f"w{number}"}).status == 201
                assert one.admin("GET", f"/v1/subscriptions/{name}").status == 200
        except AssertionError as error:
            failed.append(error)

    before = one.revision()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed, failed[:2]
    assert one.revision() == before + 80
    assert one.must("GET", "/v1/subscriptions?limit=1").json["total"] == 80


def test_version_and_status(one):
    version = one.must("GET", "/version").json["version"]
    status = one.must("GET", "/v1/status").json
    library = status["kafka"]["librdkafka"]
    assert re.search(rf"\bstarted\b.*\b{re.escape(version)}\b.*\b{re.escape(library)}\b", one.log_text())
    assert status["revision"] == 0
    assert one.must("GET", "/openapi.json").json["openapi"].startswith("3.")
    assert one.must("GET", "/readyz?verbose").status == 200


def test_client_first_subscription(one, kafka):
    """As the README shows it."""
    added = one.ctl("subscription", "add", "sms-notifications", "--id", "big", "--type", "order.*", "--regex", "user.email=@example\\.org$", check=0)
    assert "big" in added.stdout
    produced = subprocess.run(["kcat", "-b", one.bootstrap, "-P", "-t", one.raw, "-k", "k1"], text=True, check=True,
                              input='{"type":"order.created","user":{"email":"a@example.org"}}\n')
    assert produced.returncode == 0
    one.settle(1)
    read = subprocess.run(["kcat", "-b", one.bootstrap, "-C", "-t", one.topic("sms-notifications"), "-o", "beginning", "-e", "-q"],
                          stdout=subprocess.PIPE, text=True, check=True)
    assert read.stdout == '{"type":"order.created","user":{"email":"a@example.org"}}\n'
    listed = one.ctl("-o", "name", "sub", "list", check=0)
    assert listed.stdout.split() == ["big"]
    shown = json.loads(one.ctl("-o", "json", "subscription", "show", "big", check=0).stdout)
    assert shown["types"] == ["order.*"] and shown["regex"] == {"user.email": "@example\\.org$"}
    assert "sms-notifications" in one.ctl("subscriber", "list", check=0).stdout
    one.ctl("subscriber", "show", "sms-notifications", check=0)
    one.ctl("status", check=0)
    one.ctl("health", check=0)
    one.ctl("subscription", "remove", "big", "--yes", check=0)
    assert one.ctl("-o", "name", "sub", "list", check=0).stdout == ""
    one.ctl("subscriber", "remove", "sms-notifications", "--yes", check=0)


def test_client_apply_and_export(one, tmp_path):
    docs = [document("a", types=["x"]), document("b", regex={"p": "^1"})]
    rules = tmp_path / "rules.jsonl"
    rules.write_text("".join(json.dumps(d) + "\n" for d in docs))
    one.ctl("subscription", "apply", "-f", str(rules), "--dry-run", check=0)
    assert one.must("GET", "/v1/subscriptions").json["total"] == 0
    one.ctl("subscription", "apply", "-f", str(rules), check=0)
    exported = one.ctl("subscription", "export", check=0).stdout
    (tmp_path / "again.jsonl").write_text(exported)
    revision = one.revision()
    one.ctl("subscription", "apply", "-f", str(tmp_path / "again.jsonl"), "--prune", check=0)
    assert one.revision() == revision, "an export applied again changes nothing"
    rules.write_text(json.dumps(docs[0]) + "\n")
    one.ctl("subscription", "apply", "-f", str(rules), "--prune", "--yes", check=0)
    assert one.ctl("-o", "name", "sub", "list", check=0).stdout.split() == ["a"]
    one.ctl("subscription", "apply", "-f", "-", stdin=json.dumps(docs[1]), check=0)
    assert one.ctl("-o", "name", "sub", "list", check=0).stdout.split() == ["a", "b"]


def test_client_exit_codes(one, programs, tmp_path):
    assert one.ctl("subscription", "add", "s", "--regex", "x=(", check=None).returncode in (2, 3)
    wrong = one.ctl("subscription", "add", "s", "--regex", "x=(")
    assert "error[E301]" in wrong.stderr and wrong.stdout == ""
    one.ctl("no-such-noun", check=2)
    one.ctl("subscription", "add", check=2)
    one.ctl("subscription", "show", "nothing", check=3)
    one.ctl("subscription", "remove", "nothing", "--yes", check=3)
    one.ctl("help", check=0)
    one.ctl("subscription", "add", "--help", check=0)
    one.ctl("version", check=0)
    gone = subprocess.run([f"{programs}/eventrouterctl", "-s", str(tmp_path / "none.sock"), "status"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    assert gone.returncode == 4 and "error[E802]" in gone.stderr
    one.ctl("subscription", "add", "s", "--id", "keep", check=0)
    assert one.ctl("subscription", "remove", "keep", stdin="").returncode != 0, "asks or needs --yes"
    one.ctl("subscription", "show", "keep", check=0)


def test_admin_answers_while_events_flow_and_drain(one, kafka):
    one.apply([document("a")])
    kafka.produce(one.raw, [Record(b'{"type":"x","n":%d}' % n) for n in range(20000)])
    until(lambda: one.balance()["received"] > 0, 20, "first events")
    assert one.must("GET", "/readyz").status == 200
    one.settle(20000)
    assert one.terminate() == 0
    assert sum(kafka.committed(one.config["router.group"], one.raw).values()) == 20000
