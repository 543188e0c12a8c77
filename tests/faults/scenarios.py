"""What can go wrong, as functions of a run. A scenario says in which modes it makes sense, on how many brokers, and whether an at-least-once
router may repeat copies because of it (exactly-once never may)."""
import os
import random
import re
import signal
import threading
import time
from http.client import HTTPException

from proxy import Rule, produce_error
from rig import until
from run import AT_LEAST_ONCE, EXACTLY_ONCE, Broken, Skipped, fill, needed, small_disk

BOTH = (AT_LEAST_ONCE, EXACTLY_ONCE)
SCENARIOS = {}


class Scenario:
    def __init__(self, body, modes, cluster, duplicates, alone, world):
        self.body, self.name, self.world = body, body.__name__.replace("_", "-"), world or {}
        self.modes, self.cluster, self.duplicates, self.alone = modes, cluster, duplicates, alone

    def duplicates_allowed(self, mode):
        return self.duplicates and mode == AT_LEAST_ONCE


def scenario(modes=BOTH, cluster="one", duplicates=True, alone=False, world=None):
    """cluster: "one" broker, "three" brokers, or one on a "small disk". alone: what it does hits everybody on the cluster. world: as World takes it."""
    def add(body):
        one = Scenario(body, modes, cluster, duplicates, alone, world)
        SCENARIOS[one.name] = one
        return body
    return add


# ---- no faults of the surroundings ----

@scenario(duplicates=False)
def steady(run):
    """Nothing goes wrong; two routers, and transactions in the source that were aborted."""
    run.router()
    run.router()
    run.publish(1500)
    run.ghosts()
    run.publish(1500)


@scenario(duplicates=False)
def stopped_under_load(run):
    """SIGTERM while events flow, again and again: a graceful stop makes no duplicates."""
    one = run.router()
    run.start_load()
    for _ in range(4):
        run.progress(run.rng.randrange(1, 800))
        run.fault("sigterm")
        code = one.terminate()
        assert code == 0, f"exit code {code}"
        one.start(ready=False)
    run.progress(100)
    one.terminate()
    one.start(environment={"EVENTROUTER_FAILPOINT": "before-topics-close:1:delay=60000"})
    run.progress(100)
    run.fault("client does not close")
    code = one.terminate()
    assert code == 0, f"exit code {code}"
    if "a client did not close in time" not in one.log_text():
        raise Broken("the client closed")


@scenario(duplicates=False)
def rebalance_storm(run):
    """Members join and leave; what they hold when they have to let go is finished and committed."""
    static = {"kafka__consumer__session__timeout__ms": "2500", "kafka__consumer__heartbeat__interval__ms": "300"}
    config = static if run.mode == EXACTLY_ONCE else {}
    members = [run.router(**config) for _ in range(2)]
    run.start_load()
    run.progress(100)
    members.append(run.router(**config))
    run.fault("rebalance")
    for _ in range(6):
        alive = [m for m in members if m.alive()]
        gone = [m for m in members if not m.alive()]
        run.fault("rebalance")
        if gone and (len(alive) == 1 or run.rng.random() < 0.5):
            run.rng.choice(gone).start(ready=False)
        else:
            code = run.rng.choice(alive).terminate()
            assert code == 0, f"exit code {code}"
            if run.mode == EXACTLY_ONCE:
                run.pause(3)  # a static member has left when its session is over
        run.progress(run.rng.randrange(1, 400))


# ---- answers and requests that get lost or come late ----

LOST = {AT_LEAST_ONCE: ("Produce", "OffsetCommit", "Fetch", "Heartbeat"),
        EXACTLY_ONCE: ("Produce", "AddPartitionsToTxn", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn", "Fetch")}


@scenario()
def lost_answers(run):
    """The broker did what it was asked to, but nobody hears of it."""
    run.router()
    run.start_load()
    run.progress(100)
    for api in run.rng.sample(LOST[run.mode] * 2, len(LOST[run.mode]) * 2):
        run.must_fire(run.arm("cut-after", api, nth=run.rng.randint(1, 4), kind="lost answer"))
        run.progress(50)


ACTIONS = {"cut-before": {}, "cut-after": {}, "hold": {"seconds": 2.0, "gone": 1.0}, "delay": {"seconds": 1.5}, "blackhole": {"seconds": 2.5},
           "throttle": {"rate": 20000, "seconds": 2.0}}
STEADY = ("Produce", "Fetch", "Heartbeat", "Metadata")
AT_START = ("FindCoordinator", "JoinGroup", "SyncGroup", "OffsetFetch", "ApiVersions", "InitProducerId")
FIRST_START = ("ListOffsets",)
ONLY = {AT_LEAST_ONCE: ("OffsetCommit",), EXACTLY_ONCE: ("AddPartitionsToTxn", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn")}


def cells(mode):
    """The protocol-step sweep: (ApiKey, action, ordinal)."""
    keys = STEADY + AT_START + FIRST_START + ("LeaveGroup", "CreateTopics") + ONLY[mode]
    return [(api, action, nth) for api in keys for action in ACTIONS for nth in (1, 2, 3)]


def one_step(run, member, api, action, nth):
    """True when the fault has happened. Not every step is reached: a static member does not leave its group, a start may need one request only."""
    rule = run.arm(action, api, nth=nth, **ACTIONS[action])
    if api in AT_START or api in ("LeaveGroup", "Metadata"):
        for _ in range(nth):
            member.terminate()
            member.start(ready=False)
            if rule.over.wait(3):
                break
    elif api == "CreateTopics":
        member.admin_up()
        for number in range(nth):
            name = f"never-{len(run.extra_subscribers)}"
            run.extra_subscribers.add(name)
            answer = member.admin("POST", "/v1/subscriptions", {"id": name, "subscriber": name, "types": ["never"]}, timeout=60)
            assert answer.status in (201, 503, 504), f"{number}: {answer}"
    return run.fired(rule, 0.1 if api in AT_START else 10)


@scenario()
def protocol_steps(run):
    """A sample of the sweep (or the part that is asked for), under load."""
    steps = run.options.steps or run.rng.sample(cells(run.mode), 8)
    member = run.router(start=False)
    first = [step for step in steps if step[0] in FIRST_START][:1]
    rules = [run.arm(action, api, nth=nth, **ACTIONS[action]) for api, action, nth in first]
    member.start()
    run.apply_rules(member)
    run.start_load(600)
    run.progress(100)
    run.reached += [step for step, rule in zip(first, rules) if run.fired(rule, 1)]
    for step in steps:
        if step[0] in FIRST_START:
            continue
        run.log(f"step {step}")
        if one_step(run, member, *step):
            run.reached.append(step)
        run.progress(30)


@scenario()
def connections_cut(run):
    """Every connection of a router is cut, some times a second."""
    one = run.router()
    run.start_load()
    run.progress(50)
    for _ in range(15):
        run.pause(run.rng.uniform(0.05, 0.6))
        if run.cluster.proxy.cut_client("^" + re.escape(one.client)):
            run.fault("cut")
    run.progress(100)


@scenario()
def late_produce(run):
    """A request with copies arrives after its repetition."""
    run.router()
    run.start_load()
    run.progress(50)
    for _ in range(3):
        rule = run.arm("hold", "Produce", nth=run.rng.randint(1, 4), cut=True, release_api="Produce", release_nth=run.rng.randint(1, 4), kind="late Produce")
        run.must_fire(rule)
        run.progress(100)


@scenario()
def slow_network(run):
    """Some requests wait, some connections are slow."""
    run.router()
    run.start_load()
    run.progress(50)
    for _ in range(6):
        if run.rng.random() < 0.5:
            rule = run.arm("delay", None, nth=run.rng.randint(1, 20), seconds=run.rng.uniform(0.2, 2.0))
        else:
            rule = run.arm("throttle", None, nth=run.rng.randint(1, 20), rate=10000, seconds=run.rng.uniform(0.5, 2.0))
        run.must_fire(rule)
    run.progress(100)


@scenario()
def deaf_coordinator(run):
    """The group's coordinator does not answer any more for longer than the session."""
    run.router(kafka__consumer__session__timeout__ms="3000", kafka__socket__timeout__ms="3000")
    run.start_load(500)
    run.progress(50)
    run.must_fire(run.arm("blackhole", "Heartbeat", seconds=5, kind="deaf coordinator"))
    run.pause(4)
    run.progress(100)


@scenario()
def deaf_join(run):
    """The answer to a JoinGroup never comes, while the connection stays: after max.poll.interval the router asks again."""
    one = run.router(kafka__consumer__max__poll__interval__ms="8000", kafka__consumer__session__timeout__ms="3000")
    run.publish(300)
    run.drain()
    one.terminate()
    rule = run.arm("mute", "JoinGroup", kind="deaf coordinator")
    one.start(ready=False)
    run.must_fire(rule)
    run.publish(300)
    run.progress(100)


@scenario()
def forgetful_broker(run):
    """The leader of the group assigns while the broker that it asks does not know the source yet: nobody has a partition, and nobody is told later."""
    one = run.router(start=False)
    rule = run.arm("forget", "Metadata", one, kind="stale metadata", after=("JoinGroup",))
    one.start(ready=False)
    run.must_fire(rule)
    if next(f for f in run.cluster.proxy.fired if f.rule is rule).version > 8:
        raise Skipped("the proxy cannot change the answers to Metadata of this librdkafka")
    one.wait_ready()
    run.apply_rules(one)
    run.publish(300)
    run.progress(300)
    if "event=assigned partitions=0" not in one.log_text():
        raise Broken("the broker was not asked for an assignment")


# ---- processes that die, stop and come back ----

@scenario()
def killed(run):
    """kill -9 at random moments; one survivor in every second run."""
    members = [run.router(router__instance=f"{run.prefix}-{n}") for n in range(run.rng.choice((1, 2)))]
    run.start_load()
    run.progress(100)
    for _ in range(4):
        run.pause(run.rng.uniform(0, 1.2))
        victim = run.rng.choice(members)
        if len(members) == 1:
            run.killed_and_back(victim)
        else:
            victim.killed()
            victim.start(ready=False)
        run.progress(run.rng.randrange(1, 300))


@scenario()
def back_again(run):
    """kill -9 and a start at once, time and again: how long until everything that had been published before is routed and committed."""
    one = run.router(router__instance=f"{run.prefix}-0")
    run.start_load()
    run.progress(100)
    for _ in range(10):
        run.pause(run.rng.uniform(0.2, 1.2))
        run.killed_and_back(one)


@scenario()
def killed_while_outputs_hang(run):
    """No copy gets through for a while, then the router dies: nothing that was not delivered may be committed."""
    one = run.router()
    run.publish(300)
    run.progress(100)
    rule = run.arm("blackhole", "Produce", count=1000, seconds=8, kind="outputs hang")
    run.publish(500)
    needed(rule.fired.is_set, 20, "a copy on its way")
    run.pause(2.5)
    one.killed()
    run.cluster.proxy.heal(re.escape(run.prefix))
    one.start(ready=False)
    run.publish(200)


ANY_MODE = {"after-poll": 5, "after-produce": 400, "after-report": 400, "before-rebalance-done": 1, "after-rebalance-done": 1}
FAILPOINTS = {AT_LEAST_ONCE: {**ANY_MODE, "before-store": 20, "after-store": 20},
              EXACTLY_ONCE: {**ANY_MODE, "before-init": 1, "after-init": 1, "after-begin": 10, "before-send-offsets": 10, "after-send-offsets": 10,
                             "before-end": 10, "after-end": 10}}
AT_STOP = ("before-commit", "after-commit")


@scenario()
def killed_at_failpoints(run):
    """Dies before or after an exact step, at one of its first passings."""
    one = run.router()
    run.start_load()
    run.progress(50)
    points = FAILPOINTS[run.mode]
    for point in run.rng.sample(sorted(points), min(4, len(points))):
        code = one.terminate()
        assert code == 0, f"exit code {code}"
        die_at(run, one, point, run.rng.randint(1, points[point]))
        one.start(ready=False)
        run.progress(50)
    if run.mode == AT_LEAST_ONCE:
        one.terminate()
        one.start(ready=False, environment={"EVENTROUTER_FAILPOINT": f"{run.rng.choice(AT_STOP)}:1:kill"})
        run.progress(50)
        one.process.terminate()
        needed(lambda: not one.alive(), 30, "death at a stop")
        one.died("kill at a failpoint")
        one.start(ready=False)
        run.progress(50)


@scenario(modes=(EXACTLY_ONCE,))
def killed_at_commit(run):
    """Dies right before or after the call that commits."""
    one = run.router()
    run.start_load()
    for point in ("after-end", "before-end", "after-end"):
        run.progress(50)
        code = one.terminate()
        assert code == 0, f"exit code {code}"
        die_at(run, one, point, run.rng.randint(1, 20))
        one.start(ready=False)
    run.progress(50)


def die_at(run, member, point, nth, meanwhile=lambda: None):
    member.start(ready=False, environment={"EVENTROUTER_FAILPOINT": f"{point}:{nth}:kill"})
    meanwhile()
    needed(lambda: not member.alive(), 60, f"death at {point}:{nth}")
    if member.process.returncode != -9:
        raise Broken(f"{member.name} ended with {member.process.returncode} instead of dying at {point}")
    member.died("kill at a failpoint")


@scenario()
def zombie(run):
    """A router stops for longer than its session, another one takes over, and then it wakes up in the middle of its work."""
    members = [run.router(kafka__consumer__session__timeout__ms="4000") for _ in range(2)]
    run.start_load()
    run.progress(200)
    for _ in range(2):
        sleeper = run.rng.choice(members)
        sleeper.stop()
        run.fault("zombie")
        run.pause(5)
        run.progress(200)
        sleeper.wake()
        run.progress(200)


# ---- transactions ----

def choosy_destination(run, **limits):
    """A router with a destination that refuses some copies or all, so that transactions abort. A transactional router works its way through halves
    then, some events per second."""
    run.diverting = {"rest"}
    one = run.router(start=False)
    run.cluster.create(one.topic("rest"), 1, **limits)
    one.start()
    run.apply_rules(one)
    return one


TOO_OLD = {"message_timestamp_before_max_ms": 86400000}  # that a copy is, the router learns from the refusal only


@scenario(modes=(EXACTLY_ONCE,))
def killed_while_aborting(run):
    """Dies before or after it ends a transaction that cannot be committed."""
    one = choosy_destination(run, **TOO_OLD)
    run.publish(60)
    for point in ("before-abort", "after-abort"):
        run.drain()
        one.terminate()
        die_at(run, one, point, run.rng.randint(1, 4), lambda: run.publish(100))
        one.start(ready=False)


@scenario(modes=(EXACTLY_ONCE,))
def lost_abort_answers(run):
    """Transactions that abort, and whose end is in doubt: their events are routed again."""
    choosy_destination(run, **TOO_OLD)
    for _ in range(6):
        action = run.rng.choice(("cut-before", "cut-after"))
        rule = run.arm(action, "EndTxn(abort)", nth=run.rng.randint(1, 3), kind="lost abort")
        run.publish(60)
        run.must_fire(rule)
        run.drain()


def late(run, rule):
    """Waits until the held request of a rule has reached the broker."""
    run.must_fire(rule, 60)
    fired = [f for f in run.cluster.proxy.fired if f.rule is rule]
    needed(lambda: fired[0].reached_broker.is_set(), 30, f"arrival of the late request of {rule}")
    return fired[0]


def hold(run, api, **options):
    """With the connection cut at once, or only a client that loses patience."""
    options["cut"] = run.rng.random() < 0.6
    return run.arm("hold", api, kind=f"late {api}", **options)


IMPATIENT = {"kafka__producer__socket__timeout__ms": "2000", "router__workers": 1}
FORGOTTEN_SOON = {"kafka__consumer__session__timeout__ms": "1500", "kafka__consumer__heartbeat__interval__ms": "300"}


@scenario(modes=(EXACTLY_ONCE,))
def late_abort(run):
    """The group loses a router in the middle of a transaction. Its first EndTxn(abort) arrives when the next transaction has written its copies:
    without a guard these are lost."""
    run.router(**IMPATIENT, **FORGOTTEN_SOON)
    run.start_load(500)
    for _ in range(run.options.rounds):
        run.progress(100)
        rule = hold(run, "EndTxn(abort)", release_api="AddOffsetsToTxn")
        run.must_fire(run.arm("blackhole", "Heartbeat", seconds=3, kind="deaf coordinator"))
        late(run, rule)


@scenario(modes=(EXACTLY_ONCE,))
def late_commit(run):
    """The first EndTxn(commit) arrives when the next transaction has written its copies, and then the router dies: without a guard that half of a
    transaction is committed, and comes again."""
    one = run.router(**IMPATIENT)
    run.start_load(500)
    run.progress(100)
    for _ in range(run.options.rounds):
        deaf = Rule("blackhole", "AddOffsetsToTxn", re.escape(run.prefix), seconds=8)
        rule = hold(run, "EndTxn(commit)", nth=run.rng.randint(1, 3), release_api="AddOffsetsToTxn", then=deaf)
        late(run, rule)
        deaf.fired.wait(2)
        one.killed()
        run.cluster.proxy.heal(re.escape(run.prefix))
        one.start(ready=False)
        run.progress(100)


@scenario(modes=(EXACTLY_ONCE,))
def late_offsets(run):
    """The first TxnOffsetCommit arrives in a later transaction, behind that one's own: without a guard the committed offset goes back."""
    one = run.router(**IMPATIENT)
    run.start_load(500)
    run.progress(100)
    for _ in range(run.options.rounds):
        deaf = Rule("blackhole", "TxnOffsetCommit", re.escape(run.prefix), seconds=8)
        rule = hold(run, "TxnOffsetCommit", nth=run.rng.randint(1, 3), release_api="EndTxn(commit)", release_nth=2, then=deaf)
        late(run, rule)
        deaf.fired.wait(2)
        one.killed()
        run.cluster.proxy.heal(re.escape(run.prefix))
        one.start(ready=False)
        run.progress(100)


@scenario(modes=(EXACTLY_ONCE,))
def late_copies(run):
    """A Produce of a transaction that is aborted arrives inside the next one. Without a guard the broker takes it: its copies are then committed in
    place of the next transaction's, which have the same sequence numbers."""
    run.router(**IMPATIENT, **FORGOTTEN_SOON)
    run.start_load(500)
    for _ in range(run.options.rounds):
        run.progress(100)
        ends = ("EndTxn(abort)", "InitProducerId")
        rule = run.arm("hold", "Produce", kind="late Produce", cut=True, release_api="Produce", release_after=ends)
        run.arm("blackhole", "Produce", nth=2, count=1000, seconds=3, until=ends)
        run.arm("blackhole", "Heartbeat", seconds=3, kind="deaf coordinator")
        fired = late(run, rule)
        if produce_error(fired.version, fired.answer) == 0:
            run.problem("the broker accepted copies of an aborted transaction")


# ---- brokers and disks ----

def hurt_broker(run, node, rng=None):
    """One fault of one broker, from its begin to its end."""
    rng = rng or run.rng
    kind = rng.choice(("kill", "restart", "pause", "pause", "out of reach", "out of reach"))
    run.fault(f"broker {kind}")
    if kind == "kill":
        run.cluster.stop_node(node, "KILL")
        run.pause(rng.uniform(0, 3))
        run.cluster.start_node(node)
    elif kind == "restart":
        run.cluster.stop_node(node, "TERM")
        run.cluster.start_node(node)
    elif kind == "pause":
        run.cluster.pause_node(node)
        run.pause(rng.uniform(1, 8))
        run.cluster.resume_node(node)
    else:
        run.cluster.proxy.close_broker(node)
        run.pause(rng.uniform(1, 8))
        run.cluster.proxy.open_broker(node)


@scenario(cluster="three", alone=True)
def broker_faults(run):
    """One of three brokers at a time."""
    run.router()
    run.router()
    run.start_load(600)
    run.progress(100)
    for _ in range(3):
        hurt_broker(run, run.rng.randint(1, run.cluster.nodes))
        run.progress(200, 90)


@scenario(alone=True)
def only_broker(run):
    """The only broker goes away and comes back."""
    run.router()
    run.publish(500)
    for _ in range(2):
        run.start_load(600)
        run.progress(100)
        hurt_broker(run, run.rng.randint(1, run.cluster.nodes))
        run.progress(200, 90)
        run.stop_load()


@scenario()
def full_store_disk(run):
    """The disk of the rules is full: changes are refused, events flow, and it heals."""
    disk = small_disk(run, run.folder, "2m")
    one = run.router(store__path=os.path.join(disk, "rules.db"))
    run.start_load(500)
    run.progress(50)
    fill(disk)
    run.fault("full disk")
    run.extra_subscribers.add("never")

    def add(number):
        document = {"id": f"never-{number}", "subscriber": "never", "types": ["never"], "description": "d" * 30000}
        return one.admin("POST", "/v1/subscriptions", document)

    answers = [add(number) for number in range(60)]
    refused = [a for a in answers if a.status != 201]
    assert refused and {a.status for a in refused} == {507}, f"answers {sorted({a.status for a in answers})}"
    run.progress(200)
    os.unlink(os.path.join(disk, "filler"))
    assert add(100).status == 201, "a change after there is space again"
    one.killed()
    one.start()
    kept = {rule["id"] for rule in one.must("GET", "/v1/subscriptions?limit=1000").json["items"]}
    answered = {f"never-{n}" for n, a in enumerate(answers) if a.status == 201} | {"never-100"}
    assert answered <= kept and kept - answered == {rule["id"] for rule in run.world.rules}, f"rules are not what was answered: {kept ^ answered} (I6)"
    run.progress(100)


@scenario(cluster="small disk", alone=True)
def full_broker_disk(run):
    """The disk of the only broker is full, which ends it; it comes back when there is space."""
    run.router()
    run.start_load(400)
    run.progress(100)
    fill(run.cluster.disk)
    run.fault("full disk")
    pid = run.cluster.pid(1)
    needed(lambda: not os.path.exists(f"/proc/{pid}"), 60, "end of a broker without space")
    os.unlink(os.path.join(run.cluster.disk, "filler"))
    run.cluster.start_node(1)
    run.progress(200, 90)


# ---- destinations ----

@scenario()
def refused_copies(run):
    """A destination takes small records only: the others of the same batch get through, what is refused becomes a dead letter."""
    choosy_destination(run, max_message_bytes=420)
    for _ in range(6):
        run.publish(400 if run.mode == AT_LEAST_ONCE else 60)
    run.fault("refused copies")


@scenario()
def missing_destination(run):
    """A destination was deleted; its copies are dead-lettered until the router has made it again. The others flow."""
    run.diverting = {"mail"}
    one = run.router()
    run.cluster.delete(one.topic("mail"))
    run.fault("deleted topic")
    for _ in range(4):
        run.publish(300)
    until(lambda: run.cluster.partitions(one.topic("mail")) > 0, 60, "the destination again")
    run.publish(300)


@scenario(duplicates=False)
def paused(run):
    """A subscriber is paused and resumed under load: each of its events is either delivered or dead-lettered."""
    run.diverting = {"mail"}
    one = run.router()
    run.start_load()
    for _ in range(4):
        run.progress(run.rng.randrange(50, 400))
        one.must("PUT", "/v1/subscribers/mail/pause")
        run.fault("pause")
        run.progress(run.rng.randrange(50, 400))
        one.must("PUT", "/v1/subscribers/mail/resume")
    run.progress(50)


# ---- everything at once ----

STORM = {"kill": 8, "zombie": 3, "rebalance": 2, "step": 2, "cut": 2}
BETWEEN_BROKERS = (1, 5)  # seconds


class Storm:
    """Routers that are killed, stopped, ended and started while one broker after the other fails; at least one of the routers works."""

    def __init__(self, run, size):
        static = {"kafka__consumer__session__timeout__ms": "2500", "kafka__consumer__heartbeat__interval__ms": "300"}
        self.run, self.rng = run, run.rng
        self.members = [run.router(**static) for _ in range(size)]
        self.asleep = {}  # member: when it wakes up
        self.over = threading.Event()
        self.failed = None
        self.brokers = threading.Thread(target=self.hurt_brokers, args=(random.Random(run.rng.random()),), name="brokers", daemon=True)
        self.brokers.start()

    def hurt_brokers(self, rng):
        try:
            while not self.over.wait(rng.uniform(*BETWEEN_BROKERS)):
                hurt_broker(self.run, rng.randint(1, self.run.cluster.nodes), rng)
        except Exception as error:  # pylint: disable=broad-except
            self.failed = error

    def end(self):
        self.over.set()
        self.brokers.join(120)
        if self.failed is not None or self.brokers.is_alive():
            raise Broken(f"a broker could not be brought back: {self.failed!r}")

    def working(self):
        return [m for m in self.members if m.alive() and m not in self.asleep]

    def tidy(self):
        now = time.monotonic()
        for member in [m for m, due in self.asleep.items() if now >= due]:
            del self.asleep[member]
            member.wake()
        if self.rng.random() < 0.7 or not self.working():
            for member in self.members:
                if not member.alive():
                    member.start(ready=False)

    def strike(self):
        self.tidy()
        if self.working():
            getattr(self, self.rng.choices(list(STORM), list(STORM.values()))[0])()
        self.run.pause(self.rng.uniform(0, 1))
        self.tidy()

    def kill(self):
        self.rng.choice(self.working()).killed()

    def zombie(self):
        if len(self.working()) > 1:
            sleeper = self.rng.choice(self.working())
            sleeper.stop()
            self.asleep[sleeper] = time.monotonic() + self.rng.uniform(3, 6)
            self.run.fault("zombie")

    def rebalance(self):
        member = self.rng.choice(self.working())
        code = member.terminate()
        assert code in (0, -signal.SIGTERM), f"exit code {code}"  # one that was started a moment ago does not know the signal yet
        self.run.fault("rebalance")

    def step(self):
        keys = (*STEADY, *ONLY[self.run.mode], *AT_START)
        action = self.rng.choice(sorted(ACTIONS))
        self.run.fired(self.run.arm(action, self.rng.choice(keys), nth=self.rng.randint(1, 3), kind="protocol step", **ACTIONS[action]), 2)

    def cut(self):
        if self.run.cluster.proxy.cut_client("^" + re.escape(self.rng.choice(self.working()).client)):
            self.run.fault("cut")


@scenario(cluster="three", alone=True, world={"poison": 0.004, "extra_rules": 1})
def storm(run):
    """Everything at once, on three brokers; what a campaign is made of. Its world is cheap, so that many events come through."""
    weather = Storm(run, 3)
    try:
        run.start_load(run.options.rate)
        end = time.monotonic() + run.options.storm_seconds
        while time.monotonic() < end:
            for _ in range(run.rng.randint(2, 6)):
                weather.strike()
            run.progress(run.rng.randrange(1, 300), 120)
    finally:
        weather.end()


# ---- rules that change ----

@scenario(duplicates=False)
def swaps(run):
    """Two subscribers that want everything take turns, in one change each: every event goes to exactly one (I5), by one revision (I4)."""
    one = run.router(destinations__provenance="full", rules=False)
    run.extra_subscribers = {"swap-a", "swap-b"}
    for name in run.extra_subscribers:
        one.must("PUT", f"/v1/subscribers/{name}", {"id": name})
    run.apply_partitions(one)
    others = [rule for rule in run.world.rules if rule["id"] != "all"]

    def change(name):
        rules = [*others, {"id": name, "subscriber": name}]
        run.changed(rules, lambda: one.apply(rules, prune=True))

    change("swap-a")
    run.start_load(1500)
    for turn in range(30):
        change("swap-" + "ba"[turn % 2])
        run.fault("rule change")
        run.pause(run.rng.uniform(0, 0.2))
    run.progress(200)


@scenario()
def rules_survive(run):
    """An answered rule change holds: for every event that is published after the answer, and over kill -9 (I6)."""
    one = run.router(destinations__provenance="full", rules=False)
    run.apply_partitions(one)
    rules = list(run.world.rules)
    run.changed(rules, lambda: one.apply(rules))
    run.publish(200)
    for turn in range(4):
        # a subscriber of the rule's own the first time, one that is there already the other times
        run.extra_subscribers.add("late")
        rules = [*rules, {"id": f"late-{turn}", "subscriber": "late", "types": [run.rng.choice(("order.*", "*.failed"))]}]
        run.drain()
        run.changed(rules, lambda: one.must("POST", "/v1/subscriptions", rules[-1]))
        if turn % 2 == 0:
            one.killed()
            one.start()
        found = {rule["id"] for rule in one.must("GET", "/v1/subscriptions?limit=1000").json["items"]}
        assert found == {rule["id"] for rule in rules}, f"rules are lost: {sorted({rule['id'] for rule in rules} ^ found)} (I6)"
        run.publish(200)


RULE_FAILPOINTS = ("before-rule-commit", "after-rule-commit", "after-rule-publish")


@scenario()
def killed_while_rules_change(run):
    """Dies at a step of a rule change: without an answer either is right, but the store is intact and what was answered before is there (I6)."""
    one = run.router()
    run.publish(300)
    for number, point in enumerate(run.rng.sample(RULE_FAILPOINTS, len(RULE_FAILPOINTS))):
        run.drain()
        one.terminate()
        one.start(environment={"EVENTROUTER_FAILPOINT": f"{point}:1:kill"})
        name = f"never-{number}"
        run.extra_subscribers.add(name)
        try:
            answer = one.admin("POST", "/v1/subscriptions", {"id": name, "subscriber": name, "types": ["never"]})
            raise Broken(f"{point} was not passed: {answer}")
        except (OSError, HTTPException):
            needed(lambda: not one.alive(), 20, f"death at {point}")
        one.died("kill at a rule change")
        one.start()
        found = {rule["id"] for rule in one.must("GET", "/v1/subscriptions?limit=1000").json["items"]} - run.extra_subscribers
        assert found == {rule["id"] for rule in run.world.rules}, f"rules are lost: {found} (I6)"
        run.publish(200)


# ---- the rig proves that it can see: bugs behind ER_PLANTED, the scenario that finds each, and what it sees (lost, duplicated, ...) ----

PLANTED = [
    ("commit-before-outputs", "killed-while-outputs-hang", AT_LEAST_ONCE, "lost"),
    ("ignore-failed-report", "refused-copies", AT_LEAST_ONCE, "lost"),
    ("drain-exits-early", "stopped-under-load", AT_LEAST_ONCE, "duplicated"),
    ("revoke-without-drain", "rebalance-storm", AT_LEAST_ONCE, "duplicated"),
    ("tombstone-dropped", "steady", AT_LEAST_ONCE, "lost"),
    ("header-dropped", "steady", AT_LEAST_ONCE, "unexplained"),
    ("wrong-partition", "steady", AT_LEAST_ONCE, "unexplained"),
    ("undecided-as-no-match", "steady", AT_LEAST_ONCE, "lost"),
    ("dead-letter-skipped", "steady", AT_LEAST_ONCE, "lost"),
    ("dead-letters-not-counted", "steady", AT_LEAST_ONCE, "I10"),
    ("read-uncommitted", "steady", AT_LEAST_ONCE, "unexplained"),
    ("retry-of-delivered", "steady", AT_LEAST_ONCE, "duplicated"),
    ("retry-overtaken", "refused-copies", AT_LEAST_ONCE, "reordered"),
    ("offsets-outside-transaction", "killed-at-commit", EXACTLY_ONCE, "duplicated"),
    ("no-abort-on-revoke", "rebalance-storm", EXACTLY_ONCE, "duplicated"),
    ("aborted-not-replayed", "refused-copies", EXACTLY_ONCE, "lost"),
    ("doubt-taken-for-success", "lost-abort-answers", EXACTLY_ONCE, "lost"),
    ("read-uncommitted", "steady", EXACTLY_ONCE, "unexplained"),
    ("guard-off", "late-abort", EXACTLY_ONCE, "lost"),
    ("guard-off", "late-commit", EXACTLY_ONCE, "duplicated"),
    ("guard-off", "late-offsets", EXACTLY_ONCE, "duplicated"),
    ("guard-off", "late-copies", EXACTLY_ONCE, "accepted copies of an aborted transaction"),
    ("rule-not-durable", "rules-survive", AT_LEAST_ONCE, "I6"),
    ("rule-not-active", "rules-survive", AT_LEAST_ONCE, "unexplained"),
]
