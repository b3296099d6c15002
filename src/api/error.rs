//! What a caller is told when a request fails. The cause stays in the log.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use tracing::error;

use crate::aws::{AwsError, Fault};
use crate::domain::validation::FieldError;

/// Every error of the API.
#[derive(Debug)]
pub(super) enum ApiError {
    /// 400: all faults of the request at once.
    Validation(Vec<FieldError>),
    /// 401: no key, or none that is valid.
    Authentication,
    /// 404, and what was not found.
    NotFound(&'static str),
    /// 405; the router adds `Allow`.
    MethodNotAllowed,
    /// 409, and a sentence about the conflict.
    Conflict(&'static str),
    /// 413.
    PayloadTooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 429, 500 or 503.
    Aws(AwsError),
    /// 500: a defect of ours.
    Internal,
}

impl ApiError {
    /// A single fault of the request.
    pub(super) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Validation(vec![FieldError::new(field, message)])
    }
}

impl From<AwsError> for ApiError {
    fn from(error: AwsError) -> Self {
        Self::Aws(error)
    }
}

#[derive(Serialize)]
struct Envelope {
    success: bool,
    error: Body,
}

#[derive(Serialize)]
struct Body {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<FieldError>>,
}

/// Seconds that a caller is asked to wait before it tries again.
const RETRY_SECONDS: &str = "1";

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut header: Option<(HeaderName, &'static str)> = None;
        let mut details = None;
        let (status, code, message) = match self {
            Self::Validation(faults) => {
                details = Some(faults);
                (
                    StatusCode::BAD_REQUEST,
                    "VALIDATION_ERROR",
                    "The request is not valid; details names each fault.".to_owned(),
                )
            }
            Self::Authentication => {
                header = Some((WWW_AUTHENTICATE, "Bearer"));
                (
                    StatusCode::UNAUTHORIZED,
                    "AUTHENTICATION_ERROR",
                    "A valid API key is needed, in x-api-key or as a bearer token.".to_owned(),
                )
            }
            Self::NotFound(what) => (
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                format!("There is no such {what}."),
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                "The path does not take this method; Allow names those it takes.".to_owned(),
            ),
            Self::Conflict(sentence) => (StatusCode::CONFLICT, "CONFLICT", sentence.to_owned()),
            Self::PayloadTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "PAYLOAD_TOO_LARGE",
                "The body is larger than 64 KiB, or 256 KiB for an event.".to_owned(),
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                "The body has to be JSON, with content-type: application/json.".to_owned(),
            ),
            Self::Aws(error) => {
                error!(%error, "a request failed");
                match error.fault() {
                    Fault::Throttled => {
                        header = Some((RETRY_AFTER, RETRY_SECONDS));
                        (
                            StatusCode::TOO_MANY_REQUESTS,
                            "RATE_LIMIT",
                            "Too many requests; try again later.".to_owned(),
                        )
                    }
                    Fault::Unavailable => {
                        header = Some((RETRY_AFTER, RETRY_SECONDS));
                        (
                            StatusCode::SERVICE_UNAVAILABLE,
                            "UNAVAILABLE",
                            "The service can't answer now; try again later.".to_owned(),
                        )
                    }
                    Fault::Unexpected => internal(),
                }
            }
            Self::Internal => internal(),
        };
        let body = Envelope {
            success: false,
            error: Body {
                code,
                message,
                details,
            },
        };
        (status, header.map(|header| [header]), Json(body)).into_response()
    }
}

fn internal() -> (StatusCode, &'static str, String) {
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL_ERROR",
        "Something went wrong on our side; x-request-id names this request.".to_owned(),
    )
}
