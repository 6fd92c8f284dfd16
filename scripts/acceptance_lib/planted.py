"""Bugs planted in a small honest history: a checker that has never seen a bug proves nothing."""

import copy
from decimal import Decimal

from . import checks
from .history import CLAIM, FAIL, INFO, OK, PURCHASE, Code, Op, Purchase, State

GRACEFUL_ROUND = 2


def honest():
    """A history with every kind of answer, and the state that follows from it."""
    ann, bob = Code("ann", "aaaaaaaa", "COUPON-A"), Code("bob", "bbbbbbbb", "COUPON-B")
    one = Purchase("o1", 11, Decimal("10.00"), "COUPON-A", "ann", None, 1)
    two = Purchase("o2", 12, Decimal("20.50"), None, None, "no_code", 0)
    maybe = Purchase("o3", 13, Decimal("30.00"), None, None, "no_code", 0)
    ops = [
        Op(CLAIM, "ann", outcome=OK, status=201, answer=ann),
        Op(CLAIM, "bob", outcome=OK, status=201, answer=bob),
        Op(CLAIM, "bob", outcome=OK, status=200, answer=copy.copy(bob), repeats=True),
        Op(PURCHASE, "o1", one.amount, "coupon-a", "ann", None, outcome=OK, status=201, answer=one),
        Op(PURCHASE, "o1", Decimal("11.00"), "COUPON-A", "ann", None,
           outcome=FAIL, status=409, code="order_conflict", applied="none"),
        Op(PURCHASE, "o2", two.amount, None, None, "no_code", outcome=OK, status=201, answer=two),
        Op(PURCHASE, "o3", maybe.amount, None, None, "no_code", outcome=INFO, hung_up=True, round=GRACEFUL_ROUND),
        Op(PURCHASE, "o4", Decimal("40.00"), None, None, "no_code", outcome=INFO, round=GRACEFUL_ROUND),
        Op(PURCHASE, "o5", Decimal("50.00"), None, None, "no_code",
           outcome=FAIL, status=503, code="unavailable", applied="none", retry_after=True),
        Op(CLAIM, "cyd", outcome=FAIL, status=503, code="overloaded", applied="none", retry_after=True),
    ]
    state = State(
        purchases=[copy.copy(row) for row in (one, two, maybe)], codes=[copy.copy(ann), copy.copy(bob)], coupons=5, retired=1,
        counts={"total": 5, "issued": 2, "retired": 1, "available": 2}, loaded=5)
    return ops, state


def lost_purchase(ops, state):
    del state.purchases[1]


def doubled_purchase(ops, state):
    state.purchases.append(copy.copy(state.purchases[0]))
    state.purchases[-1].id = 99


def cent_off(ops, state):
    state.purchases[0].amount += Decimal("0.01")


def other_advocate_credited(ops, state):
    state.purchases[0].advocate = "bob"


def attribution_forgotten(ops, state):
    ops[3].answer = copy.copy(ops[3].answer)
    ops[3].answer.advocate, ops[3].answer.reason = None, "unbound_code"


def row_replaced(ops, state):
    state.purchases[0].id = 77


def rival_accepted(ops, state):
    ops[4].outcome, ops[4].status, ops[4].code = OK, 200, None
    ops[4].answer = copy.copy(state.purchases[0])


def repeat_refused(ops, state):
    ops[4].amount = state.purchases[0].amount


def phantom_purchase(ops, state):
    state.purchases.append(Purchase("nobody", 14, Decimal("1.00"), None, None, "no_code", 0))


def phantom_code(ops, state):
    state.codes.append(Code("nobody", "cccccccc", None))


def false_none_of_a_purchase(ops, state):
    state.purchases.append(Purchase("o5", 15, Decimal("50.00"), None, None, "no_code", 0))


def false_none_of_a_code(ops, state):
    state.codes.append(Code("cyd", "cccccccc", None))


def refused_content_stored(ops, state):
    state.purchases[0].amount = ops[4].amount


def coupon_stored_twice(ops, state):
    state.codes[1].coupon = "COUPON-A"


def coupon_told_twice(ops, state):
    ops[1].answer.coupon = ops[2].answer.coupon = state.codes[1].coupon = "coupon-a"


def second_coupon_told(ops, state):
    ops[2].answer.coupon = "COUPON-C"


def code_of_another(ops, state):
    ops[2].answer.referral_code = state.codes[1].referral_code = "aaaaaaaa"


def lost_code(ops, state):
    del state.codes[0]


def two_codes(ops, state):
    state.codes.append(Code("ann", "dddddddd", "COUPON-D"))


def conversion_missing(ops, state):
    state.purchases[0].conversions = 0


def conversion_doubled(ops, state):
    state.purchases[0].conversions = 2


def conversion_for_nobody(ops, state):
    state.purchases[1].conversions = 1


def count_off(ops, state):
    state.counts["available"] += 1


def coupon_vanished(ops, state):
    state.coupons -= 1
    state.counts["total"] -= 1
    state.counts["available"] -= 1


def internal_error(ops, state):
    ops[8].status, ops[8].code = 500, "internal"


def no_retry_after(ops, state):
    ops[8].retry_after = False


def surprising_refusal(ops, state):
    ops[4].code = "identity_conflict"


def nothing_about_applied(ops, state):
    ops[8].applied = None


def false_exhaustion(ops, state):
    ops[9].status, ops[9].code = 409, "bank_exhausted"


def session_left(ops, state):
    state.idle_in_transaction = 1


def accepted_and_cut(ops, state):
    state.purchases.append(Purchase("o4", 16, Decimal("40.00"), None, None, "no_code", 0))


def graceful(ops, state):
    return checks.accepted_requests_were_answered(ops, state, GRACEFUL_ROUND)


SEEN_BY = {
    checks.acknowledged_purchases_are_stored_once: [lost_purchase, doubled_purchase],
    checks.acknowledged_purchases_are_unchanged: [cent_off, other_advocate_credited, attribution_forgotten, row_replaced],
    checks.an_order_has_one_content: [rival_accepted, repeat_refused],
    checks.nothing_is_stored_that_nobody_wrote: [
        phantom_purchase, phantom_code, false_none_of_a_purchase, false_none_of_a_code, refused_content_stored],
    checks.one_coupon_one_advocate: [coupon_stored_twice, coupon_told_twice, second_coupon_told, code_of_another],
    checks.acknowledged_codes_are_stored_once: [lost_code, two_codes],
    checks.attributed_purchases_have_one_conversion: [conversion_missing, conversion_doubled, conversion_for_nobody],
    checks.coupons_are_conserved: [count_off, coupon_vanished],
    checks.answers_are_honest: [internal_error, no_retry_after, surprising_refusal, nothing_about_applied],
    checks.exhausted_means_exhausted: [false_exhaustion],
    checks.no_session_is_left_in_a_transaction: [session_left],
    graceful: [accepted_and_cut],
}


def run(report):
    ops, state = honest()
    alarms = [found for check in SEEN_BY for found in check(ops, state)]
    report.none("the checkers are silent about an honest history", alarms)
    missing = [checks.readable(check) for check in checks.CHECKS if check not in SEEN_BY]
    report.none("every checker has planted bugs", missing)
    unseen = []
    for check, bugs in SEEN_BY.items():
        for plant in bugs:
            ops, state = copy.deepcopy(honest())
            plant(ops, state)
            if not check(ops, state):
                unseen.append(plant.__name__.replace("_", " "))
    report.none(f"the checkers see all of {sum(map(len, SEEN_BY.values()))} planted bugs", unseen)
