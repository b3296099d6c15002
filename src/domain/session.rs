//! Portal sessions: short-lived credentials for a customer's browser. They are stored and
//! checked like API keys.

use std::time::Duration;

use jiff::Timestamp;
use rand::CryptoRng;

use super::api_key::{ApiKey, ApiKeyRecord, DEFAULT_PREFIX, InvalidPrefix, KeyKind, NewKey};
use super::id::{AppId, EndpointId};
use super::scope::{Grant, Scope};

/// The lifetime of a session if the request does not set one.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(60 * 60);

const SHORTEST_SECONDS: u64 = 60;
const LONGEST_SECONDS: u64 = 7 * 24 * 60 * 60;

/// What a session allows, which is less than a key can, because its token is in a browser. It
/// has its own type, so that no session can publish or act for the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionScope {
    /// Endpoints, history, resending and recovering.
    Manage,
    /// Reading endpoints, events and history.
    Read,
}

impl SessionScope {
    /// Parses a scope's name.
    ///
    /// # Errors
    /// A message for the caller, with the valid names.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "manage" => Ok(Self::Manage),
            "read" => Ok(Self::Read),
            _ => Err("must be manage or read"),
        }
    }

    /// The equivalent scope of a key.
    #[must_use]
    pub const fn as_scope(self) -> Scope {
        match self {
            Self::Manage => Scope::Manage,
            Self::Read => Scope::Read,
        }
    }
}

/// Parses a lifetime in seconds.
///
/// # Errors
/// A message for the caller, with the valid range.
pub fn parse_lifetime(seconds: u64) -> Result<Duration, &'static str> {
    if (SHORTEST_SECONDS..=LONGEST_SECONDS).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err("must be a whole number from 60 to 604,800")
}

/// A validated request for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSession {
    /// The only app that the session reaches.
    pub app_id: AppId,
    /// What the session allows within the app.
    pub scope: SessionScope,
    /// The only endpoint that the session reaches. `None`: all of the app.
    pub endpoint: Option<EndpointId>,
    /// How long the session lasts.
    pub lifetime: Duration,
}

impl NewSession {
    /// Generates the session's token, and the record to store.
    ///
    /// # Errors
    /// Never, because the prefix is valid.
    pub fn issue(
        self,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<(ApiKey, ApiKeyRecord), InvalidPrefix> {
        let token = ApiKey::generate(DEFAULT_PREFIX, KeyKind::Session, rng)?;
        let new = NewKey {
            grant: Grant::Session {
                app_id: self.app_id,
                scope: self.scope,
                endpoint: self.endpoint,
            },
            label: String::new(),
            expires_at: Some(now + self.lifetime),
        };
        let record = ApiKeyRecord::new(&token, new, now);
        Ok((token, record))
    }
}

/// The URL that opens the portal with a session. The token is in the fragment, which browsers
/// don't send to servers, so it is in no access log. The app's id is there too, so that the
/// page can request the endpoints without first asking whose token it has.
#[must_use]
pub fn portal_link(base: &str, app_id: AppId, token: &ApiKey) -> String {
    format!("{base}/portal/#app={app_id}&token={}", token.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_scopes_are_manage_and_read() {
        assert_eq!(SessionScope::parse("manage"), Ok(SessionScope::Manage));
        assert_eq!(SessionScope::parse("read"), Ok(SessionScope::Read));
        for wrong in ["all", "publish", "platform", "any", "", "Manage"] {
            assert!(SessionScope::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sessions_last_from_a_minute_to_a_week() {
        for (seconds, fits) in [
            (0, false),
            (59, false),
            (60, true),
            (604_800, true),
            (604_801, false),
            (u64::MAX, false),
        ] {
            assert_eq!(parse_lifetime(seconds).is_ok(), fits, "{seconds}");
        }
    }

    #[test]
    fn sessions_expire_and_are_recognized_by_their_prefix() {
        let now: Timestamp = "2026-01-31T09:30:00.700Z".parse().unwrap();
        let new = NewSession {
            app_id: AppId::new(),
            scope: SessionScope::Read,
            endpoint: Some(EndpointId::new()),
            lifetime: Duration::from_secs(60),
        };
        let (token, record) = new.issue(now, &mut rand::rng()).unwrap();
        assert!(token.expose().starts_with("whk_session_"));
        assert_eq!(token.hash().kind, KeyKind::Session);
        let expires_at = "2026-01-31T09:31:00Z".parse().unwrap();
        assert_eq!(record.expires_at, Some(expires_at));
        assert_eq!(record.grant.only_endpoint(), new.endpoint);
        let app_id = AppId::parse("acme").unwrap();
        let link = portal_link("https://example.com/prod", app_id, &token);
        let address = "https://example.com/prod/portal/#app=acme&token=";
        assert_eq!(link.strip_prefix(address), Some(token.expose()));
    }
}
