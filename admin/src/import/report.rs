//! The outcome of each line of an import.

use std::io::{self, Write};

use serde::Serialize;
use webhook_endpoints::domain::id::AppId;

use crate::BoxError;
use crate::output::print_json;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub(super) enum Outcome {
    /// The endpoint did not exist. There is no id in a dry run. If the line has no secret, the
    /// endpoint gets a random one, which is not shown.
    #[serde(rename_all = "camelCase")]
    Created {
        id: Option<String>,
        new_secret: bool,
    },
    /// The endpoint existed with the line's values.
    Unchanged { id: String },
    /// The endpoint existed with other values of these fields, and was not changed.
    Different { id: String, fields: Vec<String> },
    /// The endpoint existed with other values of these fields, and now has the line's.
    Updated { id: String, fields: Vec<String> },
    /// The line is invalid, or the API rejects it.
    Refused { reason: String },
}

impl Outcome {
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Created { id, .. } => id.as_deref(),
            Self::Unchanged { id } | Self::Different { id, .. } | Self::Updated { id, .. } => {
                Some(id)
            }
            Self::Refused { .. } => None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reported {
    line: usize,
    app_id: Option<AppId>,
    external_id: Option<String>,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    dry_run: bool,
    created: usize,
    unchanged: usize,
    different: usize,
    updated: usize,
    refused: usize,
    /// Why the run ended before the last line, if it did.
    stopped: Option<String>,
    lines: Vec<Reported>,
}

impl Report {
    pub(super) fn new(dry_run: bool) -> Self {
        Self {
            dry_run,
            ..Self::default()
        }
    }

    pub(super) fn add(
        &mut self,
        line: usize,
        app_id: Option<AppId>,
        external_id: Option<String>,
        outcome: Outcome,
    ) {
        *match outcome {
            Outcome::Created { .. } => &mut self.created,
            Outcome::Unchanged { .. } => &mut self.unchanged,
            Outcome::Different { .. } => &mut self.different,
            Outcome::Updated { .. } => &mut self.updated,
            Outcome::Refused { .. } => &mut self.refused,
        } += 1;
        self.lines.push(Reported {
            line,
            app_id,
            external_id,
            outcome,
        });
    }

    pub(super) fn stop(&mut self, reason: String) {
        self.stopped = Some(reason);
    }

    /// Prints the report. Returns an error if a line was not imported, so that the exit code shows
    /// it.
    pub(super) fn finish(self, json: bool) -> Result<(), BoxError> {
        match json {
            true => print_json(&self)?,
            false => self.print()?,
        }
        match (self.stopped, self.refused) {
            (Some(reason), _) => {
                Err(format!("{reason}. Run it again to import the other lines").into())
            }
            (None, 0) => Ok(()),
            (None, 1) => Err("a line was refused".into()),
            (None, refused) => Err(format!("{refused} lines were refused").into()),
        }
    }

    fn print(&self) -> Result<(), BoxError> {
        let mut out = io::stdout().lock();
        let mut new_secrets = 0;
        for Reported { line, outcome, .. } in &self.lines {
            match outcome {
                Outcome::Created { new_secret, .. } => new_secrets += usize::from(*new_secret),
                Outcome::Unchanged { .. } => {}
                Outcome::Different { id, fields } => {
                    writeln!(out, "line {line}: {id} differs in {}", fields.join(", "))?;
                }
                Outcome::Updated { id, fields } => {
                    writeln!(out, "line {line}: {id} changed in {}", fields.join(", "))?;
                }
                Outcome::Refused { reason } => writeln!(out, "line {line}: refused: {reason}")?,
            }
        }
        let Self {
            created,
            unchanged,
            different,
            updated,
            refused,
            ..
        } = self;
        let dry = if self.dry_run { "dry run: " } else { "" };
        writeln!(
            out,
            "{dry}{created} created ({new_secrets} with a new secret), {unchanged} unchanged, \
             {different} different, {updated} updated, {refused} refused"
        )?;
        Ok(())
    }
}
