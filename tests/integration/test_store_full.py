"""A full disk under the store: changes are refused with 507, routing goes on, and it heals."""
import errno
import os
import subprocess

import pytest
from rig import until
from small import RULES, event


@pytest.fixture
def tiny_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], stderr=subprocess.PIPE, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path):
    with open(path, "wb", buffering=0) as out:
        try:
            while True:
                out.write(b"x" * 4096)
        except OSError as error:
            assert error.errno == errno.ENOSPC


def test_full_disk(kafka, router, tiny_disk):
    one = router(store__path=tiny_disk / "rules.db")
    kafka.create(one.raw, 1)
    one.start()
    revision = one.apply(RULES).revision
    fill(tiny_disk / "filler")

    def document(number):
        return {"id": f"big-{number}", "subscriber": "all", "description": "d" * 30000}

    refused = None
    for number in range(100):
        answer = one.admin("POST", "/v1/subscriptions", document(number))
        if answer.status != 201:
            refused = answer
            break
        revision = answer.revision
    assert refused is not None and refused.status == 507 and refused.codes == ["E501"], refused
    assert one.revision() == revision
    assert one.admin("GET", f"/v1/subscriptions/big-{number}").status == 404
    kafka.produce(one.raw, [event(n) for n in range(500)])
    one.settle(500)
    assert len(kafka.read(one.topic("all"))) == 500
    os.unlink(tiny_disk / "filler")
    until(lambda: one.admin("POST", "/v1/subscriptions", document(number)).status in (201, 409), 10, "a change after space is free again")
    assert one.revision() == revision + 1
    one.kill()
    one.start()
    assert one.must("GET", f"/v1/subscriptions/big-{number}").json["id"] == f"big-{number}"
    assert one.terminate() == 0
