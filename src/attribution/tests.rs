//! Tables of cases, and properties that hold whatever the evidence.

use super::*;
use proptest::prelude::*;

fn holder(id: i64, external_id: &str, email: &str) -> Holder {
    Holder {
        referral_code_id: ReferralCodeId(id),
        campaign_id: CampaignId(1),
        external_id: OpaqueId::try_from(external_id).ok(),
        email: Email::try_from(email).ok(),
        self_referral: SelfReferral::Reject,
    }
}

fn buyer(external_id: &str, email: &str) -> Buyer {
    Buyer { external_id: OpaqueId::try_from(external_id).ok(), emails: Email::try_from(email).into_iter().collect() }
}

fn both(referral_code: Finding, coupon_code: Finding) -> [Evidence; 2] {
    [
        Evidence { kind: EvidenceKind::CouponCode, finding: coupon_code, clicked_at: None },
        Evidence { kind: EvidenceKind::ReferralCode, finding: referral_code, clicked_at: None },
    ]
}

fn via(decision: &Decision) -> Option<EvidenceKind> {
    decision.outcome.as_ref().ok().map(|attribution| attribution.via)
}

#[test]
fn the_referral_code_wins_and_the_other_is_kept() {
    let evidence = both(Finding::Names(holder(1, "A", "")), Finding::Names(holder(2, "B", "")));
    let decision = decide(&Buyer::default(), &evidence, LEGACY_PRECEDENCE);
    assert_eq!(via(&decision), Some(EvidenceKind::ReferralCode));
    assert!(decision.conflicting_codes);
    assert_eq!(decision.considered[1].verdict, Verdict::Outranked);
}

#[test]
fn precedence_is_data() {
    let evidence = both(Finding::Names(holder(1, "A", "")), Finding::Names(holder(2, "B", "")));
    let reversed = [EvidenceKind::CouponCode, EvidenceKind::ReferralCode];
    assert_eq!(via(&decide(&Buyer::default(), &evidence, &reversed)), Some(EvidenceKind::CouponCode));
}

#[test]
fn evidence_that_names_nobody_is_passed_over() {
    let evidence = both(Finding::Unknown, Finding::Names(holder(2, "B", "")));
    let decision = decide(&Buyer::default(), &evidence, LEGACY_PRECEDENCE);
    assert_eq!(via(&decision), Some(EvidenceKind::CouponCode));
    assert!(!decision.conflicting_codes);
}

#[test]
fn the_reason_tells_most() {
    let reason = |evidence: &[Evidence]| decide(&Buyer::default(), evidence, LEGACY_PRECEDENCE).outcome.err();
    assert_eq!(reason(&[]), Some(Reason::NoCode));
    assert_eq!(reason(&both(Finding::Unknown, Finding::Unknown)), Some(Reason::UnknownCode));
    assert_eq!(reason(&both(Finding::Unknown, Finding::Unbound)), Some(Reason::UnboundCode));
    let blocked = |block| Finding::Blocked(block, ReferralCodeId(1));
    assert_eq!(reason(&both(blocked(Block::Code), Finding::Unbound)), Some(Reason::BlockedCode));
    assert_eq!(reason(&both(Finding::Unbound, blocked(Block::Customer))), Some(Reason::BlockedCustomer));
}

#[test]
fn a_visit_decides_last_and_tells_when_the_link_was_clicked_whatever_decides() {
    let clicked_at = Some(OffsetDateTime::UNIX_EPOCH);
    let visit = |finding| Evidence { kind: EvidenceKind::Visit, finding, clicked_at };
    let decision = |codes: [Evidence; 2], visit| {
        let evidence = [codes[0].clone(), codes[1].clone(), visit];
        decide(&Buyer::default(), &evidence, LEGACY_PRECEDENCE)
    };
    let one = || Finding::Names(holder(1, "A", ""));
    let alone = decision(both(Finding::Unknown, Finding::Unbound), visit(one()));
    assert_eq!(via(&alone), Some(EvidenceKind::Visit));
    assert_eq!(alone.outcome.expect("attributed").visited_at, clicked_at);
    let by_coupon = decision(both(Finding::Unknown, one()), visit(one()));
    assert_eq!(via(&by_coupon), Some(EvidenceKind::CouponCode));
    assert_eq!(by_coupon.outcome.expect("attributed").visited_at, clicked_at);
    let of_another = decision(both(Finding::Unknown, one()), visit(Finding::Names(holder(2, "B", ""))));
    assert!(of_another.conflicting_codes);
    assert_eq!(of_another.outcome.expect("attributed").visited_at, None);
    let late = decision(both(one(), Finding::Unknown), visit(Finding::OutsideWindow(ReferralCodeId(1))));
    assert_eq!(late.outcome.expect("attributed").visited_at, clicked_at);
    for (finding, reason) in [
        (Finding::Forged, Reason::InvalidVisit),
        (Finding::OutsideWindow(ReferralCodeId(1)), Reason::ExpiredVisit),
        (Finding::Blocked(Block::Code, ReferralCodeId(1)), Reason::BlockedCode),
    ] {
        let nobody = decide(&Buyer::default(), &[visit(finding)], LEGACY_PRECEDENCE);
        assert_eq!(nobody.outcome.err(), Some(reason));
    }
}

#[test]
fn buying_through_ones_own_code_is_seen() {
    let table = [
        ("C1", "", (false, false, true)),
        ("", "ADA@gmail.com", (true, false, false)),
        ("", "a.d.a+shop@gmail.com", (false, true, false)),
        ("C1", "ada@gmail.com", (true, false, true)),
        ("C2", "bob@gmail.com", (false, false, false)),
        ("c1", "", (false, false, false)),
    ];
    for (id, email, (same_email, fuzzy_email, same_customer)) in table {
        let evidence = both(Finding::Names(holder(1, "C1", "ada@gmail.com")), Finding::Unknown);
        let decision = decide(&buyer(id, email), &evidence, LEGACY_PRECEDENCE);
        let fraud = decision.outcome.expect("attributed").fraud;
        assert_eq!(fraud, Fraud { same_email, fuzzy_email, same_customer, same_shopper: false }, "{id} {email}");
    }
}

proptest! {
    #[test]
    fn the_buyer_is_never_credited_without_a_flag(id in "[A-C][0-2]", email in "[ab]\\.?[ab](\\+x)?@gmail\\.com") {
        let advocate = holder(1, &id, &email);
        let evidence = [Evidence { kind: EvidenceKind::CouponCode, finding: Finding::Names(advocate), clicked_at: None }];
        for who in [buyer(&id, ""), buyer("", &email), buyer("other", &email.to_uppercase())] {
            let decision = decide(&who, &evidence, LEGACY_PRECEDENCE);
            prop_assert!(decision.outcome.expect("attributed").fraud.is_seen());
        }
    }

    #[test]
    fn a_purchase_is_attributed_exactly_when_a_code_names_somebody(one in 0_u8..4, other in 0_u8..4) {
        let finding = |n, id| match n {
            0 => Finding::Unknown,
            1 => Finding::Unbound,
            2 => Finding::Names(holder(id, "A", "")),
            _ => Finding::Blocked(Block::Code, ReferralCodeId(id)),
        };
        let decision = decide(&Buyer::default(), &both(finding(one, 1), finding(other, 2)), LEGACY_PRECEDENCE);
        prop_assert_eq!(decision.outcome.is_ok(), one == 2 || other == 2);
        prop_assert_eq!(decision.considered.len(), 2);
    }
}
