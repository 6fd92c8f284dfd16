//! When a delivery that failed is tried again. Pure but for the dice.

use rand::RngExt;
use time::Duration;

/// The pause after each failure, in seconds: fourteen attempts over three days. The README shows them.
const PAUSES_S: [i64; 13] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 36_000, 43_200, 57_600, 64_800];
/// How far a pause is stretched or cut at random, in hundredths, so that what failed together does not come back together.
const JITTER_PERCENT: i64 = 10;

/// The pause after so many failures, the last one included. Nothing, when it is time to give up.
pub fn pause(failures: i32) -> Option<Duration> {
    let index = usize::try_from(failures).ok()?.checked_sub(1)?;
    let whole_ms = PAUSES_S.get(index)? * 1_000;
    let percent = rand::rng().random_range(-JITTER_PERCENT * 10..=JITTER_PERCENT * 10);
    Some(Duration::milliseconds(whole_ms + whole_ms * percent / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_over_seventy_two_hours_and_then_it_is_over() {
        assert!(PAUSES_S.windows(2).all(|pair| pair[0] < pair[1]));
        let hours = PAUSES_S.iter().sum::<i64>() / 3_600;
        assert!((71..=73).contains(&hours), "{hours} hours");
        for (failures, wanted) in (1..).zip(PAUSES_S) {
            let found = pause(failures).expect("a pause").as_seconds_f64() / Duration::seconds(wanted).as_seconds_f64();
            assert!((0.9..=1.1).contains(&found), "{failures}: {found}");
        }
        assert_eq!((pause(0), pause(14), pause(-1)), (None, None, None));
    }
}
