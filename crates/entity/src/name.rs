//! Which names entities can have.

use miette::Diagnostic;
use standin_config::Constraint;
use thiserror::Error;

/// Returns the rule that names of entities keep, for the option of a config.
///
/// ```
/// use standin_config::{ConfigDescription, Kind, Layer, Node, OptionDescription};
///
/// let name = OptionDescription::required("name", Kind::String);
/// let peer = ConfigDescription::builder("peer")
///     .option(name.constraint(standin_entity::name_rule()))
///     .build();
/// let mut layer = Layer::new(&peer);
/// layer.set("name", "a/b")?;
/// let error = Node::new("peer", layer).unwrap_err();
/// assert!(error.to_string().ends_with("but it must not have a path separator"));
/// # Ok::<(), standin_config::OptionError>(())
/// ```
pub fn name_rule() -> Constraint {
    Constraint::check(|name: &String| check_name(name).map_err(|error| error.reason))
        .with_pattern(
            r"^(?:[^/\\\x00-\x1f\x7f-\x9f]*[^\s./\\\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*|\.{3,})$",
        )
}

/// Checks a name by that rule: it must be able to be the name of a file on each platform.
///
/// # Errors
///
/// Returns an error if it is not the name of an entity.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let reason = if name.trim().is_empty() {
        "it must not be empty"
    } else if name == "." || name == ".." {
        "it must not stand for a directory"
    } else if name.chars().any(|c| matches!(c, '/' | '\\')) {
        "it must not have a path separator"
    } else if name.chars().any(char::is_control) {
        "it must not have a control character"
    } else if name.len() > 255 {
        "it must have at most 255 bytes"
    } else {
        return Ok(());
    };
    Err(NameError {
        name: name.to_owned(),
        reason,
    })
}

/// A name that cannot be a file name, and so names no runpath.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("{name:?} cannot be the name of an entity: {reason}")]
#[diagnostic(
    code(standin::entity::bad_name),
    help(
        "names become directory names; letters, digits, spaces, `-`, `_` and `.` are always allowed"
    )
)]
#[non_exhaustive]
pub struct NameError {
    /// The name.
    pub name: String,
    /// The reason.
    pub reason: &'static str,
}

standin_error::reportable!(NameError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_are_not_file_names() {
        for name in [
            "",
            "  ",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a\0",
            "a\n",
            &"x".repeat(256),
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["a", "My Driver!", "日本", "v1.2", "a b"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }
}
