//! Claims of coupons: banks with room for them, and runs while a snapshot is held.

use anyhow::bail;

use crate::database::Rows;
use crate::figures::Figures;
use crate::scenarios::{Bench, Target, check_stored};
use crate::seed::Sizes;
use crate::stock::Bank;
use crate::wrk::{Load, Traffic};

/// Small banks that one run uses, one after the other.
pub const SMALL_BANKS: usize = 6;
/// Claims a second that are expected before any were measured.
const CLAIMS_PER_S_FIRST: f64 = 10_000.0;
/// Parts of the run while a snapshot is held.
const SNAPSHOT_PARTS: usize = 4;

impl Bench<'_> {
    /// Some orders and claims of yesterday, and statistics about them. A database that was empty a minute ago has plans
    /// for empty tables.
    pub async fn make_history(&mut self, rounds: u32) -> anyhow::Result<()> {
        let threads = self.best.threads_ours;
        let seconds = 2.min(self.seconds);
        self.http(Target::Goodword, Traffic::Purchases, 16, threads, seconds).await?;
        self.claims(self.sizes.large, 1, true, seconds).await?;
        // All banks are loaded now: a load in between would have PostgreSQL tidy up during the next runs.
        let Sizes { large, small, eighth, .. } = self.sizes;
        let a_run = self.claims_expected(self.seconds);
        let snapshot = self.claims_expected(self.part_seconds()) * i64::try_from(SNAPSHOT_PARTS)?;
        self.stock.fill_up(self.site, large, 2, i64::from(rounds) * (a_run + snapshot)).await?;
        let small_banks = SMALL_BANKS * usize::try_from(rounds)?;
        let small_claims = (i64::from(rounds) * a_run).min(small * i64::try_from(small_banks)? / 2);
        self.stock.fill_up(self.site, small, SMALL_BANKS, small_claims).await?;
        self.stock.fill_up(self.site, eighth, 8, i64::from(rounds) * a_run).await?;
        sqlx::raw_sql("vacuum (analyze)").execute(&self.database.pool).await?;
        Ok(())
    }

    /// Claims that banks must have room for.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "an estimate")]
    pub fn claims_expected(&self, seconds: u64) -> i64 {
        let rate = if self.claims_per_s > 0.0 { self.claims_per_s * 1.5 } else { CLAIMS_PER_S_FIRST };
        (rate * seconds as f64) as i64
    }

    /// How long a part of the run while a snapshot is held takes: 12 s all together, if a run takes 5.
    fn part_seconds(&self) -> u64 {
        (self.seconds * 3).div_ceil(5)
    }

    /// Claims at 64 connections, from banks one after the other or from all at once.
    pub async fn claims(&mut self, size: i64, count: usize, in_turn: bool, seconds: u64) -> anyhow::Result<Figures> {
        let claims = self.claims_expected(seconds) / i64::try_from(count)?;
        let banks = self.stock.with_room(self.site, size, count, claims).await?;
        let room = banks.iter().map(Bank::room).min().unwrap_or_default().cast_unsigned();
        let ids: Vec<i64> = banks.iter().map(|bank| bank.id).collect();
        self.database.settle().await?;
        let before = self.database.moment().await?;
        let load = Load {
            connections: 64,
            threads: self.best.threads_ours,
            seconds,
            banks: &ids,
            per_bank: if in_turn { room } else { 0 },
            claims_max: room * u64::try_from(count)?,
            ..Load::new(Traffic::Claims, self.site.address())
        };
        let counted = self.wrk.run(&load).await;
        let counted = self.explained(counted)?;
        let (stored, with_coupon) = self.database.count_since(Rows::ReferralCodes, &before).await?;
        check_stored(stored, counted.requests, 64)?;
        if with_coupon != stored {
            bail!("of {stored} referral codes only {with_coupon} hold a coupon");
        }
        self.note_claims(&ids, stored.cast_signed(), in_turn.then_some(room.cast_signed()))?;
        let figures = counted.figures();
        self.claims_per_s = self.claims_per_s.max(figures.rate);
        Ok(figures)
    }

    /// Notes claims from banks that were used all at once, or one after the other for so many claims each.
    fn note_claims(&mut self, banks: &[i64], mut claims: i64, in_turn: Option<i64>) -> anyhow::Result<()> {
        let share = claims / i64::try_from(banks.len())? + 1;
        for bank in banks {
            let of_this = in_turn.map_or(share, |most| most.min(claims));
            self.stock.note(*bank, of_this);
            claims -= of_this;
        }
        // Those that were on their way when a bank was left.
        banks.iter().for_each(|bank| self.stock.note(*bank, 32));
        Ok(())
    }

    /// Claims while another session holds a snapshot, as a report or a backup does.
    pub async fn snapshot(&mut self) -> anyhow::Result<Figures> {
        let part_seconds = self.part_seconds();
        let all = self.claims_expected(part_seconds) * i64::try_from(SNAPSHOT_PARTS)?;
        self.stock.with_room(self.site, self.sizes.large, 1, all).await?;
        let snapshot = self.database.hold_snapshot().await?;
        let mut parts = Vec::new();
        for _ in 0..SNAPSHOT_PARTS {
            parts.push(self.claims(self.sizes.large, 1, true, part_seconds).await?.rate);
        }
        snapshot.release().await?;
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let rate = parts.iter().sum::<f64>() / parts.len() as f64;
        Ok(Figures { rate, parts, ..Figures::default() })
    }
}
