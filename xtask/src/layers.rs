//! `cargo xtask layers`: a crate uses the crates below it, never one beside or
//! above it, its files do not import each other in a circle, it builds alone, every
//! package has the lints of the workspace, `unsafe` is forbidden in all files but one, and
//! the facade holds no logic.

use std::collections::BTreeMap;

use cargo_metadata::camino::Utf8Path;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use miette::Diagnostic;

use crate::workspace::{Cargo, CargoError, root};
use crate::{circles, facade, lints};

/// The layers, from the top down. Crates of one line stand beside each other.
const LAYERS: &[&[&str]] = &[
    &["standin-cli"],
    &["standin-session"],
    &["standin"],
    &["standin-async"],
    &["standin-environment"],
    &["standin-proxy"],
    &["standin-tcp", "standin-process"],
    &["standin-driver"],
    &["standin-entity"],
    &["standin-config"],
    &["standin-config-derive"],
    &["standin-connection"],
    &["standin-child"],
    &["standin-reply", "standin-tls"],
    &["standin-reactor"],
    &["standin-socket"],
    &["standin-record"],
    &["standin-error"],
    &["standin-sync"],
];

/// Crates that use less than their layer would let them.
const ONLY: &[(&str, &[&str])] = &[
    (
        "standin-config",
        &["standin-config-derive", "standin-error", "standin-sync"],
    ),
    ("standin-config-derive", &[]),
    ("standin-connection", &["standin-error"]),
    ("standin-child", &["standin-error", "standin-sync"]),
    (
        "standin-reply",
        &[
            "standin-error",
            "standin-reactor",
            "standin-record",
            "standin-socket",
            "standin-sync",
        ],
    ),
    ("standin-record", &["standin-error", "standin-sync"]),
    (
        "standin-socket",
        &["standin-error", "standin-record", "standin-sync"],
    ),
    (
        "standin-tls",
        &[
            "standin-error",
            "standin-reactor",
            "standin-socket",
            "standin-sync",
        ],
    ),
];

/// Where crates live that are not part of the product.
const OUTSIDE: &[&str] = &["conformance", EXAMPLES, FOR_TESTS, "xtask"];
const EXAMPLES: &str = "examples";

/// The crate that any other may use in its tests.
const FOR_TESTS: &str = "test-port";

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum LayersError {
    #[error("cannot ask cargo about the workspace")]
    #[diagnostic(
        code(xtask::layers::metadata),
        help("does `cargo metadata` work in the workspace's root?")
    )]
    Metadata(#[from] cargo_metadata::Error),
    #[error("{} of the rules of the layers are broken", broken.len())]
    #[diagnostic(
        code(xtask::layers::broken),
        help("the rules are the tables at the top of xtask/src/layers.rs")
    )]
    Broken {
        #[related]
        broken: Vec<Broken>,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    DoesNotBuildAlone(#[from] CargoError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Circles(#[from] circles::CirclesError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Facade(#[from] facade::FacadeError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lints(#[from] lints::LintsError),
}

/// One broken rule.
#[derive(Debug, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub(crate) enum Broken {
    #[error("{user} uses {used}, which is not below it{}", purpose(*for_tests))]
    #[diagnostic(
        code(xtask::layers::not_below),
        help("move what it needs down, or hand it in from above")
    )]
    NotBelow {
        user: String,
        used: String,
        for_tests: bool,
    },
    #[error("{user} must stand alone, yet uses {used}{}", purpose(*for_tests))]
    #[diagnostic(
        code(xtask::layers::not_alone),
        help("people use this crate without the others")
    )]
    NotAlone {
        user: String,
        used: String,
        for_tests: bool,
    },
    #[error("{name} has no layer")]
    #[diagnostic(
        code(xtask::layers::no_layer),
        help("add it to LAYERS in xtask/src/layers.rs and to the table in ARCHITECTURE.md")
    )]
    NoLayer { name: String },
    #[error("the workspace has no crate {name}")]
    #[diagnostic(
        code(xtask::layers::no_crate),
        help("remove it from LAYERS in xtask/src/layers.rs and from ARCHITECTURE.md")
    )]
    NoCrate { name: String },
}

/// A crate of the workspace, as far as the layers are concerned.
struct Member {
    name: String,
    features: Vec<String>,
    uses: Vec<Use>,
}

/// One dependency on another crate of the workspace.
struct Use {
    name: String,
    for_tests: bool,
}

pub(crate) fn run() -> Result<(), LayersError> {
    let members = members()?;
    let broken = broken_rules(&members);
    if !broken.is_empty() {
        return Err(LayersError::Broken { broken });
    }
    say!("every crate uses only crates below it");
    let packages = packages()?;
    circles::run(&packages)?;
    lints::run(&packages)?;
    facade::run()?;
    for command in builds_alone(&members) {
        say!("{command}");
        command.run()?;
    }
    say!("every crate builds alone, and with each of its features alone");
    Ok(())
}

/// The packages that show how to use the others, which all can be run.
pub(crate) fn examples() -> Result<Vec<String>, LayersError> {
    let metadata = metadata()?;
    let mut names: Vec<String> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| folder(&metadata, package).is_some_and(|f| f.starts_with(EXAMPLES)))
        .filter(|package| package.targets.iter().any(|target| target.is_bin()))
        .map(|package| package.name.to_string())
        .collect();
    names.sort();
    Ok(names)
}

/// The folders of all packages.
fn packages() -> Result<Vec<std::path::PathBuf>, LayersError> {
    let metadata = metadata()?;
    let packages = metadata.workspace_packages().into_iter();
    let folders = packages.filter_map(|package| package.manifest_path.parent());
    Ok(folders.map(|folder| folder.into()).collect())
}

fn metadata() -> Result<Metadata, LayersError> {
    Ok(MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()?)
}

/// Where a package lives, from the workspace's root.
fn folder<'p>(metadata: &Metadata, package: &'p Package) -> Option<&'p Utf8Path> {
    let path = package.manifest_path.strip_prefix(&metadata.workspace_root);
    path.ok()
}

fn members() -> Result<Vec<Member>, LayersError> {
    let metadata = metadata()?;
    let mut members = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let folder = folder(&metadata, package);
        let outside = folder.is_some_and(|path| OUTSIDE.iter().any(|out| path.starts_with(out)));
        if outside {
            continue;
        }
        let uses = package.dependencies.iter().filter(|d| d.path.is_some());
        members.insert(
            package.name.to_string(),
            Member {
                name: package.name.to_string(),
                features: package.features.keys().cloned().collect(),
                uses: uses
                    .map(|dependency| Use {
                        name: dependency.name.clone(),
                        for_tests: dependency.kind == DependencyKind::Development,
                    })
                    .filter(|used| !(used.for_tests && used.name == FOR_TESTS))
                    .collect(),
            },
        );
    }
    Ok(members.into_values().collect())
}

fn broken_rules(members: &[Member]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for name in LAYERS.iter().flat_map(|layer| layer.iter()) {
        if !members.iter().any(|member| member.name == *name) {
            broken.push(Broken::NoCrate {
                name: (*name).to_owned(),
            });
        }
    }
    for member in members {
        let Some(layer) = layer_of(&member.name) else {
            broken.push(Broken::NoLayer {
                name: member.name.clone(),
            });
            continue;
        };
        let only = ONLY.iter().find(|(name, _)| *name == member.name);
        for used in &member.uses {
            if layer_of(&used.name).is_none_or(|below| below <= layer) {
                broken.push(Broken::NotBelow {
                    user: member.name.clone(),
                    used: used.name.clone(),
                    for_tests: used.for_tests,
                });
            } else if only.is_some_and(|(_, names)| !names.contains(&used.name.as_str())) {
                broken.push(Broken::NotAlone {
                    user: member.name.clone(),
                    used: used.name.clone(),
                    for_tests: used.for_tests,
                });
            }
        }
    }
    broken
}

/// The place of a crate's layer, counted from the top.
fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

/// Cargo unifies the features of the packages that it builds together, so that
/// a crate can lean on what another one switched on: built one at a time, they
/// cannot.
fn builds_alone(members: &[Member]) -> Vec<Cargo> {
    let mut commands = Vec::new();
    // From the bottom up, so that the first failure is the one to mend.
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|member| std::cmp::Reverse(layer_of(&member.name)));
    for member in members {
        let name = &member.name;
        commands.push(Cargo::new(&format!("check --quiet -p {name}")));
        for feature in member.features.iter().filter(|f| *f != "default") {
            commands.push(Cargo::new(&format!(
                "check --quiet -p {name} --no-default-features --features {feature}"
            )));
        }
    }
    commands
}

fn purpose(for_tests: bool) -> &'static str {
    if for_tests { " in its tests" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::{Broken, LAYERS, Member, Use, broken_rules, builds_alone, members};
    use crate::workspace::root;

    const DERIVE: &str = "standin-config-derive";

    #[test]
    fn every_crate_uses_only_crates_below_it() {
        assert_eq!(broken_rules(&members().unwrap()), []);
    }

    #[test]
    fn refuses_a_crate_that_uses_one_beside_it() {
        check(
            "standin-tcp",
            "standin-process",
            "standin-tcp uses standin-process, which is not below it",
        );
    }

    #[test]
    fn refuses_a_crate_that_uses_one_above_it() {
        check(
            "standin-entity",
            "standin-driver",
            "standin-entity uses standin-driver, which is not below it",
        );
    }

    #[test]
    fn refuses_a_crate_that_uses_an_example() {
        check(
            "standin-entity",
            "example-exchange",
            "standin-entity uses example-exchange, which is not below it",
        );
    }

    #[test]
    fn refuses_sockets_in_the_configuration() {
        check(
            "standin-config",
            "standin-socket",
            "standin-config must stand alone, yet uses standin-socket",
        );
    }

    #[test]
    fn refuses_a_crate_without_a_layer() {
        let members = with(member("standin-new", None));
        let broken = broken_rules(&members);
        assert_eq!(
            broken.iter().map(Broken::to_string).collect::<Vec<_>>(),
            ["standin-new has no layer"]
        );
    }

    #[test]
    fn builds_each_feature_alone() {
        let mut member = member("standin-environment", None);
        member.features = vec!["default".to_owned(), "schema".to_owned()];
        let commands = builds_alone(&[member]);
        assert_eq!(
            commands.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "cargo check --quiet -p standin-environment",
                "cargo check --quiet -p standin-environment --no-default-features --features schema",
            ]
        );
    }

    #[test]
    fn architecture_md_shows_the_same_layers() {
        let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
        let shown: Vec<&str> = text
            .lines()
            .skip_while(|line| *line != "```text")
            .skip(1)
            .take_while(|line| line.starts_with("standin"))
            .flat_map(str::split_whitespace)
            .map(|word| word.trim_end_matches(')'))
            .filter(|word| word.starts_with("standin"))
            .filter(|name| *name != DERIVE)
            .collect();
        let expected: Vec<&str> = LAYERS.iter().flat_map(|l| l.iter().copied()).collect();
        // The page leaves it to the crate that re-exports it.
        let expected: Vec<&str> = expected.into_iter().filter(|n| *n != DERIVE).collect();
        assert_eq!(shown, expected);
    }

    #[track_caller]
    fn check(user: &str, used: &str, message: &str) {
        let members = with(member(user, Some(used)));
        let broken = broken_rules(&members);
        assert_eq!(
            broken.iter().map(Broken::to_string).collect::<Vec<_>>(),
            [message]
        );
    }

    /// A workspace with all crates, where `changed` stands for its namesake.
    fn with(changed: Member) -> Vec<Member> {
        let names = LAYERS.iter().flat_map(|layer| layer.iter());
        let mut members: Vec<_> = names
            .filter(|name| **name != changed.name)
            .map(|name| member(name, None))
            .collect();
        members.push(changed);
        members
    }

    fn member(name: &str, uses: Option<&str>) -> Member {
        Member {
            name: name.to_owned(),
            features: Vec::new(),
            uses: uses
                .map(|name| Use {
                    name: name.to_owned(),
                    for_tests: false,
                })
                .into_iter()
                .collect(),
        }
    }
}
