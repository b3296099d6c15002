//! The import directions that the table in src/lib.rs states.

use std::fs;
use std::path::{Path, PathBuf};

/// A module, what it may import from this crate, and the crates that it must
/// not use.
struct Layer {
    module: &'static str,
    may_import: &'static [&'static str],
    must_not_know: &'static [&'static str],
}

const LAYERS: [Layer; 5] = [
    Layer {
        module: "config",
        may_import: &["domain"],
        must_not_know: &["aws_", "axum", "lambda_", "reqwest", "tower_http"],
    },
    Layer {
        module: "domain",
        may_import: &["domain"],
        must_not_know: &["aws_", "axum", "lambda_", "reqwest", "tower_http"],
    },
    Layer {
        module: "aws",
        may_import: &["aws", "cache", "domain"],
        must_not_know: &["aws_lambda_", "axum", "lambda_", "reqwest", "tower_http"],
    },
    Layer {
        module: "api",
        may_import: &["api", "aws", "cache", "clock", "domain"],
        must_not_know: &["aws_", "lambda_runtime", "reqwest"],
    },
    Layer {
        module: "delivery",
        may_import: &["aws", "clock", "delivery", "domain"],
        must_not_know: &[
            "aws_config",
            "aws_sdk_",
            "axum",
            "lambda_http",
            "lambda_runtime",
        ],
    },
];

/// The code of a module, by file and without comments.
fn code_of(module: &str) -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pending = vec![src.join(module), src.join(format!("{module}.rs"))];
    let mut files = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            pending.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.exists() {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().map(|line| line.split("//").next().unwrap());
            files.push((path, lines.collect::<Vec<_>>().join("\n")));
        }
    }
    files
}

/// The names after `prefix`, where it begins a word.
fn names_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(prefix)
        .filter(move |(at, _)| !code[..*at].ends_with(is_part))
        .map(move |(at, _)| {
            let rest = &code[at + prefix.len()..];
            &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]
        })
}

#[test]
fn modules_import_only_in_the_stated_directions() {
    for layer in LAYERS {
        let files = code_of(layer.module);
        assert!(!files.is_empty(), "src/{} is missing", layer.module);
        for (path, code) in files {
            for module in names_after(&code, "crate::") {
                assert!(
                    layer.may_import.contains(&module),
                    "{} imports crate::{module}",
                    path.display()
                );
            }
            for foreign in layer.must_not_know {
                let found = names_after(&code, foreign).next();
                assert_eq!(found, None, "{} knows {foreign}", path.display());
            }
        }
    }
}

#[test]
fn imports_are_found_however_they_are_written() {
    let names = |code: &'static str, prefix| names_after(code, prefix).collect::<Vec<_>>();
    assert_eq!(
        names("use crate::aws::x;\nlet y = crate::api::Z;", "crate::"),
        ["aws", "api"]
    );
    // A group has no name, so no layer may import one.
    assert_eq!(names("use crate::{aws, domain};", "crate::"), [""]);
    assert_eq!(names("use aws_sdk_sqs::Client;", "aws_"), ["sdk_sqs"]);
    assert!(names("let laws_of = 1;", "aws_").is_empty());
}
