//! The demo's shop: a few pages to click through, on a port of their own as a shop's would be. They hold the snippet that real
//! shops have, and what their server tells them of an order is what the shop's server would ask Goodword.
//!
//! It sells nothing and stores nothing. `goodword serve` has no part of it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum_server::Handle;
use serde::Serialize;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::demo_data::{SHOP_CAMPAIGN_ID, Site};
use super::exit::Failure;
use crate::config::local_url;
use crate::purchases::{self, OrderKey};
use crate::types::ids::ConversionId;
use crate::types::text::OpaqueId;
use crate::web::error::ApiError;
use crate::{rewards, serve};

const LAYOUT: &str = include_str!("demo_shop/layout.html");
const STYLE: &str = include_str!("demo_shop/shop.css");
const SCRIPT: &str = include_str!("demo_shop/shop.js");
/// Each page: its path, its title and what is in its middle.
const PAGES: [(&str, &str, &str); 4] = [
    ("/", "Teas", include_str!("demo_shop/home.html")),
    ("/refer", "Refer a friend", include_str!("demo_shop/refer.html")),
    ("/checkout", "Checkout", include_str!("demo_shop/checkout.html")),
    ("/thanks", "Thank you", include_str!("demo_shop/thanks.html")),
];

/// A shop that is about to open: it has its port.
pub struct Shop {
    listener: TcpListener,
    /// How a browser on this machine reaches it.
    pub url: String,
}

/// What its pages are filled with, and where its server looks orders up.
struct Counter {
    pool: PgPool,
    site: Site,
    /// Where browsers reach Goodword.
    goodword_url: String,
}

/// What the shop's server tells of an order.
#[derive(Serialize)]
struct Insight {
    advocate: Option<String>,
    via: Option<String>,
    campaign: Option<String>,
    conversion: Option<String>,
    reward: Option<String>,
    reason: Option<String>,
}

impl Shop {
    /// Takes the port after Goodword's, or any other where that one is somebody else's.
    pub fn bind(goodword: SocketAddr) -> Result<Self, Failure> {
        let at = |port| serve::bind(SocketAddr::new(goodword.ip(), port));
        let listener = goodword.port().checked_add(1).map_or_else(|| at(0), |next| at(next).or_else(|_taken| at(0)))?;
        let url = local_url(listener.local_addr().map_err(anyhow::Error::from)?);
        Ok(Self { listener, url })
    }

    /// Serves until told to stop.
    pub async fn serve(
        self,
        pool: PgPool,
        site: Site,
        goodword_url: String,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let counter = Counter { pool, site, goodword_url };
        let router = Router::new().fallback(answer).with_state(Arc::new(counter));
        let handle = Handle::<SocketAddr>::new();
        let server = axum_server::from_tcp(self.listener).map_err(anyhow::Error::from)?.handle(handle.clone());
        let serving = server.serve(router.into_make_service());
        let stopping = async {
            stop.cancelled().await;
            handle.shutdown();
        };
        let (served, ()) = tokio::join!(serving, stopping);
        Ok(served.map_err(anyhow::Error::from)?)
    }
}

async fn answer(State(counter): State<Arc<Counter>>, uri: Uri) -> Response {
    match uri.path() {
        "/shop.css" => ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response(),
        "/shop.js" => ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT).into_response(),
        "/insight" => counter.insight(uri.query().unwrap_or_default()).await.into_response(),
        path => match PAGES.iter().find(|(known, ..)| *known == path) {
            Some((_, title, main)) => counter.page(title, main).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

impl Counter {
    fn page(&self, title: &str, main: &str) -> impl IntoResponse {
        let html = LAYOUT
            .replace("{{main}}", main)
            .replace("{{title}}", title)
            .replace("{{campaign}}", &SHOP_CAMPAIGN_ID.to_string())
            .replace("{{site}}", &escape(&self.site.key))
            .replace("{{goodword}}", &escape(&self.goodword_url));
        let origin = url::Url::parse(&self.goodword_url)
            .map_or_else(|_| String::new(), |url| url.origin().ascii_serialization());
        // As strict as a shop can have it: the script and the widget need nothing more.
        let policy = format!(
            "default-src 'none'; script-src 'self' {origin}; connect-src 'self' {origin}; style-src 'self'; img-src data:; \
            form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let kinds = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        (kinds, html)
    }

    /// What became of the order that the query names, or that nothing is known of it yet.
    async fn insight(&self, query: &str) -> Result<Response, ApiError> {
        let named = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "order");
        let order_id = named.and_then(|(_, id)| OpaqueId::try_from(id.as_ref()).ok());
        let Some(order_id) = order_id else { return Ok(StatusCode::NOT_FOUND.into_response()) };
        let account = self.site.account_id;
        let mut conn = self.pool.acquire().await?;
        let key = OrderKey { account_id: account, source: String::new(), order_id };
        let found = purchases::store::find_all(&mut conn, &[&key]).await?;
        let Some(purchase) = found.into_iter().next() else { return Ok(StatusCode::NOT_FOUND.into_response()) };
        let conversions: Vec<ConversionId> = purchase.conversion.iter().map(|conversion| conversion.id).collect();
        let ids = rewards::store::find_of_conversions(&mut conn, account, &conversions).await?;
        let reward = rewards::store::find_all(&mut conn, account, &ids).await?.into_iter().next();
        let attribution = purchase.attribution;
        let email =
            |advocate: &crate::customers::Customer| advocate.email.as_ref().map(|email| email.as_str().to_owned());
        let insight = Insight {
            advocate: attribution.as_ref().and_then(|to| email(&to.advocate)),
            via: attribution.as_ref().map(|to| to.via.clone()),
            campaign: attribution.map(|to| to.campaign_name),
            conversion: purchase.conversion.map(|conversion| conversion.status),
            reward: reward.map(|reward| format!("{} {}", reward.earned + reward.reversed, reward.unit.as_str())),
            reason: purchase.reason,
        };
        Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(insight)).into_response())
    }
}

/// A text for an attribute's value.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_site_is_called_stays_inside_its_attribute() {
        assert_eq!(escape(r#"a"><b>&"#), "a&quot;>&lt;b>&amp;");
    }

    #[test]
    fn every_link_of_the_pages_leads_to_a_page() {
        let texts = PAGES.iter().map(|(_, _, main)| *main).chain([LAYOUT]);
        for text in texts {
            for link in text.split(" href=\"/").skip(1).filter_map(|rest| rest.split(['"', '?']).next()) {
                let path = format!("/{link}");
                assert!(path == "/shop.css" || PAGES.iter().any(|(known, ..)| *known == path), "{path}");
            }
        }
    }
}
