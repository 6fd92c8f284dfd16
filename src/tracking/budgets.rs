//! How much one address may ask of what anybody may call. Budgets refill steadily; who has used his up is turned away before
//! anything is looked up.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use quick_cache::sync::Cache;

use crate::web::state::VisitorLimits;

/// After how many calls those are forgotten whose budgets are full again.
const TIDY_EVERY: u32 = 4_096;

/// How many of those are remembered who are turned away.
const TURNED_AWAY_MAX: usize = 100_000;

/// The budgets of all addresses. Cheap to clone.
#[derive(Clone)]
pub struct Budgets(Arc<Shared>);

struct Shared {
    calls: Budget,
    codes: Budget,
    unknown_codes: Budget,
    /// Those who have used up their unknown codes, and until when.
    turned_away: Cache<IpAddr, Instant>,
}

impl Budgets {
    /// Everybody's are full.
    pub fn new(limits: &VisitorLimits) -> Self {
        Self(Arc::new(Shared {
            calls: Budget::new(Quota::per_minute(limits.calls_per_minute)),
            codes: Budget::new(Quota::per_hour(limits.codes_per_hour)),
            unknown_codes: Budget::new(Quota::per_hour(limits.unknown_codes_per_hour)),
            turned_away: Cache::new(TURNED_AWAY_MAX),
        }))
    }

    /// Takes a call of a page out of the budget, or says when there is one again.
    pub fn take_call(&self, address: IpAddr) -> Result<(), Duration> {
        self.0.calls.take(address)
    }

    /// Takes a referral code that the widget gives.
    pub fn take_code(&self, address: IpAddr) -> Result<(), Duration> {
        self.0.codes.take(address)
    }

    /// Whether a code may be looked up that may turn out to be unknown.
    pub fn may_look_up(&self, address: IpAddr) -> bool {
        let until = self.0.turned_away.get(&household(address));
        until.is_none_or(|until| until <= Instant::now())
    }

    /// Takes the look-up of a code that was unknown. Who has used them up is turned away for a while.
    pub fn take_unknown_code(&self, address: IpAddr) {
        if let Err(wait) = self.0.unknown_codes.take(address) {
            self.0.turned_away.insert(household(address), Instant::now() + wait);
        }
    }
}

struct Budget {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    calls: AtomicU32,
}

impl Budget {
    fn new(quota: Quota) -> Self {
        Self { limiter: RateLimiter::keyed(quota), clock: DefaultClock::default(), calls: AtomicU32::new(0) }
    }

    fn take(&self, address: IpAddr) -> Result<(), Duration> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&household(address)).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// What shares a budget: an IPv4 address, or the network of IPv6 that one subscriber has.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn each_household_has_a_budget_of_its_own() {
        let three = NonZeroU32::MIN.saturating_add(2);
        let budgets = Budgets::new(&VisitorLimits { codes_per_hour: three, ..VisitorLimits::default() });
        for one in ["203.0.113.7", "2001:db8:0:1::1"] {
            for _ in 0..3 {
                assert_eq!(budgets.take_code(address(one)), Ok(()));
            }
            let wait = budgets.take_code(address(one)).expect_err("used up");
            assert!(wait > Duration::from_secs(1_000) && wait <= Duration::from_secs(1_200), "{wait:?}");
        }
        for same in ["::ffff:203.0.113.7", "2001:db8:0:1:ffff::9"] {
            assert!(budgets.take_code(address(same)).is_err(), "{same}");
        }
        for other in ["203.0.113.8", "2001:db8:0:2::1"] {
            assert_eq!(budgets.take_code(address(other)), Ok(()), "{other}");
        }
    }
}
