"""Start and configuration errors: exit codes, messages, origin of values."""
import os
import re
import shutil
import signal
import sqlite3
import subprocess

import pytest
from rig import Record, until


@pytest.fixture
def daemon(programs, tmp_path):
    def run(*arguments, text=None, environment=None):
        if text is not None:
            (tmp_path / "er.ini").write_text(text)
            arguments = ("-c", str(tmp_path / "er.ini"), *arguments)
        return subprocess.run([os.path.join(programs, "eventrouterd"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=30, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    return run


GOOD = """[router]
group = g
[source]
topics = raw
[kafka]
bootstrap.servers = 127.0.0.1:1
"""


def test_good_file(daemon):
    done = daemon("--check-config", text=GOOD)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text, words", [
    ("[router]\ngruop = g\n", ["er.ini:2", "E701", "group"]),
    ("[ruoter]\ngroup = g\n", ["er.ini:1", "router"]),
    ("[router]\nshutdown_timeout = soon\n", ["er.ini:2", "E702", "shutdown_timeout"]),
    ("[router]\ndelivery = exactly-once\n", ["E702", "router.instance"]),
    ("[router]\ndelivery = sometimes\n", ["E702", "at-least-once"]),
    ("[kafka]\nenable.auto.commit = true\n", ["E703", "enable.auto.commit"]),
    ("[kafka]\nplugin.library.paths = /tmp/x.so\n", ["E703", "plugin.library.paths"]),
    ("[kafka.producer]\ntransactional.id = x\n", ["E703", "transactional.id"]),
    ("[kafka]\nsasl.kerberos.kinit.cmd = rm\n", ["E703", "sasl.kerberos.kinit.cmd"]),
    ("[kafka]\nbootstrap.server = x\n", ["bootstrap.server"]),
    ("[kafka.producer]\nlinger.ms = many\n", ["linger.ms"]),
    ("[destinations]\ntopic = all-in-one\n", ["E702", "{subscriber}"]),
    ("[event]\nmax_depth = 0\n", ["E702", "max_depth"]),
])
def test_bad_file(daemon, text, words):
    for arguments in (("--check-config",), ()):
        done = daemon(*arguments, text=text)
        assert done.returncode == 78, (done.returncode, done.stderr)
        for word in words:
            assert word in done.stderr, done.stderr
        assert done.stdout == ""


def test_all_errors_at_once(daemon):
    done = daemon("--check-config", text="[router]\ngruop = g\nworkers = lots\n[stroe]\npath = x\n")
    assert done.returncode == 78
    assert len([line for line in done.stderr.splitlines() if "error[E" in line]) == 3, done.stderr


def test_usage(daemon, tmp_path):
    assert daemon("--no-such-option").returncode == 64
    assert daemon("-c").returncode == 64
    assert daemon("surplus").returncode == 64
    assert daemon("-c", str(tmp_path / "nowhere" / "er.ini")).returncode == 78
    version = daemon("--version")
    assert version.returncode == 0
    assert re.fullmatch(r"eventrouterd \d+\.\d+\.\d+ \(librdkafka \d+\.\d+\.\d+\S*\)\n", version.stdout), version.stdout
    assert "eventrouterd" in daemon("--help").stdout


def printed(done):
    assert done.returncode == 0, done.stderr
    rows = {}
    for line in done.stdout.splitlines():
        if "=" in line:
            name, rest = line.split("=", 1)
            value, _, origin = rest.partition(";")
            rows[name.strip()] = value.strip(), origin.strip()
    return rows


def test_precedence_and_origin(daemon, tmp_path):
    (tmp_path / "secret").write_text("hunter2\n")
    text = GOOD + "sasl.password = in-the-file\n[log]\nlevel = debug\nformat = json\n[dead_letter]\ntopic = from.file\n"
    done = daemon("--print-config", "-o", "log.level=warn", text=text,
                  environment={"EVENTROUTER_LOG_LEVEL": "error", "EVENTROUTER_LOG_FORMAT": "logfmt", "EVENTROUTER_DEAD__LETTER_TOPIC": "from.env",
                               "EVENTROUTER_KAFKA_SSL_KEY_PASSWORD_FILE": str(tmp_path / "secret")})
    rows = printed(done)
    assert rows["log.level"][0] == "warn"
    assert rows["log.format"][0] == "logfmt"
    assert rows["dead_letter.topic"][0] == "from.env"
    assert rows["router.group"][0] == "g" and "er.ini" in rows["router.group"][1]
    assert rows["kafka.sasl.password"][0] == "****"
    assert rows["kafka.ssl.key.password"][0] == "****"
    assert "hunter2" not in done.stdout + done.stderr and "in-the-file" not in done.stdout + done.stderr
    assert rows["event.max_bytes"][0] == "1048576"


def store_error(router, change):
    one = router(bootstrap="127.0.0.1:1")
    change(one)
    one.start(ready=False)
    assert one.process.wait(20) == 74
    return one.log_text()


def test_store_that_is_no_database(router):
    def spoil(one):
        with open(one.store, "wb") as out:
            out.write(b"this is no database at all, but it is long enough to look at" * 100)
    assert "E502" in store_error(router, spoil)


def test_store_in_a_missing_folder(router, tmp_path):
    def spoil(one):
        one.config["store.path"] = tmp_path / "nowhere" / "folder" / "er.db"
    assert "/nowhere/folder" in store_error(router, spoil)


def test_store_of_a_newer_version(router):
    def spoil(one):
        one.start(ready=False)
        one.admin_up()
        one.kill()
        shutil.copy(one.store, one.store + ".old")
        database = sqlite3.connect(one.store)
        database.execute("PRAGMA user_version = 9999")
        database.commit()
        database.close()
    assert "E503" in store_error(router, spoil)


def test_store_is_locked(router):
    first = router(bootstrap="127.0.0.1:1")
    first.start(ready=False)
    first.admin_up()

    def same(one):
        one.config["store.path"] = first.store
    assert "E504" in store_error(router, same)
    assert first.must("GET", "/livez").status == 200


def test_admin_socket(router):
    one = router(bootstrap="127.0.0.1:1", admin__mode="0600")
    one.start(ready=False)
    one.admin_up()
    assert os.stat(one.socket).st_mode & 0o777 == 0o600
    other = router(bootstrap="127.0.0.1:1")
    other.config["admin.socket"] = one.socket
    other.start(ready=False)
    assert other.process.wait(20) != 0, "a live socket is not taken over"
    assert one.must("GET", "/livez").status == 200
    one.kill()
    assert os.path.exists(one.socket), "killed: the file stays"
    one.start(ready=False)
    one.admin_up()
    assert one.terminate() == 0
    assert not os.path.exists(one.socket)


def test_reload_and_drain(kafka, router):
    """Settings at run time: what can change does, what cannot is named; and the end, asked for through the API."""
    one = router(log__level="info")
    kafka.create(one.raw, 1)
    one.start()
    one.apply([{"id": "s", "subscriber": "s"}])
    one.ctl("config", "check", check=0)
    one.config["log.level"] = "warn"
    one.config["router.workers"] = "3"
    one.write_config()
    assert one.ctl("config", "check", check=1).stdout.splitlines() == ["applied    log.level: info -> warn", "restart    router.workers: 0 -> 3"]
    assert one.must("GET", "/v1/config").json["log_level"] == "info"
    one.process.send_signal(signal.SIGHUP)
    until(lambda: one.must("GET", "/v1/config").json["log_level"] == "warn", 10, "the new level")
    assert one.ctl("log-level", "debug", check=0).stdout == "debug\n"
    assert one.ctl("reload", check=0).stdout.startswith("applied    log.level: debug -> warn\n")
    one.config["log.level"] = "loud"
    one.write_config()
    refused = one.admin("POST", "/v1/reload")
    assert refused.status == 422 and refused.codes == ["E702"] and "loud" in refused.json["errors"][0]["detail"], refused
    assert one.must("GET", "/v1/config").json["log_level"] == "warn"
    assert "kafka.bootstrap.servers" in one.ctl("config", "show", check=0).stdout
    kafka.produce(one.raw, [Record(b'{"type":"x"}') for _ in range(500)])
    one.settle(500)
    one.ctl("drain", "--wait", check=0)
    assert one.process.wait(10) == 0
    assert kafka.committed(one.config["router.group"], one.raw) == {0: 500}
    one.ctl("status", check=4)
