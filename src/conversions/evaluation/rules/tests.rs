//! Tables of cases, and properties that must hold whatever the facts.

use super::*;
use crate::campaigns::rules::{RewardKind, RewardRule};
use crate::types::unit::{Number, Unit};
use proptest::prelude::*;
use rust_decimal::Decimal;
use time::macros::datetime;

fn currency(code: &str) -> Currency {
    Currency::try_from(code).expect(code)
}

fn facts(cents: i64) -> Facts {
    let total = Decimal::new(cents, 2);
    Facts {
        total: Money::stored(total, currency("USD")),
        left: Left { total, refunded: Decimal::ZERO, is_cancelled: false },
        currency: currency("USD"),
        ordered_at: datetime!(2026-08-01 12:00 UTC),
        handed_out_at: datetime!(2026-07-05 12:00 UTC),
        new_customer: None,
        bought_before: None,
        fraud: Fraud::default(),
        is_unverified: false,
        is_code_blocked: false,
        is_customer_blocked: false,
        rewards: 0,
    }
}

fn ten_percent() -> RewardRule {
    RewardRule { kind: RewardKind::Percentage, unit: None, value: Number(Decimal::TEN), cap: None }
}

/// Every rule that can reject, strict.
fn strict() -> Rules {
    Rules {
        attribution_window_days: Some(30),
        days_to_delay: 0,
        new_customers_only: true,
        minimum_amount: Some(Number(Decimal::new(5_000, 2))),
        maximum_rewards_per_advocate: Some(2),
        self_referral: SelfReferral::Reject,
        unverified_orders: UnverifiedOrders::Hold,
        similar_email_edits: None,
        reward: Some(ten_percent()),
    }
}

#[test]
fn a_campaign_that_says_nothing_approves_and_rewards_nobody() {
    assert_eq!(judge(&facts(10_000), &Rules::default()), Ruling::Approved(None));
}

#[test]
fn what_nobody_vouches_for_waits_whatever_else_is_so_unless_the_campaign_accepts_it() {
    let rumour = Facts { is_unverified: true, is_code_blocked: true, ..facts(10_000) };
    assert_eq!(judge(&rumour, &strict()), Ruling::Held(vec![Finding::UnverifiedOrder]));
    let accepting = Rules { unverified_orders: UnverifiedOrders::Accept, ..Rules::default() };
    assert_eq!(judge(&rumour, &accepting), Ruling::Rejected(vec![Finding::BlockedCode]));
    assert_eq!(judge(&Facts { is_unverified: true, ..facts(10_000) }, &accepting), Ruling::Approved(None));
}

#[test]
fn an_order_that_meets_every_rule_is_rewarded() {
    let good = Facts { new_customer: Some(true), rewards: 1, ..facts(10_000) };
    let owed = Owed { unit: Unit::from(currency("USD")), amount: Decimal::new(1_000, 2) };
    assert_eq!(judge(&good, &strict()), Ruling::Approved(Some(owed)));
}

#[test]
fn each_rule_rejects_with_its_own_reason() {
    use Finding as F;
    let good = Facts { new_customer: Some(true), ..facts(10_000) };
    let left = |refunded: i64, is_cancelled| Left {
        total: Decimal::new(10_000, 2),
        refunded: Decimal::new(refunded, 2),
        is_cancelled,
    };
    let fraud = Fraud { same_email: true, ..Fraud::default() };
    let late = good.handed_out_at + Duration::days(30) + Duration::SECOND;
    let cases = [
        (Facts { fraud, ..good.clone() }, vec![F::SelfReferral]),
        (Facts { is_code_blocked: true, ..good.clone() }, vec![F::BlockedCode]),
        (Facts { is_customer_blocked: true, ..good.clone() }, vec![F::BlockedCustomer]),
        (Facts { left: left(0, true), ..good.clone() }, vec![F::Cancelled, F::BelowMinimumAmount]),
        (Facts { left: left(10_000, false), ..good.clone() }, vec![F::Refunded, F::BelowMinimumAmount]),
        (Facts { left: left(5_001, false), ..good.clone() }, vec![F::BelowMinimumAmount]),
        (Facts { ordered_at: late, ..good.clone() }, vec![F::OutsideAttributionWindow]),
        (Facts { new_customer: Some(false), ..good.clone() }, vec![F::NotANewCustomer]),
        (Facts { new_customer: None, bought_before: Some(true), ..good.clone() }, vec![F::NotANewCustomer]),
        (Facts { new_customer: None, ..good.clone() }, vec![F::NewCustomerUnknown]),
        (Facts { rewards: 2, ..good.clone() }, vec![F::MaximumRewardsReached]),
        (Facts { new_customer: Some(true), ..facts(4_999) }, vec![F::BelowMinimumAmount]),
        (
            Facts { rewards: 9, fraud, ..facts(1) },
            vec![F::SelfReferral, F::NewCustomerUnknown, F::BelowMinimumAmount, F::MaximumRewardsReached],
        ),
    ];
    for (facts, findings) in cases {
        assert_eq!(judge(&facts, &strict()), Ruling::Rejected(findings), "{facts:?}");
    }
}

#[test]
fn what_stands_on_the_border_counts() {
    let cases = [
        Facts { new_customer: Some(true), ..facts(5_000) },
        Facts { new_customer: None, bought_before: Some(false), ..facts(5_000) },
        // What the order says goes before what we know.
        Facts { new_customer: Some(true), bought_before: Some(true), ..facts(5_000) },
        Facts { new_customer: Some(true), ordered_at: datetime!(2026-08-04 12:00 UTC), ..facts(5_000) },
    ];
    for facts in cases {
        assert!(matches!(judge(&facts, &strict()), Ruling::Approved(Some(_))), "{facts:?}");
    }
}

#[test]
fn a_buyer_who_seems_to_be_the_advocate_is_what_the_campaign_says() {
    let suspect = Facts { fraud: Fraud { same_customer: true, ..Fraud::default() }, ..facts(10_000) };
    let ruling = |self_referral| judge(&suspect, &Rules { self_referral, ..Rules::default() });
    assert_eq!(ruling(SelfReferral::Reject), Ruling::Rejected(vec![Finding::SelfReferral]));
    assert_eq!(ruling(SelfReferral::Review), Ruling::Held(vec![Finding::SelfReferral]));
    assert_eq!(ruling(SelfReferral::Allow), Ruling::Approved(None));
}

#[test]
fn amounts_of_other_currencies_wait_for_a_person() {
    let yen = Facts { total: Money::stored(Decimal::new(5000, 0), currency("JPY")), ..facts(500_000) };
    let held = Ruling::Held(vec![Finding::OtherCurrency]);
    let minimum = Rules { minimum_amount: Some(Number(Decimal::TEN)), ..Rules::default() };
    assert_eq!(judge(&yen, &minimum), held);
    let unit = Some(Unit::from(currency("USD")));
    let in_dollars = Rules { reward: Some(RewardRule { unit, ..ten_percent() }), ..Rules::default() };
    assert_eq!(judge(&yen, &in_dollars), held);
    let in_its_own = Rules { reward: Some(ten_percent()), ..Rules::default() };
    assert!(matches!(judge(&yen, &in_its_own), Ruling::Approved(Some(_))));
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let referral = prop_oneof![Just(SelfReferral::Reject), Just(SelfReferral::Allow), Just(SelfReferral::Review)];
    (
        proptest::option::of(1_i32..60),
        any::<bool>(),
        proptest::option::of(1_i64..20_000),
        proptest::option::of(1_i32..4),
        referral,
        any::<bool>(),
    )
        .prop_map(|(window, new_only, minimum, maximum, self_referral, rewards)| Rules {
            attribution_window_days: window,
            new_customers_only: new_only,
            minimum_amount: minimum.map(|cents| Number(Decimal::new(cents, 2))),
            maximum_rewards_per_advocate: maximum,
            self_referral,
            reward: rewards.then(ten_percent),
            ..Rules::default()
        })
}

fn any_facts() -> impl Strategy<Value = Facts> {
    (
        0_i64..30_000,
        0_i64..30_000,
        any::<[bool; 5]>(),
        -10_i64..100,
        proptest::option::of(any::<bool>()),
        proptest::option::of(any::<bool>()),
        0_i64..5,
    )
        .prop_map(
            |(
                cents,
                refunded,
                [same_email, is_code_blocked, is_customer_blocked, is_cancelled, same_shopper],
                days,
                new_customer,
                bought_before,
                rewards,
            )| {
                let facts = facts(cents);
                Facts {
                    left: Left { refunded: Decimal::new(refunded.min(cents), 2), is_cancelled, ..facts.left },
                    ordered_at: facts.handed_out_at + Duration::days(days),
                    new_customer,
                    bought_before,
                    fraud: Fraud { same_email, same_shopper, ..Fraud::default() },
                    is_code_blocked,
                    is_customer_blocked,
                    rewards,
                    ..facts
                }
            },
        )
}

proptest! {
    #[test]
    fn outside_the_window_never_counts(facts in any_facts(), rules in any_rules()) {
        let window = rules.attribution_window_days;
        let is_outside = window.is_some_and(|days| facts.ordered_at > facts.handed_out_at + Duration::days(i64::from(days)));
        if is_outside {
            prop_assert!(matches!(judge(&facts, &rules), Ruling::Rejected(_)));
        }
    }

    #[test]
    fn who_buys_from_himself_is_never_paid_unasked(facts in any_facts(), rules in any_rules()) {
        if facts.fraud.is_seen() && rules.self_referral != SelfReferral::Allow {
            prop_assert!(!matches!(judge(&facts, &rules), Ruling::Approved(_)));
        }
    }

    #[test]
    fn nothing_is_approved_that_is_blocked_or_given_back_or_beyond_the_maximum(facts in any_facts(), rules in any_rules()) {
        if let Ruling::Approved(owed) = judge(&facts, &rules) {
            prop_assert!(!facts.is_code_blocked && !facts.is_customer_blocked && !facts.left.is_nothing());
            prop_assert!(rules.maximum_rewards_per_advocate.is_none_or(|maximum| facts.rewards < i64::from(maximum)));
            prop_assert!(owed.is_none_or(|owed| owed.amount > Decimal::ZERO && owed.amount <= facts.total.amount()));
        }
    }

    #[test]
    fn what_is_not_approved_says_why(facts in any_facts(), rules in any_rules()) {
        match judge(&facts, &rules) {
            Ruling::Approved(_) => {}
            Ruling::Rejected(findings) | Ruling::Held(findings) => prop_assert!(!findings.is_empty()),
        }
    }
}
