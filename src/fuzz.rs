//! Fuzz targets: functions that check properties of any input. `fuzz/run` searches for inputs
//! that break them, and a unit test replays the inputs in `fuzz/corpus`. Other builds do not
//! compile this module.

mod gateway;

use crate::api;
use crate::delivery;
use crate::domain;

/// The function that checks the properties. It panics if one does not hold.
#[derive(Debug, Clone, Copy)]
enum Run {
    OnBytes(fn(&[u8])),
    /// Skips input that is not UTF-8.
    OnText(fn(&str)),
}

/// Properties of one kind of input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the name of its folder in `fuzz/corpus`.
    pub name: &'static str,
    run: Run,
}

/// All targets.
pub const TARGETS: [Target; 10] = [
    on_text("api_input", api::fuzz::input),
    on_text("egress_rules", domain::fuzz::egress_rules::run),
    on_text("filter", domain::filter::fuzz::run),
    on_text("gateway_event", gateway::run),
    on_text("json", domain::fuzz::json::run),
    on_text("message", domain::fuzz::message::run),
    on_text("name", domain::fuzz::name::run),
    on_bytes("response", delivery::fuzz::response),
    on_text("sent_headers", domain::fuzz::sent_headers::run),
    on_text("url", domain::fuzz::url::run),
];

const fn on_bytes(name: &'static str, run: fn(&[u8])) -> Target {
    let run = Run::OnBytes(run);
    Target { name, run }
}

const fn on_text(name: &'static str, run: fn(&str)) -> Target {
    let run = Run::OnText(run);
    Target { name, run }
}

impl Target {
    /// The target of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// Checks the properties.
    ///
    /// # Panics
    /// If one does not hold for this input.
    pub fn run(&self, input: &[u8]) {
        match (self.run, std::str::from_utf8(input)) {
            (Run::OnBytes(run), _) => run(input),
            (Run::OnText(run), Ok(text)) => run(text),
            (Run::OnText(_), Err(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::panic::catch_unwind;
    use std::path::{Path, PathBuf};

    use super::*;

    fn entries(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort_unstable();
        paths
    }

    fn corpus() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
    }

    #[test]
    fn every_target_has_a_corpus() {
        let folders = entries(&corpus());
        let folders: BTreeSet<_> = folders
            .iter()
            .map(|folder| folder.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(folders, TARGETS.map(|target| target.name).into());
    }

    #[test]
    fn properties_hold_for_every_input_of_the_corpus() {
        let mut broken = Vec::new();
        for target in TARGETS {
            for path in entries(&corpus().join(target.name)) {
                let input = fs::read(&path).unwrap();
                if catch_unwind(|| target.run(&input)).is_err() {
                    broken.push(path);
                }
            }
        }
        assert!(broken.is_empty(), "{broken:#?}");
    }
}
