//! Requests that must be refused, and must leave no trace.

use serde_json::json;

use super::app::TestApp;
use super::client::Answer;
use super::snapshot::everything;

/// The path of what is at fault; empty for none.
pub fn param(refusal: &Answer) -> &str {
    refusal["error"]["param"].as_str().unwrap_or_default()
}

/// Sends bodies that must be refused, and looks that nothing is stored. Each case is the body, the code and the param.
pub async fn refuse_all(app: &TestApp, path: &str, cases: &[(Vec<u8>, &str, &str)]) {
    let before = everything(&app.pool).await;
    for (body, code, at) in cases {
        let shown: String = String::from_utf8_lossy(body).chars().take(200).collect();
        let status = if *code == "payload_too_large" { 413 } else { 400 };
        let call = app.call(reqwest::Method::POST, path).header("Content-Type", "application/json").body(body.clone());
        let refusal = call.await;
        assert_eq!(refusal.status, status, "{path} {shown}: {}", refusal.text);
        let found = (&refusal["error"]["code"], param(&refusal), &refusal["applied"]);
        assert_eq!(found, (&json!(code), *at, &json!("none")), "{path} {shown}: {}", refusal.text);
        assert_eq!(everything(&app.pool).await, before, "{path} {shown}");
        assert!(refusal.text.len() < 2_000, "a refusal is short: {}", refusal.text);
    }
}
