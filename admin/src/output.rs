//! Printing to standard output.

use std::io::{self, Write};

use serde::Serialize;

use crate::BoxError;

pub(crate) fn print_json(value: &impl Serialize) -> Result<(), BoxError> {
    let json = serde_json::to_string_pretty(value)?;
    Ok(writeln!(io::stdout(), "{json}")?)
}

/// Prints aligned columns, two spaces apart.
pub(crate) fn print_table<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
) -> Result<(), BoxError> {
    let head = head.map(str::to_owned);
    let mut lines = vec![String::new(); rows.len() + 1];
    for column in 0..N {
        let cells = || std::iter::once(&head).chain(rows).map(|row| &row[column]);
        let width = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
        for (line, cell) in lines.iter_mut().zip(cells()) {
            line.push_str(&format!("{cell:width$}  "));
        }
    }
    let mut stdout = io::stdout().lock();
    for line in lines {
        writeln!(stdout, "{}", line.trim_end())?;
    }
    Ok(())
}
