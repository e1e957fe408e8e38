//! `cargo xtask dependencies`: what the workspace and the fuzz targets are built with may be
//! used by everybody, and what the workspace is built with is built by the oldest toolchain
//! that it says it supports. The fuzz targets name no such toolchain.

use std::collections::BTreeMap;

use cargo_metadata::{Metadata, MetadataCommand, Package, semver};
use miette::Diagnostic;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::workspace::root;

/// Licences that put no condition on programs that are tested with standin, beyond naming
/// their authors.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// libFuzzer's, whose authors want to be named in programs that have it in them: those in
/// `fuzz/`, which nobody is given.
const LICENCES_OF_FUZZING: &[&str] = &["NCSA"];

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum DependenciesError {
    #[error("cannot ask cargo about the workspace's dependencies")]
    #[diagnostic(
        code(xtask::dependencies::metadata),
        help(
            "a lock file that is not up to date is mended by `cargo metadata`, for the fuzz \
             targets with `--manifest-path fuzz/Cargo.toml`"
        )
    )]
    Metadata(#[from] cargo_metadata::Error),
    #[error("cannot be used:\n  {}", flaws.join("\n  "))]
    #[diagnostic(
        code(xtask::dependencies::flaws),
        help(
            "look for another version or another crate; the licences are a list in xtask/src/dependencies.rs, the oldest Rust is `rust-version` in Cargo.toml"
        )
    )]
    Flaws { flaws: Vec<String> },
}

pub(crate) fn run() -> Result<(), DependenciesError> {
    let workspace = metadata("Cargo.toml")?;
    let fuzzing = metadata("fuzz/Cargo.toml")?;
    let oldest = oldest(&workspace);
    let of_workspace = workspace
        .packages
        .iter()
        .map(|package| (&package.id, flaws(package, oldest, &[])));
    let of_fuzzing = fuzzing
        .packages
        .iter()
        .map(|package| (&package.id, flaws(package, None, LICENCES_OF_FUZZING)));
    // What both use is judged as a part of the workspace.
    let packages: BTreeMap<_, _> = of_fuzzing.chain(of_workspace).collect();
    let count = packages.len();
    let flaws: Vec<String> = packages.into_values().flatten().collect();
    if !flaws.is_empty() {
        return Err(DependenciesError::Flaws { flaws });
    }
    let silent = workspace
        .packages
        .iter()
        .filter(|p| p.rust_version.is_none());
    say!(
        "{count} packages have licences of the list; of the {} of the workspace, none needs a Rust newer than {}, and {} do not say what they need",
        workspace.packages.len(),
        oldest.map(ToString::to_string).unwrap_or_default(),
        silent.count()
    );
    Ok(())
}

/// All packages of the lock file beside this manifest, also those that only tests use.
fn metadata(manifest: &str) -> Result<Metadata, DependenciesError> {
    Ok(MetadataCommand::new()
        .manifest_path(root().join(manifest))
        .current_dir(root())
        .other_options(["--all-features".to_owned(), "--locked".to_owned()])
        .exec()?)
}

/// The oldest Rust that builds the workspace: that of its members, which have one in common.
fn oldest(metadata: &Metadata) -> Option<&semver::Version> {
    let members = metadata.workspace_packages().into_iter();
    members
        .filter_map(|member| member.rust_version.as_ref())
        .min()
}

fn flaws(package: &Package, oldest: Option<&semver::Version>, more: &[&str]) -> Vec<String> {
    let is_listed = |licence: &LicenseReq| {
        let id = licence.license.id();
        id.is_some_and(|id| LICENCES.contains(&id.name) || more.contains(&id.name))
    };
    let name = format!("{} {}", package.name, package.version);
    let mut flaws = Vec::new();
    let licence = package.license.as_deref();
    match licence.map(|licence| Expression::parse_mode(licence, ParseMode::LAX)) {
        Some(Ok(licence)) if licence.evaluate(is_listed) => {}
        Some(Ok(licence)) => flaws.push(format!("{name} has the licence {licence}")),
        Some(Err(error)) => flaws.push(format!("{name} has an unknown licence: {}", error.reason)),
        None => flaws.push(format!("{name} does not say which licence it has")),
    }
    if let (Some(needed), Some(oldest)) = (&package.rust_version, oldest)
        && needed > oldest
    {
        flaws.push(format!("{name} needs Rust {needed}, newer than {oldest}"));
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_may_be_used_and_built() {
        run().unwrap();
    }

    #[test]
    fn refuses_other_licences_and_newer_toolchains() {
        let metadata = metadata("Cargo.toml").unwrap();
        let package = |change: &dyn Fn(&mut Package)| {
            let package = metadata.packages.iter().find(|p| *p.name == "miette");
            let mut package = package.unwrap().clone();
            package.version = "7.0.0".parse().unwrap();
            change(&mut package);
            flaws(&package, oldest(&metadata), &["NCSA"]).join(", ")
        };
        let licensed =
            |licence: &str| package(&|package| package.license = Some(licence.to_owned()));
        assert_eq!(licensed("GPL-3.0-only OR (MIT AND ISC)"), "");
        assert_eq!(licensed("MIT/Apache-2.0"), "");
        assert_eq!(licensed("(MIT OR Apache-2.0) AND NCSA"), "");
        assert_eq!(
            licensed("MIT AND GPL-3.0-only"),
            "miette 7.0.0 has the licence MIT AND GPL-3.0-only"
        );
        assert_eq!(
            licensed("as is"),
            "miette 7.0.0 has an unknown licence: unknown term"
        );
        assert_eq!(
            package(&|package| package.license = None),
            "miette 7.0.0 does not say which licence it has"
        );
        assert_eq!(
            package(&|package| package.rust_version = Some(semver::Version::new(1, 999, 0))),
            format!(
                "miette 7.0.0 needs Rust 1.999.0, newer than {}",
                oldest(&metadata).unwrap()
            )
        );
    }
}
