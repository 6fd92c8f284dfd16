//! The data of the demo: made where it is missing, so that it can be run again and again.

use std::collections::BTreeSet;
use std::io::Cursor;

use rust_decimal::Decimal;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::demo::Pair;
use super::exit::{Exit, Failure};
use crate::accounts::sites::{self, ChangeError, Origin, SiteChange, SiteKey};
use crate::accounts::{self, Account, Alias, CreateError, NewAccount, keys};
use crate::campaigns::links::{self, LinkSettings};
use crate::campaigns::rules::{RewardKind, RewardRule, Rules, UnverifiedOrders};
use crate::campaigns::{self, CampaignChange, NewCampaign};
use crate::coupon_banks::import::{self, Load};
use crate::coupon_banks::stock::LowStock;
use crate::coupon_banks::upload::Format;
use crate::coupon_banks::{self, NewCouponBank};
use crate::db::{self, Fault};
use crate::types::clock::Clock;
use crate::types::codes::ReferralCode;
use crate::types::ids::{AccountId, CampaignId, CouponBankId};
use crate::types::self_referral::SelfReferral;
use crate::types::text::Name;
use crate::types::unit::Number;
use crate::types::url::WebUrl;

/// The campaign of the article.
pub const CAMPAIGN_ID: CampaignId = CampaignId(53345);
/// The bank of generated codes.
pub const BANK_ID: CouponBankId = CouponBankId(9900);
/// The bank of chosen codes.
pub const PERSONAL_BANK_ID: CouponBankId = CouponBankId(9901);

/// The campaign of the shop to click through.
pub const SHOP_CAMPAIGN_ID: CampaignId = CampaignId(53346);
/// The bank of the codes that its widget gives out.
const SHOP_BANK_ID: CouponBankId = CouponBankId(9902);

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

/// What the shop's pages need to know.
pub struct Site {
    pub account_id: AccountId,
    pub key: String,
}

/// Makes the campaign of the shop, whose links lead to it, and lets its pages call.
pub async fn open_shop(pool: &PgPool, shop_url: &str) -> Result<Site, Failure> {
    let now = Clock::System.now();
    let account_id = find_or_create_account(pool, now).await?.id;
    let destination_url = WebUrl::try_from(shop_url).map_err(own_fault)?;
    fill_bank(pool, account_id, SHOP_BANK_ID, "Tea codes", generated_codes("TEA"), now).await?;
    let new = NewCampaign {
        id: Some(SHOP_CAMPAIGN_ID),
        name: name("Tea with friends")?,
        destination_url: destination_url.clone(),
        archived: false,
        rules: shop_rules(),
    };
    let settings = LinkSettings { widget_coupon_bank_id: Some(SHOP_BANK_ID), ..LinkSettings::default() };
    let change = CampaignChange { destination_url: Some(destination_url), ..CampaignChange::default() };
    db::transact(pool, move |conn| {
        Box::pin(async move {
            if campaigns::create(conn, account_id, new, now).await?.is_some() {
                links::put(conn, account_id, SHOP_CAMPAIGN_ID, &settings).await?;
            } else {
                // It is there, perhaps from a time when the shop had another port.
                campaigns::change(conn, account_id, SHOP_CAMPAIGN_ID, &change, now).await?;
            }
            Ok::<_, Fault>(())
        })
    })
    .await?;
    admit(pool, account_id, shop_url).await
}

/// A tenth of each order. Advocate and friend sit at one machine here, which elsewhere would look like fraud; and nobody but the
/// page tells of an order.
fn shop_rules() -> Rules {
    let reward = RewardRule { kind: RewardKind::Percentage, unit: None, value: Number(Decimal::TEN), cap: None };
    Rules {
        self_referral: SelfReferral::Allow,
        unverified_orders: UnverifiedOrders::Accept,
        reward: Some(reward),
        ..Rules::default()
    }
}

/// Lets the shop's pages call, by both names of this machine, beside those that the account has admitted itself.
async fn admit(pool: &PgPool, account_id: AccountId, shop_url: &str) -> Result<Site, Failure> {
    let settings = accounts::store::list_sites(&mut *pool.acquire().await?).await?;
    let settings = settings.into_iter().find(|site| site.account_id == account_id);
    let (key, kept) = settings.map(|site| (site.site_key, site.origins)).unwrap_or_default();
    let key = key.unwrap_or_else(SiteKey::generate);
    let own = [shop_url.to_owned(), shop_url.replace("127.0.0.1", "localhost")];
    let others = kept.into_iter().filter(|origin| !own.contains(origin));
    let all = own.iter().cloned().chain(others).take(sites::ORIGINS_MAX);
    let origins: Result<Vec<Origin>, _> = all.map(|origin| Origin::try_from(origin.as_str())).collect();
    let origins = Some(origins.map_err(own_fault)?);
    let change = SiteChange { site_key: Some(key.clone()), origins, ..SiteChange::default() };
    let changed =
        db::transact(pool, move |conn| Box::pin(async move { sites::change(conn, account_id, &change).await })).await;
    changed.map_err(|error| match error {
        ChangeError::SiteKeyTaken => own_fault(error),
        ChangeError::Database(fault) => fault.into(),
    })?;
    Ok(Site { account_id, key: key.as_str().to_owned() })
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
    let spring_left = fill_bank(pool, account, BANK_ID, "Spring codes", generated_codes("SPRING"), now).await?;
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
fn generated_codes(prefix: &str) -> String {
    let mut rng = rand::rng();
    let mut codes = BTreeSet::new();
    while codes.len() < GENERATED_CODES {
        codes.insert(format!("{prefix}-{}", ReferralCode::generate(&mut rng).as_str().to_ascii_uppercase()));
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
        let codes = generated_codes("SPRING");
        let keys: BTreeSet<_> =
            codes.lines().map(|code| CouponCode::try_from(code).expect(code).key().as_str().to_owned()).collect();
        assert_eq!(keys.len(), GENERATED_CODES);
    }
}
