//! The `import` command.

mod line;
mod report;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::StatusCode;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use webhook_endpoints::api::check_new_endpoint;
use webhook_endpoints::domain::address::AddressPolicy;
use webhook_endpoints::domain::id::AppId;

use crate::BoxError;
use crate::errors::join;
use crate::platform_api::{ApiAddress, CallError, Fields, PlatformApi};
use line::Line;
use report::{Outcome, Report};

/// How often to try a line while the API throttles or does not respond.
const TRIES: u32 = 6;

/// Errors that every other line would get as well, so the run ends.
const STOPPING: [StatusCode; 2] = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];

#[derive(Args)]
pub(crate) struct ImportCommand {
    #[command(flatten)]
    api: ApiAddress,
    /// A file with one endpoint per line: a JSON object with appId, the fields of a create, and
    /// optionally externalId, the endpoint's id in the old system. `-` is standard input.
    file: PathBuf,
    /// Show what would happen without changing anything.
    #[arg(long)]
    dry_run: bool,
    /// Change endpoints that already exist with other values.
    #[arg(long)]
    update: bool,
    /// Maximum number of endpoints to create or change per second.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    per_second: u16,
}

/// Imports line by line. An interrupted run can be repeated, because a line that is done is
/// recognized by its endpoint in the API.
pub(crate) async fn run(command: ImportCommand, json: bool) -> Result<(), BoxError> {
    let text = read(&command.file)?;
    let lines = || {
        text.lines()
            .zip(1..)
            .filter(|(text, _)| !text.trim().is_empty())
    };
    let bar = ProgressBar::new(lines().count() as u64);
    bar.set_style(ProgressStyle::with_template(
        "{wide_bar} {pos} of {len} lines, {eta} left",
    )?);
    let mut report = Report::new(command.dry_run);
    let mut import = Import::new(command)?;
    for (text, number) in lines() {
        let (app_id, external_id, outcome) = match Line::parse(text) {
            Err(reason) => (None, None, Ok(Outcome::Refused { reason })),
            Ok(line) => {
                let outcome = import.line(&line).await;
                (Some(line.app_id), line.external_id, outcome)
            }
        };
        match outcome {
            Ok(outcome) => report.add(number, app_id, external_id, outcome),
            Err(error) => {
                report.stop(format!("stopped at line {number}: {}", error.describe()));
                break;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    report.finish(json)
}

fn read(file: &Path) -> Result<String, BoxError> {
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text),
        false => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(text)
}

struct Import {
    api: PlatformApi,
    dry_run: bool,
    update: bool,
    pace: Interval,
    /// Each app's endpoints before the import, read when a line first needs them.
    existing: HashMap<AppId, Vec<Fields>>,
    /// The ids of the endpoints that earlier lines describe. No other line can describe them, so
    /// two equal lines are two endpoints.
    taken: HashSet<String>,
    /// The external ids of earlier lines.
    seen: HashSet<(AppId, String)>,
}

impl Import {
    fn new(command: ImportCommand) -> Result<Self, BoxError> {
        let mut pace = interval(Duration::from_secs(1) / u32::from(command.per_second));
        // After a slow call, continue at the same pace instead of catching up with a burst.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            api: PlatformApi::new(command.api)?,
            dry_run: command.dry_run,
            update: command.update,
            pace,
            existing: HashMap::new(),
            taken: HashSet::new(),
            seen: HashSet::new(),
        })
    }

    /// Imports a line, with retries. An error ends the run.
    async fn line(&mut self, line: &Line) -> Result<Outcome, CallError> {
        if let Some(id) = &line.external_id
            && !self.seen.insert((line.app_id, id.clone()))
        {
            let reason = "an earlier line has the same externalId".to_owned();
            return Ok(Outcome::Refused { reason });
        }
        let mut tries = 1;
        loop {
            let error = match self.attempt(line).await {
                Ok(outcome) => {
                    self.taken.extend(outcome.id().map(str::to_owned));
                    return Ok(outcome);
                }
                Err(CallError::Refused(status, reasons)) if !STOPPING.contains(&status) => {
                    let reason = reasons.join("; ");
                    return Ok(Outcome::Refused { reason });
                }
                Err(error) => error,
            };
            let pause = match &error {
                CallError::Refused(..) => return Err(error),
                _ if tries == TRIES => return Err(error),
                CallError::Throttled(Some(pause)) => *pause,
                CallError::Throttled(None) | CallError::Unclear(_) => {
                    Duration::from_millis(250 << tries)
                }
            };
            sleep(pause).await;
            if matches!(error, CallError::Unclear(_)) {
                // The call may have created the endpoint. Read the app's endpoints again, so that
                // the next try finds it instead of creating another one.
                self.existing.remove(&line.app_id);
            }
            tries += 1;
        }
    }

    async fn attempt(&mut self, line: &Line) -> Result<Outcome, CallError> {
        let Some(endpoint) = self.existing(line).await? else {
            return self.create(line).await;
        };
        let id = endpoint["id"].as_str().unwrap_or_default().to_owned();
        let fields = line.differences(&endpoint);
        if fields.is_empty() {
            return Ok(Outcome::Unchanged { id });
        }
        if !self.update {
            return Ok(Outcome::Different { id, fields });
        }
        if !self.dry_run {
            self.pace.tick().await;
            let change = line.change(&fields);
            self.api.update(line.app_id, &id, &change).await?;
        }
        Ok(Outcome::Updated { id, fields })
    }

    /// The existing endpoint that a line describes, unless an earlier line describes it.
    async fn existing(&mut self, line: &Line) -> Result<Option<Fields>, CallError> {
        if !self.existing.contains_key(&line.app_id) {
            let endpoints = self.api.endpoints(line.app_id).await?;
            let endpoints = endpoints.unwrap_or_default();
            self.existing.insert(line.app_id, endpoints);
        }
        let mut endpoints = self.existing.get(&line.app_id).into_iter().flatten();
        let taken = |endpoint: &Fields| {
            let id = endpoint.get("id").and_then(|id| id.as_str());
            id.is_some_and(|id| self.taken.contains(id))
        };
        Ok(endpoints
            .find(|each| !taken(each) && line.describes(each))
            .cloned())
    }

    async fn create(&mut self, line: &Line) -> Result<Outcome, CallError> {
        let new_secret = !line.body.contains_key("secret");
        if self.dry_run {
            let body = serde_json::to_vec(&line.body).unwrap_or_default();
            let errors = check_new_endpoint(&body, AddressPolicy::PublicOnly);
            return Ok(match errors.is_empty() {
                true => Outcome::Created {
                    id: None,
                    new_secret,
                },
                false => Outcome::Refused {
                    reason: join(&errors),
                },
            });
        }
        self.pace.tick().await;
        let mut id = self.api.create(line.app_id, &line.body).await?;
        if id.is_none() {
            self.api.create_app(line.app_id).await?;
            id = self.api.create(line.app_id, &line.body).await?;
        }
        Ok(Outcome::Created { id, new_secret })
    }
}
