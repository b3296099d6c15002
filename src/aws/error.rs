//! Why a call on a store failed.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// A cause that several callers share.
type SharedError = Arc<dyn StdError + Send + Sync>;

/// Why a call on the table, the secrets or the queue failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The AWS call failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// AWS did its part, but what is stored, or is to be stored, does not have the
    /// form that this code expects: a defect here, or an item that somebody edited.
    #[error("{operation}: {reason}")]
    Malformed {
        /// What was being done.
        operation: &'static str,
        /// What is wrong. Never quotes a value.
        reason: SharedError,
    },
}

/// An AWS call that failed after the SDK's own retries.
#[derive(Debug, Clone)]
pub struct AwsError {
    operation: &'static str,
    fault: Fault,
    blames_request: bool,
    source: SharedError,
}

/// What kind of fault an AWS call met, as far as callers need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// AWS throttled the call.
    Throttled,
    /// A quota is used up, and does not become free within seconds.
    LimitExceeded,
    /// AWS did not answer, or answered that it cannot right now.
    Unavailable,
    /// AWS rejected the call: a defect of the deployment or of this code.
    Rejected,
}

/// Error code of a quota. Secrets Manager reports the versions of a secret by it:
/// there can be about 100 that are younger than a day.
const LIMIT_EXCEEDED: &str = "LimitExceededException";

/// Error codes by which the three services throttle.
const THROTTLING: [&str; 7] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ThrottledException",
    "Throttling",
    "ThrottlingError", // a cancellation reason of a transaction
    "ThrottlingException",
];

/// Error codes by which the three services say that they cannot right now.
const UNAVAILABLE: [&str; 8] = [
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionConflict",
    "TransactionInProgressException",
];

/// Error codes by which the three services blame what the request says. The same
/// request fails each time, so waiting does not help. Any other rejection (a missing
/// permission, a disabled key) is cured by whoever operates the deployment.
const BLAMING: [&str; 8] = [
    "BatchRequestTooLong",
    "InvalidAttributeValue",
    "InvalidMessageContents",
    "InvalidParameterException",
    "InvalidParameterValue",
    "InvalidRequestException",
    "SerializationException",
    "ValidationException",
];

impl AwsError {
    /// A fault that AWS reported by an error code in a successful response.
    pub(super) fn from_code(operation: &'static str, code: &str) -> Self {
        Self {
            operation,
            fault: fault_of(code),
            blames_request: BLAMING.contains(&code),
            source: BoxError::from(code).into(),
        }
    }

    /// A rejection that waiting cures, whatever its code says.
    pub(super) fn unavailable(operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self {
            operation,
            fault: Fault::Unavailable,
            blames_request: false,
            source: source.into().into(),
        }
    }

    /// What kind of fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// Whether AWS blames what the request says, so that no later try can succeed.
    #[must_use]
    pub fn blames_request(&self) -> bool {
        self.blames_request
    }
}

fn fault_of(code: &str) -> Fault {
    if code == LIMIT_EXCEEDED {
        Fault::LimitExceeded
    } else if THROTTLING.contains(&code) {
        Fault::Throttled
    } else if UNAVAILABLE.contains(&code) {
        Fault::Unavailable
    } else {
        Fault::Rejected
    }
}

/// Names the operation in which something failed.
pub(super) trait During<T> {
    /// The error, with the operation that it happened in.
    fn during(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T, E, R> During<T> for Result<T, SdkError<E, R>>
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| {
            let fault = match &error {
                SdkError::TimeoutError(_)
                | SdkError::DispatchFailure(_)
                | SdkError::ResponseError(_) => Fault::Unavailable,
                SdkError::ServiceError(service) => match service.err().code() {
                    Some(code) => fault_of(code),
                    // A gateway's page instead of a response of the service.
                    None => Fault::Unavailable,
                },
                _ => Fault::Rejected,
            };
            let code = error.as_service_error().and_then(|error| error.code());
            let blames_request = code.is_some_and(|code| BLAMING.contains(&code));
            let source = BoxError::from(error).into();
            StoreError::Aws(AwsError {
                operation,
                fault,
                blames_request,
                source,
            })
        })
    }
}

/// What is stored, or is to be stored, does not have the expected form.
#[derive(Debug)]
pub(super) struct Malformed(BoxError);

impl<E: Into<BoxError>> From<E> for Malformed {
    fn from(reason: E) -> Self {
        Self(reason.into())
    }
}

impl<T> During<T> for Result<T, Malformed> {
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|Malformed(reason)| StoreError::Malformed {
            operation,
            reason: reason.into(),
        })
    }
}

/// Whether an SDK call failed with this error code.
pub(super) fn has_code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, code: &str) -> bool {
    error.as_service_error().and_then(|error| error.code()) == Some(code)
}

/// Whether a conditional write was made: `false` if its condition did not hold.
pub(super) fn written<T, E: ProvideErrorMetadata, R>(
    result: Result<T, SdkError<E, R>>,
) -> Result<bool, SdkError<E, R>> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if has_code(&error, "ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(error),
    }
}

impl fmt::Display for AwsError {
    /// The whole chain of causes, because SDK errors say nothing by themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({:?})", self.operation, self.fault)?;
        let mut source: Option<&(dyn StdError + 'static)> = Some(self.source.as_ref());
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl StdError for AwsError {}
