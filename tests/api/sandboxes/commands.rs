//! Sandboxes at the command line.

use serde_json::Value;

use super::furnish;
use crate::harness::app::TestApp;

/// What a command says with `--json`, or its complaint.
async fn run(app: &TestApp, words: &[&str]) -> Result<Value, String> {
    let output = app.program(words).output().await.expect("the command runs");
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap_or_default()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test]
async fn the_prefix_of_a_key_tells_which_it_is_and_both_work_side_by_side() {
    let app = TestApp::start().await;
    furnish(&app).await;
    let complaint = run(&app, &["account", "reset-sandbox"]).await.expect_err("there is none yet");
    assert!(complaint.contains("goodword key create --test --account acme"), "{complaint}");

    let test = run(&app, &["key", "create", "--test", "--name", "ci", "--json"]).await.expect("a key");
    // With one live account nobody has to name it, whether or not it has a sandbox.
    let live = run(&app, &["key", "create", "--json"]).await.expect("a key");
    let named = run(&app, &["key", "create", "--account", "acme-test", "--json"]).await.expect("a key");
    for (pair, mode, account) in [(&test, "test", "acme-test"), (&live, "live", "acme"), (&named, "test", "acme-test")]
    {
        assert!(text(&pair["access_key"]).starts_with(&format!("gwk_{mode}_")), "{pair}");
        assert!(text(&pair["secret_key"]).starts_with(&format!("gws_{mode}_")), "{pair}");
        assert_eq!(pair["account"], account);
        let shop = app.calling_as(Some((text(&pair["access_key"]), text(&pair["secret_key"]))));
        shop.get("/v1/coupon_banks/9900").await.expect(200);
    }
    let shop = app.calling_as(Some((text(&test["access_key"]), text(&test["secret_key"]))));
    shop.order("281").await.expect(201);
    app.get("/v1/purchases/281").await.refused(404, "not_found");

    let keys = run(&app, &["key", "list", "--json"]).await.expect("a list");
    assert_eq!(keys.as_array().map(Vec::len), Some(4), "those of the sandbox too: {keys}");
    let said = run(&app, &["account", "reset-sandbox", "--json"]).await.expect("a sandbox");
    assert_eq!(said, serde_json::json!({ "account": "acme-test", "campaigns": 1, "coupon_banks": 1, "coupons": 5 }));
    shop.get("/v1/purchases/281").await.refused(404, "not_found");
    run(&app, &["key", "revoke", text(&test["access_key"])]).await.expect("revoked");
    app.finish().await;
}

#[tokio::test]
async fn a_sandbox_has_an_alias_that_nobody_had_and_nobody_gets() {
    let app = TestApp::start().await;
    let new = ["account", "create", "--json", "--name", "Other", "--alias"];
    run(&app, &[&new[..], &["acme-test"]].concat()).await.expect("it is free");
    let key = run(&app, &["key", "create", "--test", "--account", "acme", "--json"]).await.expect("a key");
    assert_eq!(key["account"], "acme-test-2");
    let complaint = run(&app, &[&new[..], &["acme-test-2"]].concat()).await.expect_err("it is taken");
    assert!(complaint.contains("another account's"), "{complaint}");

    let accounts = run(&app, &["account", "list", "--json"]).await.expect("a list");
    let sandbox = accounts.as_array().expect("a list").iter().find(|account| account["alias"] == "acme-test-2");
    let sandbox = sandbox.expect("the sandbox is listed");
    for (field, value) in
        [("sandbox_of", "acme"), ("name", "acme shop (test)"), ("currency", "USD"), ("time_zone", "Europe/Berlin")]
    {
        assert_eq!(sandbox[field], value, "{field}");
    }
    assert_eq!(accounts[0]["sandbox_of"], Value::Null);
    app.finish().await;
}
