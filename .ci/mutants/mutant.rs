//! Which mutant this process is. `.ci/mutants` adds this file to a copy of the source.
#![allow(missing_docs, clippy::all)]

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

const MUTANTS: usize = 100_000;

static ACTIVE: OnceLock<usize> = OnceLock::new();
static RECORDING: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
static REACHED: [AtomicBool; MUTANTS] = [const { AtomicBool::new(false) }; MUTANTS];

/// Whether the process was started with this number in MUTANT. If MUTANTS_REACHED names a file,
/// the number is added to it.
pub fn on(id: usize) -> bool {
    let active = *ACTIVE.get_or_init(|| {
        std::env::var("MUTANT").map_or(MUTANTS, |id| id.parse().expect("MUTANT is a number"))
    });
    if active == MUTANTS && !REACHED[id].load(Ordering::Relaxed) {
        record(id);
    }
    active == id
}

#[cold]
fn record(id: usize) {
    if REACHED[id].swap(true, Ordering::Relaxed) {
        return;
    }
    let path = RECORDING.get_or_init(|| std::env::var_os("MUTANTS_REACHED").map(Into::into));
    if let Some(path) = path {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let mut file = file.expect("MUTANTS_REACHED can be written");
        file.write_all(format!("{id}\n").as_bytes()).expect("MUTANTS_REACHED can be written");
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
