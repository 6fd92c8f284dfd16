//! Webhooks from the command line: endpoints, sending again, and somebody who listens.

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::types;
use crate::harness::app::TestApp;
use crate::harness::receiver::Receiver;

fn command(app: &TestApp, args: &[&str]) -> Command {
    let mut command = app.program(&["webhook"]);
    command.args(args).env_remove("GOODWORD_WEBHOOK_ALLOW_PRIVATE_ADDRESSES");
    command
}

async fn run(app: &TestApp, args: &[&str]) -> Output {
    command(app, args).output().await.expect("the program")
}

async fn json_of(app: &TestApp, args: &[&str]) -> Value {
    let output = run(app, args).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{args:?}: {fault}"))
}

#[tokio::test]
async fn endpoints_are_added_listed_given_another_secret_sent_to_again_and_removed() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    let url = receiver.url();
    let refused = run(&app, &["add", &url]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--allow-private-addresses"));
    let unknown = run(&app, &["add", "https://shop.example.com", "--types", "reward.lost"]).await;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("reward.created"));
    let add = ["add", &url, "--allow-private-addresses", "--types", "purchase.recorded,reward.created", "--json"];
    let added = json_of(&app, &add).await;
    let id = added["id"].to_string();
    assert!(added["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")), "{added}");
    let listed = json_of(&app, &["list", "--json"]).await;
    let line = json!([listed[0]["id"], listed[0]["event_types"], listed[0]["active"], listed[0]["secret"]]);
    assert_eq!(line, json!([added["id"], ["purchase.recorded", "reward.created"], true, null]));
    let rotated = json_of(&app, &["rotate-secret", &id, "--json"]).await;
    assert_ne!(rotated["secret"], added["secret"]);

    app.order("281").await.expect(201);
    app.deliver().await;
    // The command knows no other time than the machine's.
    app.clock.advance(goodword::types::clock::Clock::System.now() - app.clock.now() + time::Duration::HOUR);
    let again = run(&app, &["replay", "--from", "2026-08-01", "--endpoint", &id]).await;
    assert_eq!(String::from_utf8_lossy(&again.stdout), "1 deliveries are on their way\n");
    app.deliver().await;
    assert_eq!(types(&receiver.messages()), ["purchase.recorded"; 2]);
    assert!(!run(&app, &["replay"]).await.status.success(), "all of them are not what anybody means");

    assert!(run(&app, &["remove", &id]).await.status.success());
    assert!(!run(&app, &["remove", &id]).await.status.success());
    assert_eq!(json_of(&app, &["list", "--json"]).await, json!([]));
    app.finish().await;
}

#[tokio::test]
async fn one_who_listens_prints_what_comes_and_tells_good_signatures_from_bad_ones() {
    let app = TestApp::with_webhooks().await;
    let hook = app.post("/v1/webhook_endpoints", json!({ "url": "https://shop.example.com" })).await.expect(201);
    let path = format!("/v1/webhook_endpoints/{}", hook["id"]);
    let secret = hook["secret"].as_str().expect("text");
    let mut listening = command(&app, &["listen", "--port", "0", "--secret", secret])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a listener");
    let mut lines = BufReader::new(listening.stdout.take().expect("its output")).lines();
    let first = lines.next_line().await.expect("a line").expect("a line");
    let url = first.strip_prefix("waiting for webhooks at ").expect("its address");
    app.patch(&path, json!({ "url": url })).await.expect(200);
    // It checks the time by the machine's clock.
    app.clock.advance(goodword::types::clock::Clock::System.now() - app.clock.now());
    let good = app.post(&format!("{path}/ping"), json!({})).await.expect(200);
    assert_eq!(good["status"], 200);
    app.pass_days(1);
    let old = app.post(&format!("{path}/ping"), json!({})).await.expect(200);
    assert_eq!(old["status"], 401);
    let mut said = String::new();
    while !said.contains("SIGNATURE BAD") {
        said += &lines.next_line().await.expect("a line").expect("a line");
        said.push('\n');
    }
    assert!(said.contains("(signature good)\n{\n") && said.contains("\"type\": \"webhook.ping\""), "{said}");
    listening.kill().await.expect("ended");
    app.finish().await;
}
