//! Every refusal a client can meet: one table of codes, one shape of answer. Clients meet codes, the log meets causes.
//!
//! Adding a code means adding it to `openapi.yaml` too; a test compares the two.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::db::{Abort, Applied, Fault};
use crate::lane::Refused;

/// Declares the table: variant, status, spelling on the wire.
macro_rules! codes {
    ($($variant:ident $status:ident $wire:literal),+ $(,)?) => {
        /// What a client can branch on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($variant),+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The status that goes with the code.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// The code with this spelling.
            pub fn named(wire: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == wire)
            }

            /// The code's spelling on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $wire),+ }
            }
        }
    };
}

codes! {
    Unauthenticated UNAUTHORIZED "unauthenticated",
    NotFound NOT_FOUND "not_found",
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed",
    PayloadTooLarge PAYLOAD_TOO_LARGE "payload_too_large",
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported_media_type",
    UnsupportedEncoding UNSUPPORTED_MEDIA_TYPE "unsupported_encoding",
    RequestTimeout REQUEST_TIMEOUT "request_timeout",
    BadHeader BAD_REQUEST "bad_header",
    InvalidJson BAD_REQUEST "invalid_json",
    InvalidUtf8 BAD_REQUEST "invalid_utf8",
    ExpectedObject BAD_REQUEST "expected_object",
    DuplicateKey BAD_REQUEST "duplicate_key",
    TooManyKeys BAD_REQUEST "too_many_keys",
    TooDeep BAD_REQUEST "too_deep",
    Missing BAD_REQUEST "missing",
    InvalidType BAD_REQUEST "invalid_type",
    InvalidString BAD_REQUEST "invalid_string",
    TooLong BAD_REQUEST "too_long",
    TooManyItems BAD_REQUEST "too_many_items",
    OutOfRange BAD_REQUEST "out_of_range",
    InvalidEmail BAD_REQUEST "invalid_email",
    ConflictingEmail BAD_REQUEST "conflicting_email",
    InvalidCode BAD_REQUEST "invalid_code",
    InvalidId BAD_REQUEST "invalid_id",
    MutuallyExclusive BAD_REQUEST "mutually_exclusive",
    InvalidAmount BAD_REQUEST "invalid_amount",
    TooManyDecimals BAD_REQUEST "too_many_decimals",
    InvalidCurrency BAD_REQUEST "invalid_currency",
    InvalidDate BAD_REQUEST "invalid_date",
    DateOutOfRange BAD_REQUEST "date_out_of_range",
    InvalidIpAddress BAD_REQUEST "invalid_ip_address",
    InvalidUrl BAD_REQUEST "invalid_url",
    InvalidValue BAD_REQUEST "invalid_value",
    InvalidParameter BAD_REQUEST "invalid_parameter",
    InvalidCursor BAD_REQUEST "invalid_cursor",
    Undecodable BAD_REQUEST "undecodable",
    UnbalancedQuote BAD_REQUEST "unbalanced_quote",
    LineTooLong BAD_REQUEST "line_too_long",
    EmptyFile BAD_REQUEST "empty_file",
    RefusedRows BAD_REQUEST "refused_rows",
    CampaignNotFound NOT_FOUND "campaign_not_found",
    CouponBankNotFound NOT_FOUND "coupon_bank_not_found",
    CouponNotFound NOT_FOUND "coupon_not_found",
    CustomerNotFound NOT_FOUND "customer_not_found",
    ReferralCodeNotFound NOT_FOUND "referral_code_not_found",
    ConversionNotFound NOT_FOUND "conversion_not_found",
    RewardNotFound NOT_FOUND "reward_not_found",
    ShareNotFound NOT_FOUND "share_not_found",
    WebhookEndpointNotFound NOT_FOUND "webhook_endpoint_not_found",
    WebhookDeliveryNotFound NOT_FOUND "webhook_delivery_not_found",
    EventNotFound NOT_FOUND "event_not_found",
    IdentityConflict CONFLICT "identity_conflict",
    AdvocateHasCoupon CONFLICT "advocate_has_coupon",
    CampaignInactive CONFLICT "campaign_inactive",
    CouponTaken CONFLICT "coupon_taken",
    CouponRetired CONFLICT "coupon_retired",
    BankExhausted CONFLICT "bank_exhausted",
    ReferralCodeTaken CONFLICT "referral_code_taken",
    AdvocateHasReferralCode CONFLICT "advocate_has_referral_code",
    IdTaken CONFLICT "id_taken",
    OrderConflict CONFLICT "order_conflict",
    NotPending CONFLICT "not_pending",
    NotRejected CONFLICT "not_rejected",
    RefundConflict CONFLICT "refund_conflict",
    RefundTooLarge CONFLICT "refund_too_large",
    TooManyWebhookEndpoints CONFLICT "too_many_webhook_endpoints",
    AmountDiffers CONFLICT "amount_differs",
    RateLimited TOO_MANY_REQUESTS "rate_limited",
    Overloaded SERVICE_UNAVAILABLE "overloaded",
    Unavailable SERVICE_UNAVAILABLE "unavailable",
    Internal INTERNAL_SERVER_ERROR "internal",
}

/// One fault among several in a request: where, what, and what to do.
#[derive(Clone, Debug, Serialize)]
pub struct Detail {
    pub code: &'static str,
    pub param: Option<String>,
    pub message: String,
}

/// A refusal. The client sees `code`, `message` and what stands in `extra`; `cause` goes to the log, once.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Refusal>);

#[derive(Clone, Debug)]
struct Refusal {
    code: Code,
    message: Cow<'static, str>,
    param: Option<String>,
    applied: Applied,
    details: Vec<Detail>,
    extra: Option<(&'static str, Value)>,
    cause: Option<String>,
}

impl ApiError {
    /// A refusal with a sentence that says what to do.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Refusal {
            code,
            message: message.into(),
            param: None,
            applied: Applied::None,
            details: Vec::new(),
            extra: None,
            cause: None,
        }))
    }

    /// The answer to a mistake of ours: it says nothing to the client and all to the log.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let message = "something went wrong on our side; the request's id leads to it in the server's log";
        let mut error = Self::new(Code::Internal, message).caused_by(cause);
        // Whatever it was, it may have happened after the commit.
        error.0.applied = Applied::Unknown;
        error
    }

    /// Names the field or parameter that is at fault.
    #[must_use]
    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// Adds a member to the error object, such as the fields that differ.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.0.extra = Some((name, value));
        self
    }

    /// Adds what only the log may see.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// All faults of one request; the first gives status and code.
    pub fn invalid(details: Vec<Detail>) -> Self {
        let Some(first) = details.first() else { return Self::internal("a refusal without a fault") };
        let code = Code::named(first.code).unwrap_or(Code::InvalidValue);
        let mut error = Self::new(code, first.message.clone());
        error.0.param.clone_from(&first.param);
        error.0.details = details;
        error
    }

    /// The code a client can branch on.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What only the log may see.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The body of the answer (reliability.md 4.0): `message` on top is what clients of the compatible API read.
    pub fn body(&self, request_id: &str) -> Value {
        let refusal = &*self.0;
        let mut error = serde_json::json!({ "code": refusal.code.as_str(), "param": refusal.param });
        if let Some(members) = error.as_object_mut() {
            if !refusal.details.is_empty() {
                members.insert("details".to_owned(), serde_json::json!(refusal.details));
            }
            if let Some((name, value)) = &refusal.extra {
                members.insert((*name).to_owned(), value.clone());
            }
        }
        let applied = match refusal.applied {
            Applied::None => "none",
            Applied::Unknown => "unknown",
        };
        serde_json::json!({ "message": refusal.message, "error": error, "applied": applied, "request_id": request_id })
    }
}

/// A fault of the database is not the client's doing: 503, with a promise about what was stored. A statement that the
/// database understood and refused is a mistake of ours: values that our checks let through, or a broken schema.
impl From<&Fault> for ApiError {
    fn from(fault: &Fault) -> Self {
        let class = fault.sql_state().map(|state| state.chars().take(2).collect::<String>());
        let applied = fault.applied;
        let mut error = match (applied, class.as_deref()) {
            (Applied::Unknown, _) => Self::new(
                Code::Unavailable,
                "the database went away while storing; send the same request again to learn whether it was stored",
            ),
            (Applied::None, Some("22")) => {
                Self::new(Code::InvalidValue, "a value of the request cannot be stored; nothing was stored")
            }
            (Applied::None, Some("23" | "42")) => return Self::internal(fault),
            (Applied::None, _) if matches!(fault.abort, Abort::LostRace) => Self::new(
                Code::Unavailable,
                "others stored the same at the same time; nothing was stored, send the request again",
            ),
            (Applied::None, _) => {
                Self::new(Code::Unavailable, "the database did not answer; nothing was stored, send the request again")
            }
        }
        .caused_by(fault);
        error.0.applied = applied;
        error
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        Self::from(&fault)
    }
}

/// What a lane did not store.
impl From<Refused<Fault>> for ApiError {
    fn from(refused: Refused<Fault>) -> Self {
        match refused {
            Refused::Full => {
                Self::new(Code::Overloaded, "too many wait to be stored; nothing was stored, send the request again")
            }
            Refused::Closed => {
                Self::new(Code::Unavailable, "the server is stopping; nothing was stored, send the request again")
            }
            Refused::Failed(fault) => Self::from(&*fault),
            Refused::Lost => Self::internal("the batch of this request panicked"),
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Fault::from(error).into()
    }
}

impl IntoResponse for ApiError {
    /// Leaves the refusal with the response; the frame writes the body, because it knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        let headers = response.headers_mut();
        if self.0.code == Code::Unauthenticated {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Basic realm="goodword", charset="UTF-8""#),
            );
        }
        if self.0.code.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_spelt_once() {
        let spelt: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(spelt.len(), Code::ALL.len());
    }

    #[test]
    fn a_refusal_carries_what_a_client_needs() {
        let error = ApiError::new(Code::OrderConflict, "differs")
            .at("order.id")
            .with("fields", serde_json::json!(["order.amount"]))
            .caused_by("secret");
        let body = error.body("req_1");
        assert_eq!(body["error"]["fields"][0], "order.amount");
        assert_eq!(body["applied"], "none");
        assert!(!body.to_string().contains("secret"));
    }
}
