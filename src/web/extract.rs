//! What handlers take from a request. The raw extractors of axum are not used: their refusals are not ours.

use axum::body::{Body as HttpBody, HttpBody as _};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRef, FromRequest, FromRequestParts, OptionalFromRequest, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::error::{ApiError, Code, Detail};
use super::fields::{FieldFault, Fields, WireId};
use super::json::{self, JsonFault, Node};
use super::state::App;

impl From<JsonFault> for ApiError {
    fn from(fault: JsonFault) -> Self {
        let code = Code::named(fault.code.as_str());
        let error = Self::new(code.unwrap_or(Code::InvalidJson), fault.message);
        match fault.path {
            Some(path) => error.at(path),
            None => error,
        }
    }
}

impl From<Vec<FieldFault>> for ApiError {
    fn from(faults: Vec<FieldFault>) -> Self {
        Self::invalid(
            faults
                .into_iter()
                .map(|fault| Detail { code: fault.code, message: fault.to_string(), param: Some(fault.path) })
                .collect(),
        )
    }
}

/// The body of a request as a tree: JSON whatever its type says if it looks like it, else PHP's bracketed form, which
/// real clients send in the query with an empty body (contract.md 0, fact 5).
pub struct Body(Node);

impl Body {
    /// Reads a value out of the body, or says all that is wrong with it.
    pub fn read<T>(&self, read: impl FnOnce(&Fields<'_>) -> Option<T>) -> Result<T, ApiError> {
        Ok(Fields::read(&self.0, read)?)
    }
}

impl<S: Send + Sync> FromRequest<S> for Body
where
    App: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match <Self as OptionalFromRequest<S>>::from_request(request, state).await? {
            Some(body) => Ok(body),
            // Says that there is nothing to read.
            None => Ok(Self(json::parse_object(&[])?)),
        }
    }
}

/// For calls that need no body: nothing when there is none.
impl<S: Send + Sync> OptionalFromRequest<S> for Body
where
    App: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        let app = &App::from_ref(state);
        if request.body().size_hint().lower() > app.limits.body_bytes_max as u64 {
            return Err(too_large(app.limits.body_bytes_max));
        }
        let media = MediaType::of(request.headers())?;
        let query = request.uri().query().map(str::to_owned);
        let bytes = read_whole(request.into_body(), app.limits.body_bytes_max, app).await?;
        let first = bytes.trim_ascii_start().first().copied();
        let node = match (first, media) {
            (None, _) if query.is_some() => json::from_brackets(query.as_deref().unwrap_or_default())?,
            (Some(first), MediaType::Form) if first != b'{' && first != b'[' => {
                let text = str::from_utf8(&bytes)
                    .map_err(|_| ApiError::new(Code::InvalidUtf8, "the form is not UTF-8 text"))?;
                json::from_brackets(text.trim_end())?
            }
            (None, _) => return Ok(None),
            _ => json::parse_object(&bytes)?,
        };
        Ok(Some(Self(node)))
    }
}

/// The types of body that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MediaType {
    Form,
    Other,
}

impl MediaType {
    /// Refuses what is surely not JSON; a client that says nothing, or `text/plain`, may still send it.
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        refuse_encodings(headers)?;
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Other) };
        let text = value.to_str().unwrap_or("?").to_ascii_lowercase();
        let (essence, parameters) = text.split_once(';').unwrap_or((text.as_str(), ""));
        let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
        let utf8 = charset.is_none_or(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"));
        match essence.trim() {
            "application/x-www-form-urlencoded" if utf8 => Ok(Self::Form),
            "" | "application/json" | "text/json" | "text/plain" | "application/octet-stream" if utf8 => {
                Ok(Self::Other)
            }
            other if utf8 && other.ends_with("+json") => Ok(Self::Other),
            _ => {
                Err(ApiError::new(Code::UnsupportedMediaType, "send JSON in UTF-8 with Content-Type: application/json")
                    .at("Content-Type"))
            }
        }
    }
}

/// Compressed bodies are not taken: a small one can hide a huge one.
pub fn refuse_encodings(headers: &HeaderMap) -> Result<(), ApiError> {
    let encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return Err(ApiError::new(Code::UnsupportedEncoding, "compressed bodies are not taken; send it as it is")
            .at("Content-Encoding"));
    }
    Ok(())
}

/// What a page in a browser sends, read as a tree: JSON whatever its type says, for `text/plain` spares a page a question before
/// each call.
pub struct PageBody(Node);

/// Largest body of a page, in bytes.
pub const PAGE_BODY_BYTES_MAX: usize = 64 << 10;

impl PageBody {
    /// Reads a value out of the body, or says all that is wrong with it.
    pub fn read<T>(&self, read: impl FnOnce(&Fields<'_>) -> Option<T>) -> Result<T, ApiError> {
        Ok(Fields::read(&self.0, read)?)
    }
}

impl<S: Send + Sync> FromRequest<S> for PageBody
where
    App: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let app = &App::from_ref(state);
        if request.body().size_hint().lower() > PAGE_BODY_BYTES_MAX as u64 {
            return Err(too_large(PAGE_BODY_BYTES_MAX));
        }
        refuse_encodings(request.headers())?;
        let bytes = read_whole(request.into_body(), PAGE_BODY_BYTES_MAX, app).await?;
        Ok(Self(json::parse_object(&bytes)?))
    }
}

async fn read_whole(body: HttpBody, bytes_max: usize, app: &App) -> Result<Bytes, ApiError> {
    let limited = Limited::new(body, bytes_max);
    match tokio::time::timeout(app.limits.body_timeout, limited.collect()).await {
        Err(_elapsed) => Err(too_slow()),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Ok(Err(_)) => Err(cut_short()),
    }
}

/// The refusal of a body over its limit.
pub fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format!("the body is larger than {bytes_max} bytes; send it in parts"))
}

/// The refusal of a body that did not arrive in time.
pub fn too_slow() -> ApiError {
    ApiError::new(Code::RequestTimeout, "the body did not arrive in time; nothing was stored, send the request again")
}

/// The refusal of a body whose sender went away.
pub fn cut_short() -> ApiError {
    ApiError::new(Code::InvalidJson, "the body ended before its announced length")
}

/// The parameters of the query.
pub struct Params(Node);

impl Params {
    /// Reads values out of the query, or says all that is wrong with it.
    pub fn read<T>(&self, read: impl FnOnce(&Fields<'_>) -> Option<T>) -> Result<T, ApiError> {
        Ok(Fields::read(&self.0, read)?)
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        if query.split('&').any(|pair| pair.starts_with('=')) {
            return Err(ApiError::new(Code::InvalidParameter, "a parameter of the query has no name; remove it"));
        }
        Ok(Self(json::from_brackets(query)?))
    }
}

/// The parameters in the path, decoded, in their order. What cannot be text leads nowhere: 404.
pub struct PathTexts(Vec<String>);

impl PathTexts {
    /// The parameter at `index`, or nothing if the route has fewer.
    pub fn get(&self, index: usize) -> &str {
        self.0.get(index).map_or("", String::as_str)
    }

    /// The parameter at `index` as an id of ours. Text that is no id names nothing.
    pub fn id(&self, index: usize) -> Option<i64> {
        use super::fields::{FieldValue, Scalar};
        WireId::read(Scalar::Text(self.get(index))).ok().and_then(WireId::known)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathTexts {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let nowhere =
            || ApiError::new(Code::NotFound, "there is nothing at this address; the contract is at /openapi.yaml");
        let raw =
            RawPathParams::from_request_parts(parts, state).await.map_err(|_: RawPathParamsRejection| nowhere())?;
        let texts: Vec<String> = raw.iter().map(|(_, text)| text.to_owned()).collect();
        if texts.iter().any(|text| text.contains('\0')) { Err(nowhere()) } else { Ok(Self(texts)) }
    }
}
