"""A proxy in front of Kafka brokers that knows where requests begin, what they ask and who sends them, so that a fault lands on an exact
step of the protocol.

    router ---> proxy port of broker 1 ---> broker 1 (a listener that advertises the proxy's port)
           ---> proxy port of broker 2 ---> broker 2

A rule says "client x ApiKey x ordinal -> action"; the ordinal counts the requests that fit since the rule was armed. All sockets are
served by one thread with an event loop of its own; the methods of Proxy may be called from any other thread. `fired` is the log.

Actions:
    cut-before      the connection is cut, the broker never sees the request
    cut-after       the broker answers; the answer is lost and the connection is cut
    hold            the request is kept back, and everything behind it on its connection is dropped. With cut=True the connection is cut at
                    once, with `gone` after so many seconds, otherwise the client has to time out. It reaches the broker later, although its
                    client may have gone: after `seconds`, or just before the `release_nth`-th later request of `release_api` from the same client (with
                    `release_after`, names, counted from the first of these on), or by release(). `then` is a rule that is armed afterwards
    delay           this connection stands still for `seconds`, in both directions
    blackhole       from here on nothing passes on this connection, in either direction; it is cut after `seconds`, or when its client goes
    mute            the request passes, but no answer on this connection from then on; cut as with blackhole
    throttle        this connection passes `rate` bytes per second, for `seconds`
    forget          the answer (to Metadata up to version 8) says that the broker does not know the topics

A rule with `after` (names of requests) sleeps until its client has sent one of these.
"""
import asyncio
import itertools
import re
import struct
import threading
import time
from collections import Counter

API = {"Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetCommit": 8, "OffsetFetch": 9, "FindCoordinator": 10, "JoinGroup": 11,
       "Heartbeat": 12, "LeaveGroup": 13, "SyncGroup": 14, "ApiVersions": 18, "CreateTopics": 19, "DeleteTopics": 20, "InitProducerId": 22,
       "AddPartitionsToTxn": 24, "AddOffsetsToTxn": 25, "EndTxn": 26, "TxnOffsetCommit": 28, "DescribeConfigs": 32}
NAMES = {number: name for name, number in API.items()}
ACTIONS = ("cut-before", "cut-after", "hold", "delay", "blackhole", "mute", "throttle", "forget")
FRAME_MAX = 256 << 20
CHUNK = 16384


class Request:
    """The head of one request; frame has the length in front."""
    __slots__ = ("frame", "api", "version", "correlation", "client", "detail", "answered", "changed")

    def __init__(self, frame):
        self.frame = frame
        self.api, self.version, self.correlation, length = struct.unpack_from(">hhih", frame, 4)
        if length > len(frame) - 14:
            raise ValueError("the client id is longer than its request")
        self.client = "" if length < 0 else frame[14:14 + length].decode("utf-8", "replace")
        self.detail = self.name
        if self.name == "EndTxn":  # its last field but for the tags of flexible versions says which
            self.detail += "(commit)" if frame[-1 if self.version < 3 else -2] else "(abort)"
        self.answered = None  # called when there is an answer, which then goes no further
        self.changed = None  # makes of the answer what the client gets

    @property
    def name(self):
        return NAMES.get(self.api, str(self.api))

    def __repr__(self):
        return f"{self.name}v{self.version} #{self.correlation} of {self.client}"


class Rule:
    """client: a regex that is searched in the client id. api: a name (also EndTxn(commit) and EndTxn(abort)), or None for all. Fires for the nth to the (nth + count - 1)-th
    request that fits, at the latest to the first of the requests named in `until`."""
    numbers = itertools.count(1)

    def __init__(self, action, api=None, client="", nth=1, count=1, seconds=None, cut=False, gone=None, rate=0, release_api=None, release_nth=1, release_after=None,
                 then=None, until=(), after=()):
        if action not in ACTIONS:
            raise ValueError(f"no action is called {action}")
        self.number = next(self.numbers)
        self.action, self.api, self.client, self.nth, self.count = action, api, re.compile(client), nth, count
        self.seconds, self.cut, self.gone, self.rate = seconds, cut, gone, rate
        self.release_api, self.release_nth, self.release_after, self.then = release_api, release_nth, release_after, then
        if api is not None:
            API[api.split("(")[0]]  # a KeyError: there is no such request
        self.until, self.after = until, after
        self.seen = 0
        self.fired = threading.Event()  # at least once
        self.over = threading.Event()  # as often as it may

    def counts(self, request):
        """True when the rule fires for this request."""
        if not self.client.search(request.client):
            return False
        if request.detail in self.until:
            self.over.set()
        if self.after:
            self.after = () if request.detail in self.after else self.after
            return False
        if self.over.is_set() or self.api not in (None, request.name, request.detail):
            return False
        self.seen += 1
        if self.seen >= self.nth + self.count - 1:
            self.over.set()
        if not self.nth <= self.seen < self.nth + self.count:
            return False
        self.fired.set()
        return True

    def __repr__(self):
        return f"{self.action} {self.api or 'any'} {self.nth}"


class Fired:
    """A line of the log: what happened to which request."""

    def __init__(self, rule, request, broker):
        self.time, self.rule, self.broker = time.monotonic(), rule, broker
        self.api, self.client, self.correlation = request.detail, request.client, request.correlation
        self.version = request.version
        self.held = None
        self.answer = None  # to a held request, without its length
        self.reached_broker = threading.Event()  # of a held request: the broker has answered it

    def __repr__(self):
        return f"{self.rule} on {self.api} #{self.correlation} of {self.client} at broker {self.broker}"


def produce_error(version, answer):
    """The error code of the first partition in an answer to Produce (without its length)."""
    if version < 9:
        length, = struct.unpack_from(">h", answer, 8)
        return struct.unpack_from(">h", answer, 8 + 2 + length + 4 + 4)[0]
    length = answer[6] - 1  # behind the correlation id, tags and the number of topics; names are shorter than 127 here
    return struct.unpack_from(">h", answer, 7 + length + 1 + 4)[0]


def without_topics(frame, version):
    """An answer to Metadata (with its length) whose topics are unknown to the broker; as it is when the version is flexible or without a rack."""
    if not 3 <= version <= 8:
        return frame

    def string(at):
        length, = struct.unpack_from(">h", frame, at)
        return at + 2 + max(length, 0)

    at = 12  # behind length, correlation id and throttle time
    brokers, = struct.unpack_from(">i", frame, at)
    at += 4
    for _ in range(brokers):
        at = string(string(at + 4) + 4)  # id, host, port, rack
    at = string(at) + 4  # cluster id, controller id
    count, = struct.unpack_from(">i", frame, at)
    out, at = frame[4:at + 4], at + 4
    for _ in range(count):
        end = string(at + 2) + 1  # error, name, internal
        out += struct.pack(">h", 3) + frame[at + 2:end] + struct.pack(">i", 0)
        partitions, = struct.unpack_from(">i", frame, end)
        at = end + 4
        for _ in range(partitions):
            at += 10 + (4 if version >= 7 else 0)  # error, index, leader, epoch
            for _ in range(3 if version >= 5 else 2):  # replicas, in sync, offline
                at += 4 + 4 * struct.unpack_from(">i", frame, at)[0]
        if version >= 8:
            out, at = out + frame[at:at + 4], at + 4
    out += frame[at:]
    return struct.pack(">i", len(out)) + out


async def read_frame(reader):
    """One request or answer with its length in front; None at the end of the stream."""
    try:
        head = await reader.readexactly(4)
        length = int.from_bytes(head, "big")
        if not 4 <= length <= FRAME_MAX:
            return None
        return head + await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return None


class Connection:
    """One client's connection to one broker."""

    def __init__(self, proxy, broker, reader, writer):
        self.proxy, self.broker = proxy, broker
        self.reader, self.writer = reader, writer
        self.up_reader = self.up_writer = None
        self.pending = {}  # correlation id -> request that waits for its answer
        self.gate = asyncio.Event()  # closed while the connection stands still
        self.gate.set()
        self.rate, self.rate_until = 0, 0.0
        self.client = None
        self.deaf = False  # requests are swallowed
        self.mute = False  # answers are swallowed
        self.ending = asyncio.Event()

    async def run(self):
        try:
            self.up_reader, self.up_writer = await asyncio.open_connection(*self.proxy.targets[self.broker], limit=1 << 20)
        except (OSError, KeyError):
            self.writer.close()
            return
        jobs = [asyncio.ensure_future(job) for job in (self.requests(), self.answers(), self.ending.wait())]
        await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        for writer in (self.writer, self.up_writer):
            writer.close()

    def cut(self):
        """RST instead of FIN: nothing that is still in a buffer arrives."""
        for writer in (self.writer, self.up_writer):
            if writer is not None:
                writer.transport.abort()
        self.ending.set()

    async def requests(self):
        while (frame := await read_frame(self.reader)) is not None:
            try:
                request = Request(frame)
            except (struct.error, ValueError):
                return
            if self.deaf:
                continue
            self.client = request.client
            self.proxy.seen[request.client, request.name] += 1
            if self.proxy.trace is not None:
                self.proxy.trace.write(f"{time.monotonic():.3f} {request} {request.detail} to {self.broker}\n")
            await self.proxy.release_due(request)
            rule = self.proxy.rule_for(request)
            if rule is None:
                await self.forward(request)
                continue
            fired = Fired(rule, request, self.broker)
            self.proxy.fired.append(fired)
            await ACT[rule.action](self, rule, request, fired)

    async def forward(self, request):
        await self.gate.wait()
        if self.deaf:
            return
        self.pending[request.correlation] = request
        await self.pass_on(self.up_writer, request.frame)

    async def answers(self):
        while (frame := await read_frame(self.up_reader)) is not None:
            request = self.pending.pop(struct.unpack_from(">i", frame, 4)[0], None)
            await self.gate.wait()
            if request is not None and request.changed is not None:
                await self.pass_on(self.writer, request.changed(frame))
            elif request is not None and request.answered is not None:
                request.answered()
            elif not self.mute:
                await self.pass_on(self.writer, frame)

    async def pass_on(self, writer, frame):
        at = 0
        while self.rate and time.monotonic() < self.rate_until and at < len(frame):
            part = frame[at:at + min(CHUNK, max(1, self.rate // 20))]
            writer.write(part)
            at += len(part)
            await asyncio.sleep(len(part) / self.rate)
        writer.write(frame[at:] if at else frame)
        try:
            await writer.drain()
        except OSError:
            self.ending.set()

    # ---- actions ----

    async def cut_before(self, _rule, _request, _fired):
        self.cut()

    async def cut_after(self, _rule, request, _fired):
        request.answered = self.cut
        await self.forward(request)

    async def hold(self, rule, request, fired):
        """The held request goes out on a connection of its own: without authentication a broker does not care."""
        fired.held = Held(self.proxy, rule, request, fired)
        self.proxy.held.append(fired.held)
        if rule.seconds is not None:
            asyncio.get_running_loop().call_later(rule.seconds, fired.held.release_soon)
        if rule.cut:
            self.cut()
        else:
            self.deaf = self.mute = True
            self.cut_later(rule.gone)

    async def delay(self, rule, request, _fired):
        self.gate.clear()
        await asyncio.sleep(rule.seconds)
        self.gate.set()
        await self.forward(request)

    async def blackhole(self, rule, _request, _fired):
        self.deaf = self.mute = True
        self.cut_later(rule.seconds)

    async def muted(self, rule, request, _fired):
        await self.forward(request)
        self.mute = True
        self.cut_later(rule.seconds)

    def cut_later(self, seconds):
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self.cut)

    async def forget(self, _rule, request, _fired):
        request.changed = lambda frame: without_topics(frame, request.version)
        await self.forward(request)

    async def throttle(self, rule, request, _fired):
        self.rate, self.rate_until = rule.rate, time.monotonic() + rule.seconds
        await self.forward(request)


ACT = {"cut-before": Connection.cut_before, "cut-after": Connection.cut_after, "hold": Connection.hold, "delay": Connection.delay,
       "blackhole": Connection.blackhole, "mute": Connection.muted, "throttle": Connection.throttle, "forget": Connection.forget}


class Held:
    """A request on its way to the broker that takes its time."""

    def __init__(self, proxy, rule, request, fired):
        self.proxy, self.rule, self.request, self.fired = proxy, rule, request, fired
        self.later = 0
        self.waiting_for = rule.release_after
        self.sent = False

    def due(self, request):
        if self.waiting_for and request.detail in self.waiting_for and request.client == self.request.client:
            self.waiting_for = None
        if self.sent or self.waiting_for or self.rule.release_api is None or request.client != self.request.client or \
                self.rule.release_api not in (request.name, request.detail):
            return False
        self.later += 1
        return self.later >= self.rule.release_nth

    def release_soon(self):
        asyncio.ensure_future(self.release())

    async def release(self):
        """Sends it and waits until the broker has answered, so that it has taken effect before anything that comes next."""
        if self.sent:
            return
        self.sent = True
        await self.deliver()
        if self.rule.then is not None:
            self.proxy.rules.append(self.rule.then)

    async def deliver(self):
        try:
            reader, writer = await asyncio.open_connection(*self.proxy.targets[self.fired.broker])
        except OSError:
            return
        writer.write(self.request.frame)
        try:
            answer = await asyncio.wait_for(read_frame(reader), 10)
            if answer is not None:
                self.fired.answer = answer[4:]
                self.fired.reached_broker.set()
                if self.proxy.trace is not None:
                    self.proxy.trace.write(f"{time.monotonic():.3f} late: {self.request}: {answer.hex()}\n")
        except asyncio.TimeoutError:
            pass
        writer.close()


class Proxy:
    """ports: one for each broker, bound when the constructor returns. Nothing passes until `aim` has said where the brokers are."""

    def __init__(self, brokers=1, trace=None):
        self.targets = {}
        self.trace = trace  # a file that gets a line for each request, or None
        self.rules, self.held, self.fired = [], [], []
        self.seen = Counter()  # (client, name of the request): how often
        self.connections = {}  # with their tasks
        self.closed = set()  # brokers that seem to be away
        self.ports = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="proxy", daemon=True)
        self.thread.start()
        self.servers = self._call(self._listen(brokers))

    def _call(self, coroutine, seconds=30):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    async def _listen(self, brokers):
        servers = []
        for broker in range(1, brokers + 1):
            server = await asyncio.start_server(lambda r, w, b=broker: self._serve(b, r, w), "127.0.0.1", 0, limit=1 << 20)
            self.ports.append(server.sockets[0].getsockname()[1])
            servers.append(server)
        return servers

    async def _serve(self, broker, reader, writer):
        if broker in self.closed:
            writer.transport.abort()
            return
        connection = Connection(self, broker, reader, writer)
        self.connections[connection] = asyncio.current_task()
        try:
            await connection.run()
        finally:
            del self.connections[connection]

    # ---- asked by connections, on the loop's thread ----

    def rule_for(self, request):
        firing = [rule for rule in self.rules if rule.counts(request)]
        self.rules = [rule for rule in self.rules if not rule.over.is_set()]
        return firing[0] if firing else None

    async def release_due(self, request):
        for held in [held for held in self.held if held.due(request)]:
            await held.release()

    # ---- for other threads ----

    @property
    def bootstrap(self):
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def aim(self, addresses):
        """addresses: HOST:PORT of each broker's listener behind this proxy."""
        for broker, address in enumerate(addresses, 1):
            host, port = address.rsplit(":", 1)
            self.targets[broker] = host, int(port)

    def arm(self, rule):
        async def add():
            self.rules.append(rule)
        self._call(add())
        return rule

    def disarm(self, rule):
        async def remove():
            self.rules = [known for known in self.rules if known is not rule]
        self._call(remove())

    def release(self, fired):
        """Sends a held request now; returns when the broker has answered it (or does not)."""
        self._call(fired.held.release())

    def close_broker(self, broker):
        """As if the machine of the broker could not be reached any more."""
        async def close():
            self.closed.add(broker)
            for connection in [c for c in self.connections if c.broker == broker]:
                connection.cut()
        self._call(close())

    def open_broker(self, broker):
        async def reopen():
            self.closed.discard(broker)
        self._call(reopen())

    def cut_client(self, client):
        """Cuts all connections of clients with an id that the regex finds; returns how many."""
        async def cut():
            found = [c for c in self.connections if c.client is not None and re.search(client, c.client)]
            for connection in found:
                connection.cut()
            return len(found)
        return self._call(cut())

    def heal(self, client=""):
        """For clients whose id the regex finds: no rule is armed any more (a rule counts by its own regex's text), held requests go out, what
        stands still or swallows is cut. Every broker can be reached."""
        async def all_well():
            self.rules = [rule for rule in self.rules if not rule.client.pattern.startswith(client)]
            self.closed.clear()
            for one in [held for held in self.held if re.search(client, held.request.client)]:
                await one.release()
            self.held = [held for held in self.held if not held.sent]
            for connection in list(self.connections):
                if not re.search(client, connection.client or ""):
                    continue
                if connection.deaf or connection.mute or not connection.gate.is_set() or connection.rate_until > time.monotonic():
                    connection.cut()
        self._call(all_well(), 120)

    def close(self):
        async def end():
            for server in self.servers:
                server.close()
            tasks = list(self.connections.values())
            for connection in self.connections:
                connection.cut()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
