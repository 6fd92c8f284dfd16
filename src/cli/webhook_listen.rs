//! `goodword webhook listen`: receives webhooks, prints them and checks their signatures. Answers 200 to what is signed right, or to
//! everything when it knows no secret, and 401 to the rest.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_server::Handle;
use clap::Args;

use super::database::stop_token;
use super::exit::Failure;
use super::output;
use crate::config::local_url;
use crate::serve;
use crate::types::clock::Clock;
use crate::webhooks::signature::{Algorithm, Secret};

/// Where to listen, and for whom.
#[derive(Debug, Args)]
pub struct ListenArgs {
    /// The port.
    #[arg(long, default_value_t = 8788)]
    port: u16,
    /// The endpoint's secret, whsec_..., by which signatures are checked.
    #[arg(long, env = "GOODWORD_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
}

/// `goodword webhook listen`
pub async fn run(args: ListenArgs) -> Result<(), Failure> {
    let secret = args
        .secret
        .as_deref()
        .map(|text| Secret::parse(text).ok_or_else(|| Failure::refused("--secret is none; one begins with whsec_")));
    let secret = Arc::new(secret.transpose()?);
    let listener = serve::bind(([127, 0, 0, 1], args.port).into())?;
    let address = listener.local_addr()?;
    output::print(&format!("waiting for webhooks at {}", local_url(address)))?;
    let router = Router::new().fallback(receive).with_state(secret);
    let handle = Handle::<SocketAddr>::new();
    let stop = stop_token();
    tokio::spawn({
        let handle = handle.clone();
        async move {
            stop.cancelled().await;
            handle.shutdown();
        }
    });
    Ok(axum_server::from_tcp(listener)?.handle(handle).serve(router.into_make_service()).await?)
}

/// What the signatures of a message are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Not by this secret, or not of late.
    Bad,
    /// There is no secret to check them by.
    Unchecked,
}

fn judge(secret: Option<&Secret>, headers: &HeaderMap, body: &str, now: i64) -> Verdict {
    let Some(secret) = secret else { return Verdict::Unchecked };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_good = secret.verify(text("webhook-signature"), text("webhook-id"), text("webhook-timestamp"), body, now);
    // While two secrets overlap this one stays by the old.
    let friendbuys = text("x-friendbuy-signature");
    let is_friendbuys = [Algorithm::Sha1, Algorithm::Sha256]
        .into_iter()
        .any(|algorithm| secret.sign_as_friendbuy(algorithm, body) == friendbuys);
    if is_good || is_friendbuys && text("webhook-signature").is_empty() { Verdict::Good } else { Verdict::Bad }
}

async fn receive(State(secret): State<Arc<Option<Secret>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let body = String::from_utf8_lossy(&body);
    let verdict = judge(secret.as_ref().as_ref(), &headers, &body, Clock::System.now().unix_timestamp());
    let said = match verdict {
        Verdict::Good => "signature good",
        Verdict::Bad => "SIGNATURE BAD",
        Verdict::Unchecked => "signature not checked: give --secret",
    };
    let id = headers.get("webhook-id").and_then(|value| value.to_str().ok()).unwrap_or("no webhook-id");
    let pretty = serde_json::from_str::<serde_json::Value>(&body)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| body.into_owned());
    // Whoever read it may be gone; the next message says the same.
    let _ = output::print(&format!("{id} ({said})\n{pretty}\n"));
    if verdict == Verdict::Bad { StatusCode::UNAUTHORIZED } else { StatusCode::OK }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_bad_or_not_checked() {
        let (secret, now) = (Secret::generate(), 1_700_000_000);
        let mut headers = HeaderMap::new();
        assert_eq!(judge(None, &headers, "{}", now), Verdict::Unchecked);
        assert_eq!(judge(Some(&secret), &headers, "{}", now), Verdict::Bad);
        headers
            .insert("x-friendbuy-signature", secret.sign_as_friendbuy(Algorithm::Sha256, "{}").parse().expect("text"));
        assert_eq!(judge(Some(&secret), &headers, "{}", now), Verdict::Good);
        headers.insert("webhook-id", "evt_1_1".parse().expect("text"));
        headers.insert("webhook-timestamp", now.to_string().parse().expect("text"));
        headers.insert("webhook-signature", "v1,AAAA".parse().expect("text"));
        assert_eq!(judge(Some(&secret), &headers, "{}", now), Verdict::Bad);
        headers.insert("webhook-signature", secret.sign("evt_1_1", now, "{}").parse().expect("text"));
        assert_eq!(judge(Some(&secret), &headers, "{}", now), Verdict::Good);
        assert_eq!(judge(Some(&secret), &headers, "{}", now + 301), Verdict::Bad);
    }
}
