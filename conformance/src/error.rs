//! Why vectors cannot be run, and that they failed.

use std::path::PathBuf;

use miette::Diagnostic;

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum ConformanceError {
    #[error("cannot write to standard output")]
    #[diagnostic(code(conformance::output))]
    Output {
        #[source]
        source: std::io::Error,
    },
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(conformance::unreadable))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} has no vectors", path.display())]
    #[diagnostic(
        code(conformance::no_vectors),
        help("name a folder with `.json` files of vectors")
    )]
    NoVectors { path: PathBuf },
    #[error("{} is not a file of vectors", path.display())]
    #[diagnostic(code(conformance::not_vectors))]
    NotVectors {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{} is not a list of differences", path.display())]
    #[diagnostic(
        code(conformance::not_differences),
        help(
            "a table for each vector, with an answer or a list of them for each step: [st-107] 7 = '\"STARTED\"'"
        )
    )]
    NotDifferences {
        path: PathBuf,
        #[source]
        source: toml::de::Error,
    },
    #[error("{}: {}", path.display(), flaws.join("; "))]
    #[diagnostic(
        code(conformance::lists_disagree),
        help(
            "differences.toml has the answers of each vector that differs, and docs/differences.md its reason: a row whose last cell names the vectors"
        )
    )]
    ListsDisagree { path: PathBuf, flaws: Vec<String> },
    #[error("cannot run a vector")]
    #[diagnostic(code(conformance::cannot_run))]
    CannotRun {
        #[source]
        source: std::io::Error,
    },
    #[error("{failed} of {count} vectors failed")]
    #[diagnostic(
        code(conformance::failed),
        help(
            "if a difference is meant, list it in conformance/differences.toml, and its reason in docs/differences.md; `--only ID --show` shows each step"
        )
    )]
    Failed { failed: usize, count: usize },
}
