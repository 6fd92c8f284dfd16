//! The data of the demo: made where it is missing, so that it can be run again and again.

use std::collections::BTreeSet;
use std::io::Cursor;

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::demo::Pair;
use super::exit::{Exit, Failure};
use crate::accounts::{self, Account, Alias, CreateError, NewAccount, keys};
use crate::campaigns::rules::Rules;
use crate::campaigns::{self, NewCampaign};
use crate::coupon_banks::import::{self, Load};
use crate::coupon_banks::stock::LowStock;
use crate::coupon_banks::upload::Format;
use crate::coupon_banks::{self, NewCouponBank};
use crate::db;
use crate::types::clock::Clock;
use crate::types::codes::ReferralCode;
use crate::types::ids::{AccountId, CampaignId, CouponBankId};
use crate::types::text::Name;
use crate::types::url::WebUrl;

/// The campaign of the article.
pub const CAMPAIGN_ID: CampaignId = CampaignId(53345);
/// The bank of generated codes.
pub const BANK_ID: CouponBankId = CouponBankId(9900);
/// The bank of chosen codes.
pub const PERSONAL_BANK_ID: CouponBankId = CouponBankId(9901);

const ALIAS: &str = "demo";
const GENERATED_CODES: usize = 1_000;
const PERSONAL_CODES: [&str; 5] = ["Clooney1", "Beyonce1", "Messi10", "Oprah1", "Zendaya1"];

/// What is there.
pub struct Made {
    pub pair: Pair,
    /// Whether the pair was made just now.
    pub key_is_new: bool,
    pub spring_left: i64,
    pub personal_left: i64,
}

/// Makes what is missing. `known` is the pair of an earlier run; one that no longer works is replaced.
pub async fn make(pool: &PgPool, known: Option<Pair>) -> Result<Made, Failure> {
    let now = Clock::System.now();
    let owner = find_or_create_account(pool, now).await?;
    let account = owner.id;
    let known = match known {
        Some(pair) if works(pool, account, &pair).await? => Some(pair),
        _ => None,
    };
    let key_is_new = known.is_none();
    let pair = match known {
        Some(pair) => pair,
        None => create_key(pool, owner, now).await?,
    };
    create_campaign(pool, account, now).await?;
    let spring_left = fill_bank(pool, account, BANK_ID, "Spring codes", generated_codes(), now).await?;
    let personal_left =
        fill_bank(pool, account, PERSONAL_BANK_ID, "Personal codes", PERSONAL_CODES.join("\n"), now).await?;
    Ok(Made { pair, key_is_new, spring_left, personal_left })
}

async fn find_or_create_account(pool: &PgPool, now: OffsetDateTime) -> Result<Account, Failure> {
    let found = accounts::store::list(&mut *pool.acquire().await?, Some(ALIAS)).await?;
    if let Some(account) = found.into_iter().next() {
        return Ok(account);
    }
    let new = NewAccount {
        name: "Demo shop".to_owned(),
        alias: Alias::try_from(ALIAS).map_err(own_fault)?,
        currency: "USD".to_owned().into(),
        zone: "UTC".to_owned().into(),
    };
    let created = db::transact(pool, move |conn| Box::pin(accounts::create(conn, new, now))).await;
    created.map_err(|error| match error {
        CreateError::AliasTaken => Failure::new(Exit::Failure, "another demo is just starting; start this one again"),
        CreateError::Database(fault) => fault.into(),
    })
}

async fn works(pool: &PgPool, account: AccountId, pair: &Pair) -> Result<bool, Failure> {
    let holder = accounts::store::find_key_holder(&mut *pool.acquire().await?, &pair.access_key).await?;
    let Some(holder) = holder.filter(|holder| holder.account.id == account) else { return Ok(false) };
    Ok(keys::matches(&SecretString::from(pair.secret_key.as_str()), Some(&holder.secret_sha256)))
}

async fn create_key(pool: &PgPool, account: Account, now: OffsetDateTime) -> Result<Pair, Failure> {
    let name = name("demo")?;
    let made =
        db::transact(pool, move |conn| Box::pin(async move { accounts::create_key(conn, &account, &name, now).await }))
            .await?;
    Ok(Pair { access_key: made.access_key, secret_key: made.secret_key.expose_secret().to_owned() })
}

async fn create_campaign(pool: &PgPool, account: AccountId, now: OffsetDateTime) -> Result<(), Failure> {
    let new = NewCampaign {
        id: Some(CAMPAIGN_ID),
        name: name("Spring referrals")?,
        destination_url: WebUrl::try_from("https://shop.example.com/").map_err(own_fault)?,
        archived: false,
        rules: Rules::default(),
    };
    // Nothing created means that it is there.
    db::transact(pool, move |conn| Box::pin(campaigns::create(conn, account, new, now))).await?;
    Ok(())
}

/// Creates a bank and loads it, unless it holds codes already. Gives how many are unused.
async fn fill_bank(
    pool: &PgPool,
    account: AccountId,
    bank: CouponBankId,
    title: &str,
    codes: String,
    now: OffsetDateTime,
) -> Result<i64, Failure> {
    let new = NewCouponBank { id: Some(bank), name: name(title)?, low_stock: LowStock::default() };
    db::transact(pool, move |conn| Box::pin(coupon_banks::create(conn, account, new, now))).await?;
    let counted = coupon_banks::store::count(&mut *pool.acquire().await?, account, &[bank]).await?;
    let counts = counted.first().map(coupon_banks::store::BankCounts::counts).unwrap_or_default();
    if counts.total > 0 {
        return Ok(counts.available);
    }
    let load = Load { account_id: account, bank_id: bank, format: Format::Text, strict: false, now };
    let report = import::load(pool, load, Cursor::new(codes))
        .await
        .map_err(|error| Failure::new(Exit::Failure, format!("the demo's codes could not be loaded: {error}")))?;
    Ok(report.loaded)
}

/// One code a line.
fn generated_codes() -> String {
    let mut rng = rand::rng();
    let mut codes = BTreeSet::new();
    while codes.len() < GENERATED_CODES {
        codes.insert(format!("SPRING-{}", ReferralCode::generate(&mut rng).as_str().to_ascii_uppercase()));
    }
    codes.into_iter().collect::<Vec<_>>().join("\n")
}

fn name(text: &str) -> Result<Name, Failure> {
    Name::try_from(text).map_err(own_fault)
}

/// A value of this file that is wrong, which no test would let pass.
fn own_fault(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failure, format!("the demo's data is wrong: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::codes::CouponCode;

    #[test]
    fn generated_codes_are_all_different_and_good() {
        let codes = generated_codes();
        let keys: BTreeSet<_> =
            codes.lines().map(|code| CouponCode::try_from(code).expect(code).key().as_str().to_owned()).collect();
        assert_eq!(keys.len(), GENERATED_CODES);
    }
}
