//! Which mutants this process has. `.ci/mutants` adds this file to a copy of the source.
#![allow(missing_docs, clippy::all)]

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

const MUTANTS: usize = 100_000;

static ACTIVE: OnceLock<Box<[bool]>> = OnceLock::new();
static RECORDING: OnceLock<Option<std::fs::File>> = OnceLock::new();
static REACHED: [AtomicBool; MUTANTS] = [const { AtomicBool::new(false) }; MUTANTS];

/// Whether the process was started with this number among those in MUTANT, which has commas between
/// them. If MUTANTS_REACHED names a file, the number is added to it.
pub fn on(id: usize) -> bool {
    if !REACHED[id].load(Ordering::Relaxed) {
        record(id);
    }
    ACTIVE
        .get_or_init(active)
        .get(id)
        .is_some_and(|is_on| *is_on)
}

/// Empty, or with an entry for every number.
fn active() -> Box<[bool]> {
    let Ok(ids) = std::env::var("MUTANT") else {
        return Box::default();
    };
    let mut active = vec![false; MUTANTS];
    for id in ids.split(',') {
        active[id.parse::<usize>().expect("MUTANT has numbers")] = true;
    }
    active.into()
}

#[cold]
fn record(id: usize) {
    // Kept open, because a test may use up all descriptors.
    let file = RECORDING.get_or_init(|| {
        let path = std::env::var_os("MUTANTS_REACHED")?;
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path);
        Some(file.expect("MUTANTS_REACHED can be written"))
    });
    if REACHED[id].swap(true, Ordering::Relaxed) {
        return;
    }
    if let Some(mut file) = file.as_ref() {
        file.write_all(format!("{id}\n").as_bytes())
            .expect("MUTANTS_REACHED can be written");
    }
}

/// What an `impl Iterator` is, and what a mutant makes it.
pub enum Either<L, R> {
    Left(L),
    Right(R),
}

impl<T, L: Iterator<Item = T>, R: Iterator<Item = T>> Iterator for Either<L, R> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::Left(iterator) => iterator.next(),
            Self::Right(iterator) => iterator.next(),
        }
    }
}
