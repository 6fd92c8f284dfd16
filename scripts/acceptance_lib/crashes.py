"""Kills under concurrent load, and every acknowledgement compared with the database after the restart."""

import json
import os
import random
import signal
import time
from collections import Counter, defaultdict
from decimal import Decimal

from . import checks
from . import machine as on
from .history import FAIL, INFO, OK, PURCHASE, Code, Op, Purchase, State
from .load import Load, Shop, note, perform, shown
from .wire import Cut, NotSent, basic

COUPONS = 20_000
RECOVERY_S = 30
TRANSACTION_S = 2
HALF_SENT = 8

PURCHASES_SQL = """
    select p.order_id, p.id, p.amount, p.coupon_code, cu.external_id, p.reason,
        (select count(*) from conversions c where c.account_id = p.account_id and c.purchase_id = p.id)
    from purchases p
    left join referral_codes r on r.account_id = p.account_id and r.id = p.attributed_referral_code_id
    left join customers cu on cu.account_id = r.account_id and cu.id = r.customer_id
    where p.source = ''"""
CODES_SQL = """
    select cu.external_id, r.code, c.code from referral_codes r
    join customers cu on cu.account_id = r.account_id and cu.id = r.customer_id
    left join coupons c on c.account_id = r.account_id and c.segment_id = r.segment_id and c.position = r.position"""
COUNTS_SQL = "select (select count(*) from coupons), (select count(*) from coupon_retirements)"
IDLE_SQL = "select pid, xact_start::text from pg_stat_activity where state like 'idle in transaction%'"


def run(machine, report, rounds, seconds, seed):
    Crashes(machine, report, seconds, seed).run(rounds)


class Crashes:
    def __init__(self, machine, report, seconds, seed):
        self.machine = machine
        self.report = report
        self.seconds = seconds
        self.dice = random.Random(seed)
        self.data_dir = machine.new_data_dir("crash")
        self.port = machine.free_port()
        self.server = None
        self.secrets = []
        self.silences = defaultdict(list)
        self.starts = defaultdict(list)
        self.resolved = 0
        self.idle_cuts = 0
        self.kills = Counter()
        report.section(f"Crashes under load (seed {seed})")
        self.shop = self._set_up()
        self.load = Load(self.shop, seed)

    # -- setting up, as a user would --

    def _set_up(self):
        self._create("account", "create", "--name", "Crash shop", "--alias", "crash")
        self.start_server("first start")
        key = self._create("key", "create", "--account", "crash")
        campaign = self._create("campaign", "create", "--name", "Crash", "--destination-url", "https://shop.example.mil/")
        bank = self._create("bank", "create", "--name", "Crash codes")
        codes = self.machine.base / "codes.csv"
        codes.write_text("".join(f"CRASH-{number:06}\n" for number in range(COUPONS)))
        loaded = self._create("coupons", "import", bank["id"], codes)
        self.report.equal(f"the command line loads {COUPONS} codes", loaded.get("loaded"), COUPONS)
        self.secrets = [key["secret_key"]]
        return Shop(self.server.url, basic(key["access_key"], key["secret_key"]), campaign["id"], bank["id"])

    def _create(self, *args):
        done = self.machine.run(*args, "--json", data_dir=self.data_dir)
        if done.returncode != 0:
            raise on.Trouble(f"goodword {' '.join(map(str, args))} ended with {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def start_server(self, after):
        self.server = self.machine.start("serve", self.data_dir, self.port)
        self.starts[after].append(self.server.wait_ready())

    # -- rounds --

    def run(self, rounds):
        kinds = [self.kill_server, self.kill_postmaster, self.kill_backend, self.kill_both, self.stop_gracefully]
        for number in range(rounds):
            for kind in kinds:
                self._round(kind)
        self._at_the_end()

    def _round(self, kind):
        name = kind.__name__.replace("_", " ")
        first_op = len(self.load.ops)
        self.load.start()
        time.sleep(self.dice.uniform(0.3, 0.6) * self.seconds)
        struck = time.monotonic()
        try:
            kind()
            self.wait_for_service(time.monotonic())
            time.sleep(max(0.0, struck + self.seconds / 2 - time.monotonic()))
        finally:
            self.load.stop()
        ops = self.load.ops[first_op:]
        silence = longest_silence(ops, struck)
        self.silences[name].append(silence)
        outcomes = Counter(op.outcome for op in ops)
        before = self.read_state()
        violations = self.violations(before)
        if kind == self.stop_gracefully:
            # The whole history: what was stored in an earlier round and is asked for again may be cut unread.
            violations += checks.accepted_requests_were_answered(self.load.ops, before, self.load.round)
            self.idle_cuts += sum(1 for op in ops if op.outcome == INFO and op.status == 0 and not op.hung_up)
        self.resolve(ops)
        violations += self.violations(self.read_state())
        seen = f"{outcomes[OK]} acks, {outcomes[FAIL]} refused, {outcomes[INFO]} unknown, silent for {silence:.2f} s"
        self.report.none(f"{name}: {seen}", violations)

    def kill_server(self):
        self.kills["server"] += 1
        self.server.kill()
        for _ in range(self.dice.choice([0, 0, 1, 2])):
            # It may be killed again before it is up.
            unlucky = self.machine.start("serve", self.data_dir, self.port)
            time.sleep(self.dice.uniform(0, 0.5))
            unlucky.kill()
        self.start_server("kill -9 of the server")

    def kill_postmaster(self):
        self.kills["postmaster"] += 1
        pid = on.postmaster_pid(self.data_dir)
        os.kill(pid, signal.SIGKILL)
        on.wait_until("PostgreSQL is started again", lambda: on.postmaster_pid(self.data_dir) not in (None, pid), RECOVERY_S)
        on.wait_until("the server is ready again", self.server.is_ready, RECOVERY_S)

    def kill_backend(self):
        """One session's process, upon which PostgreSQL throws all others out and recovers."""
        self.kills["backend"] += 1
        sessions = [pid for pid in on.postgres_processes(self.data_dir) if on.command_line(pid).startswith("postgres: goodword")]
        os.kill(self.dice.choice(sessions), signal.SIGKILL)

    def kill_both(self):
        self.kills["both"] += 1
        victims = [on.postmaster_pid(self.data_dir), self.server.process.pid]
        self.dice.shuffle(victims)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        self.server.kill()
        self.start_server("kill -9 of both")

    def stop_gracefully(self):
        """SIGTERM, with some requests of which the server has only the first half yet."""
        self.kills["SIGTERM"] += 1
        halves = [self.half_send() for _ in range(HALF_SENT)]
        time.sleep(0.3)
        self.server.terminate()
        time.sleep(0.3)
        answered = [self.send_rest(*half) for half in halves]
        self.report.equal("SIGTERM: half-sent requests are answered", answered, [201] * HALF_SENT)
        self.report.equal("SIGTERM: exit code 0", self.server.wait_exit(20), 0)
        self.report.equal("SIGTERM: no PostgreSQL left", on.postgres_processes(self.data_dir), [])
        self.start_server("SIGTERM")

    def half_send(self):
        op = self.load.fresh_purchase(self.dice)
        path, value = self.shop.body(op)
        body = json.dumps(value).encode()
        connection = self.shop.connect()
        connection.open()
        connection.send(connection.head("POST", path, len(body)) + body[:10])
        op.began = time.monotonic()
        return op, connection, body[10:]

    def send_rest(self, op, connection, rest):
        """Returns the status, or 0 when the request was cut."""
        op.round = self.load.round
        try:
            connection.send(rest)
            note(op, connection.receive())
        except Cut:
            op.outcome = INFO
        op.ended = time.monotonic()
        self.load.ops.append(op)
        connection.close()
        return op.status

    def wait_for_service(self, since):
        """Until a request that began after the fault is acknowledged."""
        def acknowledged():
            return any(op.outcome == OK and op.began > since for op in self.load.ops[-2000:])

        on.wait_until("a request is acknowledged after the fault", acknowledged, RECOVERY_S)

    # -- looking --

    def read_state(self):
        rows = on.query(self.data_dir, PURCHASES_SQL)
        purchases = [Purchase(order, int(id), Decimal(amount), coupon, advocate, reason, int(conversions))
                     for order, id, amount, coupon, advocate, reason, conversions in rows]
        codes = [Code(*row) for row in on.query(self.data_dir, CODES_SQL)]
        [[coupons, retired]] = on.query(self.data_dir, COUNTS_SQL)
        counts = self.shop.connect().get(f"/v1/coupon_banks/{self.shop.bank}").json()["counts"]
        return State(purchases, codes, int(coupons), int(retired), counts, COUPONS, self.idle_in_transaction())

    def idle_in_transaction(self):
        """Sessions whose transaction does not end. A worker's may be between two of its statements when one looks."""
        give_up = time.monotonic() + TRANSACTION_S
        left = {tuple(row) for row in on.query(self.data_dir, IDLE_SQL)}
        while left and time.monotonic() < give_up:
            time.sleep(0.05)
            left &= {tuple(row) for row in on.query(self.data_dir, IDLE_SQL)}
        return len(left)

    def violations(self, state):
        found = self.load.errors[:]
        for check in checks.CHECKS:
            found += [f"{checks.readable(check)}: {violation}" for violation in check(self.load.ops, state)]
        return found

    def resolve(self, ops):
        """Asks again for whatever nobody knows, as the contract says one may, until the answer is definite."""
        connection = self.shop.connect()
        for op in ops:
            if op.outcome == INFO:
                self.resolved += 1
                on.wait_until(f"a definite answer about {op.key}", lambda: self._ask_again(connection, op), RECOVERY_S, pause=0.1)

    def _ask_again(self, connection, op):
        again = Op(op.kind, op.key, op.amount, op.coupon, op.advocate, op.reason, round=op.round, repeats=True)
        try:
            perform(self.shop, connection, again)
        except NotSent:
            return False
        self.load.ops.append(again)
        return again.status in (200, 201, 409)

    def _at_the_end(self):
        self.report.section("At rest")
        state = self.read_state()
        self._compare_with_api(state)
        self.server.terminate()
        self.report.equal("the server ends with exit code 0", self.server.wait_exit(20), 0)
        log, postgres_log = self._logs()
        self.report.none("nothing panicked", [line for line in log.splitlines() if "panicked" in line])
        broken = ("already a transaction in progress", "current transaction is aborted", "PANIC")
        self.report.none("no session was found inside a transaction of another", [
            line for line in postgres_log.splitlines() if any(words in line for words in broken)])
        self.report.none("no secret is in a log", [secret[:12] for secret in self.secrets if secret in log + postgres_log])
        self._figures(postgres_log)

    def _logs(self):
        """What all servers of this part and their PostgreSQL wrote."""
        ours = [path.read_text(errors="replace") for path in (self.server.stdout, self.server.stderr)]
        return "".join(ours), (self.data_dir / "postgres.log").read_text(errors="replace")

    def _compare_with_api(self, state):
        """The API tells the same as the tables: every issued coupon, and a sample of the purchases."""
        api = self.shop.connect()
        export = api.get(f"/v1/coupon_banks/{self.shop.bank}/coupons?status=issued&limit=1")
        total = export.json()["total_results_count"]
        self.report.equal("the API lists as many issued coupons as the tables", total, sum(1 for code in state.codes if code.coupon))
        sample = self.dice.sample(state.purchases, min(500, len(state.purchases)))
        differing = [row.order_id for row in sample if shown(PURCHASE, api.get(f"/v1/purchases/{row.order_id}").json()) != row]
        self.report.none(f"{len(sample)} purchases read by the API are as in the tables", differing)

    def _figures(self, postgres_log):
        ops = self.load.ops
        outcomes = Counter(op.outcome for op in ops)
        say = self.report.say
        say(f"\n{len(ops)} requests: {outcomes[OK]} acknowledged, {outcomes[FAIL]} refused, {outcomes[INFO]} unknown "
            f"(all asked again: {self.resolved}), {self.load.refused} connections refused")
        refusals = Counter(f"{op.status} {op.code} ({op.applied})" for op in ops if op.status >= 400)
        say("refusals: " + (", ".join(f"{count} x {what}" for what, count in refusals.most_common()) or "none"))
        say("faults: " + ", ".join(f"{count} x {what}" for what, count in self.kills.items()))
        say(f"cut on idle connections by SIGTERM: {self.idle_cuts}; deadlocks: {postgres_log.count('deadlock detected')}")
        for name, times in self.silences.items():
            say(f"longest silence, {name}: " + ", ".join(f"{value:.2f}" for value in times) + " s")
        for name, times in self.starts.items():
            say(f"ready after {name}: " + ", ".join(f"{value:.2f}" for value in times) + " s")


def longest_silence(ops, struck):
    """The longest time without an acknowledgement that began after the fault."""
    moments = sorted([struck] + [op.ended for op in ops if op.outcome == OK and op.ended > struck])
    return max((later - earlier for earlier, later in zip(moments, moments[1:])), default=float("inf"))
