//! Words of the domain, so that stories read as sentences: a bank, an advocate, an order.

use std::future::IntoFuture;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::app::CAMPAIGN;
use super::client::{Answer, Call, Shop};

/// A coupon bank with codes in it.
pub struct Bank {
    pub id: i64,
}

impl Bank {
    /// Its coupons' path.
    pub fn coupons(&self) -> String {
        format!("/v1/coupon_banks/{}/coupons", self.id)
    }
}

impl Shop {
    /// Creates a bank and loads `codes` into it.
    pub async fn bank(&self, codes: &[&str]) -> Bank {
        let created = self.post("/v1/coupon_banks", json!({ "name": "Codes" })).await.expect(201);
        let bank = Bank { id: created["id"].as_i64().expect("an id") };
        if !codes.is_empty() {
            let loaded = self.post(&bank.coupons(), json!(codes)).await.expect(200);
            assert_eq!(loaded["loaded"], codes.len(), "every code is loaded: {}", loaded.text);
        }
        bank
    }

    /// Asks for the referral code of the customer with this id, in the campaign of every story.
    pub fn advocate(&self, id: &str) -> Request {
        let body = json!({ "campaign": { "id": CAMPAIGN }, "customer": { "id": id } });
        Request { shop: self.clone(), path: "/v1/referral_codes", body }
    }

    /// Reports an order of 100.00 in the account's currency.
    pub fn order(&self, id: &str) -> Request {
        Request { shop: self.clone(), path: "/v1/purchases", body: json!({ "order": { "id": id, "amount": 100 } }) }
    }
}

/// A POST that is sent when it is awaited.
pub struct Request {
    shop: Shop,
    path: &'static str,
    pub body: Value,
}

impl Request {
    /// Sets a field by its path: `order.amount`. `products` and the like are set whole.
    pub fn with(mut self, path: &str, value: impl Into<Value>) -> Self {
        let place = path.split('.').fold(&mut self.body, |place, key| &mut place[key]);
        *place = value.into();
        self
    }

    /// The coupon code: the one an advocate wants, or the one an order came with.
    pub fn code(self, code: &str) -> Self {
        self.with("coupon_code", code)
    }

    pub fn referral_code(self, code: &str) -> Self {
        self.with("referral_code", code)
    }

    pub fn out_of(self, bank: &Bank) -> Self {
        self.with("coupon_bank_id", bank.id)
    }

    /// The e-mail of the advocate, or of the order.
    pub fn email(self, email: &str) -> Self {
        let path = if self.body.get("order").is_some() { "order.email" } else { "customer.email" };
        self.with(path, email)
    }
}

impl Request {
    /// The call that it is, not sent yet.
    pub fn call(self) -> Call {
        self.shop.post(self.path, self.body)
    }
}

impl IntoFuture for Request {
    type Output = Answer;
    type IntoFuture = BoxFuture<'static, Answer>;

    fn into_future(self) -> Self::IntoFuture {
        async move { self.shop.post(self.path, self.body).await }.boxed()
    }
}
