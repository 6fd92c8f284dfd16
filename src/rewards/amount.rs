//! How much a conversion gives its advocate, and what is left of that after refunds. Pure, and exact: amounts are rounded to the
//! decimals of their unit, halves away from zero, once when a reward is earned and once when what is left of it is reckoned.

use rust_decimal::Decimal;

use crate::campaigns::rules::{RewardKind, RewardRule};
use crate::types::money::Money;
use crate::types::unit::Unit;

/// An amount of something, above zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    pub unit: Unit,
    pub amount: Decimal,
}

/// A percentage of an order is asked for in another currency than the order's. Nobody converts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherCurrency;

/// What an order gives by a rule; nothing when that is rounded to zero.
pub fn whole(rule: &RewardRule, total: Money) -> Result<Option<Owed>, OtherCurrency> {
    let unit = rule.unit.clone().unwrap_or_else(|| total.currency().into());
    let amount = match rule.kind {
        RewardKind::Fixed => rule.value.0,
        RewardKind::Percentage => {
            if unit.currency().is_some_and(|currency| currency != total.currency()) {
                return Err(OtherCurrency);
            }
            total.amount() * rule.value.0 / Decimal::ONE_HUNDRED
        }
    };
    let capped = rule.cap.map_or(amount, |cap| amount.min(cap.0));
    let amount = unit.round(capped);
    Ok(Some(Owed { unit, amount }).filter(|owed| owed.amount > Decimal::ZERO))
}

/// What is left of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub total: Decimal,
    pub refunded: Decimal,
    pub is_cancelled: bool,
}

impl Left {
    /// The amount that is left.
    pub fn amount(self) -> Decimal {
        if self.is_cancelled { Decimal::ZERO } else { (self.total - self.refunded).max(Decimal::ZERO) }
    }

    /// Whether all of it was given back. An order of zero has nothing to give back.
    pub fn is_nothing(self) -> bool {
        self.is_cancelled || (self.refunded > Decimal::ZERO && self.amount().is_zero())
    }

    /// The part of a whole reward that what is left still earns.
    pub fn part_of(self, whole: &Owed) -> Decimal {
        if self.is_nothing() {
            return whole.unit.round(Decimal::ZERO);
        }
        if self.total.is_zero() {
            return whole.amount;
        }
        whole.unit.round(whole.amount * self.amount() / self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::money::Currency;
    use crate::types::unit::Number;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect(text)
    }

    fn usd(text: &str) -> Money {
        Money::parse(text, Currency::try_from("USD").expect("a currency")).expect(text)
    }

    fn rule(kind: RewardKind, unit: Option<&str>, value: &str, cap: Option<&str>) -> RewardRule {
        RewardRule {
            kind,
            unit: unit.map(|unit| Unit::try_from(unit).expect(unit)),
            value: Number(decimal(value)),
            cap: cap.map(|cap| Number(decimal(cap))),
        }
    }

    #[test]
    fn a_reward_is_fixed_or_a_part_of_the_order_and_never_above_its_cap() {
        use RewardKind::{Fixed, Percentage};
        let table = [
            (rule(Fixed, Some("USD"), "10.00", None), "795.00", Ok(Some(("USD", "10.00")))),
            (rule(Fixed, Some("points"), "100", None), "0", Ok(Some(("points", "100.00")))),
            (rule(Fixed, Some("EUR"), "10", Some("8")), "5", Ok(Some(("EUR", "8.00")))),
            (rule(Percentage, None, "10", None), "795.00", Ok(Some(("USD", "79.50")))),
            (rule(Percentage, None, "10", Some("25")), "795.00", Ok(Some(("USD", "25.00")))),
            (rule(Percentage, Some("points"), "100", None), "12.34", Ok(Some(("points", "12.34")))),
            // 0.125 and 0.115: halves go away from zero.
            (rule(Percentage, None, "12.5", None), "1.00", Ok(Some(("USD", "0.13")))),
            (rule(Percentage, None, "11.5", None), "1.00", Ok(Some(("USD", "0.12")))),
            (rule(Percentage, None, "0.1", None), "1.00", Ok(None)),
            (rule(Percentage, None, "10", None), "0", Ok(None)),
            (rule(Percentage, Some("EUR"), "10", None), "100", Err(OtherCurrency)),
        ];
        for (rule, total, wanted) in table {
            let found =
                whole(&rule, usd(total)).map(|owed| owed.map(|owed| (owed.unit, Number(owed.amount).to_string())));
            let wanted =
                wanted.map(|owed| owed.map(|(unit, amount)| (Unit::try_from(unit).expect(unit), amount.to_owned())));
            assert_eq!(found, wanted, "{rule:?} of {total}");
        }
    }

    #[test]
    fn what_is_left_of_an_order_earns_its_part() {
        let table = [
            ("100", "0", false, "10.00"),
            ("100", "50", false, "5.00"),
            ("100", "33.33", false, "6.67"),
            ("100", "99.99", false, "0.00"),
            ("100", "100", false, "0.00"),
            ("100", "0", true, "0.00"),
            ("0", "0", false, "10.00"),
            ("0", "0", true, "0.00"),
        ];
        let whole = Owed { unit: Unit::try_from("USD").expect("a unit"), amount: decimal("10.00") };
        for (total, refunded, is_cancelled, part) in table {
            let left = Left { total: decimal(total), refunded: decimal(refunded), is_cancelled };
            assert_eq!(left.part_of(&whole), decimal(part), "{total} {refunded} {is_cancelled}");
        }
    }

    proptest! {
        #[test]
        fn the_part_lies_between_nothing_and_the_whole_and_falls_as_refunds_grow(
            cents in 1_i64..9_999_999_999_999, one in 0_i64..1000, more in 0_i64..1000, reward in 1_i64..9_999_999,
        ) {
            let whole = Owed { unit: Unit::try_from("USD").expect("a unit"), amount: Decimal::new(reward, 2) };
            let total = Decimal::new(cents, 2);
            let refunded = |thousandths: i64| (total * Decimal::new(thousandths.min(1000), 3)).round_dp(2);
            let part = |thousandths| Left { total, refunded: refunded(thousandths), is_cancelled: false }.part_of(&whole);
            prop_assert_eq!(part(0), whole.amount);
            prop_assert_eq!(part(1000), Decimal::ZERO);
            prop_assert!(part(one) >= Decimal::ZERO && part(one) <= whole.amount);
            prop_assert!(part(one + more) <= part(one));
        }
    }
}
