//! Webhooks on the wire: endpoints, the log of deliveries, and the feed for whoever would rather ask.

mod deliveries;
mod endpoints;
mod feed;

pub use self::deliveries::{find as find_delivery, list as list_deliveries, replay};
pub use self::endpoints::{change, create, find, list, ping, retire, rotate_secret};
pub use self::feed::{find as find_event, list as list_events};

use super::signature::Algorithm;
use crate::events::{self, EventId};
use crate::web::error::{ApiError, Code};
use crate::web::fields::{FieldValue, Fields, Invalid, Scalar};
use crate::web::json::Node;

/// A type of event, as it is spelt.
struct EventType(&'static str);

fn event_type(text: &str) -> Result<&'static str, Invalid> {
    let known = events::event_types();
    let found = known.iter().copied().find(|name| *name == text.trim());
    found.ok_or_else(|| Invalid::new("invalid_value", format!("must be one of {}", known.join(", "))))
}

impl FieldValue for EventType {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        event_type(scalar.text()?).map(Self)
    }
}

/// Types of event in a query, with commas between them.
struct EventTypes(Vec<&'static str>);

impl FieldValue for EventTypes {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        scalar.text()?.split(',').map(event_type).collect::<Result<_, _>>().map(Self)
    }
}

/// The id of an event.
struct EventName(EventId);

impl FieldValue for EventName {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("invalid_id", "is no event's id; one looks like evt_1024_1");
        EventId::parse(scalar.text()?).map(Self).ok_or_else(invalid)
    }
}

impl FieldValue for Algorithm {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Self::named(scalar.text()?).ok_or_else(|| Invalid::new("invalid_value", "must be sha1 or sha256"))
    }
}

/// A whole number, at least zero.
struct Whole(i64);

impl FieldValue for Whole {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let digits = scalar.text_or_digits()?;
        let is_whole = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_whole { digits.parse().ok() } else { None };
        number.map(Self).ok_or_else(|| Invalid::new("invalid_parameter", "must be a whole number, at least 0"))
    }
}

/// Chosen types of event: nothing when the field is absent, and within that nothing for all of them.
#[expect(clippy::option_option, reason = "not said, all, or these")]
fn read_types(fields: &Fields<'_>) -> Option<Option<Vec<&'static str>>> {
    match fields.node("event_types") {
        None => None,
        Some(Node::Null) => Some(None),
        Some(_) => {
            let types: Vec<EventType> = fields.values("event_types", events::event_types().len())?;
            Some(Some(types.into_iter().map(|one| one.0).collect()))
        }
    }
}

fn no_endpoint() -> ApiError {
    ApiError::new(Code::WebhookEndpointNotFound, "there is no such endpoint; GET /v1/webhook_endpoints lists yours")
}

fn no_event() -> ApiError {
    ApiError::new(Code::EventNotFound, "there is no such event; GET /v1/events lists yours")
}
