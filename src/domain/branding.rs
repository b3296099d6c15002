//! The operator's branding of the portal. Every value ends up in a page that customers trust,
//! in its headers or in its style sheet. So each type accepts only text that can't be misread
//! as markup, a directive or a style there.

use std::str::FromStr;

use url::{Host, Url};

/// Maximum length of a title, in characters.
const MAX_TITLE_CHARS: usize = 64;

/// Maximum length of the logo's URL, in bytes.
const MAX_URL_BYTES: usize = 2_048;

/// Maximum number of frame ancestors.
const MAX_ANCESTORS: usize = 20;

/// The least contrast ratio for legible text (WCAG 2.2, 1.4.3).
const TEXT_CONTRAST: f64 = 4.5;

/// The portal's title, logo and colour, and who may embed it.
#[derive(Debug, Clone, Default)]
pub struct Branding {
    /// `PORTAL_TITLE`
    pub title: Title,
    /// `PORTAL_LOGO_URL`
    pub logo: Logo,
    /// `PORTAL_ACCENT_COLOR`
    pub accent: Accent,
    /// `PORTAL_FRAME_ANCESTORS`
    pub frame_ancestors: FrameAncestors,
}

/// A setting is invalid. The message completes the sentence "must be …".
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidBranding(&'static str);

/// A title of 1 to 64 characters, none of which is invisible or changes the direction of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// The title as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Title {
    fn default() -> Self {
        Self("Webhooks".to_owned())
    }
}

impl FromStr for Title {
    type Err = InvalidBranding;

    fn from_str(text: &str) -> Result<Self, InvalidBranding> {
        let fits = (1..=MAX_TITLE_CHARS).contains(&text.chars().count());
        if fits && !text.trim().is_empty() && !text.chars().any(is_invisible) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidBranding(
                "1 to 64 characters, none of which is invisible or changes the text direction",
            ))
        }
    }
}

/// Whether a character is a control character, invisible, or changes the direction of text.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
        || c.is_control()
}

/// The URL of an image, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logo(Option<Url>);

impl Logo {
    /// The URL of the image.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.0.as_ref().map(Url::as_str)
    }

    /// The origin of the image, as a source in the Content-Security-Policy.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        self.0
            .as_ref()
            .map(|url| url.origin().ascii_serialization())
    }
}

impl FromStr for Logo {
    type Err = InvalidBranding;

    fn from_str(text: &str) -> Result<Self, InvalidBranding> {
        let is_plain = text.len() <= MAX_URL_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
        let url = Url::parse(text).ok().filter(|url| {
            is_plain
                && url.scheme() == "https"
                && url.username().is_empty()
                && url.password().is_none()
                && url.fragment().is_none()
                // The URL parser accepts hosts with a semicolon or a comma, which would end
                // the directive.
                && url.host_str().is_some_and(is_source_host)
        });
        url.map(|url| Self(Some(url))).ok_or(InvalidBranding(
            "an https URL of at most 2,048 ASCII characters, without credentials and fragment",
        ))
    }
}

/// Whether a Content-Security-Policy can name this host.
fn is_source_host(host: &str) -> bool {
    let is_part = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.');
    !host.is_empty() && host.bytes().all(is_part) && Host::parse(host).is_ok()
}

/// The origins whose pages may embed the portal in a frame. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrameAncestors(Vec<String>);

impl FrameAncestors {
    /// The value of the directive `frame-ancestors`.
    #[must_use]
    pub fn sources(&self) -> String {
        if self.0.is_empty() {
            "'none'".to_owned()
        } else {
            self.0.join(" ")
        }
    }
}

impl FromStr for FrameAncestors {
    type Err = InvalidBranding;

    fn from_str(text: &str) -> Result<Self, InvalidBranding> {
        let origins: Vec<_> = text
            .split(',')
            .map(|origin| origin.trim().to_owned())
            .collect();
        if origins.len() <= MAX_ANCESTORS && origins.iter().all(|origin| is_ancestor(origin)) {
            Ok(Self(origins))
        } else {
            Err(InvalidBranding(
                "1 to 20 origins such as https://app.example.com or https://*.example.com, \
                 separated by commas",
            ))
        }
    }
}

/// Whether this is an https origin. The host may begin with a wildcard, but not consist of one
/// or of one and a top-level domain, because that would let any site embed the portal.
fn is_ancestor(origin: &str) -> bool {
    let Some(rest) = origin.strip_prefix("https://") else {
        return false;
    };
    let (host, port) = rest.split_once(':').unwrap_or((rest, "443"));
    let is_port =
        port.parse::<u16>().is_ok_and(|port| port > 0) && port.bytes().all(|b| b.is_ascii_digit());
    let named = host.strip_prefix("*.").unwrap_or(host);
    let has_domain = host == named || named.contains('.');
    is_port && has_domain && is_source_host(named)
}

/// The colour of buttons and links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent([u8; 3]);

/// The accent colour and colours that are legible with it, each as `#rrggbb`.
#[derive(Debug, PartialEq, Eq)]
pub struct Palette {
    /// The colour itself, as the background of buttons.
    pub accent: String,
    /// The text colour of buttons: black or white, whichever is legible.
    pub on_accent: &'static str,
    /// The colour of links in the light theme, darkened if necessary.
    pub on_light: String,
    /// The colour of links in the dark theme, lightened if necessary.
    pub on_dark: String,
}

const BLACK: [u8; 3] = [0, 0, 0];
const WHITE: [u8; 3] = [255, 255, 255];

/// The darkest background of links in the light theme (`portal/portal.css`).
const LIGHT: [u8; 3] = [0xec, 0xee, 0xf2];

/// The lightest background of links in the dark theme.
const DARK: [u8; 3] = [0x26, 0x2a, 0x32];

impl Default for Accent {
    fn default() -> Self {
        Self([0x3f, 0x51, 0xd6])
    }
}

impl FromStr for Accent {
    type Err = InvalidBranding;

    fn from_str(text: &str) -> Result<Self, InvalidBranding> {
        let channel = |at: usize| {
            let digits = text.get(at..at + 2)?;
            let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
            is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
        };
        let has_form = text.len() == 7 && text.starts_with('#');
        let color = || Some([channel(1)?, channel(3)?, channel(5)?]);
        has_form
            .then(color)
            .flatten()
            .map(Self)
            .ok_or(InvalidBranding("a colour such as #3f51d6"))
    }
}

impl Accent {
    /// Derives colours that are legible for any accent colour.
    #[must_use]
    pub fn palette(self) -> Palette {
        let is_light = contrast(self.0, WHITE) < TEXT_CONTRAST;
        Palette {
            accent: hex(self.0),
            on_accent: if is_light { "#000000" } else { "#ffffff" },
            on_light: hex(legible(self.0, LIGHT, BLACK)),
            on_dark: hex(legible(self.0, DARK, WHITE)),
        }
    }
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The colour, mixed with just enough of `other`, in steps of 5 %, to be legible on the
/// background.
fn legible(color: [u8; 3], background: [u8; 3], other: [u8; 3]) -> [u8; 3] {
    let mixed = |percent: u16| {
        let channel = |index: usize| {
            let sum = u16::from(color[index]) * (100 - percent) + u16::from(other[index]) * percent;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        [channel(0), channel(1), channel(2)]
    };
    let steps = (0..=100).step_by(5).map(mixed);
    steps
        .into_iter()
        .find(|mix| contrast(*mix, background) >= TEXT_CONTRAST)
        .unwrap_or(other)
}

/// The contrast ratio as defined by WCAG 2.2, from 1 to 21.
fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The relative luminance as defined by WCAG 2.2, from 0 to 1.
fn luminance(color: [u8; 3]) -> f64 {
    let linear = color.map(|channel| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

#[cfg(test)]
mod tests;
