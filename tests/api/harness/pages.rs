//! A shop's page in a browser, as its script calls.

use goodword::accounts::sites::{self, Origin, SiteChange, SiteKey};
use goodword::types::ids::AccountId;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::app::TestApp;
use super::client::{Call, Shop};

/// What the pages of most stories carry.
pub const SITE: &str = "site-8c5e0b4f-www.shop.com";
/// Where they come from.
pub const ORIGIN: &str = "https://shop.example.com";
/// What the shop's server signs with.
pub const SIGNING_SECRET: &str = "a secret of the shop's server and of nobody else";

/// A page that somebody looks at.
#[derive(Clone)]
pub struct Page {
    shop: Shop,
    pub site: String,
    pub origin: Option<String>,
    /// Where he sits.
    pub address: String,
}

impl TestApp {
    /// Opens acme's site, and a page of it.
    pub async fn page(&self) -> Page {
        let change = SiteChange {
            site_key: Some(SiteKey::try_from(SITE).expect(SITE)),
            origins: Some(vec![Origin::try_from(ORIGIN).expect(ORIGIN)]),
            signing_secret: Some(SecretString::from(SIGNING_SECRET)),
            ..SiteChange::default()
        };
        self.site(self.account, SITE, change).await
    }

    /// A page of any account's.
    pub async fn page_of(&self, alias: &str) -> Page {
        let account: i64 = sqlx::query_scalar("select account_id from account_aliases where alias = $1")
            .bind(alias)
            .fetch_one(&self.pool)
            .await
            .expect(alias);
        let site_key = SiteKey::generate();
        let change = SiteChange {
            site_key: Some(site_key.clone()),
            origins: Some(vec![Origin::try_from(ORIGIN).expect(ORIGIN)]),
            ..SiteChange::default()
        };
        self.site(AccountId(account), site_key.as_str(), change).await
    }

    async fn site(&self, account: AccountId, site: &str, change: SiteChange) -> Page {
        let mut conn = self.pool.acquire().await.expect("the database answers");
        sites::change(&mut conn, account, &change).await.expect("a site");
        Page {
            shop: self.anonymous(),
            site: site.to_owned(),
            origin: Some(ORIGIN.to_owned()),
            address: "203.0.113.7".to_owned(),
        }
    }
}

impl Page {
    /// The same page at somebody else's.
    pub fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// A page of another site, or what says so.
    pub fn of_site(&self, site: &str) -> Self {
        Self { site: site.to_owned(), ..self.clone() }
    }

    /// A page from elsewhere, or something that is no page.
    pub fn from(&self, origin: Option<&str>) -> Self {
        Self { origin: origin.map(str::to_owned), ..self.clone() }
    }

    /// What its script sends, as a type that needs no leave.
    pub fn post(&self, what: &str, body: &Value) -> Call {
        self.post_text(what, &body.to_string())
    }

    pub fn post_text(&self, what: &str, body: &str) -> Call {
        let call = self.shop.post_text(&format!("/t/{}/{what}", self.site), "text/plain;charset=UTF-8", body);
        self.signed(call)
    }

    /// What its browser asks before a call.
    pub fn ask(&self, what: &str) -> Call {
        self.signed(self.shop.call(reqwest::Method::OPTIONS, &format!("/t/{}/{what}", self.site)))
    }

    fn signed(&self, call: Call) -> Call {
        let call = call.header("X-Forwarded-For", &self.address).header("User-Agent", "Mozilla/5.0 (shopper)");
        match &self.origin {
            Some(origin) => call.header("Origin", origin),
            None => call,
        }
    }

    /// Reports an order of 100.00 with these fields beside it.
    pub fn order(&self, id: &str, beside: Value) -> Call {
        let mut body = json!({ "order": { "id": id, "amount": "100.00" } });
        merge(&mut body, beside);
        self.post("orders", &body)
    }
}

/// Sets the fields of `more` in `body`, object by object.
fn merge(body: &mut Value, more: Value) {
    match (body, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (key, value) in more {
                merge(fields.entry(key).or_insert(Value::Null), value);
            }
        }
        (place, value) => *place = value,
    }
}
