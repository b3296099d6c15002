//! Patterns in which `*` matches any characters, including none.

/// A parsed wildcard pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcard {
    /// The literal text before, between and after the asterisks: one part more than there are
    /// asterisks. Parts may be empty.
    parts: Vec<String>,
}

impl Wildcard {
    /// Parses a pattern. `\*` is a literal asterisk, and `\\` a literal backslash.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = vec![String::new()];
        let mut part = String::new();
        let mut is_first = true;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                // Event Ruler refuses `**` too: it means the same as `*`.
                '*' if part.is_empty() && !is_first => {
                    return Err("must not have consecutive asterisks");
                }
                '*' => {
                    finish(&mut parts, &mut part);
                    is_first = false;
                }
                '\\' => match chars.next() {
                    Some(c @ ('*' | '\\')) => part.push(c),
                    _ => return Err("must have \\ only before * or another \\"),
                },
                c => part.push(c),
            }
        }
        if let Some(last) = parts.last_mut() {
            *last = part;
        }
        Ok(Self { parts })
    }

    /// How many literals [`Self::matches`] looks for.
    pub(super) fn size(&self) -> usize {
        self.parts.len()
    }

    /// Whether the pattern matches the whole text. Never backtracks: taking the first
    /// occurrence of each part leaves the most text for the parts after it, so if that fails,
    /// so does every other choice.
    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, between @ .., last] = &*self.parts else {
            return self.parts.first().is_some_and(|only| only == text);
        };
        let Some(text) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        // After the prefix is gone, so that `ab*ba` does not match `aba`.
        let Some(mut text) = text.strip_suffix(last.as_str()) else {
            return false;
        };
        for part in between {
            match text.find(part.as_str()) {
                Some(at) => text = &text[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

/// Ends the current part and begins the next one.
fn finish(parts: &mut Vec<String>, part: &mut String) {
    if let Some(last) = parts.last_mut() {
        *last = std::mem::take(part);
    }
    parts.push(String::new());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asterisks_match_any_characters() {
        for (pattern, matching, others) in [
            ("", &[""][..], &["a"][..]),
            ("*", &["", "a", "é*"], &[]),
            ("a", &["a"], &["", "aa", "A"]),
            ("a*", &["a", "ab"], &["", "ba"]),
            ("*a", &["a", "ba"], &["", "ab"]),
            ("a*a", &["aa", "aba"], &["a", "ab"]),
            ("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "b"]),
            ("ab*ba", &["abba", "abxba"], &["aba"]),
            ("*/lib/*", &["/usr/lib/x", "/lib/"], &["/usr/lib", "lib"]),
            (r"a\*b\\*", &[r"a*b\", r"a*b\c"], &["ab", r"a*b"]),
        ] {
            let wildcard = Wildcard::parse(pattern).unwrap();
            for text in matching {
                assert!(wildcard.matches(text), "{pattern} {text}");
            }
            for text in others {
                assert!(!wildcard.matches(text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn malformed_wildcards_are_rejected() {
        for wrong in ["**", "a**b", "***", r"\", r"a\b", r"*\"] {
            assert!(Wildcard::parse(wrong).is_err(), "{wrong}");
        }
        for right in [r"*\**", r"\*\*", r"*a*"] {
            assert!(Wildcard::parse(right).is_ok(), "{right}");
        }
    }
}
