//! What the operator is told when a command can't be run.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use webhook_endpoints::aws::StoreError;
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::operator::keys::CreateKeyError;
use webhook_endpoints::operator::sessions::CreateSessionError;

/// Says what is wrong with the arguments, or prints the help that they ask for.
pub(crate) fn about_arguments(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.exit();
    }
    let mut text = without_api_keys(&error.render().to_string());
    let is_hyphen = matches!(
        error.kind(),
        ErrorKind::UnknownArgument | ErrorKind::InvalidValue
    );
    if is_hyphen && text.contains("--app") {
        text.push_str("\nAn app id that begins with a hyphen is written like this: --app=-x\n");
    }
    // If standard error is closed, there is nothing left to do.
    let _ = write!(io::stderr(), "{text}");
    ExitCode::from(2)
}

/// The error in words that say what to do, where AWS's own do not.
pub(crate) fn in_words(error: &(dyn Error + Send + Sync + 'static), table_name: &str) -> String {
    let of_key = match error.downcast_ref() {
        Some(CreateKeyError::Store(error)) => Some(error),
        _ => None,
    };
    let of_session = match error.downcast_ref() {
        Some(CreateSessionError::Store(error)) => Some(error),
        _ => None,
    };
    let store = of_key.or(of_session).or(error.downcast_ref::<StoreError>());
    match store {
        // Everything else that is missing is an outcome, not an error.
        Some(StoreError::Aws(aws)) if aws.code() == Some("ResourceNotFoundException") => format!(
            "there is no table {table_name:?} in this account and Region: \
             check TABLE_NAME, AWS_REGION and the credentials"
        ),
        _ => error.to_string(),
    }
}

/// Whether a text contains an API key, whatever its prefix.
pub(crate) fn has_api_key(text: &str) -> bool {
    words(text).any(|word| ApiKey::parse(word).is_some())
}

/// The text, with each API key replaced: errors quote the arguments, and end in logs.
pub(crate) fn without_api_keys(text: &str) -> String {
    let keys = words(text).filter(|word| ApiKey::parse(word).is_some());
    keys.fold(text.to_owned(), |text, key| text.replace(key, "[API key]"))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}
