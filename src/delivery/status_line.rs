//! Finds the status of an HTTP/1 response, even if the client can't parse the rest of the
//! head.

/// How much of a status line we look at: the status is at its beginning.
const SEEN_BYTES: usize = 128;

/// Scans a response for its status. Skips interim responses (1xx), however long they are.
#[derive(Debug, Default)]
pub(super) struct StatusLine {
    /// Whether anything was read.
    pub(super) begun: bool,
    at: At,
}

#[derive(Debug)]
enum At {
    /// In a status line, of which this has been read.
    Line(Vec<u8>),
    /// In the rest of an interim response.
    Interim { line_is_empty: bool },
    /// After the status of the response. `None` if it has none.
    Known(Option<u16>),
}

impl Default for At {
    fn default() -> Self {
        Self::Line(Vec::new())
    }
}

impl StatusLine {
    /// Reads the next bytes of the response.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.begun |= !bytes.is_empty();
        for byte in bytes {
            match &mut self.at {
                At::Known(_) => return,
                // The client skips empty lines before a status line too.
                At::Line(line) if line.is_empty() && matches!(byte, b'\r' | b'\n') => {}
                At::Line(line) => {
                    line.push(*byte);
                    // Only with the byte after it: a number that is cut off may be
                    // longer.
                    if let (b' ' | b'\r' | b'\n', Some(status)) = (byte, status_of(line)) {
                        self.at = after(status, *byte);
                    } else if *byte == b'\n' || line.len() == SEEN_BYTES {
                        self.at = At::Known(None);
                    }
                }
                At::Interim { line_is_empty } => match byte {
                    b'\n' if *line_is_empty => self.at = At::default(),
                    b'\n' => *line_is_empty = true,
                    b'\r' => {}
                    _ => *line_is_empty = false,
                },
            }
        }
    }

    /// The final status of the response, if there is one.
    pub(super) fn status(&self) -> Option<u16> {
        match self.at {
            At::Known(status) => status,
            At::Line(_) | At::Interim { .. } => None,
        }
    }
}

/// The state after a status that ended with this byte.
fn after(status: u16, byte: u8) -> At {
    match status {
        100..200 => At::Interim {
            line_is_empty: byte == b'\n',
        },
        200..600 => At::Known(Some(status)),
        _ => At::Known(None),
    }
}

/// The status in a line that ends right after it.
fn status_of(line: &[u8]) -> Option<u16> {
    let after_name = line.strip_prefix(b"HTTP/")?;
    let space = after_name.iter().position(|byte| *byte == b' ')?;
    let (version, rest) = after_name.split_at(space);
    let is_version = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.');
    if version.is_empty() || !version.iter().all(is_version) {
        return None;
    }
    let digits = rest.trim_ascii();
    if digits.len() != 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status of a response that arrives in pieces of this size.
    fn read(answer: &str, size: usize) -> Option<u16> {
        let mut line = StatusLine::default();
        for piece in answer.as_bytes().chunks(size) {
            line.read(piece);
        }
        assert_eq!(line.begun, !answer.is_empty());
        line.status()
    }

    #[test]
    fn status_is_found_whatever_follows_it() {
        let hints = format!(
            "HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n",
            "x".repeat(2_000)
        );
        let wordy = format!("HTTP/1.1 103 {}\r\n\r\n", "x".repeat(2_000));
        for (answer, status) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.1 404\r\n", Some(404)),
            ("HTTP/1.0 503 \n", Some(503)),
            ("HTTP/1.1  202 Accepted\r\n", Some(202)),
            ("HTTP/2 204 \r\n", Some(204)),
            ("\r\n\nHTTP/1.1 204 \r\n", Some(204)),
            ("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", Some(200)),
            (
                "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 500 Body\r\n\r\n",
                Some(200),
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 410 Gone\r\n",
                Some(410),
            ),
            ("HTTP/1.1 100 Continue\n\nHTTP/1.1 410 Gone\n", Some(410)),
            ("HTTP/1.1 100\nx: y\r\n\nHTTP/1.1 410 Gone\n", Some(410)),
            ("HTTP/1.1 100\r\nx:\n\r\n\r\nHTTP/1.1 410\n", Some(410)),
            (&format!("{hints}HTTP/1.1 200 OK\r\n"), Some(200)),
            (
                &format!("{hints}{wordy}{hints}HTTP/1.1 200 OK\r\n"),
                Some(200),
            ),
            ("", None),
            ("HTTP/1.1 20", None),
            ("HTTP/1.1 200", None),
            ("HTTP/1.1 2000 OK\r\n", None),
            ("HTTP/1.1 0200 OK\r\n", None),
            ("HTTP/1.1 +20 OK\r\n", None),
            ("HTTP/1.1 600 Odd\r\n", None),
            ("HTTP/1.1 099 Odd\r\n", None),
            ("HTTP/1.1 OK 200\r\n", None),
            ("HTTP/1.1\r\n200 OK\r\n", None),
            ("HTTP/ 200 OK\r\n", None),
            ("HTTP/x 200 OK\r\n", None),
            ("HTTP/1.1 100 Continue\r\n\r\n", None),
            ("HTTP/1.1 100 Continue\r\nHTTP/1.1 200 OK\r\n", None),
            ("HTTP/1.1 100 Continue\r\n \r\nHTTP/1.1 200 OK\r\n", None),
            (&format!("{hints}hello\r\nHTTP/1.1 200 OK\r\n"), None),
            (&format!("HTTP/1.1 {}200 OK\r\n", " ".repeat(2_000)), None),
            ("ICY 200 OK\r\n", None),
            ("220 mail.example.com ESMTP\r\n", None),
        ] {
            for size in [1, 7, usize::MAX] {
                assert_eq!(read(answer, size), status, "{answer:?} by {size}");
            }
        }
    }
}
