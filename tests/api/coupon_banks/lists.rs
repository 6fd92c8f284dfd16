//! Which code went to whom: pages, parts by status, and a file of everything.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{bank_with_id, borrowed, numbered, retire};
use crate::harness::app::{CAMPAIGN, TestApp};

fn codes_of(page: &Value) -> Vec<&str> {
    page["results"].as_array().into_iter().flatten().filter_map(|coupon| coupon["code"].as_str()).collect()
}

#[tokio::test]
async fn the_list_says_of_each_code_what_became_of_it_and_who_holds_it() {
    let app = TestApp::start().await;
    let bank = app.bank(&["HELD", "GONE", "FREE"]).await;
    app.clock.advance(time::Duration::hours(2));
    let held = app.advocate("C1").email("ada@example.com").code("HELD").await.expect(201);
    retire(&app, &bank, &["GONE"]).await.expect(200);
    let nobody = |code: &str, status: &str| json!({ "code": code, "status": status, "issued_at": null, "referral_code": null, "campaign_id": null, "customer": null });
    let issued = json!({
        "code": "HELD",
        "status": "issued",
        "issued_at": "2026-08-01T14:00:00Z",
        "referral_code": held["referral_code"],
        "campaign_id": CAMPAIGN,
        "customer": held["customer"],
    });
    let cases = [
        ("issued", issued.clone()),
        ("retired", nobody("GONE", "retired")),
        ("available", nobody("FREE", "available")),
    ];
    for (status, wanted) in &cases {
        let page = app.get(&format!("{}?status={status}", bank.coupons())).await.expect(200);
        assert_eq!((&page["results"], &page["total_results_count"]), (&json!([wanted]), &json!(1)), "{status}");
    }
    let all = app.get(&bank.coupons()).await.expect(200);
    let found = all["results"].as_array().expect("results");
    assert!(cases.iter().all(|(_, wanted)| found.contains(wanted)) && found.len() == 3, "{}", all.text);
    for query in ["status=free", "status=", "format=xml", "limit=0", "offset=-1"] {
        let refusal = app.get(&format!("{}?{query}", bank.coupons())).await.expect(400);
        assert_eq!(refusal["error"]["param"], query.split('=').next().unwrap_or_default(), "{query}");
    }
    app.finish().await;
}

#[tokio::test]
async fn the_pages_together_show_every_code_once() {
    let app = TestApp::start().await;
    let bank = app.bank(&borrowed(&numbered("CODE", 20))).await;
    app.post(&bank.coupons(), json!(numbered("MORE", 5))).await.expect(200);
    app.bank(&["OTHER"]).await;
    let mut seen = Vec::new();
    for offset in [0, 7, 14, 21, 28] {
        let page = app.get(&format!("{}?limit=7&offset={offset}", bank.coupons())).await.expect(200);
        let codes = codes_of(&page.json);
        assert_eq!(page["this_page_results_count"], codes.len());
        assert_eq!((&page["total_results_count"], &page["offset"]), (&json!(25), &json!(offset)));
        seen.extend(codes.into_iter().map(str::to_owned));
    }
    assert_eq!(seen.len(), 25);
    assert_eq!(
        seen.into_iter().collect::<BTreeSet<_>>(),
        numbered("CODE", 20).into_iter().chain(numbered("MORE", 5)).collect()
    );
    app.finish().await;
}

#[tokio::test]
async fn banks_come_in_pages_in_the_order_of_their_ids() {
    let app = TestApp::start().await;
    for id in [30, 10, 20] {
        bank_with_id(&app, id).await;
    }
    for (query, ids) in [("", vec![10, 20, 30]), ("?limit=1&offset=1", vec![20]), ("?offset=3", Vec::<i64>::new())] {
        let page = app.get(&format!("/v1/coupon_banks{query}")).await.expect(200);
        let found: Vec<_> = page["results"].as_array().into_iter().flatten().map(|bank| &bank["id"]).collect();
        assert_eq!(found, ids, "{query}");
        assert_eq!(page["total_results_count"], 3, "{query}");
    }
    for id in ["abc", "0", "-1", "010", "9223372036854775808", "40"] {
        app.get(&format!("/v1/coupon_banks/{id}")).await.refused(404, "coupon_bank_not_found");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_file_of_the_codes_is_given_to_who_asks_for_it_and_guards_against_formulas() {
    let app = TestApp::start().await;
    let bank = app.bank(&["HELD, \"1\"", "FREE"]).await;
    let evil = app
        .advocate("=cmd|'/c calc'!A1")
        .with("customer.first_name", "=HYPERLINK(\"http://evil.example\",\"x\")")
        .with("customer.last_name", "\t=1\r\n@SUM(A1)")
        .email("-ada+b@example.com")
        .code("held, \"1\"")
        .await
        .expect(201);
    let by_format = app.get(&format!("{}?format=csv", bank.coupons())).await.expect(200);
    assert!(by_format.header("content-type").starts_with("text/csv"));
    assert!(by_format.header("content-disposition").contains(&format!("coupon-bank-{}.csv", bank.id)));
    let by_accept = app.get(&bank.coupons()).header("Accept", "text/csv").await.expect(200);
    assert_eq!(by_accept.text, by_format.text);
    let json = app.get(&format!("{}?format=json", bank.coupons())).header("Accept", "text/csv").await.expect(200);
    assert_eq!(json["total_results_count"], 2);

    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(by_format.text.as_bytes());
    let rows: Vec<Vec<String>> =
        reader.records().map(|row| row.expect("CSV").iter().map(str::to_owned).collect()).collect();
    assert_eq!(
        rows[0].join(","),
        "code,status,issued_at,referral_code,campaign_id,customer_id,account_id,email,first_name,last_name"
    );
    assert_eq!(rows.len(), 3);
    let held = rows.iter().find(|row| row[1] == "issued").expect("the issued one");
    let (code, ours) = (evil["referral_code"].as_str().expect("a code"), evil["customer"]["id"].to_string());
    let wanted = [
        "HELD, \"1\"",
        "issued",
        "2026-08-01T12:00:00Z",
        code,
        "53345",
        &ours,
        "'=cmd|'/c calc'!A1",
        "'-ada+b@example.com",
        "'=HYPERLINK(\"http://evil.example\",\"x\")",
        "'\t=1\r\n@SUM(A1)",
    ];
    assert_eq!(held, &wanted);
    let free = rows.iter().find(|row| row[0] == "FREE").expect("the free one");
    assert_eq!(free.join(","), "FREE,available,,,,,,,,");
    app.finish().await;
}

#[tokio::test]
async fn no_first_character_of_a_formula_is_let_through_to_a_spreadsheet() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    let starts = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"];
    app.post(&bank.coupons(), json!(numbered("CODE", starts.len()))).await.expect(200);
    for (n, start) in starts.iter().enumerate() {
        let name = format!("{start}1+1");
        app.advocate(&format!("C{n}")).with("customer.first_name", name).out_of(&bank).await.expect(201);
    }
    let file = app.get(&format!("{}?format=csv", bank.coupons())).await.expect(200);
    let mut reader = csv::Reader::from_reader(file.text.as_bytes());
    let names: BTreeSet<String> = reader.records().map(|row| row.expect("CSV")[8].to_owned()).collect();
    assert_eq!(names, starts.iter().map(|start| format!("'{start}1+1")).collect());
    app.finish().await;
}

#[tokio::test]
async fn a_file_of_many_codes_is_whole() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    let codes = numbered("CODE", 12_000);
    for part in codes.chunks(5_000) {
        app.post(&bank.coupons(), json!(part)).await.expect(200);
    }
    let taken = app.advocate("C1").code("CODE-000100").await.expect(201);
    retire(&app, &bank, &["CODE-000007", "CODE-011999"]).await.expect(200);
    let export = async |query: &str| {
        let file = app.get(&format!("{}?format=csv&limit=1&offset=9{query}", bank.coupons())).await.expect(200);
        // Of unknown length: it is not made in memory first.
        assert_eq!(file.header("content-length"), "");
        let mut reader = csv::Reader::from_reader(file.text.as_bytes());
        reader.records().map(|row| row.expect("CSV")[0].to_owned()).collect::<Vec<_>>()
    };
    let all = export("").await;
    assert_eq!(all.len(), 12_000);
    assert_eq!(all.iter().collect::<BTreeSet<_>>(), codes.iter().collect());
    assert_eq!(export("&status=issued").await, [taken["coupon_code"].as_str().expect("a code")]);
    let retired: BTreeSet<String> = export("&status=retired").await.into_iter().collect();
    assert_eq!(retired, ["CODE-000007".to_owned(), "CODE-011999".to_owned()].into());
    assert_eq!(export("&status=available").await.len(), 11_997);
    app.finish().await;
}
