//! Options for the look of the portal.

use clap::Args;
use webhook_endpoints::domain::branding::{Accent, Branding, FrameAncestors, Logo, Title};

/// They take the same environment variables as the functions.
#[derive(Clone, Args)]
pub(crate) struct BrandingArguments {
    /// The portal's title.
    #[arg(long, env = "PORTAL_TITLE")]
    portal_title: Option<Title>,
    /// The URL of the portal's logo.
    #[arg(long, env = "PORTAL_LOGO_URL")]
    portal_logo_url: Option<Logo>,
    /// The color of the portal's buttons and links, such as #3f51d6.
    #[arg(long, env = "PORTAL_ACCENT_COLOR")]
    portal_accent_color: Option<Accent>,
    /// Comma-separated list of the origins that may show the portal in a frame.
    #[arg(long, env = "PORTAL_FRAME_ANCESTORS")]
    portal_frame_ancestors: Option<FrameAncestors>,
}

impl From<BrandingArguments> for Branding {
    fn from(given: BrandingArguments) -> Self {
        Self {
            title: given.portal_title.unwrap_or_default(),
            logo: given.portal_logo_url.unwrap_or_default(),
            accent: given.portal_accent_color.unwrap_or_default(),
            frame_ancestors: given.portal_frame_ancestors.unwrap_or_default(),
        }
    }
}
