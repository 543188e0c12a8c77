#!/usr/bin/python3
"""eventrouterctl with a daemon: against a scripted server (what is sent, what every kind of answer leads to) and against
`eventrouterd --demo` (that the two understand each other).

Usage: online_test.py --programs build/release. Prints TAP.
"""
import argparse
import json
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE = 30


class Script:
    """A server on a Unix socket that gives the scripted answers in order and remembers the requests.

    An answer is (status, body) or (status, body, headers), a bytes object sent as it is, or None: no answer until the end."""

    def __init__(self, path, answers):
        self.answers, self.requests, self.open = list(answers), [], []
        self.path = path
        if os.path.exists(path):
            os.unlink(path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.open.append(connection)
            try:
                while self.one(connection):
                    pass
            except OSError:
                pass
            if not self.answers or self.answers[0] is not None:
                connection.close()

    def one(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return False
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(1 << 20)
        method, target, _ = lines[0].split(" ")
        self.requests.append((method, target, body.decode(), headers))
        answer = self.answers.pop(0) if self.answers else (500, {"detail": "nothing scripted"})
        if answer is None:
            self.answers.insert(0, None)
            return False
        if isinstance(answer, bytes):
            connection.sendall(answer)
            return False
        status, content = answer[0], answer[1]
        content = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        extra = "".join(f"{name}: {value}\r\n" for name, value in (answer[2] if len(answer) > 2 else []))
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n{extra}\r\n".encode() + content)
        return True

    def close(self):
        self.socket.close()
        for connection in self.open:
            connection.close()


class Tests:
    def __init__(self, programs):
        self.programs = os.path.abspath(programs)
        self.directory = tempfile.mkdtemp(prefix="er-cli-")
        self.path = os.path.join(self.directory, "s.sock")
        self.failures = []

    def expect(self, right, what, detail=""):
        if not right:
            self.failures.append(f"{what}: {detail}")

    def equal(self, got, wanted, what):
        self.expect(got == wanted, what, f"got {got!r}, wanted {wanted!r}")

    def environment(self, **more):
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **more}

    def ctl(self, *words, stdin=None, at=None, **environment):
        return subprocess.run([f"{self.programs}/eventrouterctl", "-s", at or self.path, *words], input=stdin, text=True, cwd=self.directory,
                              capture_output=True, env=self.environment(**environment), timeout=DEADLINE, check=False,
                              stdin=subprocess.DEVNULL if stdin is None else None)

    def on_terminal(self, answer, *words, **more):
        """Exit code and all output of a run on a terminal; answer is typed at the question."""
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.directory)
            program = f"{self.programs}/eventrouterctl"
            os.execve(program, [program, "-s", self.path, *words], self.environment(TERM="xterm", **more))
        text, end = b"", time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if select.select([fd], [], [], 1)[0]:
                try:
                    chunk = os.read(fd, 65536)
                except OSError:
                    break
                if not chunk:
                    break
                text += chunk
                if answer and b"[y/N]" in text:
                    os.write(fd, answer)
                    answer = None
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode()

    def write(self, name, content):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as out:
            out.write(content)

    def scripted(self, answers, *words, stdin=None, **environment):
        server = Script(self.path, answers)
        done = self.ctl(*words, stdin=stdin, **environment)
        server.close()
        return done, server.requests

    # ---- what is sent

    def test_list_follows_pages(self):
        pages = [(200, {"items": [{"id": "a"}, {"id": "b"}], "next_page_token": "t/1", "total": 3}),
                 (200, {"items": [{"id": "c"}], "next_page_token": None, "total": 3})]
        done, requests = self.scripted(pages, "-o", "name", "sub", "list")
        self.equal((done.returncode, done.stdout, done.stderr), (0, "a\nb\nc\n", ""), "all pages")
        self.equal([r[:2] for r in requests], [("GET", "/v1/subscriptions?limit=1000"),
                                               ("GET", "/v1/subscriptions?limit=1000&page_token=t%2F1")], "requests")

    def test_list_filters_and_limit(self):
        pages = [(200, {"items": [{"id": "a"}, {"id": "b"}, {"id": "c"}], "next_page_token": "more", "total": 9})]
        done, requests = self.scripted(pages, "sub", "list", "--subscriber", "s", "--type", "a b", "--label", "k=v", "-q", "ü&", "--limit", "2",
                                       "-o", "jsonl")
        self.equal(done.stdout, '{"id":"a"}\n{"id":"b"}\n', "cut at the limit")
        self.equal([r[1] for r in requests], ["/v1/subscriptions?subscriber=s&type=a%20b&label=k%3Dv&q=%C3%BC%26&limit=2"], "target")

    def test_ids_are_encoded(self):
        done, requests = self.scripted([(200, {"id": "x"})], "sub", "show", "../a?b#c%", "-o", "name")
        self.equal((done.returncode, requests[0][1]), (0, "/v1/subscriptions/..%2Fa%3Fb%23c%25"), "target")
        done, requests = self.scripted([(200, {"id": "x"})], "subscriber", "show", "..", "-o", "name")
        self.equal(requests[0][1], "/v1/subscribers/..", "dots are not resolved away")

    def test_add_builds_the_document(self):
        done, requests = self.scripted(
            [(201, {"id": "x"}, [("Eventrouter-Revision", "7")])], "sub", "add", "Sales", "--id", "x", "--type", "order.*", "--type", "pay",
            "--regex", "user.email=@example\\.org$", "--regex", 'a."b=c"=^d=e', "--label", "team=a=b", "--description", "d", "--disabled",
            "--dry-run")
        self.equal(done.returncode, 0, done.stderr)
        self.equal(requests[0][:2], ("POST", "/v1/subscriptions?dry_run=true"), "request")
        self.equal(requests[0][3]["content-type"], "application/json", "media type")
        self.equal(json.loads(requests[0][2]),
                   {"id": "x", "subscriber": "Sales", "types": ["order.*", "pay"], "regex": {"user.email": "@example\\.org$", 'a."b=c"': "^d=e"},
                    "labels": {"team": "a=b"}, "description": "d", "enabled": False}, "document")

    def test_add_from_file(self):
        self.write("one.json", '\n {"id":"x", "labels":{"a":"b"}}\n')
        done, requests = self.scripted([(201, {"id": "x"})], "sub", "add", "s", "-f", "one.json", "--type", "t")
        self.equal(done.returncode, 0, done.stderr)
        self.equal(json.loads(requests[0][2]), {"id": "x", "labels": {"a": "b"}, "subscriber": "s", "types": ["t"]}, "document")
        done, requests = self.scripted([(201, {"id": "x"})], "sub", "add", "-f", "-", stdin='{"subscriber":"s"}')
        self.equal((done.returncode, json.loads(requests[0][2])), (0, {"subscriber": "s"}), "from standard input")

    def test_apply_sends_documents_as_they_are(self):
        os.makedirs(os.path.join(self.directory, "rules", "sub"), exist_ok=True)
        self.write("rules/b.jsonl", '{"id":"b","subscriber":"s"}\n \t\r\n{"id":"c", "subscriber":"s"}')
        self.write("rules/a.json", '[{"id":"a","subscriber":"s","revision":1.0e2}]')
        self.write("rules/c.txt", "no")
        answer = {"created": ["a"], "updated": ["b"], "unchanged": ["c"], "deleted": []}
        done, requests = self.scripted([(200, answer, [("Eventrouter-Revision", "12")])], "sub", "apply", "-f", "rules")
        self.equal((done.returncode, done.stdout), (0, "created    a\nupdated    b\n"), done.stderr)
        self.expect("1 created, 1 updated, 1 unchanged, 0 deleted; revision 12" in done.stderr, "summary", done.stderr)
        self.equal(requests[0][:3], ("PUT", "/v1/subscriptions", '[\n{"id":"a","subscriber":"s","revision":1.0e2},\n{"id":"b","subscriber":"s"},\n'
                                     '{"id":"c", "subscriber":"s"}]'), "request")

    def test_explain_sends_the_event_as_it_is(self):
        self.write("event.json", ' {"a": 1.0e2}\n')
        answer = {"revision": 3, "error": None, "type": "t", "totals": {"subscriptions": 2, "matched": 0, "undecided": 0, "failed": 2}, "items": [
            {"subscription": "x", "subscriber": "s", "outcome": "failed", "failed": 2, "conditions": [
                {"pointer": "/types", "path": "type", "operator": "types", "outcome": "failed", "expected": ["u"], "actual": "t"},
                {"pointer": "/pattern/a", "path": "a", "operator": "within", "outcome": "failed", "actual": 5, "conditions": [
                    {"pointer": "/pattern/a/b", "path": "a.b", "operator": "equals", "outcome": "failed", "expected": [1], "absent": True}]}]}],
            "truncated": True, "complete": True}
        done, requests = self.scripted([(200, answer)], "explain", "event.json", "--topic", "raw", "--header", "h=1", "--header", "h=2", "--limit", "1")
        self.equal(done.returncode, 1, "no match")
        self.equal(requests[0][:3], ("POST", "/v1/explain", '{"topic":"raw","limit":1,"headers":[{"name":"h","value":"1"},{"name":"h","value":"2"}],'
                                     '"event":{"a": 1.0e2}}'), "request")
        self.equal(done.stdout, "0 of 2 subscriptions match (revision 3)\n"
                                "failed    x (subscriber s): 2 conditions failed\n"
                                '  failed      type ["u"], found "t"\n'
                                "  failed      a within, found no object\n"
                                "    failed      a.b equals [1], found nothing\n"
                                "... and more; --limit or --subscription shows them\n", "text")
        answer["items"][0]["outcome"] = "matched"
        done, requests = self.scripted([(200, answer)], "explain", "-", "--subscription", "x", "-o", "json", stdin='{"a":}')
        self.equal(done.returncode, 0, "match")
        self.equal(json.loads(done.stdout), answer, "json")
        self.equal(json.loads(requests[0][2]), {"subscription": "x", "value": '{"a":}'}, "text that is no JSON")
        answer.update(error={"code": "E108", "offset": 5, "detail": "too early"}, items=[])
        done, _ = self.scripted([(200, answer)], "explain", "event.json")
        self.equal(done.returncode, 1, "bad event")
        self.expect("E108: too early" in done.stderr, "bad event", done.stderr)
        self.equal(self.scripted([(404, {"detail": "no"})], "explain", "event.json")[0].returncode, 3, "refused")
        self.assert_wrong(["explain", "none.json"], ["error[E801]", "none.json"])
        self.assert_wrong(["explain", "event.json", "--header", "h"], ["error[E800]", "NAME=VALUE"])

    def test_subscription_test(self):
        self.write("rule.json", '{"types": ["t"]}')
        self.write("one.json", '{"type":"t"}')
        answer = {"subscription": "test", "subscriber": "test", "warnings": [], "truncated": False, "items": [
            {"event": 0, "error": None, "matched": True, "outcome": "matched", "failed": 0, "conditions": []},
            {"event": 1, "error": None, "matched": False, "outcome": "undecided", "failed": 0, "reason": "time", "conditions": []}]}
        done, requests = self.scripted([(200, answer)], "sub", "test", "rule.json", "one.json", "one.json")
        self.equal(requests[0][:3], ("POST", "/v1/test", '{"subscription":{"types": ["t"]},"events":[{"type":"t"},{"type":"t"}]}'), "request")
        self.equal((done.returncode, done.stdout), (1, "one.json: matched\none.json: undecided: time\n"), "text")
        answer["items"].pop()
        done, requests = self.scripted([(200, answer)], "sub", "test", "stored", "one.json")
        self.equal(json.loads(requests[0][2])["subscription"], "stored", "stored")
        self.equal(done.returncode, 0, "matched")
        self.assert_wrong(["sub", "test", "./no.json", "one.json"], ["error[E801]"])
        self.assert_wrong(["sub", "test", "stored"], ["error[E800]", "too few"])

    def test_diff_is_a_dry_run(self):
        self.write("rules.jsonl", '{"id":"a","subscriber":"s"}')
        answer = {"created": [], "updated": ["a"], "unchanged": [], "deleted": []}
        done, requests = self.scripted([(200, answer)], "sub", "diff", "-f", "rules.jsonl", "--prune")
        self.equal(requests[0][:2], ("PUT", "/v1/subscriptions?prune=true&dry_run=true"), "request")
        self.equal((done.returncode, done.stdout), (1, "updated    a\n"), "differs")
        answer = {"created": [], "updated": [], "unchanged": ["a"], "deleted": []}
        done, _ = self.scripted([(200, answer)], "sub", "diff", "-f", "rules.jsonl")
        self.equal((done.returncode, done.stdout), (0, ""), "same")

    def test_edit(self):
        stored = {"id": "a", "subscriber": "s", "types": ["x"], "enabled": True, "revision": 7, "created_at": "t", "updated_at": "t", "status": {"state": "active"}}
        editor = {"EDITOR": "sed -i s/x/y/", "TMPDIR": self.directory}
        done, requests = self.scripted([(200, stored), (200, stored)], "sub", "edit", "a", **editor)
        self.equal((done.returncode, done.stdout), (0, "updated    a\n"), "edited")
        self.equal(requests[1][:2], ("PUT", "/v1/subscriptions/a"), "request")
        self.equal(json.loads(requests[1][2]), {"id": "a", "subscriber": "s", "types": ["y"], "enabled": True}, "document")
        self.equal(requests[1][3].get("if-match"), '"rev-7"', "condition")
        done, requests = self.scripted([(200, stored)], "sub", "edit", "a", **{**editor, "EDITOR": "true"})
        self.equal((done.returncode, len(requests)), (0, 1), "unchanged")
        self.expect(not [name for name in os.listdir(self.directory) if name.startswith("eventrouter-")], "files are removed")
        done, _ = self.scripted([(200, stored), (412, {"detail": "somebody else"})], "sub", "edit", "a", **editor)
        self.equal(done.returncode, 3, "conflict")
        self.expect("your text is in " + self.directory in done.stderr, "text is kept", done.stderr)
        done, requests = self.scripted([(200, stored)], "sub", "edit", "a", **{**editor, "EDITOR": "sed -i s/types/tpyes/"})
        self.equal((done.returncode, len(requests)), (2, 1), "bad document")
        self.expect("error[E202]" in done.stderr, "bad document", done.stderr)
        self.equal(self.scripted([(200, stored)], "sub", "edit", "a", **{**editor, "EDITOR": "false"})[0].returncode, 1, "editor failed")

    def test_large_apply(self):
        self.write("large.jsonl", "".join(json.dumps({"id": f"r{i}", "subscriber": "s", "description": "x" * 1000}) + "\n" for i in range(3000)))
        done, requests = self.scripted([(200, {"created": [], "updated": [], "unchanged": [], "deleted": []})], "sub", "apply", "-f", "large.jsonl")
        self.equal(done.returncode, 0, done.stderr)
        self.equal((len(json.loads(requests[0][2])), "expect" in requests[0][3]), (3000, False), "whole body, no Expect")

    # ---- documents that are wrong here

    def assert_wrong(self, words, parts, stdin=None):
        server = Script(self.path, [])
        done = self.ctl(*words, stdin=stdin)
        server.close()
        self.equal((done.returncode, done.stdout, server.requests), (2, "", []), f"{words}: exit, output, requests")
        for part in parts:
            self.expect(part in done.stderr, f"{words}: says {part}", done.stderr)

    def test_wrong_documents_are_not_sent(self):
        self.write("bad.jsonl", '{"id":"a","subscriber":"s"}\n{"id":"a","subscriber":"s","types":[]}\n{oops\n')
        self.assert_wrong(["sub", "add", "s", "--regex", "a=("], ["error[E301]: /regex/a: the regex does not compile at byte 1: missing closing parenthesis; "])
        self.assert_wrong(["sub", "add", "s", "--regex", "a"], ["error[E800]", "PATH=PATTERN"])
        self.assert_wrong(["sub", "add", "s", "--regex", "a=x", "--regex", "a=y"], ["error[E110]"])
        self.assert_wrong(["sub", "add"], ["error[E800]", "SUBSCRIBER"])
        self.assert_wrong(["sub", "add", "s", "-f", "bad.jsonl"], ["error[E101]: bad.jsonl line 2"])
        self.assert_wrong(["sub", "add", "s", "-f", "none.json"], ["error[E801]", "none.json"])
        self.assert_wrong(["sub", "add", "s", "--id", "y", "-f", "-"], ["--id is given"], stdin='{"id":"x"}')
        self.assert_wrong(["sub", "add", "s", "-f", "-"], ["one document"], stdin='[{"id":"x"},{"id":"y"}]')
        self.assert_wrong(["sub", "add", "s", "-f", "-"], ["is not the subscriber in the file"], stdin='{"subscriber":"t"}')
        self.assert_wrong(["sub", "apply", "-f", "-"], ["error[E205]: standard input line 1: /types", "error[E210]: standard input line 1: /id"],
                          stdin='{"id":"a","subscriber":"s"}\n{"id":"a","subscriber":"s","types":[]}\n')
        self.assert_wrong(["sub", "apply"], ["--file"])
        self.assert_wrong(["sub", "list", "--limit", "0"], ["--limit 0"])
        self.assert_wrong(["sub", "list", "--timeout", "x"], ["--timeout x"])
        os.makedirs(os.path.join(self.directory, "empty"), exist_ok=True)
        self.assert_wrong(["sub", "apply", "-f", "empty"], ["error[E801]", "no *.json"])

    # ---- answers

    def test_refusals(self):
        problem = {"status": 422, "detail": "2 errors", "errors": [
            {"code": "E301", "pointer": "/1/regex/x", "detail": "no", "offset": 4, "hint": "do this"},
            {"code": "E301", "pointer": "", "detail": "bad at byte 12", "offset": 12}, {"code": "E301", "pointer": "", "detail": "bad at byte 12: x", "offset": 1},
            {"code": "E999", "pointer": "", "detail": "new"}]}
        documents = '{"id":"a","subscriber":"s"}\n{"id":"b","subscriber":"s"}\n'
        done, _ = self.scripted([(422, problem)], "sub", "apply", "-f", "-", stdin=documents)
        self.equal((done.returncode, done.stdout), (3, ""), "exit and output")
        self.equal(done.stderr, "error[E301]: standard input line 1: /regex/x: no (offset 4); do this\nerror[E301]: bad at byte 12\n"
                   "error[E301]: bad at byte 12: x (offset 1)\nerror[E999]: new\n", "errors")
        for status, code in ((404, 3), (409, 3), (500, 3), (503, 3), (504, 5)):
            done, _ = self.scripted([(status, {"errors": [{"code": "E4", "pointer": "", "detail": "why"}]})], "sub", "show", "x")
            self.equal((done.returncode, done.stdout, done.stderr), (code, "", "error[E4]: why\n"), f"status {status}")
        done, _ = self.scripted([(500, b"<html>")], "status")
        self.equal((done.returncode, done.stdout, done.stderr), (3, "", "error[E400]: the daemon answered with HTTP status 500\n"), "not a problem")
        done, _ = self.scripted([(200, b"hello")], "status")
        self.equal((done.returncode, done.stdout), (3, ""), "not JSON")

    def test_refused_in_the_middle(self):
        pages = [(200, {"items": [{"id": "a"}], "next_page_token": "t", "total": 2}), (503, {"errors": [{"code": "E430", "pointer": "", "detail": "no"}]})]
        done, _ = self.scripted(pages, "sub", "list", "-o", "name")
        self.equal((done.returncode, done.stdout), (3, "a\n"), "what came is shown, the exit code tells")

    def test_unreachable(self):
        done = self.ctl("status", at=os.path.join(self.directory, "none.sock"))
        self.equal((done.returncode, done.stdout), (4, ""), "no socket")
        self.expect("error[E802]" in done.stderr and "none.sock" in done.stderr, "names the socket", done.stderr)
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(os.path.join(self.directory, "dead.sock"))
        dead.close()
        self.equal(self.ctl("status", at=os.path.join(self.directory, "dead.sock")).returncode, 4, "nobody listens")
        self.equal(self.ctl("status", at="/" + "x" * 200).returncode, 4, "path too long")
        done, _ = self.scripted([b""], "status")
        self.equal(done.returncode, 4, "closed without an answer")
        done, _ = self.scripted([b"SSH-2.0-x\r\n"], "status")
        self.equal(done.returncode, 4, "not HTTP")
        done, _ = self.scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"], "status")
        self.equal((done.returncode, done.stdout), (4, ""), "cut off")

    def test_timeout(self):
        done, _ = self.scripted([None], "status", "--timeout", "1")
        self.equal((done.returncode, done.stdout), (5, ""), "exit")
        self.expect("error[E803]" in done.stderr, "code", done.stderr)

    def test_warnings(self):
        headers = [("Eventrouter-Warning", "E211 /status: ignored"), ("eventrouter-warning", "second")]
        done, _ = self.scripted([(201, {"id": "x"}, headers)], "sub", "add", "s", "-o", "name")
        self.equal((done.returncode, done.stdout, done.stderr), (0, "x\n", "warning: E211 /status: ignored\nwarning: second\n"), "on standard error")
        done, _ = self.scripted([(200, {"created": ["s-1"], "updated": [], "unchanged": [], "deleted": []})], "sub", "apply", "-f", "-", stdin='{"subscriber":"s"}')
        self.expect("1 document without an id" in done.stderr, "apply without ids", done.stderr)

    def test_health(self):
        checks = [{"name": "kafka", "ok": True, "detail": "d"}, {"name": "group", "ok": False, "detail": "joining"}]
        done, requests = self.scripted([(200, {"ready": True, "checks": checks[:1]})], "health")
        self.equal((done.returncode, done.stdout), (0, "CHECK  OK    DETAIL\nkafka  true  d\n"), "ready")
        self.equal(requests[0][1], "/readyz?verbose", "target")
        done, _ = self.scripted([(503, {"ready": False, "checks": checks, "errors": []})], "health", "-o", "name")
        self.equal((done.returncode, done.stdout), (1, "group\n"), "not ready: the checks that fail")
        done, _ = self.scripted([(404, {})], "health")
        self.equal(done.returncode, 3, "no such path")

    def test_formats(self):
        item = {"id": "a", "subscriber": "s", "types": ["x", "y"], "regex": {"p": "1", "q": "2"}, "pattern": {"a": [300, "300", {"prefix": "x"}]},
                "enabled": True, "labels": {"t": "v"},
                "description": "line\nbreak \u001b[31m", "revision": 3, "updated_at": "2026", "status": {"state": "active"}}
        page = (200, {"items": [item], "next_page_token": None, "total": 1})
        done, _ = self.scripted([page], "sub", "list")
        self.equal(done.stdout, "ID  SUBSCRIBER  TYPES  REGEX    STATE\na   s           x,y    p=1,q=2  active\n", "table")
        done, _ = self.scripted([page], "-o", "wide", "sub", "list")
        self.expect(' {"a":[300,"300",{"prefix":"x"}]} ' in done.stdout, "a pattern is JSON", done.stdout)
        done, _ = self.scripted([(200, item)], "sub", "show", "a")
        self.expect('\npattern       {"a":[300,"300",{"prefix":"x"}]}\n' in done.stdout, "a pattern is JSON", done.stdout)
        done, _ = self.scripted([page], "-o", "wide", "sub", "list")
        self.expect("t=v" in done.stdout and "\x1b" not in done.stdout and done.stdout.count("\n") == 2, "wide, control characters replaced", done.stdout)
        for form in ("json", "jsonl"):
            done, _ = self.scripted([page], "sub", "list", "-o", form)
            got = json.loads(done.stdout)
            self.equal(got if form == "jsonl" else got[0], item, form)
        empty = (200, {"items": [], "next_page_token": None, "total": 0})
        self.equal([self.scripted([empty], "sub", "list", "-o", form)[0].stdout for form in ("json", "jsonl", "name", "table")],
                   ["[]\n", "", "", "ID  SUBSCRIBER  TYPES  REGEX  STATE\n"], "empty")
        done, _ = self.scripted([page], "sub", "export")
        self.equal(json.loads(done.stdout), {k: v for k, v in item.items() if k not in ("revision", "updated_at", "status")}, "export")
        done, _ = self.scripted([(200, {"n": 1.50, "big": 12345678901234567890, "workers": [{"a": 1}], "s": {"t": None}})], "status")
        self.equal(done.stdout, "MEMBER       VALUE\nn            1.5\nbig          12345678901234567890\nworkers.0.a  1\ns.t          -\n", "status")

    def test_closed_output_is_noticed(self):
        server = Script(self.path, [(200, {"items": [{"id": "x" * 5000}] * 20, "next_page_token": None, "total": 20})])
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([f"{self.programs}/eventrouterctl", "-s", self.path, "sub", "list"], stdout=full, stderr=subprocess.PIPE, text=True,
                                  env=self.environment(), timeout=DEADLINE, check=False)
        server.close()
        self.expect(done.returncode != 0 and "standard output" in done.stderr, "full device", f"{done.returncode} {done.stderr}")

    # ---- questions

    def test_destructive_verbs_need_yes(self):
        for words in (("sub", "remove", "a"), ("subscriber", "remove", "a", "--cascade")):
            server = Script(self.path, [])
            done = self.ctl(*words)
            server.close()
            self.equal((done.returncode, server.requests), (2, []), f"{words} without a terminal")
            self.expect("--yes" in done.stderr, "says --yes", done.stderr)
        done, requests = self.scripted([(204, None), (404, {"errors": [{"code": "E404", "pointer": "", "detail": "b"}]}), (204, None)],
                                       "sub", "remove", "a", "b", "c", "--yes")
        self.equal((done.returncode, done.stdout), (3, "deleted    a\ndeleted    c\n"), "the others go")
        self.equal([r[:2] for r in requests], [("DELETE", f"/v1/subscriptions/{i}") for i in "abc"], "requests")
        done, requests = self.scripted([(204, None)], "subscriber", "remove", "a", "--cascade", "-y", "--dry-run")
        self.equal((done.returncode, requests[0][1]), (0, "/v1/subscribers/a?cascade=true&dry_run=true"), "subscriber")
        self.equal((done.stdout, done.stderr), ("deleted    a\n", "dry run: nothing was removed\n"), "says that it is none")
        done, _ = self.scripted([(404, {"errors": [{"code": "E404", "pointer": "", "detail": "b"}]})], "sub", "remove", "b", "--dry-run")
        self.equal((done.returncode, done.stdout, done.stderr), (3, "", "error[E404]: b\ndry run: nothing was removed\n"), "nothing there")

    def test_question_on_a_terminal(self):
        server = Script(self.path, [(204, None)])
        code, text = self.on_terminal(b"n\n", "sub", "remove", "a")
        self.equal((code, server.requests), (1, []), "no")
        self.expect("remove subscription a? [y/N]" in text, "question", text)
        code, text = self.on_terminal(b"y\n", "sub", "remove", "a")
        self.equal((code, [r[:2] for r in server.requests]), (0, [("DELETE", "/v1/subscriptions/a")]), text)
        server.close()

    def test_prune(self):
        kept = {"created": [], "updated": [], "unchanged": ["a"], "deleted": []}
        gone = {**kept, "deleted": ["b", "c"]}
        self.write("a.jsonl", '{"id":"a","subscriber":"s"}\n')
        done, requests = self.scripted([(200, gone)], "sub", "apply", "-f", "a.jsonl", "--prune")
        self.equal((done.returncode, done.stdout), (2, ""), "would delete: needs --yes")
        self.expect("would delete  b" in done.stderr and "--yes" in done.stderr, "says what", done.stderr)
        self.equal([r[1] for r in requests], ["/v1/subscriptions?prune=true&dry_run=true"], "only looked")
        done, requests = self.scripted([(200, kept), (200, kept)], "sub", "apply", "-f", "a.jsonl", "--prune")
        self.equal((done.returncode, requests[-1][1]), (0, "/v1/subscriptions?prune=true"), "deletes nothing: no question")
        done, requests = self.scripted([(200, gone)], "sub", "apply", "-f", "a.jsonl", "--prune", "--yes", "-o", "name")
        self.equal((done.returncode, done.stdout, len(requests)), (0, "b\nc\n", 1), "--yes")
        server = Script(self.path, [(200, gone), (200, gone)])
        code, text = self.on_terminal(b"y\n", "sub", "apply", "-f", "a.jsonl", "--prune")
        self.equal((code, len(server.requests)), (0, 2), text)
        self.expect("delete 2 subscriptions? [y/N]" in text, "question", text)
        server.close()

    def test_colour_only_on_a_terminal(self):
        page = (200, {"items": [{"id": "a"}], "next_page_token": None, "total": 1})
        server = Script(self.path, [page] * 2)
        self.expect("\x1b[" in self.on_terminal(None, "sub", "list")[1], "on a terminal")
        self.expect("\x1b[" not in self.on_terminal(None, "sub", "list", NO_COLOR="1")[1], "NO_COLOR")
        server.close()

    def test_subscriber_pause_and_resume(self):
        one = (200, {"id": "a b", "state": "paused"})
        refused = (404, {"detail": "x", "errors": [{"code": "E404", "pointer": "", "detail": "no such subscriber"}]})
        done, requests = self.scripted([one, refused, one], "subscriber", "pause", "a b", "n", "c")
        self.equal([r[:3] for r in requests], [("PUT", f"/v1/subscribers/{i}/pause", "") for i in ("a%20b", "n", "c")], "requests")
        self.equal((done.returncode, done.stdout), (3, "paused     a b\npaused     c\n"), done.stderr)
        done, requests = self.scripted([one], "subscriber", "resume", "c", "--dry-run", "-o", "json")
        self.equal((done.returncode, done.stdout, requests[0][1]), (0, '{"resumed":"c"}\n', "/v1/subscribers/c/resume?dry_run=true"), done.stderr)
        self.assert_wrong(["subscriber", "pause"], ["error[E800]", "too few"])

    # ---- control

    def test_config_and_reload(self):
        config = {"log_level": "info", "items": [{"key": "router.group", "value": "g", "origin": "default"}, {"key": "log.level", "value": "", "origin": "-o"}]}
        done, requests = self.scripted([(200, config)], "config", "show")
        self.equal([line.split() for line in done.stdout.splitlines()], [["KEY", "VALUE", "ORIGIN"], ["router.group", "g", "default"], ["log.level", "-", "-o"]], "table")
        self.equal(requests[0][:2], ("GET", "/v1/config"), "request")
        self.equal(self.scripted([(200, config)], "config", "show", "-o", "name")[0].stdout, "router.group\nlog.level\n", "names")
        self.equal(json.loads(self.scripted([(200, config)], "config", "show", "-o", "json")[0].stdout), config, "json")
        change = {"applied": [{"key": "log.level", "from": "info", "to": "debug"}], "restart": [{"key": "router.workers", "from": "1", "to": None}]}
        done, requests = self.scripted([(200, change)], "reload")
        self.equal((done.returncode, requests[0][:2]), (0, ("POST", "/v1/reload")), done.stderr)
        self.equal(done.stdout, "applied    log.level: info -> debug\nrestart    router.workers: 1 -> -\n", "changes")
        self.expect("restart of the daemon" in done.stderr, "hint", done.stderr)
        done, requests = self.scripted([(200, change)], "config", "check", "-o", "name")
        self.equal((done.returncode, done.stdout, requests[0][:2]), (1, "log.level\nrouter.workers\n", ("POST", "/v1/reload?dry_run=true")), done.stderr)
        done, _ = self.scripted([(200, {"applied": [], "restart": []})], "config", "check")
        self.equal((done.returncode, done.stdout), (0, "unchanged\n"), done.stderr)
        bad = (422, {"detail": "x", "errors": [{"code": "E702", "pointer": "", "detail": "er.ini:3: bad"}, {"code": "E702", "pointer": "", "detail": "er.ini:4: bad"}]})
        done, _ = self.scripted([bad], "reload")
        self.equal((done.returncode, done.stdout, done.stderr), (3, "", "error[E702]: er.ini:3: bad\nerror[E702]: er.ini:4: bad\n"), "errors")

    def test_log_level(self):
        done, requests = self.scripted([(200, {"level": "debug", "was": "info"})], "log-level", "debug")
        self.equal((done.returncode, done.stdout, requests[0][:3]), (0, "debug\n", ("PUT", "/v1/log-level", '{"level":"debug"}')), done.stderr)
        done, requests = self.scripted([(200, {"log_level": "warn", "items": []})], "log-level", "-o", "json")
        self.equal((done.returncode, done.stdout, requests[0][:2]), (0, '{"level":"warn"}\n', ("GET", "/v1/config")), done.stderr)
        self.assert_wrong(["log-level", "a", "b"], ["error[E800]", "too many"])

    def test_drain(self):
        done, requests = self.scripted([(200, {"draining": True})], "drain")
        self.equal((done.returncode, done.stdout, requests[0][:2]), (0, "draining\n", ("POST", "/v1/drain")), done.stderr)
        alive = (200, {"status": "alive"})
        done, requests = self.scripted([(200, {"draining": True})] + [alive] * 50, "drain", "--wait", "--timeout", "1")
        self.equal((done.returncode, [r[1] for r in requests[1:3]]), (5, ["/livez", "/livez"]), "it goes on living")
        self.expect("error[E803]" in done.stderr, "timeout", done.stderr)

    # ---- dead letters

    @staticmethod
    def letter(ref, source, **more):
        return {"ref": ref, "code": "E604", "stage": "produce", "message": "too large", "source": source, "subscriber": "s", "subscription": "s-1",
                "attempts": 1, "first_failed_at": "2026-11-21T09:05:40.123Z", "error_offset": None, "truncated": None, "retried": None,
                "timestamp": None, "value_bytes": 7, **more}

    def test_dead_letter_list(self):
        # an empty page in the middle is not the end
        pages = [(200, {"items": [self.letter("0-9", "raw/1/7")], "next_page_token": "aa", "scanned": 5}),
                 (200, {"items": [], "next_page_token": "bb", "scanned": 50000}),
                 (200, {"items": [self.letter("0-2", None, subscriber=None, retried={"outcome": "sent", "at": "t"})], "next_page_token": None, "scanned": 1})]
        done, requests = self.scripted(pages, "dead-letter", "list", "--reason", "E604", "--stage", "produce", "--subscriber", "a b", "--since", "2h",
                                       "--until", "2026-11-21T09:05:40Z")
        self.equal(done.returncode, 0, done.stderr)
        self.equal(requests[0][:2], ("GET", "/v1/dead-letters?reason=E604&stage=produce&subscriber=a%20b&since=2h&until=2026-11-21T09%3A05%3A40Z"
                                            "&brief=true&limit=100"), "target")
        self.equal([r[1].split("page_token=")[1] for r in requests[1:]], ["aa", "bb"], "pages")
        self.equal([line.split() for line in done.stdout.splitlines()],
                   [["REF", "CODE", "STAGE", "SUBSCRIBER", "SOURCE", "ATTEMPTS", "FAILED", "RETRIED"],
                    ["0-9", "E604", "produce", "s", "raw/1/7", "1", "2026-11-21T09:05:40.123Z", "-"],
                    ["0-2", "E604", "produce", "-", "-", "1", "2026-11-21T09:05:40.123Z", "sent"]], "table")
        done, requests = self.scripted(pages, "dl", "list", "--all", "-o", "name")
        self.equal((done.stdout, requests[0][1]), ("0-9\n0-2\n", "/v1/dead-letters?brief=true&limit=1000"), "names")
        done, requests = self.scripted(pages, "dl", "list", "--limit", "1", "-o", "jsonl")
        self.equal((json.loads(done.stdout)["ref"], requests[0][1]), ("0-9", "/v1/dead-letters?limit=1"), "whole events in JSON")
        stuck = (200, {"items": [], "next_page_token": "aa", "scanned": 5})
        done, requests = self.scripted([stuck] * 5, "dl", "list")
        self.equal((done.returncode, len(requests)), (0, 2), "a server that stays where it is")
        self.equal(self.scripted([(504, {"detail": "no", "errors": [{"code": "E601", "detail": "slow"}]})], "dl", "list")[0].returncode, 5, "timeout")
        self.assert_wrong(["dead-letter", "list", "--limit", "0"], ["error[E800]", "--limit"])

    def test_dead_letter_show(self):
        done, requests = self.scripted([(200, self.letter("0-9", "raw/1/7", key="k", headers=[], value='{"a":1}'))], "dead-letter", "show", "0-9")
        self.equal((done.returncode, requests[0][:2]), (0, ("GET", "/v1/dead-letters/0-9")), done.stderr)
        self.expect(re.search(r"^message +too large$", done.stdout, re.MULTILINE), "member", done.stdout)
        done, _ = self.scripted([(200, {"ref": "0-9", "value": "ä\n", "headers": []})], "dl", "show", "0-9", "--value")
        self.equal((done.returncode, done.stdout), (0, "ä\n"), "value")
        done, _ = self.scripted([(200, {"ref": "0-9", "value": "YWI=", "value_encoding": "base64"})], "dl", "show", "0-9", "--value")
        self.equal((done.returncode, done.stdout), (0, "ab"), "Base64 value")
        done, _ = self.scripted([(200, {"ref": "0-9", "value": None})], "dl", "show", "0-9", "--value")
        self.equal((done.returncode, done.stdout), (1, ""), "tombstone")
        self.expect("error[E404]" in done.stderr, "tombstone", done.stderr)
        self.equal(self.scripted([(410, {"detail": "gone"})], "dl", "show", "0-9")[0].returncode, 3, "gone")

    @staticmethod
    def sent(ref):
        return (200, {"ref": ref, "subscriber": "s", "topic": "sub.s", "partition": 0, "offset": 5, "attempts": 2})

    def test_dead_letter_retry_by_name(self):
        refused = (409, {"detail": "x", "errors": [{"code": "E443", "pointer": "", "detail": "sent before"}]})
        done, requests = self.scripted([self.sent("0-1"), refused, self.sent("0-3")], "dead-letter", "retry", "0-1", "0-2", "0-3")
        self.equal([r[:3] for r in requests], [("POST", f"/v1/dead-letters/0-{n}/retry", "") for n in (1, 2, 3)], "requests")
        self.equal((done.returncode, done.stdout), (3, "retried    0-1 to sub.s/0/5\nretried    0-3 to sub.s/0/5\n"), "the others go on")
        self.expect("error[E443]: sent before" in done.stderr, "refusal", done.stderr)
        done, requests = self.scripted([self.sent("0-1")], "dl", "retry", "0-1", "--again", "-o", "json")
        self.equal((json.loads(done.stdout)["offset"], requests[0][1]), (5, "/v1/dead-letters/0-1/retry?again=true"), "again")
        self.equal(self.scripted([self.sent("0-1")], "dl", "retry", "0-1", "-o", "name")[0].stdout, "0-1\n", "name")
        for words in ([], ["0-1", "--all"], ["0-1", "--subscriber", "s"], ["--subscriber", "s"]):
            self.assert_wrong(["dead-letter", "retry", *words], ["error[E800]", "--all"])

    def test_dead_letter_retry_all(self):
        page = (200, {"items": [self.letter("0-9", "raw/1/9"), self.letter("0-8", "raw/1/10", retried={"outcome": "sent", "at": "t"}),
                                self.letter("0-7", "raw/0/11"), self.letter("0-6", "raw/1/2"), self.letter("0-5", None, subscriber=None),
                                self.letter("0-4", "a/9/9", truncated=12), self.letter("0-3", "raw/1/10"), self.letter("0-2", "other/5/1")],
                      "next_page_token": None, "scanned": 9})
        order = ["0-2", "0-7", "0-6", "0-9", "0-3"]
        done, requests = self.scripted([page, self.batch(*order)], "dl", "retry", "--all", "--subscriber", "s", "--reason", "E604", "-o", "name")
        self.equal((done.returncode, done.stdout.split()), (0, order), done.stderr)
        self.equal(requests[0][1], "/v1/dead-letters?reason=E604&subscriber=s&brief=true&limit=1000", "filters")
        self.equal([(r[0], r[1], json.loads(r[2])) for r in requests[1:]], [("POST", "/v1/dead-letters/retry", {"refs": order})], "by source")
        self.expect("5 retried, 0 left, 1 sent before, 2 that cannot be sent" in done.stderr, "summary", done.stderr)
        done, requests = self.scripted([page], "dl", "retry", "--all", "--dry-run", "--again", "-o", "name")
        self.equal((done.stdout.split(), len(requests)), (["0-2", "0-7", "0-6", "0-9", "0-3", "0-8"], 1), "dry run")

    def batch(self, *refs, **failed):
        """The answer to a batch; failed: codes by ref with _ for -."""
        codes = {ref[1:].replace("_", "-"): code for ref, code in failed.items()}
        return (200, {"items": [{"ref": r, "code": codes[r], "detail": "no"} if r in codes else self.sent(r)[1] for r in refs]})

    def test_dead_letter_retry_all_in_batches(self):
        page = (200, {"items": [self.letter(f"0-{n}", f"raw/0/{n}") for n in range(250)], "next_page_token": None, "scanned": 250})
        names = [f"0-{n}" for n in range(250)]
        done, requests = self.scripted([page, self.batch(*names[:100]), self.batch(*names[100:200]), self.batch(*names[200:])], "dl", "retry", "--all",
                                       "-o", "name")
        self.equal((done.returncode, done.stdout.split()), (0, names), done.stderr)
        self.equal([len(json.loads(r[2])["refs"]) for r in requests[1:]], [100, 100, 50], "batches")
        # too large for one request: fewer
        large = (413, {"detail": "x", "errors": [{"code": "E413", "detail": "too large"}]})
        small = [self.batch(*names[at:at + 25]) for at in range(0, 250, 25)]
        done, requests = self.scripted([page, large, large] + small, "dl", "retry", "--all", "-o", "name", "--again")
        self.equal((done.returncode, done.stdout.split(), done.stderr.count("E413")), (0, names, 0), done.stderr)
        self.equal([len(json.loads(r[2])["refs"]) for r in requests[1:]], [100, 50] + 10 * [25], "smaller batches")
        self.equal({r[1] for r in requests[1:]}, {"/v1/dead-letters/retry?again=true"}, "again")
        done, requests = self.scripted([page, self.batch(*names[:100]), (503, {"detail": "x", "errors": [{"code": "E430", "detail": "draining"}]})], "dl", "retry",
                                       "--all", "-o", "name")
        self.equal((done.returncode, len(done.stdout.split())), (3, 100), done.stderr)
        self.expect("100 retried, 150 left" in done.stderr and "E430" in done.stderr, "summary", done.stderr)

    def test_dead_letter_retry_all_keeps_the_order_after_a_failure(self):
        items = [self.letter(f"0-{n}", f"raw/0/{n}", subscriber="t" if n % 2 else "s") for n in range(150)]
        page = (200, {"items": items, "next_page_token": None, "scanned": 150})
        names = [f"0-{n}" for n in range(150)]
        first = self.batch(*names[:100], **{f"_0_{n}": "E602" for n in range(4, 100, 2)}, _0_7="E604", _0_9="E443", _0_11="E440")
        rest = names[101::2]
        done, requests = self.scripted([page, first, self.batch(*rest)], "dl", "retry", "--all", "-o", "name")
        self.equal(json.loads(requests[2][2])["refs"], rest, "nothing more for the subscriber that failed; a bad letter keeps no others")
        self.equal((done.returncode, done.stdout.split()), (3, ["0-0", "0-1", "0-2", "0-3", "0-5", *names[13:100:2], *rest]), done.stderr)
        self.expect("error[E602]: 0-4: no\n" in done.stderr and "error[E604]: 0-7: no\n" in done.stderr and "E443" not in done.stderr, "errors", done.stderr)
        self.expect("74 retried, 75 left, 1 sent before" in done.stderr, "summary", done.stderr)
        done, _ = self.scripted([page, self.batch(*names[:100], _0_0="E601")], "dl", "retry", "--all", "-o", "name")
        self.equal(done.returncode, 5, "timeout is the first failure")

    # ---- the real one

    def test_with_the_daemon(self):
        log = os.path.join(self.directory, "demo.log")
        with open(log, "w", encoding="utf-8") as errors:
            demo = subprocess.Popen([f"{self.programs}/eventrouterd", "--demo", "--demo-seconds", "120", "-o", "log.level=info", "-o",
                                     "log.format=json"], stdout=subprocess.PIPE, stderr=errors, text=True,
                                    env=self.environment(TMPDIR=self.directory))
        try:
            self.life(demo)
        finally:
            demo.terminate()
            demo.communicate(timeout=60)
        with open(log, encoding="utf-8") as text:
            requests = [line for line in map(json.loads, text) if line["msg"] == "admin request"]
        self.expect(any((line["method"], line["path"], line["status"], line["uid"]) == ("GET", "/v1/subscriptions/nothing", 404, os.getuid())
                        and line["us"] > 0 and line["bytes"] > 0 for line in requests), "a request is logged with its fields", requests)

    def wait_ready(self, at):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            done = self.ctl("health", at=at)
            if done.returncode == 0 and self.ctl("sub", "list", "-o", "name", at=at).stdout:
                return True
            select.select([], [], [], 0.05)
        return False

    def life(self, demo):
        at = ""
        for line in demo.stdout:
            found = re.match(r"socket: (\S+)$", line)
            if found:
                at = found[1]
                break
        threading.Thread(target=demo.stdout.read, daemon=True).start()
        self.expect(at and self.wait_ready(at), "demo is ready")

        def run(code, *words, stdin=None):
            done = self.ctl(*words, stdin=stdin, at=at)
            self.equal(done.returncode, code, f"{words}: {done.stderr}")
            return done.stdout

        before = run(0, "sub", "export")
        self.expect(len(before.splitlines()) >= 5, "samples", before)
        self.equal(run(0, "sub", "apply", "-f", "-", "--prune", "-o", "name", stdin=before), "", "apply of an export changes nothing")
        self.equal(json.loads(run(0, "sub", "add", "me", "--id", "mine", "--type", "order.*", "--regex", "a=1.0e2", "-o", "json"))["id"], "mine", "add")
        run(3, "sub", "add", "me", "--id", "mine")
        self.expect("mine" in run(0, "sub", "list", "--type", "order.x", "--subscriber", "me"), "list")
        self.equal(json.loads(run(0, "sub", "show", "mine", "-o", "json"))["regex"], {"a": "1.0e2"}, "show")
        self.equal(json.loads(run(0, "subscriber", "show", "me", "-o", "jsonl"))["status"]["subscriptions"], 1, "subscriber")
        self.expect("sub.me" in run(0, "subscriber", "list"), "subscribers")
        run(3, "sub", "show", "nothing")
        self.write("hit.json", '{"type":"order.new","a":1.0e2}')
        self.write("miss.json", '{"type":"order.new","a":"other"}')
        self.expect("\nmatched   mine (subscriber me)\n" in run(0, "explain", "hit.json", "--subscription", "mine"), "explain")
        explained = json.loads(run(1, "explain", "miss.json", "--subscription", "mine", "-o", "json"))
        self.equal([(c["pointer"], c["outcome"]) for c in explained["items"][0]["conditions"]], [("/types", "ok"), ("/regex/a", "failed")], "explain")
        run(1, "sub", "test", "mine", "hit.json", "miss.json")
        run(0, "sub", "test", "mine", "hit.json")
        self.equal(run(1, "sub", "diff", "-f", "-", "--prune", stdin=before), "deleted    mine\n", "diff")
        self.equal(run(0, "sub", "apply", "-f", "-", "--prune", "--dry-run", stdin=before), "deleted    mine\n", "dry run")
        run(0, "subscriber", "pause", "me")
        self.equal(json.loads(run(0, "subscriber", "show", "me", "-o", "json"))["state"], "paused", "paused")
        self.equal(json.loads(run(0, "status", "-o", "json"))["rules"]["paused"], 1, "paused")
        run(0, "subscriber", "resume", "me")
        run(3, "subscriber", "remove", "me", "--yes")
        self.equal(run(0, "subscriber", "remove", "me", "--cascade", "--yes", "-o", "name"), "me\n", "cascade")
        self.equal(run(0, "sub", "export"), before, "as before")
        self.expect(json.loads(run(0, "status", "-o", "json"))["revision"] >= 3, "status")
        self.equal(run(0, "config", "check"), "unchanged\n", "configuration")
        self.expect("log.level" in run(0, "config", "show"), "configuration")
        before = run(0, "log-level")
        self.equal(run(0, "log-level", "error"), "error\n", "log level")
        self.equal(run(0, "reload"), f"applied    log.level: error -> {before}", "reload")
        run(3, "log-level", "loud")
        run(0, "drain", "--wait")
        run(4, "status")
        self.equal(demo.wait(DEADLINE), 0, "the demo ended well")

    def run(self, only):
        tests = [name for name in dir(self) if name.startswith("test_") and (not only or only in name)]
        failed = 0
        for number, name in enumerate(tests, 1):
            self.failures = []
            try:
                getattr(self, name)()
            except Exception as error:  # a case that breaks is a failed case, the others still run
                self.failures.append(f"{type(error).__name__}: {error}")
            print(f"{'not ok' if self.failures else 'ok'} {number} - {name}")
            for failure in self.failures:
                print("#   " + failure.replace("\n", "\n#   "))
            failed += bool(self.failures)
        print(f"1..{len(tests)}")
        shutil.rmtree(self.directory)
        return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", default=os.path.join(TOP, "build", "release"))
    parser.add_argument("only", nargs="?", default="")
    arguments = parser.parse_args()
    return Tests(arguments.programs).run(arguments.only)


if __name__ == "__main__":
    sys.exit(main())
