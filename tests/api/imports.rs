//! Files imported by the command line, which works on the database beside a running server.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::snapshot::everything;

/// A directory of a story's own.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("gwi-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn command(app: &TestApp, words: &[&str], file: &Path) -> Command {
    let mut command = app.program(words);
    command.arg(file).args(["--account", "acme"]);
    command
}

async fn run(app: &TestApp, words: &[&str], file: &Path) -> Output {
    command(app, words, file).output().await.expect("the command runs")
}

/// What an import says with `--json`, and its exit code.
async fn import(app: &TestApp, words: &[&str], file: &Path) -> (i32, Value) {
    let words = [words, &["--json"]].concat();
    let output = run(app, &words, file).await;
    let said = serde_json::from_slice(&output.stdout);
    let said = said.unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().expect("a code"), said)
}

/// Rows read, new, known and refused.
fn counts(said: &Value) -> [i64; 4] {
    ["rows", "new", "known", "refused"].map(|name| said[name].as_i64().expect(name))
}

const ORDERS: &str = "Order ID;Total;Currency;Date;Email;Coupon;Till;Note\r\n\
    281;795.00;usd;2024-02-29T10:00:00Z;friend@example.mil;clooney1;;a\r\n\
    282;20;;2024-03-01;;;store-12;b\r\n\
    283;much;;;;;;c\r\n\
    \r\n\
    281;795;;;;;;again\r\n\
    281;1;;;;;;another\r\n\
    284;5;;1999-01-01;nobody;;;d\r\n";

#[tokio::test]
async fn orders_of_the_past_are_imported_from_a_spreadsheet_and_bad_rows_are_told() {
    let (app, files) = (TestApp::start().await, Files::new());
    app.bank(&["Clooney1"]).await;
    app.advocate("C1").code("clooney1").await.expect(201);
    let file = files.write("orders.csv", ORDERS);
    let refused = files.path("refused.csv");
    let words = ["purchases", "import", "--refused", refused.to_str().expect("text")];

    let (code, said) = import(&app, &words, &file).await;
    assert_eq!((code, counts(&said)), (65, [6, 2, 1, 3]), "{said}");
    assert_eq!(said["columns_not_read"], json!(["note"]));
    assert_eq!(said["refused_by_code"], json!({ "invalid_amount": 1, "invalid_email": 1, "order_conflict": 1 }));
    let lines: Vec<_> = said["refusals"].as_array().into_iter().flatten().map(|one| &one["line"]).collect();
    assert_eq!(lines, [4, 7, 8]);
    let last = said["refusals"][2]["message"].as_str().expect("a message");
    assert!(last.contains("order.email") && last.contains("; order.date"), "all faults of a row are told: {last}");
    let first = app.get("/v1/purchases/281").await.expect(200);
    assert_eq!((&first["attribution"]["via"], &first["date"]), (&json!("coupon_code"), &json!("2024-02-29T10:00:00Z")));
    let till = app.get("/v1/purchases/282?source=store-12").await.expect(200);
    // The day begins where the account is.
    assert_eq!((&till["date"], &till["total"]), (&json!("2024-02-29T23:00:00Z"), &json!(20.0)));

    let written = std::fs::read_to_string(&refused).expect("the refused rows");
    let mut rows = csv::Reader::from_reader(written.as_bytes());
    let rows: Vec<Vec<String>> =
        rows.records().map(|row| row.expect("CSV").iter().map(str::to_owned).collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["4", "7", "8"]);
    assert_eq!((rows[0][1].as_str(), rows[0][2].as_str()), ("invalid_amount", "order.amount"));

    let stored = everything(&app.pool).await;
    let (code, said) = import(&app, &words, &file).await;
    assert_eq!((code, counts(&said)), (65, [6, 0, 3, 3]), "the same file again changes nothing");
    assert_eq!(everything(&app.pool).await, stored);
    app.finish().await;
}

#[tokio::test]
async fn the_bodies_of_calls_are_imported_line_by_line_as_the_api_would_take_them() {
    let (app, files) = (TestApp::start().await, Files::new());
    let mut text: String = (0..3_000)
        .map(|n| {
            format!("{}\n", json!({ "order": { "id": n, "amount": 1 }, "products": [{ "sku": "A", "price": 1 }] }))
        })
        .collect();
    text.push_str("{\"order\":{\"id\":\"x\"}}\nnot json\n");
    let file = files.write("orders.ndjson", text);
    let refused = files.path("refused.jsonl");
    let words = ["purchases", "import", "--source", "till-3", "--refused", refused.to_str().expect("text")];
    let (code, said) = import(&app, &words, &file).await;
    assert_eq!((code, counts(&said)), (65, [3_002, 3_000, 0, 2]), "{said}");
    let written = std::fs::read_to_string(&refused).expect("the refused rows");
    let written: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&written[0]["line"], &written[0]["code"]), (&json!(3_001), &json!("missing")));
    assert_eq!((&written[1]["line"], &written[1]["code"]), (&json!(3_002), &json!("invalid_json")));
    assert_eq!(app.count("select count(*) from purchases where source = 'till-3'").await, 3_000);
    let other = files.write("other.ndjson", "{\"order\":{\"id\":1,\"amount\":2}}");
    let (code, said) = import(&app, &["purchases", "import", "--source", "till-3"], &other).await;
    assert_eq!((code, counts(&said)), (65, [1, 0, 0, 1]), "the source is the same, and the amount is not: {said}");
    app.finish().await;
}

#[tokio::test]
async fn what_is_said_to_people_names_lines_and_reasons_and_never_all_of_them() {
    let (app, files) = (TestApp::start().await, Files::new());
    let rows: String = (0..30).map(|n| format!("{n},much\n")).collect();
    let file = files.write("orders.csv", format!("id,amount\n{rows}"));
    let output = run(&app, &["purchases", "import"], &file).await;
    let (said, remarks) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(65));
    assert!(said.starts_with("Of 30 rows 0 were recorded, 0 were there already, 30 were refused."), "{said}");
    assert!(said.contains("invalid_amount  30") && said.contains("\n21 ") && !said.contains("\n22 "), "{said}");
    assert!(said.contains("and 10 more"), "{said}");
    assert!(!remarks.contains("error"), "{remarks}");
    for (name, text, wanted) in [
        ("empty.csv", "", "empty"),
        ("headless.csv", "281,9.50\n", "names no column order.id"),
        ("open.csv", "id,amount\n1,1\n2,\"2\n3,3\n", "line 3"),
    ] {
        let output = run(&app, &["purchases", "import"], &files.write(name, text)).await;
        let remarks = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(65) && remarks.contains(wanted), "{name}: {remarks}");
    }
    assert_eq!(app.count("select count(*) from purchases").await, 1, "what stands above a fault is imported");
    app.finish().await;
}

#[tokio::test]
async fn each_customer_of_a_file_gets_a_code_of_the_bank_and_the_same_one_when_it_runs_again() {
    let (app, files) = (TestApp::start().await, Files::new());
    let codes: Vec<String> = (0..1_200).map(|n| format!("R-{n:05}")).collect();
    let bank = app.bank(&codes.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let rows: String = (0..1_200).map(|n| format!("C{n},c{n}@example.com,Ada,L{n}\n")).collect();
    let file = files.write("customers.csv", format!("customer_id,email,first_name,last_name\n{rows}"));
    let (campaign, bank_id) = (CAMPAIGN.to_string(), bank.id.to_string());
    let words = ["referral-codes", "create", "--campaign", &campaign, "--bank", &bank_id];
    let (code, said) = import(&app, &words, &file).await;
    assert_eq!((code, counts(&said)), (0, [1_200, 1_200, 0, 0]), "{said}");
    let stored = everything(&app.pool).await;
    let (code, said) = import(&app, &words, &file).await;
    assert_eq!((code, counts(&said)), (0, [1_200, 0, 1_200, 0]), "{said}");
    assert_eq!(everything(&app.pool).await, stored);
    let newcomers = files.write("newcomers.csv", "id\nC1\nN1\nN2\n");
    let (code, said) = import(&app, &words, &newcomers).await;
    assert_eq!((code, counts(&said), &said["refused_by_code"]), (65, [3, 0, 1, 2], &json!({ "bank_exhausted": 2 })));
    app.finish().await;
}

const HOLDERS: &str = "customer_id,email,referral_code,coupon_code\n\
    C1,ada@example.com,aB3d,RIDE-ADA\n\
    C2,bob@example.com,cPw5,\n\
    C3,cy@example.com,FRIEND OF CY/1,FRIEND OF CY/1\n\
    C4,,,RIDE-DEE\n\
    C5,eve@example.com,CPW5,\n\
    C1,ada@example.com,other,\n\
    C6,,x,NOT-LOADED-=,extra\n";

#[tokio::test]
async fn advocates_are_taken_over_with_the_codes_that_they_have_printed() {
    let (app, files) = (TestApp::start().await, Files::new());
    let bank = app.bank(&[]).await;
    let file = files.write("holders.csv", HOLDERS);
    let (campaign, bank_id) = (CAMPAIGN.to_string(), bank.id.to_string());
    let words = ["referral-codes", "import", "--campaign", &campaign, "--bank", &bank_id];
    for (round, wanted) in [[7, 4, 0, 3], [7, 0, 4, 3]].into_iter().enumerate() {
        let (code, said) = import(&app, &words, &file).await;
        assert_eq!((code, counts(&said)), (65, wanted), "round {round}: {said}");
        let refused: Vec<_> =
            said["refusals"].as_array().into_iter().flatten().map(|one| (&one["line"], &one["code"])).collect();
        assert_eq!(
            refused,
            [
                (&json!(6), &json!("referral_code_taken")),
                (&json!(7), &json!("advocate_has_referral_code")),
                (&json!(8), &json!("invalid_value")),
            ]
        );
    }
    // Printed codes go on as they are, in any case; and the API knows the advocates.
    for (code, customer) in [("ab3D", "C1"), ("CPW5", "C2"), ("friend of cy/1", "C3")] {
        let order = app.order(code).referral_code(code).await.expect(201);
        assert_eq!(order["attribution"]["advocate"]["account_id"], customer, "{code}");
    }
    for (code, customer) in [("ride-ada", "C1"), ("RIDE-DEE", "C4"), ("Friend of Cy/1", "C3")] {
        let order = app.order(&format!("coupon {code}")).code(code).await.expect(201);
        assert_eq!(order["attribution"]["advocate"]["account_id"], customer, "{code}");
    }
    let ada = app.advocate("C1").await.expect(200);
    assert_eq!((&ada["referral_code"], &ada["coupon_code"]), (&json!("aB3d"), &json!("RIDE-ADA")));
    let cy = app.advocate("C3").await.expect(200);
    let link = cy["trackable_link"].as_str().expect("a link");
    let path = link.strip_prefix(crate::harness::app::PUBLIC_URL).expect("ours");
    assert_eq!(path, "/acme/FRIEND%20OF%20CY%2F1");
    let followed = app.anonymous().get(path).await.expect(302);
    assert!(followed.header("location").contains("fbuy_ref_code=FRIEND"), "{}", followed.header("location"));
    app.finish().await;
}

#[tokio::test]
async fn an_import_that_is_interrupted_leaves_whole_batches_and_is_completed_by_the_next() {
    let (app, files) = (TestApp::start().await, Files::new());
    let rows = |count: usize| (0..count).map(|n| format!("{n},1\n")).collect::<String>();
    let text = format!("id,amount\n{}", rows(20_000));
    // It waits for the end of its input, so it is surely not done when it is interrupted.
    let mut command = command(&app, &["purchases", "import"], Path::new("-"));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut to = child.stdin.take().expect("its input");
    tokio::io::AsyncWriteExt::write_all(&mut to, text.as_bytes()).await.expect("written");
    while app.count("select count(*) from purchases").await == 0 {
        tokio::task::yield_now().await;
    }
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("an id"));
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).expect("interrupted");
    assert_eq!(child.wait().await.expect("it ends").code(), Some(130));
    drop(to);
    let kept = app.count("select count(*) from purchases").await;
    assert!((1..20_000).contains(&kept), "{kept} orders were kept");
    let file = files.write("orders.csv", text);
    let (code, said) = import(&app, &["purchases", "import"], &file).await;
    assert_eq!((code, counts(&said)), (0, [20_000, 20_000 - kept, kept, 0]), "{said}");
    app.finish().await;
}
