use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

/// Why an entity cannot have its runpath, or cannot empty or remove it.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum RunpathError {
    /// The directory of all runpaths without another place cannot be determined.
    #[error("cannot determine where the default root of runpaths `{}` is", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_root),
        help("set `runpath`, or set TMPDIR to an absolute path")
    )]
    Root {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The directory of all runpaths without another place could be changed by
    /// other users.
    #[error("`{}` cannot hold the files of tests: {reason}", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_not_private),
        help("remove `{}`, set TMPDIR to a directory of your own, or set `runpath`", path.display())
    )]
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// Its owner, or who else can write to it.
        reason: String,
    },
    /// A directory of the runpath could not be made, emptied or removed.
    #[error("{entity} cannot {action} `{}`", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_dirs),
        help("{}, or set `runpath` to another directory", what_to_do(path, source))
    )]
    Directory {
        /// Whose runpath it is.
        entity: String,
        /// The attempted action.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Something that is not a directory is in its place.
    #[error("{entity} cannot use `{}` as a directory: it is {what}", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_is_file),
        help("set `runpath` to another directory, or remove what is there")
    )]
    NotADirectory {
        /// Whose runpath it is.
        entity: String,
        /// The path of the obstacle.
        path: PathBuf,
        /// The kind of the obstacle.
        what: &'static str,
    },
    /// The path has bytes that are not UTF-8, so that no template could name it.
    #[error("{entity} cannot use `{}` as its runpath: the path is not valid UTF-8", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_not_utf8),
        help("templates such as `{{{{ runpath }}}}` could not name it: set another `runpath`")
    )]
    NotUtf8 {
        /// Whose runpath it was to be.
        entity: String,
        /// The path.
        path: PathBuf,
    },
    /// Cleaning up would delete what no test should.
    #[error("{entity} refuses to empty `{}`: it is {what}", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_precious),
        help("set `runpath` to a directory of its own, or set `path_cleanup = false`")
    )]
    Precious {
        /// Whose runpath it is.
        entity: String,
        /// The directory.
        path: PathBuf,
        /// Why not.
        what: &'static str,
    },
    /// Cleaning up would delete files that standin did not make.
    #[error(
        "{entity} refuses to empty {}: standin did not create it, and it contains {}",
        path.display(),
        listed(found)
    )]
    #[diagnostic(
        code(standin::entity::runpath_foreign),
        help(
            "set `runpath` to a directory that is empty or does not exist yet, or set `path_cleanup = false` to keep what is in this one"
        )
    )]
    Foreign {
        /// Whose runpath it was to be.
        entity: String,
        /// The directory.
        path: PathBuf,
        /// The names of all that is in it.
        found: Vec<String>,
    },
    /// Cleaning up would delete the files of another entity that is running.
    #[error("{entity} refuses to empty `{}`: {other} is using it", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_shared),
        help(
            "give {entity} and {other} a `runpath` each, or set `path_cleanup = false` to share one"
        )
    )]
    Shared {
        /// Whose runpath it was to be.
        entity: String,
        /// The user of the directory.
        other: String,
        /// The directory.
        path: PathBuf,
    },
    /// Another process is using the directory.
    #[error("{entity} cannot use `{}`: {holder} is using it", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_locked),
        help(
            "wait for that process or end it; tests that run at the same time need a `runpath` each, or none, which gives each process its own"
        )
    )]
    Locked {
        /// Whose runpath it was to be.
        entity: String,
        /// The directory.
        path: PathBuf,
        /// The process, its program and its entity, as far as they are known.
        holder: String,
    },
    /// Something else is now where the entity's directory was, and stays as it is.
    #[error("{entity} refuses to remove `{}`: it is not the directory that {entity} made", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_replaced),
        help(
            "something else took its place and is kept; the files of {entity} are wherever they were moved"
        )
    )]
    Replaced {
        /// Whose runpath it was.
        entity: String,
        /// The path.
        path: PathBuf,
    },
}

standin_error::reportable!(RunpathError);

fn what_to_do(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("free space on the disk of {path}, which is full")
        }
        _ => format!("check who owns {path}"),
    }
}

/// `Cargo.toml, src, tests and 3 more`.
fn listed(names: &[String]) -> String {
    const MOST: usize = 3;
    let shown = names.iter().take(MOST).cloned().collect::<Vec<_>>();
    match names.len().checked_sub(MOST) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}
