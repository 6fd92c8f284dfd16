//! How long in a row things have been as they mostly are, and whether to take it for granted that the next one is. Only advice:
//! knows not what it is about, and decides nothing.

/// Times in a row before the next one is taken for granted.
const LENGTH_MIN: u32 = 4;
/// Most times that are wanted, however often that was wrong.
const LENGTH_MAX: u32 = 1024;

/// Times in a row.
#[derive(Debug)]
pub struct Streak {
    length: u32,
    wanted: u32,
}

impl Default for Streak {
    fn default() -> Self {
        Self { length: 0, wanted: LENGTH_MIN }
    }
}

impl Streak {
    /// Whether it may be taken for granted that the next time will be as the last ones were.
    pub fn is_long(&self) -> bool {
        self.length >= self.wanted
    }

    /// It was as it mostly is once more, or it was not, and that was seen in time.
    pub fn went_on(&mut self, as_mostly: bool) {
        self.length = if as_mostly { self.length.saturating_add(1) } else { 0 };
        // Having been right for long, it may be tried sooner after the next time it is wrong.
        if self.length / 4 > self.wanted {
            self.wanted = (self.wanted / 2).max(LENGTH_MIN);
        }
    }

    /// It was taken for granted, and was not so: that cost something, so it is tried less often.
    pub fn broke(&mut self) {
        *self = Self { length: 0, wanted: self.wanted.saturating_mul(2).min(LENGTH_MAX) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(streak: &mut Streak, times: u32) -> bool {
        (0..times).for_each(|_| streak.went_on(true));
        streak.is_long()
    }

    #[test]
    fn some_times_in_a_row_are_wanted_and_one_exception_starts_over() {
        let mut streak = Streak::default();
        assert!(!after(&mut streak, LENGTH_MIN - 1));
        assert!(after(&mut streak, 1));
        streak.went_on(false);
        assert!(!after(&mut streak, LENGTH_MIN - 1));
        assert!(after(&mut streak, 1));
    }

    #[test]
    fn being_wrong_is_tried_less_and_less_often_and_forgiven_in_the_end() {
        let mut streak = Streak::default();
        (0..3).for_each(|_| streak.broke());
        assert!(!after(&mut streak, LENGTH_MIN * 8 - 1));
        assert!(after(&mut streak, 1));
        (0..20).for_each(|_| streak.broke());
        assert!(after(&mut streak, LENGTH_MAX));
        assert!(after(&mut streak, LENGTH_MAX * 8));
        streak.broke();
        assert!(after(&mut streak, LENGTH_MIN * 2));
    }
}
