//! Texts in which `*` stands for any characters, also for none.

/// Such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcard {
    /// What is between the asterisks: one more than there are of them.
    parts: Vec<String>,
}

impl Wildcard {
    /// Reads a text in which `\*` and `\\` stand for the characters themselves.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = vec![String::new()];
        let mut part = String::new();
        let mut is_first = true;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' if part.is_empty() && !is_first => {
                    return Err("must not have one * right after another");
                }
                '*' => {
                    finish(&mut parts, &mut part);
                    is_first = false;
                }
                '\\' => match chars.next() {
                    Some(c @ ('*' | '\\')) => part.push(c),
                    _ => return Err("may have \\ only before * and another \\"),
                },
                c => part.push(c),
            }
        }
        if let Some(last) = parts.last_mut() {
            *last = part;
        }
        Ok(Self { parts })
    }

    /// How many parts a text is searched for.
    pub(super) fn size(&self) -> usize {
        self.parts.len()
    }

    /// Whether it matches all of a text. Takes linear time: each part is found where it
    /// is first, which leaves the most room for those after it.
    pub(super) fn matches(&self, text: &str) -> bool {
        let [first, between @ .., last] = &*self.parts else {
            return self.parts.first().is_some_and(|only| only == text);
        };
        let Some(text) = text.strip_prefix(first.as_str()) else {
            return false;
        };
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

/// Moves a part in front of the one that follows it.
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
    fn wrong_wildcards_are_rejected() {
        for wrong in ["**", "a**b", "***", r"\", r"a\b", r"*\"] {
            assert!(Wildcard::parse(wrong).is_err(), "{wrong}");
        }
        for right in [r"*\**", r"\*\*", r"*a*"] {
            assert!(Wildcard::parse(right).is_ok(), "{right}");
        }
    }
}
