//! Claims that read a bank without a lock, and rivals who change it before they store. Each story holds the claim back when it
//! has seen the bank, so that what it saw is old.

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::app::TestApp;
use crate::harness::client::Answer;
use crate::harness::detour::Detour;
use crate::harness::words::Bank;

/// Words of the statement that looks at a bank.
const LOOK: &str = "as wanted (account_id, bank_id, length)";

/// C1's call for a code of the bank, through another server: held back when it has seen the bank.
struct Claim {
    detour: Detour,
    answer: JoinHandle<Answer>,
    go_on: oneshot::Sender<()>,
}

impl Claim {
    async fn begin(app: &TestApp, bank: &Bank) -> Self {
        let detour = Detour::start(app).await;
        let (has_looked, go_on) = detour.proxy.hold_answer_about(LOOK);
        let call = detour.shop.post("/v1/referral_codes", wish("C1", bank.id));
        let answer = tokio::spawn(async move { call.await });
        has_looked.await.expect("it looks at the bank");
        Self { detour, answer, go_on }
    }

    async fn finish(self) -> Answer {
        self.go_on.send(()).expect("it waits");
        let answer = self.answer.await.expect("no panic");
        self.detour.stop().await;
        answer
    }
}

fn wish(advocate: &str, bank: i64) -> Value {
    json!({ "campaign": { "id": 53345 }, "customer": { "id": advocate }, "coupon_bank_id": { "id": bank } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rival_who_draws_from_the_bank_first_gets_another_code() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    let claim = Claim::begin(&app, &bank).await;
    let rivals = app.advocate("C2").out_of(&bank).await.expect(201);
    let ours = claim.finish().await.expect(201);
    assert_ne!(ours["coupon_code"], rivals["coupon_code"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_code_that_a_rival_drew_or_named_or_retired_is_not_given_out() {
    for rival in ["draws", "names", "retires"] {
        let app = TestApp::start().await;
        let bank = app.bank(&["A1"]).await;
        let claim = Claim::begin(&app, &bank).await;
        match rival {
            "draws" => drop(app.advocate("C2").out_of(&bank).await.expect(201)),
            "names" => drop(app.advocate("C2").code("A1").await.expect(201)),
            _ => drop(
                app.post(&format!("/v1/coupon_banks/{}/coupons/retire", bank.id), json!({ "codes": ["A1"] }))
                    .await
                    .expect(200),
            ),
        }
        claim.finish().await.refused(409, "bank_exhausted");
        assert_eq!(app.count("select count(*) from customers where external_id = 'C1'").await, 0, "{rival}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_advocate_whom_a_rival_stored_first_has_one_code() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2", "A3"]).await;
    let claim = Claim::begin(&app, &bank).await;
    let first = app.advocate("C1").out_of(&bank).await.expect(201);
    let ours = claim.finish().await.expect(200);
    assert_eq!((&ours["referral_code"], &ours["coupon_code"]), (&first["referral_code"], &first["coupon_code"]));
    app.finish().await;
}
