//! Banks of coupons: loaded by the program's own import, timed, and replaced before they run dry.

use std::time::Instant;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::seed;
use crate::site::Site;

/// A load of codes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Import {
    pub codes: i64,
    /// Codes that were there before.
    pub onto: i64,
    pub seconds: f64,
}

/// A bank from which codes are claimed.
#[derive(Clone, Copy, Debug)]
pub struct Bank {
    pub id: i64,
    pub size: i64,
    used: i64,
}

impl Bank {
    /// Codes that can be claimed. A tenth stays behind: requests that are on their way when a run ends take some too.
    pub fn room(&self) -> i64 {
        (self.size * 9 / 10 - self.used).max(0)
    }
}

/// All banks so far.
#[derive(Debug, Default)]
pub struct Stock {
    banks: Vec<Bank>,
    codes: i64,
    /// Every load, in order.
    pub imports: Vec<Import>,
}

#[derive(Deserialize)]
struct BankLine {
    id: i64,
}

impl Stock {
    /// Makes a bank and loads that many codes that were never used before.
    pub async fn load(&mut self, site: &Site, size: i64) -> anyhow::Result<i64> {
        let name = format!("{size} codes");
        let bank: BankLine = site.goodword_json(&["bank", "create", "--name", &name, "--json"]).await?;
        let path = site.path("codes.csv");
        seed::write_codes(&path, self.codes + 1, size)?;
        let file = path.to_str().context("the scratch directory has a strange name")?;
        let began = Instant::now();
        site.goodword(&["coupons", "import", &bank.id.to_string(), file]).await?;
        self.imports.push(Import { codes: size, onto: self.codes, seconds: began.elapsed().as_secs_f64() });
        tokio::fs::remove_file(path).await?;
        self.codes += size;
        self.banks.push(Bank { id: bank.id, size, used: 0 });
        Ok(bank.id)
    }

    /// Loads banks of one size until they have room for so many claims together, and there are so many of them.
    pub async fn fill_up(&mut self, site: &Site, size: i64, count: usize, claims: i64) -> anyhow::Result<()> {
        let of_size = |bank: &&Bank| bank.size == size;
        while self.banks.iter().filter(of_size).count() < count
            || self.banks.iter().filter(of_size).map(Bank::room).sum::<i64>() < claims
        {
            self.load(site, size).await?;
        }
        Ok(())
    }

    /// `count` banks of one size, each with room for so many claims, or fresh.
    pub async fn with_room(&mut self, site: &Site, size: i64, count: usize, claims: i64) -> anyhow::Result<Vec<Bank>> {
        let fits = |bank: &&Bank| bank.size == size && (bank.used == 0 || bank.room() >= claims);
        let mut found: Vec<Bank> = self.banks.iter().filter(fits).take(count).copied().collect();
        while found.len() < count {
            self.load(site, size).await?;
            found.extend(self.banks.last().copied());
        }
        Ok(found)
    }

    /// Notes that codes of a bank were claimed.
    pub fn note(&mut self, bank: i64, claims: i64) {
        for known in self.banks.iter_mut().filter(|known| known.id == bank) {
            known.used += claims;
        }
    }
}
