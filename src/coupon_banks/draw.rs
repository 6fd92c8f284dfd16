//! Drawing random free positions from the segments of a bank, without IO.
//!
//! Each segment is a random permutation, walked by its cursor. Choosing a segment with a chance in proportion to the
//! positions it has left, and taking its next one, walks all codes of the bank in a uniformly random order; positions
//! that were taken by name or retired are passed and the draw begins anew. So what is drawn is uniform over the free
//! codes, however often the bank was topped up.

use std::collections::{HashSet, VecDeque};

use rand::{Rng, RngExt};

use crate::types::ids::{CouponPlace, SegmentId};

/// A segment, as far as it has been looked at.
#[derive(Debug)]
pub struct Walk {
    pub segment_id: SegmentId,
    size: i32,
    next: i32,
    started_at: i32,
    /// Positions at or after the cursor that are not free, below `known_until`; those above may be missing.
    taken: HashSet<i32>,
    known_until: i32,
    /// How often it was chosen, beyond the steps it has taken.
    promised: i32,
}

impl Walk {
    /// A walk from the segment's cursor on, with nothing looked at yet.
    pub fn new(segment_id: SegmentId, size: i32, next_position: i32) -> Self {
        Self {
            segment_id,
            size,
            next: next_position,
            started_at: next_position,
            taken: HashSet::new(),
            known_until: next_position,
            promised: 0,
        }
    }

    /// The next `length` positions nobody has looked at, from and until; empty at the end.
    pub fn unseen(&self, length: i32) -> (i32, i32) {
        (self.known_until, self.known_until.saturating_add(length).min(self.size))
    }

    /// The positions that it was chosen for and that nobody has looked at, from and until.
    pub fn missing(&self) -> Option<(i32, i32)> {
        let (from, until) = self.unseen(self.promised.saturating_sub(self.known_until - self.next));
        (from < until).then_some((from, until))
    }

    /// Learns that up to `until` the positions in `taken` are not free.
    pub fn learn(&mut self, until: i32, taken: impl IntoIterator<Item = i32>) {
        self.taken.extend(taken);
        self.known_until = self.known_until.max(until);
    }

    /// Learns that one position is not free.
    pub fn take(&mut self, position: i32) {
        self.taken.insert(position);
    }

    /// Where the cursor stands now, if it moved.
    pub fn moved_to(&self) -> Option<i32> {
        (self.next != self.started_at).then_some(self.next)
    }

    /// Where the cursor stood and where it stands now, if it moved.
    pub fn moved(&self) -> Option<(i32, i32)> {
        self.moved_to().map(|moved_to| (self.started_at, moved_to))
    }

    /// The positions it was not chosen for yet, free or not.
    fn left(&self) -> i64 {
        i64::from(self.size - self.next - self.promised)
    }

    /// The cursor was stored where it stands.
    pub fn settle(&mut self) {
        self.started_at = self.next;
    }
}

/// What a draw came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A free coupon, now taken.
    Drawn(CouponPlace),
    /// The walk at this index must look further before the draw can go on.
    Look(usize),
    /// No free coupon is left.
    Exhausted,
}

/// A bank being drawn from.
#[derive(Debug, Default)]
pub struct Draw {
    pub walks: Vec<Walk>,
    /// The segments of the next steps, in order. A step that finds its position taken is followed by the next one: choosing
    /// again for it would favour the other segments.
    chosen: VecDeque<usize>,
}

impl Draw {
    /// Draws one coupon.
    pub fn draw(&mut self, rng: &mut impl Rng) -> Step {
        loop {
            self.choose_ahead(1, rng);
            let Some(chosen) = self.chosen.front().copied() else { return Step::Exhausted };
            let walk = &mut self.walks[chosen];
            if walk.next >= walk.known_until {
                return Step::Look(chosen);
            }
            self.chosen.pop_front();
            let position = walk.next;
            walk.promised -= 1;
            walk.next += 1;
            if !walk.taken.remove(&position) {
                return Step::Drawn(CouponPlace { segment_id: walk.segment_id, position });
            }
        }
    }

    /// Chooses the segments of so many steps to come, if there are as many: so that all they need can be looked at together.
    pub fn choose_ahead(&mut self, steps: usize, rng: &mut impl Rng) {
        while self.chosen.len() < steps {
            let Some(chosen) = self.choose(rng) else { return };
            self.walks[chosen].promised += 1;
            self.chosen.push_back(chosen);
        }
    }

    fn choose(&self, rng: &mut impl Rng) -> Option<usize> {
        let left: i64 = self.walks.iter().map(Walk::left).sum();
        if left == 0 {
            return None;
        }
        let mut ticket = rng.random_range(0..left);
        self.walks.iter().position(|walk| {
            ticket -= walk.left();
            ticket < 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drawing_from(walks: Vec<Walk>) -> Draw {
        Draw { walks, ..Draw::default() }
    }

    /// Draws until nothing is left, choosing `ahead` steps and looking `window` positions ahead at a time.
    fn draw_all(mut draw: Draw, taken: &[HashSet<i32>], ahead: usize, window: i32) -> Vec<CouponPlace> {
        let (mut drawn, mut rng) = (Vec::new(), rand::rng());
        loop {
            draw.choose_ahead(ahead, &mut rng);
            for (walk, taken) in draw.walks.iter_mut().zip(taken) {
                if let Some((from, until)) = walk.missing() {
                    walk.learn(until, taken.iter().copied().filter(|p| (from..until).contains(p)));
                }
            }
            match draw.draw(&mut rng) {
                Step::Drawn(place) => drawn.push(place),
                Step::Exhausted => return drawn,
                Step::Look(index) => {
                    let (from, until) = draw.walks[index].unseen(window);
                    draw.walks[index].learn(until, taken[index].iter().copied().filter(|p| (from..until).contains(p)));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_free_coupon_is_drawn_once_and_no_other(
            segments in prop::collection::vec((1_i32..40, prop::collection::hash_set(0_i32..40, 0..20)), 1..4), ahead in 0_usize..60, window in 1_i32..50,
        ) {
            let taken: Vec<HashSet<i32>> =
                segments.iter().map(|(size, taken)| taken.iter().copied().filter(|p| p < size).collect()).collect();
            let walks = segments.iter().enumerate().map(|(i, (size, _))| Walk::new(SegmentId(i as i64), *size, 0)).collect();
            let drawn = draw_all(drawing_from(walks), &taken, ahead, window);
            let distinct: HashSet<_> = drawn.iter().copied().collect();
            prop_assert_eq!(distinct.len(), drawn.len());
            prop_assert!(drawn.iter().all(|place| !taken[place.segment_id.0 as usize].contains(&place.position)));
            let free: usize = segments.iter().zip(&taken).map(|((size, _), taken)| *size as usize - taken.len()).sum();
            prop_assert_eq!(drawn.len(), free);
        }
    }

    #[test]
    fn a_top_up_keeps_the_draw_uniform() {
        // 30 codes left in one segment, 10 in another: the first draw falls on the second a quarter of the time.
        let mut from_second = 0;
        for ahead in (0..4).cycle().take(20_000) {
            let mut draw = drawing_from(vec![Walk::new(SegmentId(0), 100, 70), Walk::new(SegmentId(1), 10, 0)]);
            draw.choose_ahead(ahead, &mut rand::rng());
            loop {
                match draw.draw(&mut rand::rng()) {
                    Step::Look(index) => {
                        let (_, until) = draw.walks[index].unseen(4);
                        draw.walks[index].learn(until, []);
                    }
                    Step::Drawn(place) => break from_second += i32::from(place.segment_id == SegmentId(1)),
                    Step::Exhausted => panic!("codes are left"),
                }
            }
        }
        // Five standard deviations on either side.
        assert!((4_690..5_310).contains(&from_second), "{from_second}");
    }
}
