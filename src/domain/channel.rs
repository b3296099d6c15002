//! Channels: names with which a platform separates the customers, teams or projects within
//! one app.

use serde::Serialize;

use super::validation::FieldError;

const MAX_CHANNELS: usize = 10;
const MAX_CHANNEL_BYTES: usize = 64;

/// Up to ten channels, without duplicates, in the order of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Channels(Vec<String>);

impl Channels {
    /// Parses channels and drops duplicates. Errors refer to the list as `field`.
    ///
    /// # Errors
    /// Returns all errors: those of the list, and those of each channel with its index.
    pub fn parse<'a>(
        field: &str,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Vec<FieldError>> {
        let (mut channels, mut errors) = (Vec::new(), Vec::new());
        for (index, text) in texts.into_iter().enumerate() {
            if !is_channel(text) {
                let place = format!("{field}[{index}]");
                errors.push(FieldError::new(place, CHANNEL));
            } else if channels.len() <= MAX_CHANNELS && !channels.iter().any(|known| known == text)
            {
                // Stops at one too many: enough for the error below, and it bounds the search
                // for duplicates.
                channels.push(text.to_owned());
            }
        }
        if channels.len() > MAX_CHANNELS {
            errors.push(FieldError::new(field, LIST));
        }
        match errors.is_empty() {
            true => Ok(Self(channels)),
            false => Err(errors),
        }
    }

    /// Parses a list that must not be empty.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_some<'a>(
        field: &str,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Vec<FieldError>> {
        let channels = Self::parse(field, texts)?;
        match channels.is_empty() {
            true => Err(vec![FieldError::new(field, SOME)]),
            false => Ok(channels),
        }
    }

    /// Whether there are no channels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The channels as text.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether the two have a channel in common.
    #[must_use]
    pub fn meet(&self, others: &Self) -> bool {
        self.0.iter().any(|channel| others.0.contains(channel))
    }
}

const CHANNEL: &str =
    "must be 1 to 64 letters, digits, full stops, colons, hyphens and underscores";
const LIST: &str = "must have at most 10 different channels";
const SOME: &str = "must have 1 to 10 different channels, or be null";

fn is_channel(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=MAX_CHANNEL_BYTES).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Channels, Vec<FieldError>> {
        Channels::parse("channels", texts.iter().copied())
    }

    #[test]
    fn channels_keep_order_and_drop_duplicates() {
        let longest = "x".repeat(64);
        let channels = parse(&["b", "team:7", "b", "A_z-9.c", &longest]).unwrap();
        let expected = ["b", "team:7", "A_z-9.c", &longest];
        assert_eq!(channels.iter().collect::<Vec<_>>(), expected);
        assert!(parse(&[]).unwrap().is_empty());
        let empty = Channels::parse_some("channels", []).unwrap_err();
        assert_eq!(empty, [FieldError::new("channels", SOME)]);
    }

    #[test]
    fn invalid_channels_are_rejected_with_their_index() {
        let too_long = "x".repeat(65);
        let wrong = ["", "a b", "é", "a#b", "a/b", &too_long];
        let errors = parse(&[&["ok"], &wrong[..]].concat()).unwrap_err();
        let places: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        let expected: Vec<_> = (1..=6).map(|n| format!("channels[{n}]")).collect();
        assert_eq!(places, expected);
        let many: Vec<_> = (0..11).map(|n| format!("c{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(parse(&many[..10]).is_ok());
        assert!(parse(&[&many[..10], &many[..10]].concat()).is_ok());
        let errors = parse(&many).unwrap_err();
        assert_eq!(errors, [FieldError::new("channels", LIST)]);
    }

    #[test]
    fn one_channel_in_common_is_enough() {
        for (one, other, meet) in [
            (&["a", "b"][..], &["b", "c"][..], true),
            (&["a"], &["A"], false),
            (&["a"], &[], false),
            (&[], &["a"], false),
            (&[], &[], false),
        ] {
            let (one, other) = (parse(one).unwrap(), parse(other).unwrap());
            assert_eq!(one.meet(&other), meet, "{one:?} {other:?}");
            assert_eq!(other.meet(&one), meet, "{one:?} {other:?}");
        }
    }
}
