//! What is left in a bank, how long it lasts, and whether that is little. Pure: what was counted comes in.

use rust_decimal::Decimal;
use time::{Duration, OffsetDateTime};

use super::Counts;

/// How far back the rate looks.
pub const PACE_WINDOW: Duration = Duration::days(7);
/// The shortest time that a rate is made of: ten coupons in the bank's first minute are no 14 400 a day.
const PACE_WINDOW_MIN: Duration = Duration::days(1);

/// Highest threshold of coupons left.
const AVAILABLE_MAX: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);
/// Highest threshold of days left.
const DAYS_MAX: Decimal = Decimal::from_parts(3_650, 0, 0, false, 0);
/// Most decimals of a share.
const SHARE_DECIMALS_MAX: u32 = 4;

/// Why a number is no threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidThreshold {
    #[error("must be a whole number from 1 to {0}")]
    Count(Decimal),
    #[error("must be more than 0 and at most 1, with at most 4 decimals")]
    Share,
}

/// A threshold of coupons left: 1 to 1 000 000 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvailableThreshold(i64);

/// A threshold of the share left: more than 0, at most 1, four decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareThreshold(Decimal);

/// A threshold of days left: 1 to 3 650.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaysThreshold(i32);

fn whole<T: TryFrom<Decimal>>(number: Decimal, max: Decimal) -> Result<T, InvalidThreshold> {
    let fits = number.is_integer() && number >= Decimal::ONE && number <= max;
    if fits { number.try_into().map_err(|_| InvalidThreshold::Count(max)) } else { Err(InvalidThreshold::Count(max)) }
}

impl TryFrom<Decimal> for AvailableThreshold {
    type Error = InvalidThreshold;

    fn try_from(number: Decimal) -> Result<Self, InvalidThreshold> {
        whole(number, AVAILABLE_MAX).map(Self)
    }
}

impl TryFrom<Decimal> for DaysThreshold {
    type Error = InvalidThreshold;

    fn try_from(number: Decimal) -> Result<Self, InvalidThreshold> {
        whole(number, DAYS_MAX).map(Self)
    }
}

impl TryFrom<Decimal> for ShareThreshold {
    type Error = InvalidThreshold;

    fn try_from(number: Decimal) -> Result<Self, InvalidThreshold> {
        let number = number.normalize();
        let fits = number > Decimal::ZERO && number <= Decimal::ONE && number.scale() <= SHARE_DECIMALS_MAX;
        if fits { Ok(Self(number)) } else { Err(InvalidThreshold::Share) }
    }
}

impl AvailableThreshold {
    /// The number of coupons.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl ShareThreshold {
    /// The share.
    pub fn get(self) -> Decimal {
        self.0
    }
}

impl DaysThreshold {
    /// The number of days.
    pub fn get(self) -> i32 {
        self.0
    }
}

/// From when on a bank counts as low. Each threshold by itself is enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LowStock {
    pub available: Option<AvailableThreshold>,
    pub share: Option<ShareThreshold>,
    pub days_left: Option<DaysThreshold>,
}

impl LowStock {
    /// The thresholds of a stored bank.
    pub fn stored(available: Option<i64>, share: Option<Decimal>, days_left: Option<i32>) -> Self {
        Self {
            available: available.map(AvailableThreshold),
            share: share.map(|share| ShareThreshold(share.normalize())),
            days_left: days_left.map(DaysThreshold),
        }
    }
}

/// What a change does to a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Change<T> {
    /// Whether the stored value is replaced, and by what.
    pub fn replaces(self) -> (bool, Option<T>) {
        match self {
            Self::Keep => (false, None),
            Self::Clear => (true, None),
            Self::Set(value) => (true, Some(value)),
        }
    }
}

/// How fast a bank's coupons went of late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Issued within [`PACE_WINDOW`].
    pub issued: i64,
    /// When its first coupon was issued, as far as it is known.
    pub first_issued_at: Option<OffsetDateTime>,
}

impl Pace {
    /// Coupons a day.
    fn per_day(self, now: OffsetDateTime) -> f64 {
        let since = self.first_issued_at.map_or(PACE_WINDOW, |first| now - first);
        let window = since.clamp(PACE_WINDOW_MIN, PACE_WINDOW);
        #[expect(clippy::cast_precision_loss, reason = "a bank has at most some thousand millions of coupons")]
        let issued = self.issued as f64;
        issued / (window / Duration::DAY)
    }
}

/// Why a bank counts as low.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Available,
    Share,
    DaysLeft,
    /// Nothing is left: the next claim is refused.
    Exhausted,
}

impl Reason {
    /// The reason's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Share => "share",
            Self::DaysLeft => "days_left",
            Self::Exhausted => "exhausted",
        }
    }
}

/// What is left in a bank, and for how long.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Stock {
    pub available: i64,
    pub issued_per_day: f64,
    /// Nothing when none was issued of late.
    pub days_left: Option<f64>,
    pub is_low: bool,
    pub reasons: Vec<Reason>,
}

/// Says what is left and whether that is little. Figures are rounded when they have been compared.
pub fn judge(counts: Counts, pace: Pace, low: LowStock, now: OffsetDateTime) -> Stock {
    let Counts { total, retired, available, .. } = counts;
    let issued_per_day = pace.per_day(now);
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    let days_left = (pace.issued > 0).then(|| available as f64 / issued_per_day);
    let usable = Decimal::from(total - retired);
    let reached = [
        (Reason::Available, low.available.is_some_and(|threshold| available <= threshold.0)),
        (Reason::Share, low.share.is_some_and(|threshold| Decimal::from(available) <= threshold.0 * usable)),
        (
            Reason::DaysLeft,
            low.days_left.zip(days_left).is_some_and(|(threshold, days)| days <= f64::from(threshold.0)),
        ),
        (Reason::Exhausted, available <= 0),
    ];
    let reasons: Vec<Reason> =
        reached.into_iter().filter_map(|(reason, is_reached)| is_reached.then_some(reason)).collect();
    Stock {
        available,
        issued_per_day: rounded(issued_per_day, 100.0),
        days_left: days_left.map(|days| rounded(days, 10.0)),
        is_low: !reasons.is_empty(),
        reasons,
    }
}

fn rounded(number: f64, steps: f64) -> f64 {
    (number * steps).round() / steps
}

#[cfg(test)]
mod tests {
    use super::Reason::{Available, DaysLeft, Exhausted, Share};
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-08-01 12:00 UTC);

    fn counts(issued: i64, retired: i64, available: i64) -> Counts {
        Counts { total: issued + retired + available, issued, retired, available }
    }

    fn low(available: Option<i64>, share: Option<&str>, days_left: Option<i32>) -> LowStock {
        LowStock::stored(available, share.map(|share| share.parse().expect(share)), days_left)
    }

    /// Issued in the last days, hours since the first issue; the rate, and the days that 100 coupons last.
    #[test]
    fn the_rate_is_that_of_a_week_or_of_the_time_since_the_first_issue_but_of_a_day_at_least() {
        for (issued, hours, per_day, days_left) in [
            (0, None, 0.0, None),
            (0, Some(1_000), 0.0, None),
            (7, Some(1_000), 1.0, Some(100.0)),
            (1, Some(1_000), 0.14, Some(700.0)),
            (7, Some(168), 1.0, Some(100.0)),
            (7, Some(84), 2.0, Some(50.0)),
            (30, Some(1), 30.0, Some(3.3)),
            (30, Some(0), 30.0, Some(3.3)),
            (30, Some(-5), 30.0, Some(3.3)),
            (7, None, 1.0, Some(100.0)),
        ] {
            let pace = Pace { issued, first_issued_at: hours.map(|hours| NOW - Duration::hours(hours)) };
            let stock = judge(counts(50, 0, 100), pace, LowStock::default(), NOW);
            assert_eq!((stock.issued_per_day, stock.days_left), (per_day, days_left), "{issued} in {hours:?} h");
            assert_eq!((stock.available, stock.is_low), (100, false));
        }
    }

    #[test]
    fn each_threshold_counts_by_itself_from_its_very_value_on() {
        let a_week = Pace { issued: 70, first_issued_at: Some(NOW - Duration::days(100)) };
        let cases: [(LowStock, Counts, &[Reason]); 15] = [
            (low(None, None, None), counts(99, 0, 1), &[]),
            (low(None, None, None), counts(99, 0, 0), &[Exhausted]),
            (low(None, None, None), counts(0, 0, 0), &[Exhausted]),
            (low(None, None, None), counts(0, 5, 0), &[Exhausted]),
            (low(Some(50), None, None), counts(0, 0, 51), &[]),
            (low(Some(50), None, None), counts(0, 0, 50), &[Available]),
            (low(Some(50), None, None), counts(9, 0, 0), &[Available, Exhausted]),
            (low(None, Some("0.1"), None), counts(890, 0, 110), &[]),
            (low(None, Some("0.1"), None), counts(900, 0, 100), &[Share]),
            (low(None, Some("0.1"), None), counts(900, 999, 101), &[]),
            (low(None, Some("0.3"), None), counts(7, 0, 3), &[Share]),
            (low(None, None, Some(14)), counts(0, 0, 141), &[]),
            (low(None, None, Some(14)), counts(0, 0, 140), &[DaysLeft]),
            (low(Some(200), Some("1"), Some(14)), counts(0, 0, 140), &[Available, Share, DaysLeft]),
            (low(Some(200), Some("1"), Some(14)), counts(9, 0, 0), &[Available, Share, DaysLeft, Exhausted]),
        ];
        for (low, counts, wanted) in cases {
            let stock = judge(counts, a_week, low, NOW);
            assert_eq!((stock.reasons.as_slice(), stock.is_low), (wanted, !wanted.is_empty()), "{low:?} {counts:?}");
        }
        let quiet = judge(counts(9, 0, 1), Pace::default(), low(None, None, Some(3_650)), NOW);
        assert_eq!(quiet.reasons, [], "nothing goes, so it lasts");
    }

    #[test]
    fn thresholds_have_bounds() {
        let number = |text: &str| text.parse::<Decimal>().expect(text);
        for (text, count, share, days) in [
            ("0", false, false, false),
            ("1", true, true, true),
            ("1.0", true, true, true),
            ("-1", false, false, false),
            ("0.0001", false, true, false),
            ("0.00010", false, true, false),
            ("0.00001", false, false, false),
            ("1.0001", false, false, false),
            ("3650", true, false, true),
            ("3651", true, false, false),
            ("1000000000", true, false, false),
            ("1000000001", false, false, false),
        ] {
            assert_eq!(AvailableThreshold::try_from(number(text)).is_ok(), count, "{text}");
            assert_eq!(ShareThreshold::try_from(number(text)).is_ok(), share, "{text}");
            assert_eq!(DaysThreshold::try_from(number(text)).is_ok(), days, "{text}");
        }
    }

    proptest! {
        #[test]
        fn issuing_one_more_coupon_takes_no_reason_away(
            issued in 0_i64..10_000, retired in 0_i64..100, available in 1_i64..10_000, lately in 0_i64..10_000, hours in 0_i64..500,
            least in proptest::option::of(1_i64..10_000), share in proptest::option::of(1_i64..=10_000), days in proptest::option::of(1_i32..100),
        ) {
            let low = LowStock::stored(least, share.map(|share| Decimal::new(share, 4)), days);
            let first_issued_at = Some(NOW - Duration::hours(hours));
            let pace = Pace { issued: lately.min(issued), first_issued_at };
            let before = judge(counts(issued, retired, available), pace, low, NOW);
            let pace = Pace { issued: pace.issued + 1, first_issued_at };
            let after = judge(counts(issued + 1, retired, available - 1), pace, low, NOW);
            prop_assert!(before.reasons.iter().all(|reason| after.reasons.contains(reason)), "{before:?} {after:?}");
            prop_assert_eq!(after.reasons.contains(&Exhausted), available == 1);
            for stock in [&before, &after] {
                prop_assert_eq!(stock.is_low, !stock.reasons.is_empty());
                prop_assert!(stock.reasons.is_sorted());
                prop_assert_eq!(stock.days_left.is_none(), stock.issued_per_day == 0.0);
            }
        }
    }
}
