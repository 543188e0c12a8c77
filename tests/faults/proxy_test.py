#!/usr/bin/python3
"""The fault proxy against a broker that only echoes. Prints TAP.

    proxy_test.py [--programs IGNORED]
"""
import os
import socket
import struct
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from proxy import API, Proxy, Rule, produce_error, without_topics  # noqa: E402

SECONDS = 10


def frame(api, correlation, client="eventrouter-1-p", body=b"", version=7):
    name = client.encode()
    payload = struct.pack(">hhih", API[api], version, correlation, len(name)) + name + body
    return struct.pack(">i", len(payload)) + payload


def receive(sock):
    """A frame without its length, or None at the end."""
    def exactly(n):
        data = b""
        while len(data) < n:
            part = sock.recv(n - len(data))
            if not part:
                return None
            data += part
        return data
    try:
        head = exactly(4)
        return head and exactly(struct.unpack(">i", head)[0])
    except ConnectionError:
        return None


class Broker:
    """Answers every request with its correlation id and its bytes; remembers what it got, in order."""

    def __init__(self):
        self.got = []
        self.changed = threading.Condition()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        while (request := receive(sock)) is not None:
            with self.changed:
                self.got.append(struct.unpack_from(">i", request, 4)[0])
                self.changed.notify_all()
            answer = request[4:8] + request
            try:
                sock.sendall(struct.pack(">i", len(answer)) + answer)
            except OSError:
                return

    def wait_for(self, *correlations):
        with self.changed:
            return self.changed.wait_for(lambda: all(c in self.got for c in correlations), SECONDS)


class Client:
    def __init__(self, proxy, broker=1, name="eventrouter-1-p"):
        self.name = name
        self.sock = socket.create_connection(("127.0.0.1", proxy.ports[broker - 1]), SECONDS)
        self.sock.settimeout(SECONDS)

    def send(self, api, correlation, body=b""):
        self.sock.sendall(frame(api, correlation, self.name, body))

    def answer(self):
        """The correlation id; None: the connection was cut."""
        found = receive(self.sock)
        return found and struct.unpack_from(">i", found)[0]

    def ask(self, api, correlation, body=b""):
        self.send(api, correlation, body)
        return self.answer()

    def hears_nothing(self, seconds=0.3):
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(1) is None
        except socket.timeout:
            return True
        except ConnectionError:
            return False
        finally:
            self.sock.settimeout(SECONDS)


class Rig:
    def __init__(self, brokers=1):
        self.proxy = Proxy(brokers)
        self.brokers = [Broker() for _ in range(brokers)]
        self.broker = self.brokers[0]
        self.proxy.aim([b.address for b in self.brokers])

    def client(self, *arguments, **named):
        return Client(self.proxy, *arguments, **named)

    def rule(self, *arguments, **named):
        return self.proxy.arm(Rule(*arguments, **named))

    def close(self):
        self.proxy.close()
        for broker in self.brokers:
            broker.server.close()


def test_passes_unchanged(rig):
    client, body = rig.client(), os.urandom(300000)
    client.send("Produce", 5, body)
    assert receive(client.sock)[4:] == frame("Produce", 5, body=body)[4:]
    assert [client.ask("Metadata", n) for n in (6, 7)] == [6, 7]
    assert rig.proxy.seen["eventrouter-1-p", "Metadata"] == 2 and not rig.proxy.fired


def test_pipelined_requests_keep_their_order(rig):
    client = rig.client()
    for n in range(200):
        client.send("Produce", n, b"x" * n)
    assert [client.answer() for _ in range(200)] == list(range(200)) and rig.broker.got == list(range(200))


def test_null_client_id_and_garbage(rig):
    client = rig.client()
    client.sock.sendall(struct.pack(">ihhih", 10, 3, 1, 9, -1))
    assert client.answer() == 9
    client.sock.sendall(struct.pack(">ihhih", 10, 3, 1, 10, 500))
    assert client.answer() is None
    other = rig.client()
    other.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert other.answer() is None and rig.broker.got == [9]


def test_cut_before(rig):
    rule, client = rig.rule("cut-before", "EndTxn"), rig.client()
    assert client.ask("Produce", 1) == 1 and client.ask("EndTxn", 2, b"\x00\x00") is None
    assert rule.over.is_set() and rig.client().ask("EndTxn", 3) == 3
    assert rig.broker.got == [1, 3]
    (fired,) = rig.proxy.fired
    assert (fired.api, fired.correlation, fired.client, fired.broker) == ("EndTxn(abort)", 2, "eventrouter-1-p", 1)


def test_cut_after(rig):
    rig.rule("cut-after", "OffsetCommit")
    client = rig.client()
    client.send("Produce", 1)
    client.send("OffsetCommit", 2)
    assert client.answer() == 1 and client.answer() is None
    assert rig.broker.got == [1, 2]


def test_ordinals_count_since_armed(rig):
    client = rig.client()
    assert client.ask("Heartbeat", 1) == 1
    rule = rig.rule("cut-before", "Heartbeat", nth=3)
    assert [client.ask("Heartbeat", n) for n in (2, 3)] == [2, 3] and not rule.fired.is_set()
    assert client.ask("Heartbeat", 4) is None and rule.fired.is_set()


def test_count_fires_again(rig):
    rule = rig.rule("cut-before", nth=2, count=2)
    assert rig.client().ask("Metadata", 1) == 1
    assert rig.client().ask("Metadata", 2) is None and not rule.over.is_set()
    assert rig.client().ask("Produce", 3) is None and rule.over.is_set()
    assert rig.client().ask("Produce", 4) == 4


def test_until(rig):
    rule = rig.rule("cut-before", "Produce", count=100, until=("EndTxn(abort)",))
    for n in range(3):
        assert rig.client().ask("Produce", n) is None
    assert rig.client().ask("EndTxn", 3, b"\x01\x00") == 3 and not rule.over.is_set()
    assert rig.client().ask("EndTxn", 4, b"\x00\x00") == 4 and rule.over.is_set()
    assert rig.client().ask("Produce", 5) == 5 and rig.broker.got == [3, 4, 5]


def test_only_the_client_that_is_meant(rig):
    rig.rule("cut-before", "Produce", client="-2-p$")
    assert rig.client().ask("Produce", 1) == 1
    assert rig.client(name="eventrouter-2-p").ask("Produce", 2) is None


def test_held_request_arrives_after_its_client_has_gone(rig):
    rig.rule("hold", "EndTxn", cut=True)
    assert rig.client().ask("EndTxn", 1) is None
    again = rig.client()
    assert again.ask("EndTxn", 2) == 2 and rig.broker.got == [2]
    rig.proxy.release(rig.proxy.fired[0])
    assert rig.proxy.fired[0].reached_broker.is_set() and rig.broker.got == [2, 1]
    rig.proxy.release(rig.proxy.fired[0])
    assert rig.broker.got == [2, 1], "only once"


def test_held_request_leaves_its_client_waiting(rig):
    rig.rule("hold", "TxnOffsetCommit", seconds=1.0)
    client = rig.client()
    client.send("TxnOffsetCommit", 1)
    client.send("Produce", 2)
    assert client.hears_nothing() and rig.broker.got == []
    assert rig.broker.wait_for(1) and client.hears_nothing() and rig.broker.got == [1], "what is behind it is dropped"


def test_held_request_and_a_client_that_goes_later(rig):
    rig.rule("hold", "EndTxn", gone=0.5)
    client = rig.client()
    client.send("EndTxn", 1)
    assert client.hears_nothing(0.2) and client.answer() is None and rig.broker.got == []
    rig.proxy.release(rig.proxy.fired[0])
    assert rig.broker.got == [1]


def test_held_request_overtaken_by_an_exact_number(rig):
    rig.rule("hold", "EndTxn", cut=True, release_api="EndTxn", release_nth=3)
    assert rig.client().ask("EndTxn", 1) is None
    client = rig.client()
    assert [client.ask(api, n) for api, n in (("EndTxn", 2), ("Produce", 3), ("EndTxn", 4), ("EndTxn", 5))] == [2, 3, 4, 5]
    assert rig.broker.got == [2, 3, 4, 1, 5]


def test_held_until_one_after_another(rig):
    rig.rule("hold", "Produce", cut=True, release_api="Produce", release_after=("EndTxn(abort)", "InitProducerId"))
    assert rig.client().ask("Produce", 1) is None
    client = rig.client()
    for n, (api, body) in enumerate((("Produce", b""), ("EndTxn", b"\x01\x00"), ("Produce", b""), ("EndTxn", b"\x00\x00"), ("Produce", b"")), 2):
        assert client.ask(api, n, body) == n
    assert rig.broker.got == [2, 3, 4, 5, 1, 6]


def test_end_txn_says_how(rig):
    """Version 1: its last byte is the decision; version 3: a byte of tags comes after it."""
    rule = rig.rule("cut-before", "EndTxn(abort)")
    client = rig.client()
    for n, (version, body) in enumerate(((1, b"id\x01"), (3, b"id\x01\x00"))):
        client.sock.sendall(frame("EndTxn", n, body=body, version=version))
        assert client.answer() == n
    client.sock.sendall(frame("EndTxn", 3, body=b"id\x00\x00", version=3))
    assert client.answer() is None and rule.over.is_set() and rig.proxy.fired[0].api == "EndTxn(abort)"


def test_rule_after_a_release(rig):
    then = Rule("cut-before", "EndTxn", nth=2)
    rig.rule("hold", "EndTxn", cut=True, release_api="Produce", then=then)
    assert rig.client().ask("EndTxn", 1) is None
    client = rig.client()
    assert [client.ask(api, n) for api, n in (("EndTxn", 2), ("Produce", 3), ("EndTxn", 4))] == [2, 3, 4]
    assert client.ask("EndTxn", 5) is None and rig.broker.got == [2, 1, 3, 4]


def test_error_of_a_produce(_rig):
    """One topic "abc", partition 1, error 47; in the old form and in the one with compact lengths and tags."""
    assert produce_error(7, struct.pack(">iih3siih", 5, 1, 3, b"abc", 1, 1, 47) + bytes(20)) == 47
    assert produce_error(9, struct.pack(">iBBB3sBih", 5, 0, 2, 4, b"abc", 2, 1, 47) + bytes(20)) == 47


def test_metadata_without_topics(_rig):
    """The answer's own form, version 4 and 8: two brokers, a topic with two partitions; what is behind the topics stays."""
    def text(what):
        return struct.pack(">h", len(what)) + what

    def answer(partitions, error, version, tail):
        brokers = struct.pack(">i", 2) + b"".join(struct.pack(">i", n) + text(b"host") + struct.pack(">i", 9092) + b"\xff\xff" for n in (1, 2))
        array = struct.pack(">iii", 2, 1, 2)
        epoch = struct.pack(">i", 5) if version >= 7 else b""
        one = struct.pack(">hii", 0, 0, 1) + epoch + array + array + (array if version >= 5 else b"")
        topic = struct.pack(">h", error) + text(b"raw") + b"\0" + struct.pack(">i", partitions) + one * partitions + (b"RRRR" if version >= 8 else b"")
        body = struct.pack(">ii", 77, 0) + brokers + text(b"cluster") + struct.pack(">ii", 1, 1) + topic + tail
        return struct.pack(">i", len(body)) + body

    for version, tail in ((4, b""), (5, b""), (8, b"CCCC")):
        assert without_topics(answer(2, 0, version, tail), version) == answer(0, 3, version, tail), version
    assert without_topics(b"anything", 9) == b"anything"


def test_rule_that_sleeps_until_another_request(rig):
    client = rig.client(1)
    rule = rig.proxy.arm(Rule("cut-after", "Fetch", after=("JoinGroup",)))
    assert client.ask("Fetch", 1) == 1 and client.ask("JoinGroup", 2) == 2 and not rule.fired.is_set()
    assert client.ask("Fetch", 3) is None and rule.over.is_set()


def test_delay(rig):
    rig.rule("delay", "Fetch", seconds=0.5)
    client, begin = rig.client(), time.monotonic()
    client.send("Produce", 1)
    client.send("Fetch", 2)
    client.send("Fetch", 3)
    other = rig.client()
    assert other.ask("Fetch", 4) == 4 and time.monotonic() - begin < 0.5, "others go on"
    assert sorted(client.answer() for _ in range(3)) == [1, 2, 3] and time.monotonic() - begin >= 0.5
    assert [n for n in rig.broker.got if n != 4] == [1, 2, 3]


def test_blackhole(rig):
    rig.rule("blackhole", "Heartbeat", seconds=1.0)
    client = rig.client()
    client.send("Heartbeat", 1)
    client.send("Produce", 2)
    assert client.hears_nothing(0.3)
    assert client.answer() is None and rig.broker.got == []


def test_mute(rig):
    rig.rule("mute", "Produce", seconds=1.0)
    client = rig.client()
    client.send("Produce", 1)
    client.send("Produce", 2)
    assert client.hears_nothing(0.3) and rig.broker.wait_for(1)
    assert client.answer() is None


def test_throttle(rig):
    rig.rule("throttle", "Produce", rate=100000, seconds=30)
    client, begin = rig.client(), time.monotonic()
    assert client.ask("Produce", 1, b"x" * 50000) == 1
    assert time.monotonic() - begin >= 0.9, "50 KB there and back at 100 KB/s"


def test_broker_out_of_reach(rig):
    first, second = rig.client(1), rig.client(2)
    assert (first.ask("Fetch", 1), second.ask("Fetch", 2)) == (1, 2)
    rig.proxy.close_broker(2)
    assert second.answer() is None and rig.client(2).ask("Fetch", 3) is None and first.ask("Fetch", 4) == 4
    rig.proxy.open_broker(2)
    assert rig.client(2).ask("Fetch", 5) == 5
    assert [b.got for b in rig.brokers] == [[1, 4], [2, 5]]


def test_cut_client(rig):
    one, two = rig.client(name="a-1"), rig.client(name="a-2")
    assert (one.ask("Fetch", 1), two.ask("Fetch", 2)) == (1, 2)
    assert rig.proxy.cut_client("-1$") == 1
    assert one.answer() is None and two.ask("Fetch", 3) == 3


def test_heal(rig):
    rig.rule("hold", "EndTxn")
    rig.rule("blackhole", "Fetch")
    rig.rule("cut-before", "Produce")
    held, swallowed = rig.client(), rig.client()
    held.send("EndTxn", 1)
    swallowed.send("Fetch", 2)
    assert held.hears_nothing() and swallowed.hears_nothing() and rig.broker.got == []
    rig.proxy.close_broker(2)
    rig.proxy.heal()
    assert rig.broker.got == [1] and held.answer() is None and swallowed.answer() is None
    assert rig.client().ask("Produce", 3) == 3 and rig.client(2).ask("Produce", 4) == 4


def test_heal_for_one(rig):
    rig.rule("cut-before", "Produce", client="one-p")
    other = rig.rule("cut-before", "Produce", client="two-p")
    rig.rule("blackhole", "Fetch", client="two-c")
    swallowed = rig.client(name="two-c")
    swallowed.send("Fetch", 1)
    assert swallowed.hears_nothing()
    rig.proxy.heal("one")
    assert rig.client(name="one-p").ask("Produce", 2) == 2 and not other.fired.is_set() and swallowed.hears_nothing()
    rig.proxy.heal("two")
    assert rig.client(name="two-p").ask("Produce", 3) == 3 and swallowed.answer() is None


def test_broker_away(rig):
    rig.proxy.aim(["127.0.0.1:1", rig.brokers[1].address])
    assert rig.client(1).ask("Fetch", 1) is None and rig.client(2).ask("Fetch", 2) == 2


def main():
    failed = 0
    tests = [(name[5:].replace("_", " "), test) for name, test in globals().items() if name.startswith("test_")]
    for number, (name, test) in enumerate(tests, 1):
        rig = Rig(brokers=2)
        try:
            test(rig)
            print(f"ok {number} - {name}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("\n".join("# " + line for line in traceback.format_exc().splitlines()))
            print(f"not ok {number} - {name}", flush=True)
        finally:
            rig.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
