//! The starting gun: requests that are all but sent, each over its own connection, and finished at the same moment.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::client::Answer;
use crate::harness::contract::contract;
use crate::harness::words::Bank;

/// A POST of JSON.
#[derive(Clone)]
pub struct Sent {
    path: String,
    body: String,
}

impl Sent {
    fn new(path: impl Into<String>, body: &Value) -> Self {
        Self { path: path.into(), body: body.to_string() }
    }

    pub fn issue(body: Value) -> Self {
        Self::new("/v1/referral_codes", &body)
    }
}

/// Asks for the referral code of the customer with this id. `wish` says more: a bank, a code, an e-mail.
pub fn issue(customer: &str, mut wish: Value) -> Sent {
    wish["campaign"] = json!({ "id": CAMPAIGN });
    wish["customer"] = json!({ "id": customer });
    Sent::issue(wish)
}

pub fn order(body: Value) -> Sent {
    Sent::new("/v1/purchases", &body)
}

pub fn load(bank: &Bank, codes: &[String]) -> Sent {
    Sent::new(bank.coupons(), &json!(codes))
}

pub fn retire(bank: &Bank, codes: &[String]) -> Sent {
    Sent::new(format!("{}/retire", bank.coupons()), &json!({ "codes": codes }))
}

/// One request for each number below `count`.
pub fn each(count: usize, sent: impl Fn(usize) -> Sent) -> Vec<Sent> {
    (0..count).map(sent).collect()
}

/// Sends each request over a connection of its own up to its last byte, waits for all to be so far, and sends the last
/// bytes together. Gives the answers in the order of the requests, each held against the contract.
pub async fn at_once(app: &TestApp, requests: Vec<Sent>) -> Vec<Answer> {
    let (key, secret) = app.credentials.clone().expect("credentials");
    let sample = reqwest::Client::new().get("http://localhost").basic_auth(key, Some(secret)).build();
    let authorization = sample.expect("a request").headers()["authorization"].to_str().expect("text").to_owned();
    let gun = Arc::new(Barrier::new(requests.len()));
    let mut clients = Vec::new();
    for Sent { path, body } in requests {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {authorization}\r\n\
            Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (gun, address) = (Arc::clone(&gun), app.address);
        clients.push(tokio::spawn(async move {
            let mut socket = TcpStream::connect(address).await.expect("the server listens");
            let (early, last) = request.as_bytes().split_at(request.len() - 1);
            socket.write_all(early).await.expect("the server reads");
            gun.wait().await;
            socket.write_all(last).await.expect("the server reads");
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.expect("the server answers");
            let answer = parse(&answer);
            contract().check(&Method::POST, &path, &answer).expect("an answer as the contract says");
            answer
        }));
    }
    let mut answers = Vec::new();
    for client in clients {
        answers.push(client.await.expect("a client that gets its answer"));
    }
    answers
}

fn parse(raw: &str) -> Answer {
    let (head, body) = raw.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name: reqwest::header::HeaderName = name.parse().expect("a header's name");
        headers.append(name, value.trim().parse().expect("a header's value"));
    }
    Answer::new(status.expect("a status"), headers, body.to_owned())
}
