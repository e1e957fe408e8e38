//! `cargo xtask package`: each crate can be published: complete metadata, the
//! licences and a README in its package, versions for what it uses.

use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use miette::Diagnostic;

use crate::workspace::{Cargo, CargoError, root};

/// What every package has to hold, besides its sources.
const FILES: &[&str] = &["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum PackageError {
    #[error("cannot ask cargo about the workspace")]
    #[diagnostic(
        code(xtask::package::metadata),
        help("does `cargo metadata` work in the workspace's root?")
    )]
    Metadata(#[from] cargo_metadata::Error),
    #[error("cannot be published:\n  {}", flaws.join("\n  "))]
    #[diagnostic(
        code(xtask::package::flaws),
        help(
            "complete the crate's Cargo.toml, and link the licences of the workspace into its folder; or set `publish = false`"
        )
    )]
    Flaws { flaws: Vec<String> },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cargo(#[from] CargoError),
}

pub(crate) fn run() -> Result<(), PackageError> {
    let packages = published()?;
    let flaws: Vec<String> = packages.iter().flat_map(flaws).collect();
    if !flaws.is_empty() {
        return Err(PackageError::Flaws { flaws });
    }
    // All at once, so that those that use each other are found. What is in the
    // packages is built by the other checks.
    let mut command = Cargo::new("package --quiet --no-verify --allow-dirty");
    for package in &packages {
        command
            .arguments
            .extend(["--package".to_owned(), package.name.to_string()]);
    }
    command.run()?;
    say!("{} crates are fit to be published", packages.len());
    Ok(())
}

/// The packages that are meant to be published.
fn published() -> Result<Vec<Package>, PackageError> {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()?;
    let mut packages: Vec<Package> = metadata.workspace_packages().into_iter().cloned().collect();
    // `publish = false` is an empty list of registries.
    packages.retain(|package| package.publish.as_ref().is_none_or(|to| !to.is_empty()));
    Ok(packages)
}

fn flaws(package: &Package) -> Vec<String> {
    let name = &package.name;
    let mut flaws = Vec::new();
    let mut want = |is_there: bool, what: &str| {
        if !is_there {
            flaws.push(format!("{name} has no {what}"));
        }
    };
    want(package.description.is_some(), "description");
    want(package.license.is_some(), "license");
    want(package.readme.is_some(), "readme");
    want(package.rust_version.is_some(), "rust-version");
    want(!package.authors.is_empty(), "authors");
    // What crates.io takes of each.
    want((1..=5).contains(&package.keywords.len()), "1 to 5 keywords");
    want(
        (1..=5).contains(&package.categories.len()),
        "1 to 5 categories",
    );
    let on_docs_rs = &package.metadata["docs"]["rs"]["all-features"];
    want(
        *on_docs_rs == true,
        "documentation with all features on docs.rs",
    );
    let folder = package.manifest_path.parent().map(Path::new);
    for file in FILES {
        let is_there = folder.is_some_and(|folder| folder.join(file).is_file());
        want(is_there, &format!("file {file}"));
    }
    for dependency in &package.dependencies {
        // Cargo leaves out what only the tests use and has no version.
        if dependency.kind != DependencyKind::Development
            && dependency.path.is_some()
            && dependency.req.comparators.is_empty()
        {
            flaws.push(format!("{name} uses {} of any version", dependency.name));
        }
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::{flaws, published};

    #[test]
    fn every_crate_of_the_product_is_published_and_nothing_else() {
        let packages = published().unwrap();
        for package in &packages {
            assert_eq!(flaws(package), [""; 0]);
        }
        let names: Vec<_> = packages.iter().map(|package| &package.name).collect();
        assert!(names.iter().all(|name| name.starts_with("standin")));
        assert_eq!(
            names.len(),
            std::fs::read_dir(super::root().join("crates"))
                .unwrap()
                .count()
        );
    }
}
