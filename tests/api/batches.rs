//! The batch functions called with many rows at once, as lanes and bulk doors call them.

use goodword::customers::Person;
use goodword::db::Session;
use goodword::referral_codes::issue::issue_batch;
use goodword::referral_codes::{Outcome, ReferralCodeToIssue, Refusal, Wish};
use goodword::types::email::Email;
use goodword::types::ids::{CampaignId, CouponBankId};
use goodword::types::text::OpaqueId;

use crate::harness::app::{CAMPAIGN, TestApp};

/// A row that names a customer by what is not empty.
fn row(app: &TestApp, id: &str, email: &str, wish: Wish) -> ReferralCodeToIssue {
    let advocate =
        Person { external_id: OpaqueId::try_from(id).ok(), email: Email::try_from(email).ok(), ..Person::default() };
    ReferralCodeToIssue {
        account_id: app.account,
        campaign_id: CampaignId(CAMPAIGN),
        advocate,
        wish,
        code: None,
        ip_address: None,
        user_agent: None,
    }
}

async fn issue(app: &TestApp, rows: Vec<ReferralCodeToIssue>) -> Vec<Outcome> {
    let now = app.clock.now();
    let mut session = Session::new((*app.pool.connect_options()).clone());
    let issued = session.transact(|conn, rows, now| Box::pin(issue_batch(conn, rows, now)), &rows, now).await;
    session.close().await;
    issued.expect("the batch is stored")
}

/// What became of a row: `new` or `old` with the number of the customer, or the refusal.
fn told(outcome: &Outcome) -> (&'static str, i64) {
    match outcome {
        Outcome::Created(issued) => ("new", issued.advocate.id.0),
        Outcome::Existing(issued) => ("old", issued.advocate.id.0),
        Outcome::Refused(Refusal::BankExhausted) => ("exhausted", 0),
        Outcome::Refused(Refusal::IdentityConflict) => ("conflict", 0),
        Outcome::Refused(_) => ("refused", 0),
    }
}

#[tokio::test]
async fn rows_that_mean_one_person_are_decided_one_after_the_other() {
    let app = TestApp::start().await;
    let ada = app.advocate("C1").email("ada@example.com").await.expect(201)["customer"]["id"].as_i64().expect("an id");
    let rows = vec![
        // Ada gives up her address, and somebody new comes with it.
        row(&app, "C1", "new@example.com", Wish::Nothing),
        row(&app, "", "ada@example.com", Wish::Nothing),
        row(&app, "", "NEW@example.com", Wish::Nothing),
        // A new customer by id and e-mail, then by each alone, then with his id against Ada's address.
        row(&app, "C9", "nina@example.com", Wish::Nothing),
        row(&app, "C9", "", Wish::Nothing),
        row(&app, "", "nina@example.com", Wish::Nothing),
        row(&app, "C9", "new@example.com", Wish::Nothing),
    ];
    let outcomes = issue(&app, rows).await;
    let told: Vec<_> = outcomes.iter().map(told).collect();
    let (somebody, nina) = (told[1].1, told[3].1);
    assert_eq!(
        told,
        [("old", ada), ("new", somebody), ("old", ada), ("new", nina), ("old", nina), ("old", nina), ("conflict", 0)]
    );
    assert!(somebody != ada && nina != ada && somebody != nina);
    app.finish().await;
}

#[tokio::test]
async fn a_batch_draws_a_bank_empty_and_refuses_only_the_rest_without_a_trace() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2", "A3", "A4"]).await;
    app.post(&format!("{}/retire", bank.coupons()), serde_json::json!({ "codes": ["A2"] })).await.expect(200);
    let rows: Vec<_> = (0..9).map(|n| row(&app, &format!("C{n}"), "", Wish::FromBank(CouponBankId(bank.id)))).collect();
    let outcomes = issue(&app, rows).await;
    let exhausted = outcomes.iter().filter(|outcome| told(outcome).0 == "exhausted").count();
    let mut codes: Vec<&str> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Created(issued) => issued.coupon.as_ref().map(|coupon| coupon.code.as_str()),
            _ => None,
        })
        .collect();
    codes.sort_unstable();
    assert_eq!((exhausted, codes), (6, vec!["A1", "A3", "A4"]));
    assert_eq!(app.count("select count(*) from customers").await, 3);
    app.finish().await;
}

#[tokio::test]
async fn a_refused_row_takes_back_what_it_said_of_a_known_customer() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    app.advocate("C1").email("ada@example.com").await.expect(201);
    let before: String = sqlx::query_scalar("select c::text from customers c").fetch_one(&app.pool).await.expect("one");
    let outcomes = issue(&app, vec![row(&app, "C1", "new@example.com", Wish::FromBank(CouponBankId(bank.id)))]).await;
    assert_eq!(told(&outcomes[0]).0, "exhausted");
    let after: String = sqlx::query_scalar("select c::text from customers c").fetch_one(&app.pool).await.expect("one");
    assert_eq!(after, before);
    app.finish().await;
}
