//! Orders that are taken for new ones, as those before them were. What is stored and answered is the same as after a look
//! whether they were recorded before, and after a look for whom their codes lead to.

use futures_util::future::join_all;
use goodword::web::state::{LaneLimits, Limits};
use serde_json::{Value, json};

use crate::harness::app::{TestApp, limits};
use crate::harness::client::Shop;
use crate::harness::detour::Detour;
use crate::harness::proxy::Cut;
use crate::harness::words::Request;

/// Orders in a row after which the next is taken for new; the first statements have been prepared by then, too.
const STREAK: usize = 12;
/// Words of the statement that looks for orders.
const LOOK: &str = "as wanted (account_id, source, order_id)";

/// Reports new orders until the next one is taken for new.
async fn report_news(detour: &Detour, name: &str) {
    for number in 0..STREAK {
        let order = detour.shop.order(&format!("{name} {number}"));
        let order = if number % 2 == 0 { order } else { order.code("none") };
        order.await.expect(201);
    }
}

/// An account with advocates whose addresses are at several domains, and codes of people to whom nothing is credited.
async fn shop_with_advocates() -> TestApp {
    let app = TestApp::start().await;
    app.bank(&["A1", "A2", "A3", "A4", "A5", "FREE"]).await;
    app.advocate("C1").code("A1").await.expect(201);
    app.advocate("C2").email("Ada@Example.com").code("A2").await.expect(201);
    app.advocate("C3").email("b.o.b@gmail.com").code("A3").await.expect(201);
    let blocked = app.advocate("C4").code("A4").await.expect(201);
    let code = blocked["referral_code"].as_str().expect("a code");
    app.post(&format!("/v1/referral_codes/{code}/block"), json!({})).await.expect(200);
    let blocked = app.advocate("C5").code("A5").await.expect(201);
    app.post(&format!("/v1/customers/{}/block", blocked["customer"]["id"]), json!({})).await.expect(200);
    app
}

/// An order, and how many statements it takes when it is taken for new.
type Case = (&'static str, fn(Request) -> Request, usize);

const CASES: [Case; 20] = [
    ("without anything", |order| order, 1),
    ("with an address", |order| order.email("ada@example.com"), 1),
    ("plain", |order| order.code("A1"), 1),
    ("plain, with an address", |order| order.code(" a1 ").email("eve@example.com"), 1),
    ("plain, at another domain", |order| order.code("A2").email("ada@example.org"), 1),
    ("plain, with all else", rich, 1),
    ("at the same domain", |order| order.code("A2").email("eve@EXAMPLE.com"), 2),
    ("his own", |order| order.code("A2").email("ada@example.com"), 2),
    ("his own, spelled otherwise", |order| order.code("A3").email("bob+shop@googlemail.com"), 2),
    ("of the same provider", |order| order.code("A3").email("eve@googlemail.com"), 2),
    ("of another provider", |order| order.code("A3").email("bob@icloud.com"), 1),
    ("at a domain in other letters", |order| order.code("A2").email("ada@bücher.de"), 2),
    ("by a blocked code", |order| order.code("A4"), 2),
    ("by a blocked customer", |order| order.code("A5"), 2),
    ("by nobody's coupon", |order| order.code("FREE"), 2),
    ("by no coupon", |order| order.code("A6"), 2),
    ("by a blank", |order| order.code("  "), 1),
    ("by a referral code", |order| order.referral_code("nobody"), 2),
    ("by two codes", |order| order.code("A1").referral_code("nobody"), 3),
    ("by somebody with a name", |order| order.code("A1").with("customer.first_name", "Eve"), 2),
];

fn rich(order: Request) -> Request {
    order
        .code("A1")
        .with("order.new_customer", true)
        .with("order.date", "2026-07-30T10:00:00Z")
        .with("order.currency", "EUR")
        .with("ip_address", "203.0.113.9")
        .with("products", json!([{ "sku": "S1", "name": "Sock", "price": 50, "quantity": 2 }]))
}

/// What is stored of an order, without what no two orders have in common.
async fn stored(app: &TestApp, id: &str) -> Value {
    sqlx::query_scalar(
        "select json_build_array(to_jsonb(p) - array['id', 'order_id'], to_jsonb(v) - array['id', 'purchase_id'],
            (select array_agg(e.kind order by e.id) from events e
            where e.subjects = array[p.id] and e.kind like 'purchase.%' or e.subjects = array[v.id] and e.kind like 'conversion.%'))
        from purchases p left join conversions v on v.account_id = p.account_id and v.purchase_id = p.id where p.order_id = $1",
    )
    .bind(id)
    .fetch_one(&app.pool)
    .await
    .expect("it is stored")
}

/// An answer without what no two orders have in common.
fn said(mut answer: Value) -> Value {
    answer["id"] = Value::Null;
    answer["order_id"] = Value::Null;
    if answer["conversion"].is_object() {
        answer["conversion"]["id"] = Value::Null;
    }
    answer
}

#[tokio::test]
async fn an_order_taken_for_new_is_stored_and_answered_as_one_that_was_looked_for() {
    let app = shop_with_advocates().await;
    let detour = Detour::start(&app).await;
    report_news(&detour, "before").await;
    app.order("seen").await.expect(201);
    for round in ["once", "again"] {
        for (name, of, statements) in CASES {
            // A repeat makes its server look for the next order.
            app.order("seen").await.expect(200);
            let (careful, bold) = (format!("{name} {round}, looked for"), format!("{name} {round}, taken for new"));
            let before = detour.proxy.statements();
            let answer = of(detour.shop.order(&bold)).await.expect(201);
            let took = detour.proxy.statements() - before;
            assert_eq!(said(answer.json), said(of(app.order(&careful)).await.expect(201).json), "{name}");
            assert_eq!(stored(&app, &bold).await, stored(&app, &careful).await, "{name}");
            // The first time some are prepared.
            assert!(round == "once" || took == statements, "{name}: {took} statements");
        }
    }
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_repeat_that_is_taken_for_new_is_answered_as_before_and_stored_once() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1"]).await;
    app.advocate("C1").out_of(&bank).await.expect(201);
    let detour = Detour::start(&app).await;
    for (round, code) in ["A1", "none", "A1"].into_iter().enumerate() {
        let order = |amount: i64| {
            let order = detour.shop.order(&format!("order {round}")).with("order.amount", amount);
            if code == "none" { order } else { order.code(code) }
        };
        let first = order(1).await.expect(201);
        // Each time it was wrong more of them are wanted.
        for times in 0..1 << round {
            report_news(&detour, &format!("{round}, {times}")).await;
        }
        let before = detour.proxy.statements();
        assert_eq!(order(1).await.expect(200).text, first.text);
        assert!(detour.proxy.statements() - before >= 2, "it was not taken for new");
        order(2).await.refused(409, "order_conflict");
        assert_eq!(order(1).await.expect(200).text, first.text);
    }
    assert_eq!(app.count("select count(*) from purchases").await, 3 + 7 * STREAK as i64);
    assert_eq!(app.count("select count(*) from conversions").await, 2);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_among_new_orders_of_one_batch_are_told_apart() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1"]).await;
    app.advocate("C1").out_of(&bank).await.expect(201);
    for round in 0..20 {
        let orders: Vec<_> = (round * 4..round * 4 + 8)
            .map(|number| {
                let order = app.order(&format!("order {number}"));
                tokio::spawn(async move { if number % 2 == 0 { order.code("A1").await } else { order.await } })
            })
            .collect();
        for (number, answer) in join_all(orders).await.into_iter().enumerate() {
            // The first four were reported in the round before.
            let wanted = if round > 0 && number < 4 { 200 } else { 201 };
            let answer = answer.expect("no panic").expect(wanted);
            assert_eq!(answer["attribution"].is_null(), number % 2 == 1);
        }
    }
    assert_eq!(app.count("select count(*) from purchases").await, 84);
    assert_eq!(app.count("select count(*) from conversions").await, 42);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_taken_for_new_that_holds_a_repeat_stores_and_answers_the_rest() {
    let app = TestApp::start().await;
    let lanes = LaneLimits { purchase_writers: 1, ..LaneLimits::default() };
    let detour = Detour::with_limits(&app, Limits { lanes, ..limits() }).await;
    for round in 0..10 {
        // One of them may go its own way; the others make batches of the writer's.
        let orders = (0..6).map(|number| detour.shop.order(&format!("before {round} {number}")).into_future());
        join_all(orders).await.into_iter().for_each(|answer| drop(answer.expect(201)));
    }
    // One who is alone, and one whom the writer stores.
    let mut held = Vec::new();
    for id in ["alone", "not alone"] {
        let (begun, go_on) = detour.proxy.hold_next_transaction();
        let shop = detour.shop.clone();
        let order = tokio::spawn(async move { shop.order(id).await });
        begun.await.expect("it is stored");
        held.push((order, go_on));
    }
    let ids = ["new", "before 3 3", "twice", "newer", "twice", "before 3 3", "newest"];
    let orders: Vec<_> = ids.iter().map(|id| detour.shop.order(id).into_future()).collect();
    let orders = tokio::spawn(join_all(orders));
    // A refused request of the same client was answered while the orders wait: most of them have arrived by then.
    detour.shop.get("/v1/nothing").await.expect(404);
    for (order, go_on) in held.into_iter().rev() {
        go_on.send(()).expect("it waits");
        order.await.expect("no panic").expect(201);
    }
    let statuses: Vec<u16> = orders.await.expect("no panic").iter().map(|answer| answer.status).collect();
    let of = |id: &str| -> Vec<u16> {
        let mut of: Vec<u16> = ids.iter().zip(&statuses).filter(|(one, _)| **one == id).map(|(_, one)| *one).collect();
        of.sort_unstable();
        of
    };
    for (id, wanted) in [("new", vec![201]), ("newer", vec![201]), ("newest", vec![201])] {
        assert_eq!(of(id), wanted, "{id}");
    }
    assert_eq!(of("twice"), [200, 201]);
    assert_eq!(of("before 3 3"), [200, 200]);
    assert_eq!(app.count("select count(*) from purchases").await, 60 + 2 + 4);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn an_order_stored_in_one_statement_whose_answer_is_lost_is_looked_up() {
    let app = shop_with_advocates().await;
    let plain: fn(Request) -> Request = |order| order.code("A1");
    let other: fn(Request) -> Request = |order| order.code("A2").email("eve@example.com");
    for (name, of) in [("plain", plain), ("not plain", other)] {
        for how in [Cut::BeforeTheServer, Cut::BeforeTheAnswer, Cut::Meanwhile] {
            for for_good in [false, true] {
                let detour = Detour::start(&app).await;
                let id = format!("{name} {how:?} {for_good}");
                report_news(&detour, &id).await;
                detour.proxy.cut_next_commit(how, for_good);
                let answer = of(detour.shop.order(&id)).await;
                if for_good {
                    let refused = answer.expect(503);
                    assert_eq!(refused["applied"], "unknown", "{id}");
                    detour.proxy.come_back();
                } else {
                    assert!(matches!(answer.status, 200 | 201), "{id}: {}", answer.text);
                    let known = detour.shop.get(&format!("/v1/purchases/{id}").replace(' ', "%20")).await.expect(200);
                    assert_eq!(answer.text, known.text, "{id}");
                }
                let again = of(detour.shop.order(&id)).await;
                assert!(matches!(again.status, 200 | 201), "{id}: {}", again.text);
                assert!(again["attribution"].is_object(), "{id}");
                detour.stop().await;
            }
        }
    }
    assert_eq!(app.count("select count(*) from conversions").await, 12);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rival_who_records_an_order_after_the_look_for_it_was_first() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let (has_looked, go_on) = detour.proxy.hold_answer_about(LOOK);
    let shop = detour.shop.clone();
    let ours = tokio::spawn(async move { shop.order("one").await });
    has_looked.await.expect("it looks for the order");
    let theirs = app.order("one").await.expect(201);
    go_on.send(()).expect("it waits");
    assert_eq!(ours.await.expect("no panic").expect(200).text, theirs.text);
    assert_eq!(app.count("select count(*) from purchases").await, 1);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn numbers_that_a_connection_drew_ahead_end_with_it() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1"]).await;
    app.advocate("C1").out_of(&bank).await.expect(201);
    let detour = Detour::start(&app).await;
    let report = async |shop: &Shop, name: &str| {
        for number in 0..20 {
            shop.order(&format!("{name} {number}")).code("A1").await.expect(201);
        }
    };
    report(&detour.shop, "before").await;
    // Of 2, 4, 8 and 16, and the first time the statement is prepared.
    assert_eq!(detour.proxy.draws(), 5);
    // A copy of the database takes its place that has lost all that was drawn and not used.
    detour.proxy.go_away().await;
    let left = "select least((select last_value from purchases_id_seq) - (select max(id) from purchases),
        (select last_value from conversions_id_seq) - (select max(id) from conversions))";
    assert!(app.count(left).await > 0, "some were drawn ahead");
    let lose = "select setval('purchases_id_seq', (select max(id) from purchases)),
        setval('conversions_id_seq', (select max(id) from conversions))";
    sqlx::query(lose).execute(&app.pool).await.expect("lost");
    report(&app, "elsewhere").await;
    detour.proxy.come_back();
    // It finds out which of its connections are dead.
    while detour.shop.get("/v1/campaigns").await.status != 200 {}
    report(&detour.shop, "after").await;
    assert_eq!(app.count("select count(*) from conversions").await, 60);
    detour.stop().await;
    app.finish().await;
}
