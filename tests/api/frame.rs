//! The frame around every request: who may ask, what cannot be read, what leads nowhere (reliability.md, 4.1).

use std::collections::HashSet;
use std::time::Duration;

use goodword::web::state::Limits;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::harness::app::{PUBLIC_URL, TestApp};

const GUARDED: [&str; 4] = ["/v1/campaigns", "/campaigns", "/v1/campaigns/53345", "/v1/purchases/281"];

/// What follows `Basic `, for raw requests.
fn basic(credentials: Option<&(String, String)>) -> String {
    let (key, secret) = credentials.expect("credentials");
    let request =
        reqwest::Client::new().get("http://localhost").basic_auth(key, Some(secret)).build().expect("a request");
    let header = request.headers()["authorization"].to_str().expect("text");
    header.trim_start_matches("Basic ").to_owned()
}

#[tokio::test]
async fn whoever_does_not_say_who_he_is_is_asked_for_it() {
    let app = TestApp::start().await;
    for path in GUARDED {
        let answer = app.anonymous().get(path).await.refused(401, "unauthenticated");
        assert!(answer.header("www-authenticate").starts_with("Basic realm=\""), "{path}");
    }
    for authorization in ["Bearer x", "Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Digest x"] {
        let call = app.anonymous().get("/v1/campaigns").header("Authorization", authorization);
        call.await.refused(401, "unauthenticated");
    }
    app.finish().await;
}

#[tokio::test]
async fn all_wrong_credentials_are_refused_with_the_same_words() {
    let app = TestApp::start().await;
    let (key, secret) = app.credentials.clone().expect("credentials");
    let last = if secret.ends_with('0') { "1" } else { "0" };
    let wrong_end = format!("{}{last}", &secret[..secret.len() - 1]);
    let other = app.other_account().await.credentials.expect("credentials");
    let cases = [
        (key.as_str(), ""),
        ("", secret.as_str()),
        (&key, &wrong_end),
        ("gwk_live_nobody", &secret),
        (&key, &other.1),
        ("a\0b", &secret),
        (&secret, &key),
    ];
    let mut told = HashSet::new();
    for (key, secret) in cases {
        let answer = app.calling_as(Some((key, secret))).get("/v1/campaigns").await.refused(401, "unauthenticated");
        told.insert(answer.without_request_id());
    }
    assert_eq!(told.len(), 1, "{told:?}");
    app.finish().await;
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_and_the_header_only_once() {
    let app = TestApp::start().await;
    let token = basic(app.credentials.as_ref());
    let odd = format!("bAsIc {token}");
    app.anonymous().get("/v1/campaigns").header("Authorization", &odd).await.expect(200);
    let twice = app.get("/v1/campaigns").header("Authorization", &odd).await.refused(400, "bad_header");
    assert_eq!(twice["error"]["param"], "Authorization");
    app.finish().await;
}

#[tokio::test]
async fn a_request_whose_length_can_be_read_in_two_ways_is_refused_and_the_connection_closed() {
    let app = TestApp::start().await;
    let token = basic(app.credentials.as_ref());
    let framings = [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        "Content-Length: +2\r\n\r\n{}",
        "Content-Length: -2\r\n\r\n{}",
    ];
    for framing in framings {
        // Without "Connection: close": that it ends shows that the server closed it.
        let request = format!("POST /v1/campaigns HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n{framing}");
        let answer = app.raw(&request).await;
        assert_eq!(answer.status, 400, "{framing:?}: {}", answer.text);
    }
    app.finish().await;
}

#[tokio::test]
async fn compressed_bodies_are_not_taken() {
    let app = TestApp::start().await;
    for encoding in ["gzip", "br", "deflate", "zstd", "gzip, gzip", "identity, gzip"] {
        let call = app.post("/v1/campaigns", json!({})).header("Content-Encoding", encoding);
        call.await.refused(415, "unsupported_encoding");
    }
    app.post("/v1/campaigns", json!({})).header("Content-Encoding", "identity").await.refused(400, "missing");
    app.finish().await;
}

#[tokio::test]
async fn json_is_read_whatever_its_type_says_as_long_as_it_can_be() {
    let app = TestApp::start().await;
    let body = json!({ "name": "Summer", "destination_url": "https://shop.example.com" }).to_string();
    app.call(Method::POST, "/v1/campaigns").body(body.clone()).await.expect(201);
    for fine in
        ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON;charset=\"UTF-8\"", "text/plain"]
    {
        app.post_text("/v1/campaigns", fine, &body).await.expect(201);
    }
    for foul in ["application/json; charset=utf-16", "application/json;charset=latin1", "application/xml", "image/png"]
    {
        app.post_text("/v1/campaigns", foul, &body).await.refused(415, "unsupported_media_type");
    }
    assert_eq!(app.count("select count(*) from campaigns").await, 6);
    app.finish().await;
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_refused_with_those_it_takes() {
    let app = TestApp::start().await;
    let cases = [
        (Method::DELETE, "/v1/purchases", "GET,HEAD,POST"),
        (Method::PATCH, "/v1/purchases", "GET,HEAD,POST"),
        (Method::TRACE, "/v1/purchases", "GET,HEAD,POST"),
        (Method::GET, "/purchases/batch", "POST"),
        (Method::PUT, "/v1/campaigns", "GET,HEAD,POST"),
        (Method::DELETE, "/v1/campaigns/53345", "GET,HEAD,PATCH"),
        (Method::POST, "/v1/purchases/281", "GET,HEAD"),
    ];
    for (method, path, allow) in cases {
        let answer = app.call(method.clone(), path).await.refused(405, "method_not_allowed");
        let mut allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{method} {path}");
    }
    app.anonymous().call(Method::POST, "/healthz").await.refused(405, "method_not_allowed");
    app.finish().await;
}

#[tokio::test]
async fn strangers_are_told_neither_what_exists_nor_what_it_takes() {
    let app = TestApp::start().await;
    for (method, path) in [
        (Method::DELETE, "/v1/purchases"),
        (Method::GET, "/v1/nothing/of/the/kind"),
        (Method::GET, "/v1/nothing"),
        (Method::GET, "/v1/campaigns/1"),
        (Method::POST, "/v1/campaigns"),
    ] {
        let answer = app.anonymous().call(method.clone(), path).await.refused(401, "unauthenticated");
        assert_eq!(answer.header("allow"), "", "{method} {path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_refused_in_json() {
    let app = TestApp::start().await;
    for path in [
        "/v1/nothing",
        "/v1/a/b/c",
        "/",
        "/v1",
        "/nothing",
        "/a/b/c",
        "/V1/purchases",
        "/v1/..%2f..%2fetc/passwd",
        "/v1/purchases/%00",
        "/nobody/%FF",
    ] {
        app.get(path).await.refused(404, "not_found");
    }
    app.finish().await;
}

#[tokio::test]
async fn slashes_too_many_are_forgiven_and_never_redirected() {
    let app = TestApp::start().await;
    let listed = app.get("/v1/campaigns").await.expect(200);
    for path in [
        "/v1//campaigns",
        "/v1/campaigns/",
        "//v1///campaigns//",
        "/campaigns",
        "//campaigns/",
        "/campaigns?",
        "/v1/campaigns//?limit=100",
    ] {
        assert_eq!(app.get(path).await.expect(200).json, listed.json, "{path}");
    }
    app.order("281").await.expect(201);
    for path in ["/v1/purchases/281", "/purchases/281", "/v1//purchases//281/"] {
        app.get(path).await.expect(200);
    }
    let replayed = app.post("//purchases/", json!({ "order": { "id": 281, "amount": 100 } })).await.expect(200);
    assert_eq!(replayed.header("idempotent-replayed"), "true");
    app.finish().await;
}

#[tokio::test]
async fn each_answer_has_an_id_of_its_own_that_no_client_chooses() {
    let app = TestApp::start().await;
    let mut seen = HashSet::new();
    for said in ["mine", "a%0d%0aX-Evil: 1", "ä", &"x".repeat(4096)] {
        for path in ["/healthz", "/v1/campaigns", "/nowhere"] {
            let answer = app.get(path).header("X-Request-Id", said).await;
            let id = answer.header("x-request-id").to_owned();
            assert!(id.starts_with("req_") && id.len() < 64, "{id}");
            assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1);
            assert!(seen.insert(id), "an id came twice");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn links_lead_to_the_configured_host_whatever_the_request_says() {
    let app = TestApp::start().await;
    let body = json!({ "campaign": { "id": 53345 }, "customer": { "id": "C1" } });
    let call =
        app.post("/v1/referral_codes", body).header("Host", "evil.example").header("X-Forwarded-Host", "evil.example");
    let answer = call.await.expect(201);
    let code = answer["referral_code"].as_str().expect("a code");
    assert_eq!(answer["trackable_link"], format!("{PUBLIC_URL}/acme/{code}"));
    app.finish().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
    let app = TestApp::start().await;
    let body = |bytes: usize| {
        let frame = json!({ "name": "Big", "destination_url": "https://shop.example.com", "x": "" }).to_string();
        frame.replace("\"x\":\"\"", &format!("\"x\":\"{}\"", "x".repeat(bytes - frame.len())))
    };
    app.post_text("/v1/campaigns", "application/json", &body(1 << 20)).await.expect(201);
    app.post_text("/v1/campaigns", "application/json", &body((1 << 20) + 1)).await.refused(413, "payload_too_large");
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused_and_stores_nothing() {
    let limits = Limits { body_timeout: Duration::from_millis(50), ..Limits::default() };
    let app = TestApp::with_limits(limits).await;
    let token = basic(app.credentials.as_ref());
    let order = r#"{"order":{"id":"281","amount":1}"#;
    let request = format!(
        "POST /v1/purchases HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic {token}\r\nContent-Length: 100\r\n\r\n{order}"
    );
    app.raw(&request).await.refused(408, "request_timeout");
    assert_eq!(app.count("select count(*) from purchases").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_chunk_that_claims_to_be_endless_is_refused_when_its_time_is_up() {
    let limits = Limits { body_timeout: Duration::from_millis(50), ..Limits::default() };
    let app = TestApp::with_limits(limits).await;
    let token = basic(app.credentials.as_ref());
    let request = format!(
        "POST /v1/purchases HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n{{}}\r\n0\r\n\r\n"
    );
    app.raw(&request).await.refused(408, "request_timeout");
    app.finish().await;
}

#[tokio::test]
async fn a_server_at_its_limit_asks_to_come_again() {
    let app = TestApp::with_limits(Limits { requests_in_flight_max: 1, ..Limits::default() }).await;
    let token = basic(app.credentials.as_ref());
    // A request whose body never ends holds the one place; what it is answered does not matter.
    let held = "POST /v1/purchases HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\nAuthorization: Basic ";
    let mut socket = tokio::net::TcpStream::connect(app.address).await.expect("the server listens");
    tokio::io::AsyncWriteExt::write_all(&mut socket, format!("{held}{token}\r\n\r\n").as_bytes())
        .await
        .expect("written");
    // The server asks for the body once it reads it: from then on the place is held.
    let mut asked = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut socket, &mut asked).await.expect("an answer");
    assert_eq!(&asked[..21], b"HTTP/1.1 100 Continue");
    let refused = app.get("/v1/campaigns").await.refused(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    drop(socket);
    app.abandon().await;
}

#[tokio::test]
async fn probes_and_metrics_are_open_to_all() {
    let app = TestApp::start().await;
    let probe = app.anonymous();
    assert_eq!(probe.get("/healthz").await.expect(200).json, json!({ "status": "ok" }));
    assert_eq!(probe.get("/readyz").await.expect(200).json, json!({ "status": "ok" }));
    app.get("/v1/campaigns/53345").await.expect(200);
    let metrics = probe.get("/metrics").await.expect(200).text;
    let line = r#"goodword_http_requests_total{method="GET",route="/v1/campaigns/{id}",status="200"}"#;
    assert!(metrics.lines().any(|found| found.starts_with(line)), "{metrics}");
    assert!(metrics.contains("goodword_http_request_duration_seconds_bucket"), "{metrics}");
    app.finish().await;
}

#[tokio::test]
async fn a_server_whose_database_lacks_migrations_is_not_ready() {
    let app = TestApp::start().await;
    app.pool
        .execute("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)")
        .await
        .expect("done");
    let answer = app.anonymous().get("/readyz").await.refused(503, "unavailable");
    assert!(answer["message"].as_str().is_some_and(|message| message.contains("goodword migrate")), "{}", answer.text);
    app.anonymous().get("/healthz").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_database_that_is_gone_is_a_503_that_says_when_to_come_back_and_health_stays() {
    let app = TestApp::start().await;
    app.pool.close().await;
    for path in ["/v1/campaigns", "/readyz"] {
        let answer = app.get(path).await.refused(503, "unavailable");
        assert_eq!(answer.header("retry-after"), "1", "{path}");
        assert_eq!(answer["error"]["param"], Value::Null);
    }
    app.get("/healthz").await.expect(200);
    app.abandon().await;
}
