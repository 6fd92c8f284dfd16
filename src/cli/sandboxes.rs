//! What the commands for accounts and keys do with sandboxes.

use serde::Serialize;

use super::database::Database;
use super::exit::Failure;
use super::output::{self, Line, OutputArgs};
use crate::accounts::{Account, store};
use crate::sandboxes::{self, Copied};
use crate::types::clock::Clock;

/// A sandbox that was reset, as it is printed.
#[derive(Serialize)]
struct ResetLine {
    account: String,
    campaigns: u64,
    coupon_banks: u64,
    coupons: u64,
}

impl ResetLine {
    fn new(sandbox: &Account, copied: Copied) -> Self {
        let Copied { campaigns, banks, coupons } = copied;
        Self { account: sandbox.alias.as_str().to_owned(), campaigns, coupon_banks: banks, coupons }
    }
}

impl Line for ResetLine {
    const HEADS: &'static [&'static str] = &["ACCOUNT", "CAMPAIGNS", "COUPON BANKS", "COUPONS"];

    fn cells(&self) -> Vec<String> {
        let Self { account, campaigns, coupon_banks, coupons } = self;
        vec![account.clone(), campaigns.to_string(), coupon_banks.to_string(), coupons.to_string()]
    }
}

/// The sandbox of a live account, made if there is none.
pub async fn find_or_create(database: &Database, live: Account, output: OutputArgs) -> Result<Account, Failure> {
    let (sandbox, copied) = sandboxes::find_or_create(&database.pool, live, Clock::System.now()).await?;
    if let (Some(Copied { campaigns, banks, coupons }), false) = (copied, output.json) {
        let alias = sandbox.alias.as_str();
        output::remark(&format!(
            "Made the sandbox {alias}, with campaigns: {campaigns}, coupon banks: {banks}, coupons: {coupons}."
        ));
    }
    Ok(sandbox)
}

/// Empties a sandbox, which may be named itself or by its live account, and fills it afresh.
pub async fn reset(database: &Database, account: Account, output: OutputArgs) -> Result<(), Failure> {
    let sandbox = match account.live_account_id {
        Some(_) => Some(account.clone()),
        None => store::find_sandbox(&mut *database.pool.acquire().await?, account.id).await?,
    };
    let none_yet = || {
        let alias = account.alias.as_str();
        Failure::refused(format!("{alias} has no sandbox yet; make one: goodword key create --test --account {alias}"))
    };
    let sandbox = sandbox.ok_or_else(none_yet)?;
    let copied = sandboxes::reset(&database.pool, sandbox.id).await?.ok_or_else(none_yet)?;
    output::one(output, &ResetLine::new(&sandbox, copied))
}
