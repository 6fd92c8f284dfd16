//! How a story calls the service: with the credentials of one account, over a real socket. Every answer is held
//! against the contract before the story sees it.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, redirect};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::contract::contract;

/// Longest time that any answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// One account's way to the service.
#[derive(Clone)]
pub struct Shop {
    http: reqwest::Client,
    address: SocketAddr,
    pub credentials: Option<(String, String)>,
}

impl Shop {
    pub fn new(address: SocketAddr, credentials: Option<(String, String)>) -> Self {
        // No story speaks TLS, but no client is made without. Another story of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(ANSWER_LIMIT)
            .build()
            .expect("a client");
        Self { http, address, credentials }
    }

    /// The same way with other credentials, or without any.
    pub fn calling_as(&self, credentials: Option<(&str, &str)>) -> Self {
        Self { credentials: credentials.map(|(key, secret)| (key.to_owned(), secret.to_owned())), ..self.clone() }
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: Value) -> Call {
        self.post_text(path, "application/json", &body.to_string())
    }

    pub fn post_text(&self, path: &str, content_type: &str, body: &str) -> Call {
        self.call(Method::POST, path).header("Content-Type", content_type).body(body)
    }

    pub fn patch(&self, path: &str, body: Value) -> Call {
        self.call(Method::PATCH, path).header("Content-Type", "application/json").body(body.to_string())
    }

    pub fn put(&self, path: &str, body: Value) -> Call {
        self.call(Method::PUT, path).header("Content-Type", "application/json").body(body.to_string())
    }

    /// Any method, without a body until one is given.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call { shop: self.clone(), method, path: path.to_owned(), headers: HeaderMap::new(), body: None }
    }

    /// Sends bytes as they are and reads until the server closes: for what no client library would send. Let the
    /// request say `Connection: close` where the server would otherwise wait for the next one.
    pub async fn raw(&self, request: &str) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.expect("the server listens");
        socket.write_all(request.as_bytes()).await.expect("the server reads");
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(ANSWER_LIMIT, socket.read_to_end(&mut bytes)).await;
        read.expect("the server answers and closes in time").expect("the answer can be read");
        let answer = Answer::parse(&String::from_utf8_lossy(&bytes));
        // What is refused for its framing never reaches the service: hyper answers with a bare status.
        if answer.headers.contains_key("x-request-id") {
            let mut head = request.split([' ', '\r']);
            let method = head.next().and_then(|method| method.parse().ok()).expect("a method");
            conform(&method, head.next().expect("a path"), &answer);
        }
        answer
    }
}

/// A request that is sent when it is awaited.
pub struct Call {
    shop: Shop,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Call {
    /// Adds a header, beside what is there under the name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect(name);
        self.headers.append(name, HeaderValue::from_str(value).expect(value));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    async fn send(self) -> Answer {
        let url = format!("http://{}{}", self.shop.address, self.path);
        let mut request = self.shop.http.request(self.method.clone(), url);
        if let Some((key, secret)) = &self.shop.credentials {
            request = request.basic_auth(key, Some(secret));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the whole answer");
        let answer = Answer::new(status, headers, text);
        conform(&self.method, &self.path, &answer);
        answer
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = BoxFuture<'static, Answer>;

    fn into_future(self) -> Self::IntoFuture {
        self.send().boxed()
    }
}

fn conform(method: &Method, path: &str, answer: &Answer) {
    if let Err(fault) = contract().check(method, path, answer) {
        panic!("{method} {path} was answered {}, against the contract: {fault}\n{}", answer.status, answer.text);
    }
}

/// What came back. `json` is null when the body is not JSON.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Answer {
    pub fn new(status: u16, headers: HeaderMap, text: String) -> Self {
        let json = serde_json::from_str(&text).unwrap_or_default();
        Self { status, headers, text, json }
    }

    fn parse(raw: &str) -> Self {
        let (head, body) = raw.split_once("\r\n\r\n").unwrap_or((raw, ""));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.parse::<HeaderName>().ok()?, value.trim().parse::<HeaderValue>().ok()?))
        });
        Self::new(status.unwrap_or_default(), headers.collect(), body.to_owned())
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "answered with {}", self.text);
        self
    }

    /// The refusal, which must have this status and code and promise that nothing was changed.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let refused = self.expect(status);
        assert_eq!(refused["error"]["code"], code, "answered with {}", refused.text);
        assert_eq!(refused["applied"], "none", "answered with {}", refused.text);
        refused
    }

    /// A header's text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body letter by letter, but for the request's id: for "the same" answers.
    pub fn without_request_id(&self) -> String {
        let id = self.header("x-request-id");
        assert!(!id.is_empty(), "every answer has an id");
        self.text.replace(id, "req")
    }
}

impl<I: serde_json::value::Index> std::ops::Index<I> for Answer {
    type Output = Value;

    fn index(&self, index: I) -> &Value {
        &self.json[index]
    }
}
