//! Variables of the `api` function.

use std::time::Duration;

use super::variables::{Lookup, flag, parsed, seconds};
use super::{CommonConfig, ConfigError, portal, process_env};
use crate::domain::branding::Branding;
use crate::domain::cors::AllowedOrigins;
use crate::domain::portal_url::PortalUrl;
use crate::domain::secret::SecretStorage;

/// Configuration of the `api` function.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Configuration shared by both functions.
    pub common: CommonConfig,
    /// `PING_WAIT_SECONDS`: how long a test ping waits for its outcome by default, 0 to 20.
    pub ping_wait: Duration,
    /// `API_KEY_CACHE_SECONDS`: how long a valid key is cached, 0 to 300. A revoked key may
    /// work for this long.
    pub api_key_cache: Duration,
    /// `SECRET_STORAGE`: how new signing secrets are kept, `PerEndpoint` (default) or
    /// `Sealed`.
    pub secret_storage: SecretStorage,
    /// `CORS_ALLOW_ORIGINS`: origins whose web pages may call the API, separated by
    /// commas, or `*`. None by default.
    pub cors: AllowedOrigins,
    /// `PORTAL_URL`: the base of links to the portal, which append `/portal/`. By default,
    /// the address that API Gateway was called at.
    pub portal_url: Option<PortalUrl>,
    /// `STRICT_EVENT_TYPES`: whether events and subscriptions may have only types that are
    /// in the catalogue, `true` or `false` (default).
    pub strict_event_types: bool,
    /// The portal's branding, and who may embed it:
    ///
    /// - `PORTAL_TITLE`: 1 to 64 characters; `Webhooks` by default.
    /// - `PORTAL_LOGO_URL`: the https URL of an image.
    /// - `PORTAL_ACCENT_COLOR`: the colour of buttons and links, `#rrggbb`.
    /// - `PORTAL_FRAME_ANCESTORS`: origins that may show it in a frame, separated by
    ///   commas; none by default.
    pub branding: Branding,
}

impl ApiConfig {
    /// Reads the environment of the process.
    ///
    /// # Errors
    /// Returns the first variable that is missing or invalid.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(&process_env)
    }

    /// Reads the variables through `lookup`.
    ///
    /// # Errors
    /// Returns the first variable that is missing or invalid.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            common: CommonConfig::read(lookup)?,
            ping_wait: seconds(lookup, "PING_WAIT_SECONDS", 10, 0, 20)?,
            api_key_cache: seconds(lookup, "API_KEY_CACHE_SECONDS", 10, 0, 300)?,
            secret_storage: secret_storage(lookup)?,
            cors: parsed(lookup, "CORS_ALLOW_ORIGINS")?.unwrap_or_default(),
            portal_url: parsed(lookup, "PORTAL_URL")?,
            strict_event_types: flag(lookup, "STRICT_EVENT_TYPES", false)?,
            branding: portal::branding(lookup)?,
        })
    }
}

fn secret_storage(lookup: Lookup<'_>) -> Result<SecretStorage, ConfigError> {
    const NAME: &str = "SECRET_STORAGE";
    let Some(value) = lookup(NAME) else {
        return Ok(SecretStorage::PerEndpoint);
    };
    SecretStorage::parse(&value).ok_or_else(|| ConfigError::Invalid {
        name: NAME,
        value,
        takes: "PerEndpoint or Sealed".to_owned(),
    })
}
