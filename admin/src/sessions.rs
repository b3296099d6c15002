//! The `sessions` command.

use std::io::{self, Write};
use std::time::Duration;

use aws_config::SdkConfig;
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::id::{AppId, EndpointId, KeyId};
use webhook_endpoints::domain::portal_url::PortalUrl;
use webhook_endpoints::domain::session::{NewSession, SessionScope, parse_lifetime, portal_link};
use webhook_endpoints::domain::time::{iso_millis, serde_millis};
use webhook_endpoints::operator::sessions;

use crate::BoxError;
use crate::arguments::{TableName, app_id, table};
use crate::output::print_json;

#[derive(Subcommand)]
pub(crate) enum SessionsCommand {
    /// Create a portal session for an app and print its token to standard output. It cannot be
    /// shown again.
    Create {
        #[command(flatten)]
        table: TableName,
        /// Id of the app.
        #[arg(long, value_parser = app_id)]
        app: AppId,
        /// What the session allows: manage (endpoints and history) or read.
        #[arg(long, default_value = "manage", value_parser = SessionScope::parse)]
        scope: SessionScope,
        /// The only endpoint that the session can access. By default, all endpoints of the app.
        #[arg(long, value_parser = endpoint_id)]
        webhook: Option<EndpointId>,
        /// How long the session lasts, in seconds: 60 to 604800.
        #[arg(long, default_value = "3600", value_parser = lifetime)]
        expires_in_seconds: Duration,
        /// Print a link to the portal at this address instead of the token, such as
        /// https://webhooks.example.com.
        #[arg(long, value_parser = portal_url)]
        portal_url: Option<PortalUrl>,
    },
    /// Revoke a portal session.
    Revoke {
        #[command(flatten)]
        table: TableName,
        /// Id of the app.
        #[arg(long, value_parser = app_id)]
        app: AppId,
        /// The session's id, as it was shown when it was created.
        #[arg(long, value_parser = session_id)]
        session: KeyId,
    },
}

impl SessionsCommand {
    pub(crate) fn table_name(&self) -> &str {
        match self {
            Self::Create { table, .. } | Self::Revoke { table, .. } => &table.table_name,
        }
    }
}

pub(crate) async fn run(
    command: SessionsCommand,
    sdk: &SdkConfig,
    json: bool,
) -> Result<(), BoxError> {
    let now = Clock::system().now();
    match command {
        SessionsCommand::Create {
            table: name,
            app,
            scope,
            webhook,
            expires_in_seconds,
            portal_url,
        } => {
            let new = NewSession {
                app_id: app,
                scope,
                endpoint: webhook,
                lifetime: expires_in_seconds,
            };
            let (token, record) = sessions::create(&table(sdk, name), new, now).await?;
            let url = portal_url.map(|url| portal_link(url.as_str(), app, &token));
            if json {
                return print_json(&CreatedSession {
                    app_id: app,
                    id: record.id,
                    url: url.as_deref(),
                    token: token.expose(),
                    expires_at: record.expires_at,
                    scope: record.grant.as_str(),
                    webhook_id: webhook,
                });
            }
            let until = record.expires_at.map(iso_millis).unwrap_or_default();
            writeln!(
                io::stderr(),
                "app {app}\nsession {} until {until}",
                record.id
            )?;
            let shown = url.as_deref().unwrap_or(token.expose());
            Ok(writeln!(io::stdout(), "{shown}")?)
        }
        SessionsCommand::Revoke {
            table: name,
            app,
            session,
        } => {
            if !sessions::revoke(&table(sdk, name), app, session, now).await? {
                let note = "it may have expired, and a new one may take a second to appear";
                return Err(format!("app {app} has no session {session} ({note})").into());
            }
            match json {
                true => print_json(&RevokedSession {
                    id: session,
                    revoked_at: now,
                }),
                false => {
                    let at = iso_millis(now);
                    Ok(writeln!(
                        io::stdout(),
                        "session {session} was revoked at {at}"
                    )?)
                }
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedSession<'a> {
    app_id: AppId,
    id: KeyId,
    /// Null without `--portal-url`.
    url: Option<&'a str>,
    token: &'a str,
    #[serde(with = "serde_millis::option")]
    expires_at: Option<Timestamp>,
    scope: &'static str,
    webhook_id: Option<EndpointId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevokedSession {
    id: KeyId,
    #[serde(with = "serde_millis")]
    revoked_at: Timestamp,
}

fn lifetime(text: &str) -> Result<Duration, &'static str> {
    // Text that is not a number gets the same error as a number out of range.
    parse_lifetime(text.parse().unwrap_or(u64::MAX))
}

fn endpoint_id(text: &str) -> Result<EndpointId, &'static str> {
    EndpointId::parse(text).map_err(|_| "must be the endpoint's id")
}

fn session_id(text: &str) -> Result<KeyId, &'static str> {
    KeyId::parse(text).map_err(|_| "must be the session's id, not its token")
}

fn portal_url(text: &str) -> Result<PortalUrl, String> {
    let parsed = text.parse::<PortalUrl>();
    parsed.map_err(|error| format!("must be {error}"))
}
