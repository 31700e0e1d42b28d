//! [`Error`] to status and problem (RFC 9457): the only such match.

use poem::Response;
use poem::http::{StatusCode, header};
use poem_openapi::error::ParseRequestPayloadError;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry,
};
use poem_openapi::types::{ToJSON as _, Type};
use poem_openapi::{ApiResponse, Object};

use crate::domain::error::Error;

/// Seconds after which a busy or stopping server is worth another try.
const RETRY_AFTER_S: u64 = 1;

/// What went wrong (RFC 9457, `application/problem+json`).
#[derive(Object)]
#[oai(rename = "Problem", skip_serializing_if_is_none)]
struct Body {
    /// Always `about:blank`: `code` says what kind of problem it is.
    r#type: String,
    /// The status in words.
    title: String,
    /// The status once more.
    status: u16,
    /// The stable word to decide by.
    code: String,
    /// A sentence for people: what was wrong, and what to do.
    detail: String,
    /// The field at fault, where one is.
    field: Option<String>,
}

/// An [`Error`] on its way out. Every operation of the API may answer with one.
#[derive(Debug)]
pub struct Problem(pub Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let mut error = poem::Error::from_response(problem.response());
        // The framework puts the error's own extensions in the place of the response's.
        error.set_data(problem.0.code());
        error
    }
}

pub fn status(error: &Error) -> StatusCode {
    match error {
        Error::Malformed(_) => StatusCode::BAD_REQUEST,
        Error::TokenMissing
        | Error::TokenInvalid(_)
        | Error::TokenExpired
        | Error::TokenRevoked
        | Error::LoginFailed => StatusCode::UNAUTHORIZED,
        Error::ScopeMissing(_)
        | Error::KeyMissing
        | Error::NotAMember
        | Error::NotAnAccount
        | Error::WrongMember
        | Error::OriginRefused
        | Error::RegistrationClosed => StatusCode::FORBIDDEN,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Error::Exists { .. } | Error::InFlight => StatusCode::CONFLICT,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::FieldInvalid { .. } | Error::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        Error::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        Error::Busy
        | Error::Stopping
        | Error::NotCopied(_)
        | Error::ReadOnly
        | Error::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The seconds of `Retry-After`, for the errors that have it.
pub fn retry_after_s(error: &Error) -> Option<u64> {
    match error {
        Error::TooMany(wait) => Some(wait.as_secs().max(1)),
        Error::InFlight
        | Error::Busy
        | Error::Stopping
        | Error::NotCopied(_)
        | Error::ReadOnly
        | Error::Storage(_) => Some(RETRY_AFTER_S),
        _ => None,
    }
}

impl Problem {
    pub fn response(&self) -> Response {
        self.response_as(status(&self.0))
    }

    fn response_as(&self, status: StatusCode) -> Response {
        let error = &self.0;
        let body = Body {
            r#type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code: error.code().to_owned(),
            detail: error.to_string(),
            field: match error {
                Error::FieldInvalid { field, .. } => Some(field.to_string()),
                Error::Exists { field, .. } => field.map(str::to_owned),
                _ => None,
            },
        };
        let mut response = Response::builder()
            .status(status)
            .content_type("application/problem+json")
            .body(body.to_json_string());
        mark(&mut response, error);
        response
    }
}

/// What every refusal carries, whatever its body: when to come back, and its code for the log.
pub fn mark(response: &mut Response, error: &Error) {
    if let Some(seconds) = retry_after_s(error) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        let bearer = header::HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, bearer);
    }
    response.extensions_mut().insert(error.code());
}

/// Why a body is none, without what stood there: that may be a password in a wrong place. The
/// parser says `..., found VALUE. (occurred while parsing "Type")`.
pub fn not_taken(reason: &str) -> String {
    let (wanted, found) = reason.split_once(", found ").unwrap_or((reason, ""));
    let place = found
        .rfind(" (occurred while")
        .map_or("", |at| &found[at..]);
    let wanted = wanted.trim_end_matches('.');
    format!("The body is not what this takes: {wanted}{place}.")
}

/// Turns what the framework itself refuses into the same problems.
pub async fn translate(error: poem::Error) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    let status = error.status();
    let detail = match error.downcast_ref::<ParseRequestPayloadError>() {
        Some(payload) => not_taken(&payload.reason),
        None => error.to_string(),
    };
    let detail = format!("{}.", detail.trim_end_matches('.'));
    match status {
        StatusCode::NOT_FOUND => nothing_here(),
        // HTTP has its own word for it; the code is that of any request that makes no sense.
        StatusCode::METHOD_NOT_ALLOWED => {
            let error = Error::Malformed("This address does not take this method.".to_owned());
            Problem(error).response_as(status)
        }
        status if status.is_client_error() => Problem(Error::Malformed(detail)).response(),
        _ => {
            tracing::error!(detail, "a request failed in a way nobody foresaw");
            Problem(Error::Storage(detail.into())).response()
        }
    }
}

pub fn nothing_here() -> Response {
    Problem(Error::NotFound(
        "There is nothing at this address.".to_owned(),
    ))
    .response()
}

/// The statuses with their codes, for the API's description.
const DESCRIBED: [(u16, &str); 10] = [
    (400, "`malformed`"),
    (
        401,
        "`token_missing`, `token_invalid`, `token_expired`, `token_revoked`, `login_failed`",
    ),
    (
        403,
        "`scope_missing`, `not_a_member`, `not_an_account`, `origin_refused`, `registration_closed`",
    ),
    (404, "`not_found`"),
    (408, "`too_slow`"),
    (409, "`exists`, `in_flight` (with `Retry-After`)"),
    (413, "`too_large`"),
    (422, "`field_invalid`, `idempotency_mismatch`"),
    (429, "`too_many`"),
    (
        503,
        "`busy`, `stopping`, `storage_failed` (outcome unknown)",
    ),
];

impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        let responses = DESCRIBED.map(|(status, description)| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: "application/problem+json",
                schema: Body::schema_ref(),
            }],
            headers: match status {
                429 | 503 => vec![MetaHeader {
                    name: "Retry-After".to_owned(),
                    description: Some("Seconds until another try makes sense.".to_owned()),
                    required: true,
                    deprecated: false,
                    schema: MetaSchemaRef::Inline(Box::new(
                        u64::schema_ref().unwrap_inline().clone(),
                    )),
                }],
                _ => vec![],
            },
        });
        MetaResponses {
            responses: responses.into(),
        }
    }

    fn register(registry: &mut Registry) {
        Body::register(registry);
    }
}
