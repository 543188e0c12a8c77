"""Fixtures: one Kafka node for the whole run, names and routers for each test."""
import os
import re
import signal
import uuid

import pytest
from rig import Kafka, Router


def pytest_addoption(parser):
    parser.addoption("--programs", default="build/release", help="folder of eventrouterd and eventrouterctl")
    parser.addoption("--delivery", default="at-least-once", help="router.delivery of the routers that do not choose themselves")
    parser.addoption("--kafka", help="folder of a node to start or use, and to keep (quicker for one test again and again)")


@pytest.fixture(scope="session")
def programs(request):
    folder = os.path.abspath(request.config.getoption("--programs"))
    assert os.access(os.path.join(folder, "eventrouterd"), os.X_OK), f"no eventrouterd in {folder}"
    return folder


@pytest.fixture(scope="session")
def kafka(request, tmp_path_factory):
    kept = request.config.getoption("--kafka")
    node = Kafka(kept or tmp_path_factory.mktemp("kafka") / "node")
    node.start()
    yield node
    if not kept:
        node.wipe()


@pytest.fixture
def own_kafka(tmp_path):
    """A node of the test's own, not started, that it may stop and start."""
    node = Kafka(tmp_path / "node")
    yield node
    node.wipe()


@pytest.fixture
def prefix(request):
    """Unique start of topic and group names."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:30]
    return f"{name}-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def router(request, programs, kafka, tmp_path, prefix):
    """Factory: router(key__with__dots=value, ...) makes a Router; all of them are ended after the test."""
    made = []
    delivery = request.config.getoption("--delivery")

    def make(bootstrap=None, **config):
        config.setdefault("router__delivery", delivery)
        if config["router__delivery"] == "exactly-once":
            config.setdefault("router__instance", f"{prefix}-{len(made)}")
        one = Router(programs, tmp_path, bootstrap or kafka.bootstrap, prefix, **config)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def deadline(request):
    """No test may hang the run: marker deadline(seconds), 120 by default."""
    marker = request.node.get_closest_marker("deadline")
    seconds = marker.args[0] if marker else 120

    def ring(_signal, _frame):
        raise AssertionError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pytest_configure(config):
    config.addinivalue_line("markers", "deadline(seconds): how long the test may take")
