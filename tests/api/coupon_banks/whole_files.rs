//! Files that are refused whole: nothing of them is loaded.

use goodword::web::state::Limits;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{counted, counts};
use crate::harness::app::TestApp;

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_loads_nothing_of_it() {
    let app = TestApp::start().await;
    let bank = app.bank(&["OWN1"]).await;
    let long = format!("A1\n{}\nA3\n", "x".repeat(64 * 1024 + 1));
    let latin1 = |bytes: &[u8]| bytes.to_vec();
    let cases: [(&str, Vec<u8>, &str, &str); 17] = [
        ("text/csv", Vec::new(), "empty_file", ""),
        ("text/csv", b"\xEF\xBB\xBF".to_vec(), "empty_file", ""),
        ("text/csv", b"\n\r\n ,, \n".to_vec(), "empty_file", ""),
        ("text/csv", b"code,pin\n".to_vec(), "empty_file", ""),
        ("application/json", b" ".to_vec(), "empty_file", ""),
        ("application/json", b"[]".to_vec(), "empty_file", ""),
        ("application/json", br#"{"coupons":[]}"#.to_vec(), "empty_file", ""),
        ("text/csv", latin1(b"A1\nA\xC92\nA3\nA\xE94\n"), "undecodable", "lines 2, 4"),
        ("text/csv", b"\xFF\xFEA".to_vec(), "undecodable", "line 1"),
        ("text/csv", b"A1\n\"A2\nA3\n".to_vec(), "unbalanced_quote", "line 2"),
        ("text/csv", long.into(), "line_too_long", "Line 2"),
        ("application/json", b"[\"A1\",\n\"A2\",]".to_vec(), "invalid_json", "line 2"),
        ("application/json", b"[\"A1\"".to_vec(), "invalid_json", "line 1"),
        ("application/json", b"[\"A1\"] \"A2\"".to_vec(), "invalid_json", "line 1"),
        ("application/json", b"\"A1\"".to_vec(), "invalid_json", "list of coupons"),
        ("application/json", br#"{"coupons":"A1"}"#.to_vec(), "invalid_json", "list of coupons"),
        ("application/json", b"[\"A1\", \"A\xFF\"]".to_vec(), "undecodable", "line 1"),
    ];
    for (content_type, file, code, said) in cases {
        let shown = String::from_utf8_lossy(&file[..file.len().min(40)]).into_owned();
        let call = app.call(Method::POST, &bank.coupons()).header("Content-Type", content_type).body(file);
        let answer = call.await.refused(400, code);
        let message = answer["message"].as_str().expect("a message");
        assert!(message.contains(said), "{shown:?} was answered: {message}");
        assert_eq!(counts(&app, &bank).await, counted(0, 0, 1), "{shown:?}");
    }
    app.finish().await;
}

#[tokio::test]
async fn of_many_lines_that_are_no_text_the_first_twenty_are_named() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    let file: Vec<u8> =
        (0..60).flat_map(|n: u8| if n.is_multiple_of(2) { *b"GOOD\n" } else { *b"B\xC4D!\n" }).collect();
    let call = app.call(Method::POST, &bank.coupons()).body(file);
    let answer = call.await.refused(400, "undecodable");
    let message = answer["message"].as_str().expect("a message");
    assert!(message.contains("lines 2, 4, 6,") && message.contains(", 40.") && !message.contains("42"), "{message}");
    app.finish().await;
}

#[tokio::test]
async fn forms_with_files_archives_and_compressed_files_are_not_taken() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    let part = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../../x\"\r\n\r\nA1\r\n--x--\r\n";
    for content_type in ["multipart/form-data; boundary=x", "application/zip", "application/xml", "image/png"] {
        let answer = app.post_text(&bank.coupons(), content_type, part).await.refused(415, "unsupported_media_type");
        assert_eq!(answer["error"]["param"], "Content-Type");
    }
    let packed = app.post_text(&bank.coupons(), "text/csv", "A1").header("Content-Encoding", "gzip");
    packed.await.refused(415, "unsupported_encoding");
    assert_eq!(counts(&app, &bank).await, counted(0, 0, 0));
    app.finish().await;
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_and_one_at_the_limit_is_loaded() {
    let app = TestApp::with_limits(Limits { upload_bytes_max: 6_000, ..Limits::default() }).await;
    let bank = app.bank(&[]).await;
    let file: String = (0..1_000).map(|n| format!("A{n:04}\n")).collect();
    app.post_text(&bank.coupons(), "text/csv", &format!("{file}\n")).await.refused(413, "payload_too_large");
    assert_eq!(counts(&app, &bank).await, counted(0, 0, 0));
    let loaded = app.post_text(&bank.coupons(), "text/csv", &file).await.expect(200);
    assert_eq!(loaded["loaded"], 1_000);
    app.finish().await;
}

/// Begins an upload and returns when the server is reading the file.
async fn begin_upload(app: &TestApp, path: &str, framing: &str) -> TcpStream {
    let (key, secret) = app.credentials.clone().expect("credentials");
    let sample =
        reqwest::Client::new().get("http://localhost").basic_auth(key, Some(secret)).build().expect("a request");
    let authorization = sample.headers()["authorization"].to_str().expect("text");
    let mut socket = TcpStream::connect(app.address).await.expect("the server listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nContent-Type: text/csv\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.expect("written");
    let mut asked = [0; 25];
    socket.read_exact(&mut asked).await.expect("an answer");
    assert_eq!(&asked[..21], b"HTTP/1.1 100 Continue");
    socket
}

/// Sends the beginning of an upload, then `end`, and hangs up. What is answered, if anything, is given.
async fn broken_upload(app: &TestApp, path: &str, framing: &str, end: &str) -> String {
    let mut socket = begin_upload(app, path, framing).await;
    socket.write_all(end.as_bytes()).await.expect("written");
    socket.shutdown().await.expect("hung up");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("the server closes");
    answer
}

#[tokio::test]
async fn slow_senders_of_files_keep_nobody_else_from_the_database() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    // As many as the database has connections, and as many as may send at once.
    let mut slow = Vec::new();
    for _ in 0..Limits::default().uploads_in_flight_max {
        let mut socket = begin_upload(&app, &bank.coupons(), "Content-Length: 1000").await;
        socket.write_all(b"SLOW-1\n").await.expect("written");
        slow.push(socket);
    }
    assert!(slow.len() >= app.pool.options().get_max_connections() as usize);
    app.order("281").await.expect(201);
    let refused = app.post_text(&bank.coupons(), "text/csv", "QUICK-1\n").await;
    refused.refused(503, "overloaded");
    drop(slow);
    assert_eq!(counts(&app, &bank).await, counted(0, 0, 0));
    app.finish().await;
}

#[tokio::test]
async fn a_sender_who_falls_silent_is_told_so_and_loads_nothing() {
    let limits = Limits { body_timeout: std::time::Duration::from_millis(300), ..Limits::default() };
    let app = TestApp::with_limits(limits).await;
    let bank = app.bank(&[]).await;
    let mut socket = begin_upload(&app, &bank.coupons(), "Content-Length: 1000\r\nConnection: close").await;
    socket.write_all(b"SILENT-1\n").await.expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("the server closes");
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
    assert_eq!(counts(&app, &bank).await, counted(0, 0, 0));
    app.finish().await;
}

#[tokio::test]
async fn a_file_that_is_cut_half_way_loads_nothing() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    let half: String = (0..5_000).map(|n| format!("A{n:04}\n")).collect();
    let chunk = format!("{:x}\r\n{half}\r\n", half.len());
    for (framing, end) in [
        ("Content-Length: 1000000", half.clone()),
        ("Transfer-Encoding: chunked", chunk.clone()),
        ("Transfer-Encoding: chunked", format!("{chunk}this is no chunk\r\n")),
    ] {
        let answer = broken_upload(&app, &bank.coupons(), framing, &end).await;
        assert!(!answer.contains(" 200 "), "{framing}: {answer}");
    }
    // Whoever waits for all connections waits for the end of all that was begun.
    let mut all = Vec::new();
    for _ in 0..app.pool.options().get_max_connections() {
        all.push(app.pool.acquire().await.expect("a connection"));
    }
    drop(all);
    assert_eq!(counts(&app, &bank).await, counted(0, 0, 0));
    assert_eq!(app.count("select count(*) from coupons").await, 0);
    let whole = app.post_text(&bank.coupons(), "text/csv", &half).await.expect(200);
    assert_eq!(whole["loaded"], 5_000);
    app.finish().await;
}

#[tokio::test]
async fn whoever_sends_a_large_file_in_vain_still_hears_why() {
    let app = TestApp::with_limits(Limits { upload_bytes_max: 1_000_000, ..Limits::default() }).await;
    let bank = app.bank(&[]).await.coupons();
    let file = "LARGE\n".repeat(2_000_000);
    let unbalanced = format!("\"{}", "x\n".repeat(100_000));
    let stranger = app.anonymous();
    app.post_text(&bank, "text/csv", &file).await.refused(413, "payload_too_large");
    app.post_text(&bank, "image/png", &file).await.refused(415, "unsupported_media_type");
    app.post_text(&bank, "text/csv", &unbalanced).await.refused(400, "unbalanced_quote");
    stranger.post_text(&bank, "text/csv", &file).await.refused(401, "unauthenticated");
    let nowhere = app.post_text("/v1/coupon_banks/987654321/coupons", "text/csv", &file);
    nowhere.await.refused(404, "coupon_bank_not_found");
    app.finish().await;
}
