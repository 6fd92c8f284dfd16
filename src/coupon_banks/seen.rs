//! What one writer has seen of banks: where the cursors of their segments stand and which coupons come next, remembered for a
//! moment, so that a claim need not look at what the claim before it left.
//!
//! Locks nothing and decides nothing: who stores what was drawn here must do so only if the segments still are as they were
//! seen. What was drawn and not stored is forgotten with all that was seen of its bank.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::claim_store::{self, SeenSegment, Window};
use super::draw::{Draw, Step, Walk};
use crate::types::codes::CouponCode;
use crate::types::ids::{AccountId, CouponBankId, CouponPlace, SegmentId};

/// How long is drawn from what was seen. A load into a bank takes part in its draws after that at the latest.
const MEMORY: Duration = Duration::from_secs(1);
/// How long a bank that somebody else draws from is looked at for each draw.
const CONTESTED: Duration = Duration::from_secs(10);
/// For how many draws of as many coupons is looked ahead.
const DRAWS_AHEAD: usize = 16;
/// For most how many steps is looked ahead, if they are not needed at once.
const STEPS_MAX: usize = 2048;
/// Steps that are looked at beyond those wanted, to pass over positions taken by name.
const SPARE: usize = 16;

/// A bank of an account.
pub type BankKey = (AccountId, CouponBankId);

/// The banks that were drawn from a moment ago.
#[derive(Debug, Default)]
pub struct SeenBanks {
    banks: BTreeMap<BankKey, SeenBank>,
    /// Since when somebody else is known to draw from a bank.
    contested: BTreeMap<BankKey, Instant>,
}

#[derive(Debug)]
struct SeenBank {
    seen_at: Instant,
    draw: Draw,
    /// How often the stock of each segment had changed.
    revisions: HashMap<SegmentId, i32>,
    /// Those of the positions looked at that are free.
    coupons: HashMap<CouponPlace, Coupon>,
}

/// What a coupon says.
#[derive(Clone, Debug)]
pub struct Coupon {
    pub code: CouponCode,
    pub pin: Option<String>,
}

/// A segment that was drawn from: where its cursor goes, if it still is as it was seen.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    pub account_id: AccountId,
    pub segment_id: SegmentId,
    pub next_position: i32,
    pub revision: i32,
    pub moved_to: i32,
}

/// Coupons that were drawn, in the order they were asked for.
#[derive(Debug)]
pub struct Drawn {
    pub coupons: Vec<(CouponPlace, Coupon)>,
    pub moved: Vec<Moved>,
    banks: BTreeMap<BankKey, SeenBank>,
}

/// How many coupons of each bank are wanted.
type Counts = BTreeMap<BankKey, usize>;

impl SeenBanks {
    /// Draws coupons of banks, in order. Nothing when a bank seems to have too few: that is for
    /// [`claim`](super::claim::claim) to say, which sees what is there.
    pub async fn draw(&mut self, conn: &mut PgConnection, wanted: &[BankKey]) -> sqlx::Result<Option<Drawn>> {
        let mut counts = Counts::new();
        wanted.iter().for_each(|bank| *counts.entry(*bank).or_default() += 1);
        // Taken out: whatever happens from here on, nothing is drawn twice.
        let taken = counts.keys().filter_map(|key| self.banks.remove_entry(key));
        let mut banks: BTreeMap<BankKey, SeenBank> = taken.filter(|(_, bank)| bank.is_fresh()).collect();
        self.look_at_unseen(conn, &mut banks, &counts).await?;
        self.look_ahead(conn, &mut banks, &counts).await?;
        let mut coupons = Vec::with_capacity(wanted.len());
        for key in wanted {
            match draw_one(conn, &mut banks, *key).await? {
                Some(drawn) => coupons.push(drawn),
                None => return Ok(None),
            }
        }
        let mut moved: Vec<Moved> = banks.iter().flat_map(|((account, _), bank)| bank.moved(*account)).collect();
        // In the order in which all lock segments.
        moved.sort_unstable_by_key(|moved| (moved.account_id, moved.segment_id));
        Ok(Some(Drawn { coupons, moved, banks }))
    }

    /// What was drawn has been stored: the next draw goes on from there, unless others draw from the bank too.
    pub fn keep(&mut self, drawn: Drawn) {
        self.banks.retain(|_, bank| bank.is_fresh());
        self.contested.retain(|_, since| since.elapsed() < CONTESTED);
        for (key, mut bank) in drawn.banks {
            if !self.contested.contains_key(&key) {
                bank.draw.walks.iter_mut().for_each(Walk::settle);
                self.banks.insert(key, bank);
            }
        }
    }

    /// What was drawn was refused: somebody else draws from these banks.
    pub fn contest(&mut self, banks: &[BankKey]) {
        let now = Instant::now();
        self.contested.extend(banks.iter().map(|bank| (*bank, now)));
    }

    /// Forgets what was seen of the banks of accounts.
    pub fn forget(&mut self, accounts: &HashSet<AccountId>) {
        self.banks.retain(|(account, _), _| !accounts.contains(account));
    }

    /// The steps that are worth a look when `count` coupons are wanted.
    fn steps(&self, key: &BankKey, count: usize) -> usize {
        let draws = if self.contested.contains_key(key) { 1 } else { DRAWS_AHEAD };
        count.saturating_mul(draws).min(STEPS_MAX.max(count)).saturating_add(SPARE)
    }

    /// Looks at the segments of banks of which nothing is remembered.
    async fn look_at_unseen(
        &self,
        conn: &mut PgConnection,
        banks: &mut BTreeMap<BankKey, SeenBank>,
        counts: &Counts,
    ) -> sqlx::Result<()> {
        let unseen = counts.iter().filter(|(key, _)| !banks.contains_key(key));
        let looks: Vec<(AccountId, CouponBankId, i32)> = unseen
            .map(|(key, count)| (key.0, key.1, i32::try_from(self.steps(key, *count)).unwrap_or(i32::MAX)))
            .collect();
        if looks.is_empty() {
            return Ok(());
        }
        for segment in claim_store::look_at_segments(conn, &looks).await? {
            let key = (segment.account_id, segment.bank_id);
            banks.entry(key).or_insert_with(SeenBank::new).add(segment);
        }
        Ok(())
    }

    /// Looks at what comes next in banks of which too little is known, in one statement.
    async fn look_ahead(
        &self,
        conn: &mut PgConnection,
        banks: &mut BTreeMap<BankKey, SeenBank>,
        counts: &Counts,
    ) -> sqlx::Result<()> {
        let mut wanted = Vec::new();
        for (key, bank) in &mut *banks {
            let count = counts.get(key).copied().unwrap_or_default();
            if !bank.missing(key.0, count).is_empty() {
                wanted.extend(bank.missing(key.0, self.steps(key, count)).into_iter().map(|window| (*key, window)));
            }
        }
        look(conn, banks, wanted).await
    }
}

/// Looks at windows of banks, in one statement.
async fn look(
    conn: &mut PgConnection,
    banks: &mut BTreeMap<BankKey, SeenBank>,
    wanted: Vec<(BankKey, Window)>,
) -> sqlx::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let windows: Vec<Window> = wanted.iter().map(|(_, window)| *window).collect();
    for seen in claim_store::look_at_windows(conn, &windows).await? {
        let place = usize::try_from(seen.number - 1).ok().and_then(|index| wanted.get(index));
        if let Some((key, window)) = place
            && let Some(bank) = banks.get_mut(key)
        {
            bank.learn(window, seen.taken, seen.positions, seen.codes, seen.pins);
        }
    }
    Ok(())
}

impl SeenBank {
    fn new() -> Self {
        Self { seen_at: Instant::now(), draw: Draw::default(), revisions: HashMap::new(), coupons: HashMap::new() }
    }

    fn is_fresh(&self) -> bool {
        self.seen_at.elapsed() < MEMORY
    }

    fn add(&mut self, segment: SeenSegment) {
        let SeenSegment { account_id, id, size, next_position, revision, until, taken, positions, codes, pins, .. } =
            segment;
        self.draw.walks.push(Walk::new(id, size, next_position));
        self.revisions.insert(id, revision);
        self.learn(&Window::of(account_id, id, (next_position, until)), taken, positions, codes, pins);
    }

    /// The positions that so many steps need and that nobody has looked at.
    fn missing(&mut self, account: AccountId, steps: usize) -> Vec<Window> {
        self.draw.choose_ahead(steps, &mut rand::rng());
        let walks = self.draw.walks.iter();
        walks.filter_map(|walk| Some(Window::of(account, walk.segment_id, walk.missing()?))).collect()
    }

    /// Learns what a window of one of the segments holds: a coupon at each position that is not taken.
    fn learn(
        &mut self,
        window: &Window,
        taken: Vec<i32>,
        positions: Vec<i32>,
        codes: Vec<CouponCode>,
        pins: Vec<Option<String>>,
    ) {
        let segment_id = window.segment_id;
        let Some(walk) = self.draw.walks.iter_mut().find(|walk| walk.segment_id == segment_id) else { return };
        walk.learn(window.until, taken.iter().copied());
        for (position, (code, pin)) in positions.into_iter().zip(codes.into_iter().zip(pins)) {
            self.coupons.insert(CouponPlace { segment_id, position }, Coupon { code, pin });
        }
        for position in taken {
            self.coupons.remove(&CouponPlace { segment_id, position });
        }
    }

    fn moved(&self, account_id: AccountId) -> impl Iterator<Item = Moved> {
        self.draw.walks.iter().filter_map(move |walk| {
            let (next_position, moved_to) = walk.moved()?;
            let revision = *self.revisions.get(&walk.segment_id)?;
            Some(Moved { account_id, segment_id: walk.segment_id, next_position, revision, moved_to })
        })
    }
}

async fn draw_one(
    conn: &mut PgConnection,
    banks: &mut BTreeMap<BankKey, SeenBank>,
    key: BankKey,
) -> sqlx::Result<Option<(CouponPlace, Coupon)>> {
    let mut steps = SPARE;
    loop {
        let Some(bank) = banks.get_mut(&key) else { return Ok(None) };
        match bank.draw.draw(&mut rand::rng()) {
            Step::Drawn(place) => return Ok(bank.coupons.remove(&place).map(|coupon| (place, coupon))),
            Step::Exhausted => return Ok(None),
            Step::Look(_) => {}
        }
        // A long run of retired coupons is passed in leaps that grow.
        steps = steps.saturating_mul(4).min(1 << 16);
        let wanted = bank.missing(key.0, steps).into_iter().map(|window| (key, window)).collect();
        look(conn, banks, wanted).await?;
    }
}
