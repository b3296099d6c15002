//! The operator's branding of the portal.

use super::ConfigError;
use super::variables::{Lookup, parsed};
use crate::domain::branding::Branding;

pub(super) fn branding(lookup: Lookup<'_>) -> Result<Branding, ConfigError> {
    Ok(Branding {
        title: parsed(lookup, "PORTAL_TITLE")?.unwrap_or_default(),
        logo: parsed(lookup, "PORTAL_LOGO_URL")?.unwrap_or_default(),
        accent: parsed(lookup, "PORTAL_ACCENT_COLOR")?.unwrap_or_default(),
        frame_ancestors: parsed(lookup, "PORTAL_FRAME_ANCESTORS")?.unwrap_or_default(),
    })
}
