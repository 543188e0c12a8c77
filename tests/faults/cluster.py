"""Real Kafka behind the fault proxy: routers see the brokers through it, the rig itself has a way of its own."""
import ctypes
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration"))
from confluent_kafka.admin import NewTopic  # noqa: E402
from proxy import Proxy  # noqa: E402
from rig import KAFKA_SH, Kafka, until, wait_for  # noqa: E402


def keep_none_alive():
    """Debian 12's confluent_kafka (1.7) gives back a reference to None that it does not own for each null header value that it shows, and at times
    when it lists topics: after some hours None would be freed, and with it the process."""
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


class Cluster(Kafka):
    def __init__(self, folder, nodes=1, properties=(), trace=None):
        super().__init__(folder, *properties)
        self.nodes = nodes
        self.disk = None  # a small tmpfs that holds it all
        self.proxy = Proxy(nodes, trace)

    def start(self):
        command = [KAFKA_SH, "start", self.folder, "--nodes", str(self.nodes), "--advertise", ",".join(map(str, self.proxy.ports)), *self.properties]
        self.bootstrap = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        behind = []
        for node in range(1, self.nodes + 1):
            with open(os.path.join(self.node(node), "behind"), encoding="ascii") as address:
                behind.append(address.read().strip())
        self.proxy.aim(behind)
        return self.connect()

    def node(self, number):
        return self.folder if self.nodes == 1 else os.path.join(self.folder, str(number))

    def script(self, verb, number, *arguments):
        subprocess.run([KAFKA_SH, verb, self.node(number), *arguments], check=True, stdout=subprocess.PIPE)

    def pid(self, number):
        with open(os.path.join(self.node(number), "pid"), encoding="ascii") as pid:
            return int(pid.read())

    def stop_node(self, number, how="TERM"):
        self.script("stop", number, how)

    def start_node(self, number):
        self.script("start", number)

    def pause_node(self, number):
        self.script("pause", number)

    def resume_node(self, number):
        self.script("resume", number)

    def up(self):
        """Every node runs and can be reached, whatever a scenario has left."""
        for number in range(1, self.nodes + 1):
            self.resume_node(number)
            self.proxy.open_broker(number)
        subprocess.run([KAFKA_SH, "start", self.folder], check=True, stdout=subprocess.PIPE)

    def create(self, topic, partitions=1, **config):
        """As in rig.Kafka, on as many brokers as the cluster's default says."""
        new = NewTopic(topic, partitions, min(self.nodes, 3), config={k.replace("_", "."): str(v) for k, v in config.items()})
        wait_for(self.admin.create_topics([new])[topic])
        until(lambda: self.partitions(topic) == partitions, what=f"metadata of {topic}")

    def drop(self, prefix):
        """Deletes all topics of a run: a broker pays for every partition."""
        mine = [topic for topic in self.topics() if topic.startswith(prefix)]
        if mine:
            for future in self.admin.delete_topics(mine).values():
                wait_for(future)

    def close(self):
        self.proxy.close()
        self.wipe()
