//! Checks the imports between modules against the table in src/lib.rs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Name prefixes of crates that a module must not use.
const FORBIDDEN_CRATES: [(&str, &[&str]); 6] = [
    (
        "config",
        &["aws_", "axum", "lambda_", "reqwest", "tower_http"],
    ),
    (
        "domain",
        // `aws_lc_rs` is allowed: it is cryptography, not AWS.
        &[
            "aws_config",
            "aws_lambda_",
            "aws_sdk_",
            "aws_smithy_",
            "axum",
            "lambda_",
            "reqwest",
            "tower_http",
        ],
    ),
    (
        "aws",
        &["aws_lambda_", "axum", "lambda_", "reqwest", "tower_http"],
    ),
    ("api", &["aws_", "lambda_runtime", "reqwest"]),
    (
        "delivery",
        &[
            "aws_config",
            "aws_sdk_",
            "axum",
            "lambda_http",
            "lambda_runtime",
        ],
    ),
    (
        "operator",
        &["aws_", "axum", "lambda_", "reqwest", "tower_http"],
    ),
];

/// The table in src/lib.rs: each module and the other modules that it imports.
fn stated_imports() -> BTreeMap<String, BTreeSet<String>> {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | "));
    let rows = rows.filter(|row| row.starts_with(['[', '`']));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_end_matches('|').split('|').collect();
        let module = cells[0].trim().trim_matches(['[', ']', '`']);
        let imports = cells[2].split(',').map(|name| name.trim().to_owned());
        (
            module.to_owned(),
            imports.filter(|name| name != "-").collect(),
        )
    })
    .collect()
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The code of a module, by file and without comments.
fn code_of(module: &str) -> Vec<(PathBuf, String)> {
    let mut pending = vec![src().join(module), src().join(format!("{module}.rs"))];
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

/// The names that follow `prefix` where it begins a word.
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
fn modules_import_exactly_what_the_table_states() {
    for (module, stated) in stated_imports() {
        let files = code_of(&module);
        assert!(!files.is_empty(), "src/{module} is missing");
        let names = files
            .iter()
            .flat_map(|(_, code)| names_after(code, "crate::"));
        let others = names.filter(|name| *name != module);
        let imported: BTreeSet<_> = others.map(str::to_owned).collect();
        assert_eq!(imported, stated, "imports of {module}");
    }
}

#[test]
fn every_module_is_in_the_table() {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let declared = lib.lines().filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    let declared: BTreeSet<_> = declared.map(str::to_owned).collect();
    let stated: BTreeSet<_> = stated_imports().into_keys().collect();
    assert_eq!(declared, stated);
}

#[test]
fn modules_use_no_crates_of_other_layers() {
    for (module, foreign) in FORBIDDEN_CRATES {
        for (path, code) in code_of(module) {
            for foreign in foreign {
                let found = names_after(&code, foreign).next();
                assert_eq!(found, None, "{} uses {foreign}", path.display());
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
