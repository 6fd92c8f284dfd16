"""The load: threads that never stop asking, impatient and rude, and write down every request and its answer."""

import json
import random
import threading
import time
from decimal import Decimal

from .history import CLAIM, FAIL, INFO, OK, PURCHASE, Code, Op, Purchase
from .wire import Connection, Cut, NotSent

THREADS = 16
HANG_UP_SHARE = 0.01


class Shop:
    """What the threads know about the account they work for."""

    def __init__(self, url, authorization, campaign, bank):
        self.url = url
        self.authorization = authorization
        self.campaign = campaign
        self.bank = bank
        # (coupon, advocate), each acknowledged before it is used.
        self.holders = []

    def connect(self):
        return Connection(self.url, self.authorization)

    def body(self, op, spelling=0):
        """The request of an operation. Other spellings say the same facts."""
        if op.kind == CLAIM:
            who = {"id": op.key, "email": f"{op.key}@example.mil", "first_name": op.key.title()}
            bank = {"id": str(self.bank)} if spelling == 0 else self.bank
            return "/v1/referral_codes", {"campaign": {"id": self.campaign}, "customer": who, "coupon_bank_id": bank}
        order = {"id": op.key, "amount": str(op.amount) if spelling else float(op.amount), "currency": "usd" if spelling else "USD"}
        body = {"order": order}
        if op.coupon:
            body["coupon_code"] = op.coupon.swapcase() if spelling else op.coupon
        return "/v1/purchases" if spelling == 0 else "/purchases", body


def perform(shop, connection, op, spelling=0, hang_up=False):
    """Sends one operation and notes what came back. `NotSent` leaves no trace in the history."""
    path, value = shop.body(op, spelling)
    body = json.dumps(value).encode()
    op.began = time.monotonic()
    connection.open()
    try:
        connection.send(connection.head("POST", path, len(body)) + body)
        if hang_up:
            op.hung_up = True
            time.sleep(random.uniform(0, 0.005))
            connection.hang_up()
            return
        note(op, connection.receive())
    except Cut:
        op.outcome = INFO
    finally:
        op.ended = time.monotonic()


def note(op, answer):
    op.status = answer.status
    value = answer.json()
    if answer.status in (200, 201):
        op.outcome = OK
        op.answer = shown(op.kind, value)
        return
    op.code = value.get("error", {}).get("code")
    op.applied = value.get("applied")
    op.request_id = bool(value.get("request_id"))
    op.retry_after = answer.headers.get("retry-after", "").isdigit()
    op.outcome = FAIL if op.applied == "none" else INFO


def shown(kind, value):
    """An answer in the form of a row."""
    if kind == CLAIM:
        return Code(value["customer"]["account_id"], value["referral_code"], value["coupon_code"])
    attribution = value["attribution"]
    return Purchase(
        value["order_id"], value["id"], Decimal(value["total"]), value["coupon_code"],
        attribution and attribution["advocate"]["account_id"], value["reason"], 1 if value["conversion"] else 0)


class Load:
    """Runs from `start` to `stop`; can be started again. The history grows in `ops`."""

    def __init__(self, shop, seed):
        self.shop = shop
        self.seed = seed
        self.ops = []
        self.refused = 0
        self.round = 0
        self.numbers = {PURCHASE: 0, CLAIM: 0}
        self.lock = threading.Lock()
        self.threads = []
        self.stopping = threading.Event()
        self.errors = []
        self.begun = {PURCHASE: [], CLAIM: []}

    def start(self):
        self.round += 1
        self.stopping.clear()
        self.threads = [threading.Thread(target=self._guarded, args=(number,), daemon=True) for number in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _guarded(self, number):
        try:
            self._work(random.Random(f"{self.seed}/{self.round}/{number}"))
        except Exception as error:  # A checker that dies silently would pass everything.
            self.errors.append(f"a load thread died: {error!r}")

    def _work(self, dice):
        connection = self.shop.connect()
        while not self.stopping.is_set():
            op = self._next(dice)
            op.round = self.round
            try:
                perform(self.shop, connection, op, spelling=dice.randrange(2), hang_up=dice.random() < HANG_UP_SHARE)
            except NotSent:
                self.refused += 1
                time.sleep(0.02)
                continue
            self.ops.append(op)
            if op.kind == CLAIM and op.outcome == OK and op.answer.coupon:
                self.shop.holders.append((op.answer.coupon, op.key))
            if op.status == 503:
                time.sleep(0.01)
        connection.close()

    def _next(self, dice):
        """A fresh order or advocate mostly; else one that was asked for before, or is being asked for right now."""
        kind = PURCHASE if dice.random() < 0.65 else CLAIM
        begun = self.begun[kind]
        if begun and dice.random() < 0.25:
            earlier = begun[-1] if dice.random() < 0.5 else dice.choice(begun)
            return self._again(dice, earlier)
        op = self.fresh_purchase(dice) if kind == PURCHASE else Op(CLAIM, self._number(CLAIM))
        begun.append(op)
        return op

    def _number(self, kind):
        with self.lock:
            self.numbers[kind] += 1
            return f"{kind[0]}{self.numbers[kind]}"

    def fresh_purchase(self, dice):
        op = Op(PURCHASE, self._number(PURCHASE), Decimal(dice.randrange(1, 100_000)) / 100)
        luck = dice.random()
        if luck < 0.5 and self.shop.holders:
            op.coupon, op.advocate = dice.choice(self.shop.holders)
        elif luck < 0.6:
            op.coupon, op.reason = f"NOBODY-{dice.randrange(1000)}", "unknown_code"
        else:
            op.reason = "no_code"
        return op

    @staticmethod
    def _again(dice, earlier):
        op = Op(earlier.kind, earlier.key, earlier.amount, earlier.coupon, earlier.advocate, earlier.reason, repeats=True)
        if op.kind == PURCHASE and dice.random() < 0.4:
            op.amount += 1
        return op
