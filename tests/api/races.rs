//! Many clients at the same moment, each on a connection of its own: whatever the order, what must hold holds, and
//! nobody is told anything but what one of the orders explains.

mod start;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::client::Answer;
use crate::harness::words::Bank;
use start::{Sent, at_once, each, issue, load, order, retire};

fn codes(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n:03}")).collect()
}

async fn bank_of(app: &TestApp, codes: &[String]) -> Bank {
    app.bank(&codes.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// How often each status came, with the code of a refusal.
fn tally(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        let code = answer["error"]["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
        *tally.entry(format!("{}{code}", answer.status)).or_default() += 1;
    }
    tally
}

#[track_caller]
fn assert_tally(answers: &[Answer], wanted: &[(&str, usize)]) {
    let wanted: BTreeMap<String, usize> = wanted.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
    assert_eq!(tally(answers), wanted);
}

/// The distinct values of a field in the answers that gave something.
fn given(answers: &[Answer], field: &str) -> BTreeSet<String> {
    answers.iter().filter(|answer| answer.status < 300).map(|answer| answer[field].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_identical_orders_are_one() {
    let app = TestApp::start().await;
    let bank = app.bank(&["Clooney1"]).await;
    app.advocate("C1").out_of(&bank).await.expect(201);
    let sent = order(
        json!({ "order": { "id": "281", "amount": 795 }, "coupon_code": "clooney1", "customer": { "email": "friend@example.mil" } }),
    );
    let answers = at_once(&app, vec![sent; 100]).await;
    assert_tally(&answers, &[("200", 99), ("201", 1)]);
    let bodies: BTreeSet<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let replayed = |answer: &&Answer| answer.header("idempotent-replayed") == "true";
    assert_eq!(answers.iter().filter(replayed).count(), 99);
    for table in ["select count(*) from purchases", "select count(*) from conversions"] {
        assert_eq!(app.count(table).await, 1, "{table}");
    }
    assert_eq!(app.get("/v1/purchases/281").await.expect(200).text, answers[0].text);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_rival_orders_with_one_id_the_first_is_kept_and_the_others_are_told_so() {
    let app = TestApp::start().await;
    for round in 0..8 {
        let id = format!("R-{round}");
        let rivals = (0..16).map(|n| order(json!({ "order": { "id": id, "amount": 100 + n % 4 } }))).collect();
        let answers = at_once(&app, rivals).await;
        assert_tally(&answers, &[("200", 3), ("201", 1), ("409 order_conflict", 12)]);
        let kept = app.get(&format!("/v1/purchases/{id}")).await.expect(200);
        let created = answers.iter().find(|answer| answer.status == 201).expect("one is first");
        assert_eq!(kept.json, created.json);
        for answer in &answers {
            match answer.status {
                200 => assert_eq!(answer.json, created.json),
                409 => assert_eq!(answer["error"]["fields"], json!(["order.amount"])),
                _ => {}
            }
        }
    }
    assert_eq!(app.count("select count(*) from purchases").await, 8);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_claimers_of_ten_coupons_get_ten_and_the_others_hear_that_it_is_exhausted() {
    let app = TestApp::start().await;
    let bank = bank_of(&app, &codes("CODE", 10)).await;
    let answers = at_once(&app, each(64, |n| issue(&format!("C{n}"), json!({ "coupon_bank_id": bank.id })))).await;
    assert_tally(&answers, &[("201", 10), ("409 bank_exhausted", 54)]);
    assert_eq!(given(&answers, "coupon_code").len(), 10);
    assert_eq!(given(&answers, "referral_code").len(), 10);
    assert_eq!(app.count("select count(*) from customers").await, 10, "who got nothing left nothing");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_claimers_of_one_coupon_are_one_holder() {
    let app = TestApp::start().await;
    for round in 0..4 {
        let bank = app.bank(&[&format!("ONLY-{round}")]).await;
        let claims = each(64, |n| issue(&format!("C{round}-{n}"), json!({ "coupon_bank_id": bank.id })));
        assert_tally(&at_once(&app, claims).await, &[("201", 1), ("409 bank_exhausted", 63)]);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_calls_for_one_advocate_use_one_coupon() {
    let app = TestApp::start().await;
    let bank = bank_of(&app, &codes("CODE", 64)).await;
    let sent = issue("C1", json!({ "coupon_bank_id": bank.id, "email": "ada@example.com" }));
    let answers = at_once(&app, vec![sent; 64]).await;
    assert_tally(&answers, &[("200", 63), ("201", 1)]);
    let bodies: BTreeSet<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let counts = &app.get(&format!("/v1/coupon_banks/{}", bank.id)).await.expect(200)["counts"];
    assert_eq!((&counts["issued"], &counts["available"]), (&json!(1), &json!(63)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_first_coupon_asked_for_thirty_two_times_is_added_once() {
    let app = TestApp::start().await;
    let bank = bank_of(&app, &codes("CODE", 32)).await;
    let bare = app.advocate("C1").await.expect(201);
    let answers = at_once(&app, vec![issue("C1", json!({ "coupon_bank_id": bank.id })); 32]).await;
    assert_tally(&answers, &[("200", 32)]);
    assert_eq!(given(&answers, "coupon_code").len(), 1);
    assert_eq!(given(&answers, "referral_code"), [bare["referral_code"].to_string()].into());
    assert_eq!(app.get(&format!("/v1/coupon_banks/{}", bank.id)).await.expect(200)["counts"]["issued"], 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_personal_code_that_thirty_two_ask_for_is_one_advocates() {
    let app = TestApp::start().await;
    let bank = app.bank(&["Clooney1", "FREE"]).await;
    let answers = at_once(&app, each(32, |n| issue(&format!("C{n}"), json!({ "coupon_code": "clooney1" })))).await;
    assert_tally(&answers, &[("201", 1), ("409 coupon_taken", 31)]);
    assert_eq!(app.count("select count(*) from customers").await, 1);
    assert_eq!(app.advocate("late").out_of(&bank).await.expect(201)["coupon_code"], "FREE");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_advocate_who_asks_for_two_codes_at_once_gets_one_of_them() {
    let app = TestApp::start().await;
    for round in 0..8 {
        let (one, other) = (format!("ONE-{round}"), format!("OTHER-{round}"));
        app.bank(&[&one]).await;
        app.bank(&[&other]).await;
        let wishes = [&one, &other].map(|code| issue(&format!("C{round}"), json!({ "coupon_code": code })));
        let answers = at_once(&app, wishes.into_iter().cycle().take(8).collect()).await;
        assert_tally(&answers, &[("200", 3), ("201", 1), ("409 advocate_has_coupon", 4)]);
        assert_eq!(given(&answers, "coupon_code").len(), 1);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn codes_chosen_by_name_while_others_are_drawn_go_to_one_advocate_each() {
    let app = TestApp::start().await;
    let codes = codes("CODE", 40);
    let bank = bank_of(&app, &codes).await;
    let mut sent = Vec::new();
    for (n, code) in codes.iter().enumerate() {
        sent.push(issue(&format!("N{n}"), json!({ "coupon_code": code })));
        sent.push(issue(&format!("D{n}"), json!({ "coupon_bank_id": bank.id })));
    }
    let answers = at_once(&app, sent).await;
    let mut counted = tally(&answers);
    assert_eq!(counted.remove("201"), Some(40));
    // Whoever came too late was told why; how many came late to what is chance.
    counted.remove("409 bank_exhausted");
    counted.remove("409 coupon_taken");
    assert_eq!(counted, BTreeMap::new());
    assert_eq!(given(&answers, "coupon_code").len(), 40);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_codes_are_loaded_and_retired_none_is_both_retired_and_issued() {
    let app = TestApp::start().await;
    let stock = codes("CODE", 120);
    let bank = bank_of(&app, &stock).await;
    let mut sent = each(60, |n| issue(&format!("D{n}"), json!({ "coupon_bank_id": bank.id })));
    for n in 0..3 {
        sent.push(load(&bank, &codes(&format!("MORE{n}"), 50)));
    }
    for (n, some) in stock[..60].chunks(6).enumerate() {
        sent.push(retire(&bank, some));
        sent.push(issue(&format!("N{n}"), json!({ "coupon_code": some[0] })));
    }
    let answers = at_once(&app, sent).await;
    let (drawn, rest) = answers.split_at(60);
    let (loads, rest) = rest.split_at(3);
    assert_tally(drawn, &[("201", 60)]);
    assert_tally(loads, &[("200", 3)]);
    let mut retired = BTreeSet::new();
    let mut issued = given(drawn, "coupon_code");
    for (pair, some) in rest.chunks(2).zip(stock[..60].chunks(6)) {
        let (retirement, named) = (&pair[0], &pair[1]);
        assert_eq!(retirement.status, 200, "{}", retirement.text);
        let refused: Vec<&Value> = retirement["refused"].as_array().into_iter().flatten().collect();
        assert!(refused.iter().all(|one| one["reason"] == "coupon_issued"), "{}", retirement.text);
        let kept: BTreeSet<String> = refused.iter().map(|one| one["code"].to_string()).collect();
        retired.extend(some.iter().map(|code| json!(code).to_string()).filter(|code| !kept.contains(code)));
        match (named.status, named["error"]["code"].as_str()) {
            (201, _) => issued.extend([named["coupon_code"].to_string()]),
            (409, Some("coupon_retired" | "coupon_taken")) => {}
            _ => panic!("{}", named.text),
        }
    }
    assert_eq!(issued.intersection(&retired).collect::<Vec<_>>(), Vec::<&String>::new());
    let counts = &app.get(&format!("/v1/coupon_banks/{}", bank.id)).await.expect(200)["counts"];
    assert_eq!(
        (&counts["total"], &counts["issued"], &counts["retired"]),
        (&json!(270), &json!(issued.len()), &json!(retired.len()))
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_that_is_asked_for_and_retired_at_once_is_one_of_the_two() {
    let app = TestApp::start().await;
    let stock = codes("CODE", 24);
    let bank = bank_of(&app, &stock).await;
    let sent = stock
        .iter()
        .flat_map(|code| [issue(code, json!({ "coupon_code": code })), retire(&bank, std::slice::from_ref(code))]);
    let answers = at_once(&app, sent.collect()).await;
    for pair in answers.chunks(2) {
        let outcome = (pair[0].status, pair[0]["error"]["code"].as_str(), pair[1].status, pair[1]["retired"].as_i64());
        assert!(
            matches!(outcome, (201, None, 200, Some(0)) | (409, Some("coupon_retired"), 200, Some(1))),
            "{outcome:?}"
        );
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_person_named_by_id_by_email_and_by_both_at_once_is_one_customer() {
    let app = TestApp::start().await;
    let bank = bank_of(&app, &codes("CODE", 200)).await;
    let named = |id: Option<&str>, email: Option<&str>| {
        let customer = json!({ "id": id, "email": email });
        Sent::issue(json!({ "campaign": { "id": 53345 }, "customer": customer, "coupon_bank_id": bank.id }))
    };
    for round in 0..8 {
        let (id, email) = (format!("C{round}"), format!("c{round}@example.com"));
        let (id, email) = (Some(id.as_str()), Some(email.as_str()));
        // With one name in common, in whatever order: the other name is adopted.
        let half = if round % 2 == 0 { named(id, None) } else { named(None, email) };
        let answers = at_once(&app, [half, named(id, email)].into_iter().cycle().take(12).collect()).await;
        assert_tally(&answers, &[("200", 11), ("201", 1)]);
        assert_eq!((given(&answers, "referral_code").len(), given(&answers, "coupon_code").len()), (1, 1));
    }
    assert_eq!(app.count("select count(*) from customers").await, 8);
    assert_eq!(
        app.count("select count(*) from customers where external_id is not null and email is not null").await,
        8
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_names_that_nobody_has_linked_are_one_customer_or_two_and_never_between() {
    let app = TestApp::start().await;
    for round in 0..8 {
        let (id, email) = (format!("C{round}"), format!("c{round}@example.com"));
        let named = |customer: Value| Sent::issue(json!({ "campaign": { "id": 53345 }, "customer": customer }));
        let three = [json!({ "id": id }), json!({ "email": email }), json!({ "id": id, "email": email })].map(named);
        let answers = at_once(&app, three.into_iter().cycle().take(12).collect()).await;
        let customers = given(&answers, "referral_code").len();
        match customers {
            1 => assert_tally(&answers, &[("200", 11), ("201", 1)]),
            // The id and the e-mail came first and alone: nobody may say now that they are one.
            _ => assert_tally(&answers, &[("200", 6), ("201", 2), ("409 identity_conflict", 4)]),
        }
    }
    app.finish().await;
}
