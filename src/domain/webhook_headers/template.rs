//! Text with placeholders in braces, such as `t={timestamp},v1={signature}`.

/// A placeholder for a fact about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placeholder {
    App,
    Attempt,
    Body,
    Endpoint,
    Id,
    /// The signature with the newest secret. Within `each`, the signature of the list that is
    /// being rendered.
    Signature,
    /// The signatures with all valid secrets.
    Signatures,
    /// In whole Unix seconds.
    Timestamp,
    Type,
}

impl Placeholder {
    const ALL: [Self; 9] = [
        Self::App,
        Self::Attempt,
        Self::Body,
        Self::Endpoint,
        Self::Id,
        Self::Signature,
        Self::Signatures,
        Self::Timestamp,
        Self::Type,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Attempt => "attempt",
            Self::Body => "body",
            Self::Endpoint => "endpoint",
            Self::Id => "id",
            Self::Signature => "signature",
            Self::Signatures => "signatures",
            Self::Timestamp => "timestamp",
            Self::Type => "type",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

impl Template {
    /// Parses a template with the allowed placeholders. Braces can't be escaped.
    ///
    /// # Errors
    /// A message for the operator, without the name of the setting.
    pub(super) fn parse(text: &str, allowed: &[Placeholder]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(brace);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let inner = from_brace.strip_prefix('{');
            let Some((name, after)) = inner.and_then(|inner| inner.split_once('}')) else {
                return Err("must have a brace only around the name of a placeholder".to_owned());
            };
            let mut known = Placeholder::ALL.into_iter();
            match known.find(|known| known.name() == name && allowed.contains(known)) {
                Some(placeholder) => parts.push(Part::Placeholder(placeholder)),
                None => return Err(unknown(name, allowed)),
            }
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Parses a template for a header's value. All placeholders except the body have values of
    /// visible ASCII characters, so the result is always a valid header value.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(super) fn parse_header(text: &str, allowed: &[Placeholder]) -> Result<Self, String> {
        let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if text.trim().is_empty() || text.trim() != text || !text.bytes().all(is_visible) {
            return Err("must be visible ASCII characters, with spaces only in between".to_owned());
        }
        Self::parse(text, allowed)
    }

    /// How often the placeholder occurs.
    pub(super) fn count(&self, placeholder: Placeholder) -> usize {
        let is_it = |part: &&Part| **part == Part::Placeholder(placeholder);
        self.0.iter().filter(is_it).count()
    }

    /// Whether the placeholder occurs.
    pub(super) fn has(&self, placeholder: Placeholder) -> bool {
        self.count(placeholder) > 0
    }

    /// The filled-in text in pieces, so that a body is hashed without copying it.
    pub(super) fn pieces<'a>(
        &'a self,
        value_of: impl Fn(Placeholder) -> &'a str,
    ) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(move |part| match part {
            Part::Text(text) => text.as_str(),
            Part::Placeholder(placeholder) => value_of(*placeholder),
        })
    }
}

/// The error for a placeholder that is unknown or not allowed here.
fn unknown(name: &str, allowed: &[Placeholder]) -> String {
    let names: Vec<_> = allowed.iter().map(|known| known.name()).collect();
    // The name comes from the operator, but a stray brace can make it arbitrarily long.
    let start: String = name.chars().take(32).collect();
    format!(
        "must not contain {{{start}}}: it takes {{{}}}",
        names.join("}, {")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Placeholder; 2] = [Placeholder::Timestamp, Placeholder::Id];

    fn filled(text: &str) -> Result<String, String> {
        let template = Template::parse(text, &BOTH)?;
        let value_of = |placeholder| match placeholder {
            Placeholder::Id => "msg_1",
            _ => "1769851800",
        };
        Ok(template.pieces(value_of).collect())
    }

    #[test]
    fn placeholders_are_filled_in() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{id}", "msg_1"),
            ("{id}{id}", "msg_1msg_1"),
            ("v0:{timestamp}:{id}.\n", "v0:1769851800:msg_1.\n"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn braces_need_an_allowed_placeholder() {
        for text in [
            "{", "}", "{id", "id}", "{}", "{{id}}", "{ID}", "{ id }", "{body}",
        ] {
            assert!(filled(text).is_err(), "{text:?}");
        }
        assert_eq!(
            filled("{identifier}").unwrap_err(),
            "must not contain {identifier}: it takes {timestamp}, {id}"
        );
    }

    #[test]
    fn header_templates_are_visible_ascii() {
        for (text, is_sound) in [
            ("t={timestamp}, v1={id}", true),
            ("", false),
            (" ", false),
            (" {id}", false),
            ("{id} ", false),
            ("a\tb", false),
            ("a\r\nb", false),
            ("é", false),
        ] {
            let parsed = Template::parse_header(text, &BOTH);
            assert_eq!(parsed.is_ok(), is_sound, "{text:?}");
        }
    }
}
