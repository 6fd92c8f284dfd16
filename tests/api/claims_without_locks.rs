//! Claims that read a bank without a lock, and rivals who change it before they store: while a claim is held back that has
//! seen the bank, or between two claims, the second of which relies on what the first one saw.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::app::TestApp;
use crate::harness::client::Answer;
use crate::harness::detour::Detour;
use crate::harness::words::Bank;

/// Words of the statement that looks at a bank of which nothing is remembered.
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

/// A bank of so many codes.
async fn bank_of(app: &TestApp, codes: usize) -> Bank {
    let codes: Vec<String> = (0..codes).map(|number| format!("A{number}")).collect();
    app.bank(&codes.iter().map(String::as_str).collect::<Vec<_>>()).await
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

/// A call by an advocate for a code of the bank, through another server.
async fn claim(detour: &Detour, advocate: &str, bank: &Bank) -> Answer {
    detour.shop.post("/v1/referral_codes", wish(advocate, bank.id)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_a_rival_took_since_the_last_claim_is_not_given_out() {
    let codes = ["A1", "A2", "A3"];
    for rival in ["draws", "names", "retires"] {
        let app = TestApp::start().await;
        let (bank, detour) = (app.bank(&codes).await, Detour::start(&app).await);
        let first = claim(&detour, "C1", &bank).await.expect(201)["coupon_code"].clone();
        let free = codes.into_iter().find(|code| first != *code).expect("two are free");
        let taken = match rival {
            "draws" => app.advocate("R").out_of(&bank).await.expect(201)["coupon_code"].clone(),
            "names" => app.advocate("R").code(free).await.expect(201)["coupon_code"].clone(),
            _ => {
                let path = format!("/v1/coupon_banks/{}/coupons/retire", bank.id);
                app.post(&path, json!({ "codes": [free] })).await.expect(200);
                json!(free)
            }
        };
        let second = claim(&detour, "C2", &bank).await.expect(201);
        let last = codes.into_iter().find(|code| first != *code && taken != *code).expect("one is free");
        assert_eq!(second["coupon_code"], last, "{rival}");
        claim(&detour, "C3", &bank).await.refused(409, "bank_exhausted");
        detour.stop().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_into_an_empty_bank_is_there_for_the_next_claim() {
    let app = TestApp::start().await;
    let (bank, detour) = (app.bank(&["A1"]).await, Detour::start(&app).await);
    claim(&detour, "C1", &bank).await.expect(201);
    claim(&detour, "C2", &bank).await.refused(409, "bank_exhausted");
    app.post(&bank.coupons(), json!(["A2", "A3"])).await.expect(200);
    claim(&detour, "C2", &bank).await.expect(201);
    claim(&detour, "C3", &bank).await.expect(201);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_is_taken_as_it_is_at_each_claim() {
    let app = TestApp::start().await;
    let (bank, detour) = (app.bank(&["A1", "A2", "A3", "A4"]).await, Detour::start(&app).await);
    let first = claim(&detour, "C1", &bank).await.expect(201);
    app.patch("/v1/campaigns/53345", json!({ "name": "Renamed" })).await.expect(200);
    let second = claim(&detour, "C2", &bank).await.expect(201);
    assert_ne!(first["campaign"]["name"], "Renamed");
    assert_eq!(second["campaign"]["name"], "Renamed", "{}", second.text);
    app.patch("/v1/campaigns/53345", json!({ "archived": true })).await.expect(200);
    claim(&detour, "C3", &bank).await.refused(409, "campaign_inactive");
    assert_eq!(app.count("select count(*) from customers where external_id = 'C3'").await, 0);
    app.patch("/v1/campaigns/53345", json!({ "archived": false })).await.expect(200);
    claim(&detour, "C3", &bank).await.expect(201);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_relies_on_what_the_one_before_it_saw() {
    let app = TestApp::start().await;
    let bank = bank_of(&app, 40).await;
    let detour = Detour::start(&app).await;
    // A slow machine may take longer than what was seen is remembered; not each time.
    for number in 0..20 {
        let (mut has_looked, go_on) = detour.proxy.hold_answer_about(LOOK);
        go_on.send(()).expect("it is kept");
        claim(&detour, &format!("C{number}"), &bank).await.expect(201);
        if has_looked.try_recv().is_err() {
            assert!(number > 0, "nothing can be remembered yet");
            detour.stop().await;
            app.finish().await;
            return;
        }
    }
    panic!("each claim looked at the bank");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_takes_part_in_the_draw_a_second_later_at_the_latest() {
    let app = TestApp::start().await;
    let old: Vec<String> = (0..50).map(|number| format!("OLD{number}")).collect();
    let bank = app.bank(&old.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let detour = Detour::start(&app).await;
    claim(&detour, "C", &bank).await.expect(201);
    let new: Vec<String> = (0..50).map(|number| format!("NEW{number}")).collect();
    app.post(&bank.coupons(), json!(new)).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let mut drawn = Vec::new();
    for number in 0..25 {
        let code = claim(&detour, &format!("C{number}"), &bank).await.expect(201)["coupon_code"].clone();
        drawn.push(code.as_str().expect("a code").to_owned());
    }
    // One in thirty million draws is of one load alone.
    assert!(drawn.iter().any(|code| code.starts_with("NEW")) && drawn.iter().any(|code| code.starts_with("OLD")));
    detour.stop().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_of_many_loads_with_long_runs_of_retired_codes_is_given_out_to_the_last_one() {
    let app = TestApp::start().await;
    let (bank, detour) = (app.bank(&[]).await, Detour::start(&app).await);
    let mut free = std::collections::BTreeSet::new();
    for (load, size) in [(0, 3), (1, 400), (2, 1), (3, 7)] {
        let codes: Vec<String> = (0..size).map(|number| format!("L{load}-{number}")).collect();
        app.post(&bank.coupons(), json!(codes)).await.expect(200);
        let kept = codes.len().min(5);
        free.extend(codes[..kept].iter().cloned());
        if kept < codes.len() {
            let path = format!("/v1/coupon_banks/{}/coupons/retire", bank.id);
            app.post(&path, json!({ "codes": codes[kept..] })).await.expect(200);
        }
    }
    let advocates: Vec<String> = (0..free.len()).map(|number| format!("C{number}")).collect();
    for answer in join_all(advocates.iter().map(|advocate| claim(&detour, advocate, &bank))).await {
        let code = answer.expect(201)["coupon_code"].as_str().expect("a code").to_owned();
        assert!(free.remove(&code), "{code} is not free");
    }
    claim(&detour, "C", &bank).await.refused(409, "bank_exhausted");
    detour.stop().await;
    app.finish().await;
}

/// Calls of so many new advocates, one after the other.
async fn new_advocates(detour: &Detour, bank: &Bank, names: std::ops::Range<usize>) {
    for number in names {
        claim(detour, &format!("N{number}"), bank).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_new_advocates_the_next_one_is_stored_without_a_look() {
    let app = TestApp::start().await;
    let bank = bank_of(&app, 40).await;
    let detour = Detour::start(&app).await;
    // A slow machine may take longer than what was seen is remembered; not each time.
    for number in 0..40 {
        let before = detour.proxy.statements();
        new_advocates(&detour, &bank, number..number + 1).await;
        if detour.proxy.statements() - before == 1 {
            assert!(number >= 4, "nobody came before");
            detour.stop().await;
            app.finish().await;
            return;
        }
    }
    panic!("each claim looked for its advocate, or at the bank");
}

/// A bank of so many codes, C1 with one of them, C2 with none, and a server to which so many new advocates came that it takes the next
/// for new, too.
async fn used_to_new_advocates(codes: usize) -> (TestApp, Bank, Answer, Detour) {
    let app = TestApp::start().await;
    let bank = bank_of(&app, codes).await;
    let ada = app.advocate("C1").email("ada@example.com").out_of(&bank).await.expect(201);
    app.advocate("C2").email("bob@example.com").await.expect(201);
    let detour = Detour::start(&app).await;
    new_advocates(&detour, &bank, 0..4).await;
    (app, bank, ada, detour)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_taken_for_new_and_is_known_is_found() {
    let known = [
        (json!({ "id": "C1" }), Some(200)),
        (json!({ "email": "ADA@example.com" }), Some(200)),
        (json!({ "id": "C1", "email": "new@example.com", "first_name": "Ada" }), Some(200)),
        (json!({ "id": "C1", "email": "bob@example.com" }), None),
    ];
    for (customer, status) in known {
        let (app, bank, ada, detour) = used_to_new_advocates(6).await;
        let mut call = wish("", bank.id);
        call["customer"] = customer.clone();
        let answer = detour.shop.post("/v1/referral_codes", call).await;
        match status {
            Some(status) => assert_eq!(answer.expect(status)["coupon_code"], ada["coupon_code"], "{customer}"),
            None => drop(answer.refused(409, "identity_conflict")),
        }
        // Known, and without a code of the bank until now.
        assert!(claim(&detour, "C2", &bank).await.expect(200)["coupon_code"].is_string());
        assert_eq!(app.count("select count(*) from customers").await, 6, "{customer}");
        assert_eq!(app.count("select count(*) from referral_codes where position is not null").await, 6, "{customer}");
        detour.stop().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_taken_for_new_is_answered_with_what_he_has_where_nothing_new_is_given_out() {
    let (app, bank, ada, detour) = used_to_new_advocates(5).await;
    claim(&detour, "N9", &bank).await.refused(409, "bank_exhausted");
    assert_eq!(claim(&detour, "C1", &bank).await.expect(200)["coupon_code"], ada["coupon_code"]);
    detour.stop().await;
    app.finish().await;

    for email in ["ada@example.com", "bob@example.com"] {
        let (app, bank, ada, detour) = used_to_new_advocates(9).await;
        app.patch("/v1/campaigns/53345", json!({ "archived": true })).await.expect(200);
        // By then nobody remembers that it was not.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        claim(&detour, "N9", &bank).await.refused(409, "campaign_inactive");
        let mut call = wish("C1", bank.id);
        call["customer"]["email"] = json!(email);
        let answer = detour.shop.post("/v1/referral_codes", call).await;
        if email.starts_with("ada") {
            assert_eq!(answer.expect(200)["coupon_code"], ada["coupon_code"]);
        } else {
            answer.refused(409, "identity_conflict");
        }
        detour.stop().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_by_one_person_who_is_taken_for_new_get_one_code() {
    let (app, bank, _ada, detour) = used_to_new_advocates(8).await;
    let answers = join_all((0..6).map(|_| claim(&detour, "N9", &bank))).await;
    let codes: std::collections::HashSet<String> =
        answers.into_iter().map(|answer| answer["coupon_code"].to_string()).collect();
    assert_eq!(codes.len(), 1, "{codes:?}");
    assert_eq!(app.count("select count(*) from customers where external_id = 'N9'").await, 1);
    detour.stop().await;
    app.finish().await;
}
