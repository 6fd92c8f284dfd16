//! Two real servers on one database send every event under one id, while one of them is killed again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use goodword::types::clock::Clock;
use goodword::web::state::{App, Limits};
use goodword::webhooks::client::Client;
use goodword::webhooks::dispatch::Dispatcher;
use serde_json::json;
use tokio::process::Child;

use super::endpoint;
use crate::harness::app::{PUBLIC_URL, TestApp};
use crate::harness::receiver::Receiver;

/// A server on the database of a story, that does nothing but its work beside requests.
fn serve(app: &TestApp) -> Child {
    app.program(&["serve", "--listen", "127.0.0.1:0", "--webhook-interval-ms", "10", "--evaluation-interval-ms", "20"])
        .args(["--webhook-allow-private-addresses", "--database-connections-max", "6", "--allow-unsafe-database"])
        .env("GOODWORD_PUBLIC_URL", PUBLIC_URL)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a server")
}

/// Ends a server as a power cut would.
async fn kill(mut server: Child) {
    server.kill().await.expect("killed and gone");
}

const ROUNDS: usize = 6;
const ORDERS_A_ROUND: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_delivered_under_one_id_while_one_of_two_servers_is_killed_again_and_again() {
    let app = TestApp::with_webhooks().await;
    let receivers = [Receiver::start().await, Receiver::start().await];
    for receiver in &receivers {
        endpoint(&app, receiver, None).await;
    }
    app.bank(&["A1"]).await;
    app.advocate("C1").code("A1").await.expect(201);
    app.rules(json!({ "reward": { "type": "fixed", "unit": "USD", "value": 1 } })).await;
    let steady = serve(&app);
    for round in 0..ROUNDS {
        let doomed = serve(&app);
        let seen = receivers[0].messages().len();
        let orders = (0..ORDERS_A_ROUND).map(|order| app.order(&format!("R{round}-{order}")).code("A1"));
        for answer in futures_util::future::join_all(orders.map(std::future::IntoFuture::into_future)).await {
            answer.expect(201);
        }
        // In the middle of it: there is more to come than was seen.
        receivers[0].wait_for(seen + ORDERS_A_ROUND / 2).await;
        kill(doomed).await;
    }
    kill(steady).await;
    // What the dead had taken is due when their time is over: for this one it is.
    app.evaluate().await;
    let heir = heir(&app);
    loop {
        while heir.place().await.expect("the database answers") > 0 {}
        let taken = heir.take(&[]).await.expect("the database answers");
        if taken.is_empty() {
            break;
        }
        for batch in taken {
            heir.deliver(batch).await.expect("the database answers");
        }
    }
    // An order, its conversion, the approval, the reward; and the advocate's code.
    let orders = ROUNDS * ORDERS_A_ROUND;
    let mut ids_of_all: Vec<BTreeSet<String>> = Vec::new();
    for receiver in &receivers {
        let mut bodies: BTreeMap<String, String> = BTreeMap::new();
        let mut subjects: BTreeMap<String, usize> = BTreeMap::new();
        for message in receiver.messages() {
            let (id, event) = (message.id().to_owned(), message.json());
            let said = bodies.entry(id.clone()).or_insert_with(|| {
                let subject = format!("{} of {}", event["type"], event["data"]["order_id"]);
                *subjects.entry(subject).or_default() += 1;
                message.body.clone()
            });
            assert_eq!(*said, message.body, "{id} in other words");
        }
        assert_eq!(bodies.len(), 4 * orders + 1, "every event");
        assert!(subjects.values().all(|count| *count == 1), "one id each: {subjects:?}");
        ids_of_all.push(bodies.into_keys().collect());
    }
    assert_eq!(ids_of_all[0], ids_of_all[1]);
    assert_eq!(app.count("select count(*) from webhook_deliveries where state <> 'delivered'").await, 0);
    app.finish().await;
}

/// One who comes later than anything was taken for.
fn heir(app: &TestApp) -> Dispatcher {
    let later = Clock::manual(Clock::System.now() + time::Duration::hours(1));
    let limits = Limits { webhooks_may_be_private: true, ..Limits::default() };
    let state = App::new(app.pool.clone(), later, PUBLIC_URL, limits, app.state.metrics.clone());
    Dispatcher::new(&state, Client::new(true))
}
