"""A real Kafka node, routers as processes, and what a test needs around them. Nothing here uses the product's own code."""
import http.client
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KAFKA_SH = os.path.join(ROOT, "tests", "support", "kafka.sh")
SOURCE = "eventrouter-source"
BEGIN, END = -2, -1  # as timestamps of ListOffsets


def until(condition, seconds=30.0, what="a condition", every=0.02):
    """Polls until condition() is true and returns its value; AssertionError after the deadline."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"no {what} within {seconds} s (last: {value!r})")
        select.select([], [], [], every)


def wait_for(future, seconds=30):
    return future.result(seconds)


class Record:
    """What a test writes, and the comparable form of what it reads."""
    __slots__ = ("value", "key", "headers", "timestamp", "partition", "offset", "topic")

    def __init__(self, value, key=None, headers=None, timestamp=None, partition=None, offset=None, topic=None):
        self.value, self.key, self.headers = value, key, list(headers or [])
        self.timestamp, self.partition, self.offset, self.topic = timestamp, partition, offset, topic

    @property
    def source(self):
        for name, value in self.headers:
            if name == SOURCE:
                topic, partition, offset = value.decode().rsplit("/", 2)
                return topic, int(partition), int(offset)
        return None

    def header(self, name):
        values = [v for n, v in self.headers if n == name]
        return values[-1].decode() if values else None

    def plain_headers(self):
        return [(n, v) for n, v in self.headers if not n.startswith("eventrouter-")]

    def __repr__(self):
        return f"Record({self.topic}/{self.partition}/{self.offset} key={self.key!r} value={self.value!r} headers={self.headers!r})"


def record_of(message):
    return Record(message.value(), message.key(), message.headers() or [], message.timestamp()[1], message.partition(),
                  message.offset(), message.topic())


class Kafka:
    def __init__(self, folder, *properties):
        self.folder, self.properties = str(folder), properties
        self.bootstrap, self.admin = None, None

    def start(self):
        done = subprocess.run([KAFKA_SH, "start", self.folder, *self.properties], check=True, stdout=subprocess.PIPE, text=True)
        self.bootstrap = done.stdout.strip()
        return self.connect()

    def connect(self):
        """Also after a fork: librdkafka's threads stay in the parent, so the old client can neither be used nor be freed."""
        self.of_parent = self.admin
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        return self

    def stop(self, how="TERM"):
        subprocess.run([KAFKA_SH, "stop", self.folder, how], check=True)

    def wipe(self):
        subprocess.run([KAFKA_SH, "wipe", self.folder], check=True)

    def create(self, topic, partitions=1, **config):
        new = NewTopic(topic, partitions, 1, config={k.replace("_", "."): str(v) for k, v in config.items()})
        wait_for(self.admin.create_topics([new])[topic])
        until(lambda: self.partitions(topic) == partitions, what=f"metadata of {topic}")

    def delete(self, topic):
        wait_for(self.admin.delete_topics([topic])[topic])
        until(lambda: self.partitions(topic) == 0, what=f"end of {topic}")

    def topics(self):
        return set(self.admin.list_topics(timeout=10).topics)

    def partitions(self, topic):
        """0 when the topic does not exist. Lists all topics: asking for one could create it."""
        found = self.admin.list_topics(timeout=10).topics.get(topic)
        return len(found.partitions) if found is not None and found.error is None else 0

    def producer(self, **config):
        return Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 0,
                         "queue.buffering.max.messages": 1000000, "message.timeout.ms": 60000, **config})

    def produce(self, topic, records, **config):
        """Writes and waits; each Record gets its partition and offset."""
        producer, failed = self.producer(**config), []

        def reported(error, message, record):
            if error is not None:
                failed.append(error)
            else:
                record.partition, record.offset, record.topic = message.partition(), message.offset(), message.topic()

        for record in records:
            self.put(producer, topic, record, lambda e, m, r=record: reported(e, m, r))
        assert producer.flush(60) == 0 and not failed, f"{topic}: {failed[:1]}"
        return records

    @staticmethod
    def put(producer, topic, record, callback=None):
        optional = {}
        if record.partition is not None:
            optional["partition"] = record.partition
        if record.timestamp is not None:
            optional["timestamp"] = record.timestamp
        while True:
            try:
                producer.produce(topic, record.value, record.key, headers=record.headers or None, on_delivery=callback, **optional)
                producer.poll(0)
                return
            except BufferError:
                producer.poll(0.1)

    def consumer(self, **config):
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": "test-reader", "enable.auto.commit": False,
                         "auto.offset.reset": "earliest", "isolation.level": "read_committed", "log_level": 0,
                         "queued.max.messages.kbytes": 65536, "fetch.wait.max.ms": 50, "enable.partition.eof": True, **config})

    def offsets(self, topics, which, consumer):
        """{(topic, partition): offset} of BEGIN or END. Not get_watermark_offsets: librdkafka 2.0.2 may return before it has both."""
        known = self.admin.list_topics(timeout=20).topics
        places = [TopicPartition(t, p, which) for t in topics if t in known for p in known[t].partitions]
        found = until(lambda: self._ask(places, consumer), 20, "leaders") if places else []
        for place in found:
            assert place.error is None, place
        return {(place.topic, place.partition): place.offset for place in found}

    @staticmethod
    def _ask(places, consumer):
        """None while a new partition's leader does not know that it is one."""
        try:
            return consumer.offsets_for_times(places, timeout=20)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                raise
            return None

    def ends(self, topic, consumer=None):
        """{partition: end offset}"""
        own = consumer or self.consumer()
        found = {partition: offset for (_, partition), offset in self.offsets([topic], END, own).items()}
        if consumer is None:
            own.close()
        return found

    def read(self, topic):
        """Everything that is in the topic now, by partition and offset."""
        return list(self.scan([topic]))

    def scan(self, topics, make=record_of):
        """The same over several topics, one at a time to the caller."""
        consumer, all_of_it = self.consumer(), self.consumer(**{"isolation.level": "read_uncommitted"})
        # also what a transaction is about to show: its markers may be a moment behind the router's commit
        begins, ends = self.offsets(topics, BEGIN, all_of_it), self.offsets(topics, END, all_of_it)
        all_of_it.close()
        left = {place: end for place, end in ends.items() if end > begins[place]}
        places = [TopicPartition(*place, begins[place]) for place in left]
        consumer.assign(places)
        # a transaction that a killed router left open holds readers up for its 60 s
        quiet = time.monotonic() + 90
        while left:
            messages = consumer.consume(10000, 0.2)
            if messages:
                quiet = time.monotonic() + 90
            assert time.monotonic() < quiet, f"reading stopped before {left}"
            for message in messages:
                place = message.topic(), message.partition()
                if message.error():
                    if message.error().code() != KafkaError._PARTITION_EOF:
                        raise AssertionError(message.error())
                    if message.offset() >= left.get(place, 0):  # the last offset may be a transaction's marker
                        left.pop(place, None)
                    continue
                if place not in left:
                    continue
                yield make(message)
                if message.offset() + 1 >= left[place]:
                    del left[place]
        consumer.close()

    def committed(self, group, topic):
        """{partition: offset} of a consumer group; -1001 when it has none."""
        consumer = self.consumer(**{"group.id": group})
        places = [TopicPartition(topic, p) for p in range(self.partitions(topic))]
        found = {p.partition: p.offset for p in consumer.committed(places, timeout=20)}
        consumer.close()
        return found


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def revision(self):
        return int(self.headers["Eventrouter-Revision"])

    @property
    def codes(self):
        return [e["code"] for e in self.json.get("errors", [])]

    def __repr__(self):
        return f"{self.status} {self.body[:2000]!r}"


class Router:
    """One eventrouterd process with folder, store and socket of its own."""
    numbers = itertools.count(1)

    def __init__(self, programs, folder, bootstrap, prefix, **config):
        self.programs, self.folder, self.prefix = programs, str(folder), prefix
        self.name = f"r{next(self.numbers)}"
        self.bootstrap, self.process, self.starts = bootstrap, None, 0
        # The path of a socket is at most 107 bytes long; pytest's folders are longer.
        self.run = os.path.join("/tmp", f"er-{os.getpid()}-{self.name}")
        os.makedirs(self.run, exist_ok=True)
        os.makedirs(self.folder, exist_ok=True)
        self.socket = os.path.join(self.run, "admin.sock")
        self.store = os.path.join(self.folder, f"{self.name}.db")
        self.config = {
            "router.group": f"{prefix}.group",
            "source.topics": f"{prefix}.raw",
            "destinations.topic": prefix + ".{subscriber}",
            "dead_letter.topic": f"{prefix}.dead",
            "store.path": self.store,
            "admin.socket": self.socket,
            "http.listen": "127.0.0.1:0",
            "kafka.bootstrap.servers": bootstrap,
            "kafka.consumer.session.timeout.ms": "6000",
            "kafka.consumer.heartbeat.interval.ms": "500",
        }
        self.config.update({k.replace("__", "."): str(v) for k, v in config.items()})
        self.log_path = os.path.join(self.folder, f"{self.name}.log")

    @property
    def exactly_once(self):
        return self.config.get("router.delivery") == "exactly-once"

    @property
    def raw(self):
        return self.config["source.topics"].split(",")[0]

    @property
    def dead(self):
        return self.config["dead_letter.topic"]

    def topic(self, subscriber):
        return self.config["destinations.topic"].replace("{subscriber}", subscriber)

    def write_config(self):
        sections = {}
        for key, value in self.config.items():
            parts = key.split(".", 1)
            section, name = parts
            for nested in ("kafka.consumer", "kafka.producer"):
                if key.startswith(nested + "."):
                    section, name = nested, key[len(nested) + 1:]
            sections.setdefault(section, []).append(f"{name} = {value}")
        path = os.path.join(self.folder, f"{self.name}.ini")
        with open(path, "w", encoding="utf-8") as out:
            for section, lines in sections.items():
                out.write(f"[{section}]\n" + "\n".join(lines) + "\n")
        return path

    def start(self, ready=True, arguments=(), environment=None):
        path = self.write_config()
        self.starts += 1
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([os.path.join(self.programs, "eventrouterd"), "-c", path, *arguments], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=40):
        def look():
            if self.process.poll() is not None:
                raise AssertionError(f"eventrouterd ended with {self.process.returncode}\n{self.log_tail()}")
            try:
                return self.admin("GET", "/readyz").status == 200
            except OSError:
                return False
        try:
            until(look, seconds, f"ready {self.name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_tail()}") from None

    def admin_up(self, seconds=20):
        """Waits until the admin socket answers; needs no broker."""
        def look():
            assert self.process.poll() is None, f"eventrouterd ended with {self.process.returncode}\n{self.log_tail()}"
            try:
                return self.admin("GET", "/livez").status == 200
            except OSError:
                return False
        until(look, seconds, f"admin socket of {self.name}")

    def log_text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def log_tail(self, lines=30):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def admin(self, method, path, body=None, headers=None, timeout=30):
        connection = UnixConnection(self.socket, timeout)
        fields = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            fields.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def must(self, method, path, body=None, headers=None):
        answer = self.admin(method, path, body, headers)
        assert answer.status in (200, 201, 204), f"{method} {path}: {answer}"
        return answer

    def revision(self):
        return self.must("GET", "/v1/status").json["revision"]

    def apply(self, documents, prune=False):
        return self.must("PUT", f"/v1/subscriptions?prune={'true' if prune else 'false'}", documents)

    def ctl(self, *arguments, stdin=None, check=None, environment=None):
        """eventrouterctl with this router's socket; check: the exit code that must come."""
        done = subprocess.run([os.path.join(self.programs, "eventrouterctl"), "-s", self.socket, *arguments], input=stdin, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False,
                              env={**os.environ, "NO_COLOR": "1", **(environment or {})})
        if check is not None:
            assert done.returncode == check, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def metrics(self):
        """{name: sum over its labels} and {name{labels}: value}"""
        found = {}
        for line in self.must("GET", "/metrics").body.decode().splitlines():
            sample = re.match(r"^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)", line)
            if line.startswith("#") or not sample:
                continue
            found[sample[1]] = found.get(sample[1], 0.0) + float(sample[3])
            if sample[2]:
                found[sample[1] + sample[2]] = float(sample[3])
        return found

    def balance(self):
        metrics = self.metrics()
        return {name: int(metrics.get(f"eventrouter_events_{name}_total", 0))
                for name in ("received", "routed", "unmatched", "dead_lettered")}

    def settle(self, received, seconds=60):
        """Waits until so many events have their outcome; the balance must hold."""
        until(lambda: self.balance()["received"] >= received, seconds, f"{received} events at {self.name}: {self.balance()}")
        found = self.balance()
        assert_balance(found)
        return found

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def terminate(self, seconds=20):
        """Graceful stop; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {seconds} s\n{self.log_tail()}") from None

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for name in os.listdir(self.run):
            os.unlink(os.path.join(self.run, name))
        os.rmdir(self.run)


def assert_balance(found):
    assert found["received"] == found["routed"] + found["unmatched"] + found["dead_lettered"], found


class Load:
    """Numbered events at a steady rate from a thread of its own until stop(); remembers what it wrote."""

    def __init__(self, kafka, topic, partitions, make, per_second=2000):
        import threading
        self.kafka, self.topic, self.partitions, self.make, self.rate = kafka, topic, partitions, make, per_second
        self.records = []
        self.failed = []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def _reported(self, error, message, record):
        if error is not None:
            self.failed.append(error)
        else:
            record.offset = message.offset()

    def _run(self):
        producer = self.kafka.producer(**{"message.timeout.ms": 180000})  # a broker that starts on a busy machine takes its time
        begin, number = time.monotonic(), 0
        while not self.ending.is_set():
            due = int((time.monotonic() - begin) * self.rate)
            while number < due:
                record = self.make(number)
                record.partition = number % self.partitions if record.partition is None else record.partition
                self.records.append(record)
                self.kafka.put(producer, self.topic, record, lambda e, m, r=record: self._reported(e, m, r))
                number += 1
            producer.poll(0)
            self.ending.wait(0.005)
        if producer.flush(60) != 0:
            self.failed.append("flush")

    def count(self):
        return len(self.records)

    def stop(self):
        self.ending.set()
        self.thread.join(90)
        assert not self.failed, self.failed[:3]
        return self.records


def compare(kafka, expected, topics, raw):
    """Checks destinations copy by copy.

    expected: {topic: [Record that was produced, with partition and offset]}. Returns a dict of counts: lost, duplicated, reordered,
    unexplained, differing; and examples.
    """
    result = {"copies": 0, "lost": 0, "duplicated": 0, "reordered": 0, "unexplained": 0, "differing": 0, "examples": []}

    def note(kind, example):
        result[kind] += 1
        if sum(1 for known, _ in result["examples"] if known == kind) < 4:
            result["examples"].append((kind, example))

    for topic in topics:
        wanted = {(r.partition, r.offset): r for r in expected.get(topic, [])}
        seen, last = {}, {}
        assert kafka.partitions(topic) > 0 or not wanted, f"{topic} does not exist"
        for copy in kafka.scan([topic]):
            result["copies"] += 1
            source = copy.source
            place = source and (source[1], source[2])
            if source is None or source[0] != raw or place not in wanted:
                note("unexplained", copy)
                continue
            if place in seen:
                note("duplicated", (topic, place))
                continue
            seen[place] = True
            original = wanted[place]
            if (copy.value, copy.key, copy.plain_headers()) != (original.value, original.key, original.headers) or \
                    (original.timestamp is not None and copy.timestamp != original.timestamp):
                note("differing", (original, copy))
            order = source[1], copy.partition
            if last.get(order, -1) > source[2]:
                note("reordered", (topic, last[order], place))
            last[order] = max(last.get(order, -1), source[2])
        for place in wanted:
            if place not in seen:
                note("lost", (topic, place))
    return result


def assert_exact(result, duplicates=False):
    bad = {k: v for k, v in result.items() if k not in ("copies", "examples") and v and not (duplicates and k == "duplicated")}
    assert not bad, f"{bad} of {result['copies']} copies; {result['examples']}"


def murmur2(key):
    """Kafka's Java DefaultPartitioner hash (signed 32 bit arithmetic), made positive."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    n = len(key)
    h = (0x9747B28C ^ n) & mask
    for i in range(0, n - n % 4, 4):
        k = int.from_bytes(key[i:i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = h * m & mask ^ k
    tail = key[n - n % 4:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return (h ^ (h >> 15)) & 0x7FFFFFFF
