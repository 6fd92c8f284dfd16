"""What was asked and answered, and what is stored: the two things that the checkers compare."""

from dataclasses import dataclass, field
from decimal import Decimal

# What the client may believe about one request.
OK = "ok"          # acknowledged
FAIL = "fail"      # refused, with the promise that nothing was stored
INFO = "info"      # nobody knows: cut, timed out, or "applied: unknown"

PURCHASE = "purchase"
CLAIM = "claim"


@dataclass
class Op:
    """One request. `key` is the order's id, or the advocate's id of the merchant."""
    kind: str
    key: str
    amount: Decimal | None = None
    coupon: str | None = None
    # Of a purchase: who must be credited, or why nobody can be.
    advocate: str | None = None
    reason: str | None = None
    round: int = 0
    began: float = 0.0
    ended: float = 0.0
    outcome: str = INFO
    status: int = 0
    code: str | None = None
    applied: str | None = None
    request_id: bool = True
    retry_after: bool = False
    # The client hung up on purpose, or asked again for what may be stored already.
    hung_up: bool = False
    repeats: bool = False
    answer: object = None


@dataclass
class Purchase:
    """A purchase as an answer or the database shows it."""
    order_id: str
    id: int
    amount: Decimal
    coupon: str | None
    advocate: str | None
    reason: str | None
    conversions: int


@dataclass
class Code:
    """A referral code as an answer or the database shows it."""
    advocate: str
    referral_code: str
    coupon: str | None


@dataclass
class State:
    """The database at rest."""
    purchases: list = field(default_factory=list)
    codes: list = field(default_factory=list)
    # Coupons by SQL, and the bank's counts as the API tells them.
    coupons: int = 0
    retired: int = 0
    counts: dict = field(default_factory=dict)
    # How many coupons were loaded.
    loaded: int = 0
    idle_in_transaction: int = 0
