//! A part of `cargo xtask layers`: every package has the lints of the workspace, and
//! `unsafe` is forbidden everywhere but in one file.
//!
//! What a manifest forbids, no file can allow. The package of that one file repeats the
//! lints, only denies `unsafe`, and none of its other files may name that lint. The fuzz
//! targets, which are a workspace of their own, forbid it, too.

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use toml::Value;

use crate::workspace::{root, rust_files};

/// The package that has `unsafe`, and the file of it: see ARCHITECTURE.md.
const EXCEPTION: (&str, &str) = ("crates/child", "src/sys/supervisor.rs");

const LINT: &str = "unsafe_code";

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum LintsError {
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(xtask::lints::unreadable))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not TOML", path.display())]
    #[diagnostic(code(xtask::lints::not_toml), help("run `cargo check`"))]
    NotToml {
        path: PathBuf,
        #[source]
        source: toml::de::Error,
    },
    #[error("the lints are not what they should be:\n  {}", flaws.join("\n  "))]
    #[diagnostic(
        code(xtask::lints::flaws),
        help("a Cargo.toml needs `[lints] workspace = true`; a file needs no `unsafe`")
    )]
    Flaws { flaws: Vec<String> },
}

/// Checks the packages of the workspace, each the folder of a `Cargo.toml`.
pub(crate) fn run(packages: &[PathBuf]) -> Result<(), LintsError> {
    let flaws = flaws(&root(), packages)?;
    if flaws.is_empty() {
        let (package, file) = EXCEPTION;
        say!("every package has the lints of the workspace");
        say!("`unsafe` is forbidden everywhere but in {package}/{file}");
        return Ok(());
    }
    Err(LintsError::Flaws { flaws })
}

fn flaws(root: &Path, packages: &[PathBuf]) -> Result<Vec<String>, LintsError> {
    let mut flaws = Vec::new();
    let workspace = manifest(root)?;
    let lints = workspace
        .get("workspace")
        .and_then(|table| table.get("lints"));
    if level(lints) != Some("forbid") {
        flaws.push(format!("the workspace does not forbid {LINT}"));
    }
    let fuzz = manifest(&root.join("fuzz"))?;
    if level(fuzz.get("lints")) != Some("forbid") {
        flaws.push(format!("fuzz does not forbid {LINT}"));
    }
    let exception = root.join(EXCEPTION.0);
    for package in packages {
        let manifest = manifest(package)?;
        let own = manifest.get("lints");
        let name = shown(root, package);
        if *package == exception {
            let differing = differing(lints, own).into_iter();
            flaws.extend(differing.map(|flaw| format!("{name} {flaw}")));
        } else if own.and_then(|own| own.get("workspace")) != Some(&Value::Boolean(true)) {
            flaws.push(format!("{name} does not take the lints of the workspace"));
        }
    }
    for file in
        rust_files(&exception).map_err(|(path, source)| LintsError::Unreadable { path, source })?
    {
        let text = std::fs::read_to_string(&file).map_err(|source| LintsError::Unreadable {
            path: file.clone(),
            source,
        })?;
        if text.contains(LINT) && file != exception.join(EXCEPTION.1) {
            flaws.push(format!("{} names the lint {LINT}", shown(root, &file)));
        }
    }
    flaws.sort();
    Ok(flaws)
}

fn shown<'p>(root: &Path, path: &'p Path) -> std::path::Display<'p> {
    path.strip_prefix(root).unwrap_or(path).display()
}

/// Which lints of the workspace are others in the package that has `unsafe`.
fn differing(workspace: Option<&Value>, own: Option<&Value>) -> Vec<String> {
    let deny = Value::String("deny".to_owned());
    let tools = workspace.and_then(Value::as_table).into_iter().flatten();
    let mut flaws = Vec::new();
    for (tool, lints) in tools {
        for (lint, level) in lints.as_table().into_iter().flatten() {
            let wanted = if lint == LINT { &deny } else { level };
            let has = own.and_then(|own| own.get(tool)?.get(lint));
            if has != Some(wanted) {
                flaws.push(format!("needs `{lint} = {wanted}` in [lints.{tool}]"));
            }
        }
    }
    flaws
}

/// The `Cargo.toml` of a folder.
fn manifest(folder: &Path) -> Result<Value, LintsError> {
    let path = folder.join("Cargo.toml");
    match std::fs::read_to_string(&path) {
        Ok(text) => match toml::from_str(&text) {
            Ok(table) => Ok(Value::Table(table)),
            Err(source) => Err(LintsError::NotToml { path, source }),
        },
        Err(source) => Err(LintsError::Unreadable { path, source }),
    }
}

/// What lints make of `unsafe`.
fn level(lints: Option<&Value>) -> Option<&str> {
    lints?.get("rust")?.get(LINT)?.as_str()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::flaws;

    const FORBIDS: &str = "[lints.rust]\nunsafe_code = \"forbid\"";
    const DENIES: &str = "[lints.rust]\nunsafe_code = \"deny\"\n[lints.clippy]\ntodo = \"warn\"";

    /// What is wrong with a workspace with these files, beside or in place of those that
    /// it needs.
    fn check(changes: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let needed = [
            (
                "Cargo.toml",
                "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n\
                 [workspace.lints.clippy]\ntodo = \"warn\"",
            ),
            ("fuzz/Cargo.toml", FORBIDS),
            ("xtask/Cargo.toml", "[lints]\nworkspace = true"),
            ("crates/child/Cargo.toml", DENIES),
            (
                "crates/child/src/sys/supervisor.rs",
                "#![allow(unsafe_code)]",
            ),
        ];
        for (path, text) in needed.iter().chain(changes) {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        flaws(root, &["xtask", "crates/child"].map(|name| root.join(name))).unwrap()
    }

    #[test]
    fn finds_other_lints_and_where_unsafe_may_be_used() {
        assert_eq!(check(&[]), [""; 0]);
        assert_eq!(
            check(&[("Cargo.toml", "[workspace]"), ("fuzz/Cargo.toml", DENIES)]),
            [
                "fuzz does not forbid unsafe_code",
                "the workspace does not forbid unsafe_code"
            ]
        );
        assert_eq!(
            check(&[("xtask/Cargo.toml", FORBIDS)]),
            ["xtask does not take the lints of the workspace"]
        );
        assert_eq!(
            check(&[("crates/child/Cargo.toml", FORBIDS)]),
            [
                "crates/child needs `todo = \"warn\"` in [lints.clippy]",
                "crates/child needs `unsafe_code = \"deny\"` in [lints.rust]"
            ]
        );
        assert_eq!(
            check(&[("crates/child/tests/end.rs", "#![allow(unsafe_code)]")]),
            ["crates/child/tests/end.rs names the lint unsafe_code"]
        );
    }
}
