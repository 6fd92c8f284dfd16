"""The promises, each as a pure function of a history and a state that returns the violations it sees.

They are tried on planted bugs at the start of every run (planted.py).
"""

from bisect import bisect_left
from collections import defaultdict

from .history import CLAIM, FAIL, INFO, OK, PURCHASE

EXPECTED_REFUSALS = {"order_conflict", "bank_exhausted", "unavailable", "overloaded"}


def folded(code):
    return code.strip().upper() if code else None


def acknowledged(ops, kind):
    return [op for op in ops if op.kind == kind and op.outcome == OK]


def purchases_by_order(state):
    by_order = defaultdict(list)
    for purchase in state.purchases:
        by_order[purchase.order_id].append(purchase)
    return by_order


def acknowledged_purchases_are_stored_once(ops, state):
    stored = purchases_by_order(state)
    lost = [f"order {op.key} was acknowledged and is lost" for op in acknowledged(ops, PURCHASE) if not stored.get(op.key)]
    doubled = [f"order {key} is stored {len(rows)} times" for key, rows in stored.items() if len(rows) > 1]
    ids = [purchase.id for purchase in state.purchases]
    return lost + doubled + (["two purchases share an id"] if len(ids) != len(set(ids)) else [])


def acknowledged_purchases_are_unchanged(ops, state):
    """What was asked, what was answered and what is stored are the same facts."""
    stored = purchases_by_order(state)
    violations = []
    for op in acknowledged(ops, PURCHASE):
        asked = (op.amount, folded(op.coupon), op.advocate, op.reason)
        seen = [op.answer] + stored.get(op.key, [])
        for purchase in seen:
            shown = (purchase.amount, folded(purchase.coupon), purchase.advocate, purchase.reason)
            if shown != asked:
                violations.append(f"order {op.key} was asked as {asked} and shows {shown}")
            if purchase.id != op.answer.id:
                violations.append(f"order {op.key} was purchase {op.answer.id} and is {purchase.id}")
    return violations


def an_order_has_one_content(ops, state):
    """The first accepted wins; who says something else is refused, and who says the same is not."""
    violations = []
    facts = {}
    for op in acknowledged(ops, PURCHASE):
        said = (op.amount, folded(op.coupon))
        if facts.setdefault(op.key, said) != said:
            violations.append(f"order {op.key} was accepted as {facts[op.key]} and as {said}")
    stored = purchases_by_order(state)
    for op in ops:
        if op.kind == PURCHASE and op.code == "order_conflict":
            if any((row.amount, folded(row.coupon)) == (op.amount, folded(op.coupon)) for row in stored.get(op.key, [])):
                violations.append(f"order {op.key} was refused as a conflict with the very facts it has")
            if not stored.get(op.key):
                violations.append(f"order {op.key} was refused as a conflict with nothing")
    return violations


def nothing_is_stored_that_nobody_wrote(ops, state):
    """Neither what was never asked for, nor what was refused with the promise that nothing was stored."""
    may_be, refused = set(), set()
    for op in ops:
        (refused if op.outcome == FAIL else may_be).add(fingerprint(op.kind, op.key, op.amount, op.coupon))
    stored = {fingerprint(PURCHASE, row.order_id, row.amount, row.coupon) for row in state.purchases}
    stored |= {fingerprint(CLAIM, row.advocate, None, None) for row in state.codes}
    violations = []
    for row in stored - may_be:
        lie = "is stored although every answer said `applied: none`" if row in refused else "is stored and nobody asked for it"
        violations.append(f"{row[0]} {row[1]} {lie}")
    return violations


def fingerprint(kind, key, amount, coupon):
    return (kind, key, amount, folded(coupon)) if kind == PURCHASE else (kind, key)


def one_coupon_one_advocate(ops, state):
    """Over all answers ever given and what is stored: code, coupon and advocate belong to each other."""
    told = [op.answer for op in acknowledged(ops, CLAIM)]
    violations = []
    owner_of_coupon, owner_of_code, coupon_of, code_of = {}, {}, {}, {}
    for code in told + state.codes:
        pairs = [(owner_of_code, folded(code.referral_code), code.advocate, "referral code"),
                 (code_of, code.advocate, code.referral_code, "the referral code of"),
                 (coupon_of, code.advocate, code.coupon, "the coupon of")]
        if code.coupon:
            pairs.append((owner_of_coupon, folded(code.coupon), code.advocate, "coupon"))
        for book, key, value, what in pairs:
            if book.setdefault(key, value) != value:
                violations.append(f"{what} {key} is {book[key]} and {value}")
    return violations + [f"advocate {code.advocate} was given no coupon" for code in told if not code.coupon]


def acknowledged_codes_are_stored_once(ops, state):
    stored = defaultdict(int)
    for code in state.codes:
        stored[code.advocate] += 1
    lost = [f"the code of {op.key} was acknowledged and is lost" for op in acknowledged(ops, CLAIM) if not stored[op.key]]
    return lost + [f"{advocate} has {count} codes" for advocate, count in stored.items() if count > 1]


def attributed_purchases_have_one_conversion(ops, state):
    violations = []
    for row in state.purchases:
        wanted = 1 if row.advocate else 0
        if row.conversions != wanted:
            violations.append(f"order {row.order_id} has {row.conversions} conversions instead of {wanted}")
    return violations


def coupons_are_conserved(ops, state):
    """Loaded = issued + retired + available, by SQL and by the API alike."""
    issued = sum(1 for code in state.codes if code.coupon)
    by_sql = {"total": state.coupons, "issued": issued, "retired": state.retired,
              "available": state.coupons - issued - state.retired}
    violations = [f"the API says {state.counts}, the tables {by_sql}"] if state.counts != by_sql else []
    if state.coupons != state.loaded:
        violations.append(f"{state.loaded} coupons were loaded, {state.coupons} are there")
    return violations


def answers_are_honest(ops, state):
    violations = []
    for op in ops:
        if op.status in (0, 200, 201):
            continue
        answer = f"{op.status} {op.code} to {op.kind} {op.key}"
        if op.status == 500:
            violations.append(f"{answer}: a 500")
        if op.status == 503 and not op.retry_after:
            violations.append(f"{answer} without Retry-After")
        if op.code not in EXPECTED_REFUSALS:
            violations.append(f"{answer} is no answer to this request")
        if op.applied not in ("none", "unknown") or (op.status != 503 and op.applied != "none"):
            violations.append(f"{answer} says applied: {op.applied}")
        if not op.request_id:
            violations.append(f"{answer} without a request_id")
    return violations


def exhausted_means_exhausted(ops, state):
    """When a bank was called exhausted, enough claims had begun to empty it."""
    first = {}
    for op in ops:
        if op.kind == CLAIM and op.outcome != FAIL:
            first[op.key] = min(op.began, first.get(op.key, op.began))
    begun = sorted(first.values())
    violations = []
    for op in ops:
        if op.code == "bank_exhausted":
            takers = bisect_left(begun, op.ended)
            if takers < state.loaded:
                violations.append(f"{op.key} was told that the bank is exhausted after {takers} claims on {state.loaded}")
    return violations


def no_session_is_left_in_a_transaction(ops, state):
    count = state.idle_in_transaction
    return [f"{count} sessions are idle in a transaction"] if count else []


CHECKS = [
    acknowledged_purchases_are_stored_once,
    acknowledged_purchases_are_unchanged,
    an_order_has_one_content,
    nothing_is_stored_that_nobody_wrote,
    one_coupon_one_advocate,
    acknowledged_codes_are_stored_once,
    attributed_purchases_have_one_conversion,
    coupons_are_conserved,
    answers_are_honest,
    exhausted_means_exhausted,
    no_session_is_left_in_a_transaction,
]


def accepted_requests_were_answered(ops, state, round_number):
    """After a graceful stop, and before anything is asked again: what is stored was not cut off.

    A request that crosses the closing of an idle connection is cut too, but then it was never read. `ops` are those of all
    rounds.
    """
    orders = {purchase.order_id for purchase in state.purchases}
    advocates = {code.advocate for code in state.codes}
    sent = defaultdict(list)
    for op in ops:
        sent[(op.kind, op.key)].append(op)
    violations = []
    for op in ops:
        alone = len(sent[(op.kind, op.key)]) == 1
        cut = op.round == round_number and op.outcome == INFO and op.status == 0
        if cut and alone and not op.hung_up and op.key in (orders if op.kind == PURCHASE else advocates):
            violations.append(f"{op.kind} {op.key} was stored and its answer cut")
    return violations


def readable(check):
    return check.__name__.replace("_", " ")
