//! The system's rules for command lines and environments.

use standin_config::Constraint;

/// Names of environment variables: a variable is one text, `NAME=value`.
#[doc(hidden)]
pub fn variable_names() -> Constraint {
    let check = |name: &String| match name.as_str() {
        "" => Err("a variable must have a name"),
        name if name.contains('=') => Err("the name of a variable must not contain `=`"),
        name if name.contains('\0') => {
            Err("the name of a variable must not contain a NUL character")
        }
        _ => Ok(()),
    };
    Constraint::keys(Constraint::check(check).with_pattern(r"^[^=\x00]+$"))
}

/// Texts that a program can be given.
#[doc(hidden)]
pub fn no_nul() -> Constraint {
    let check = |text: &String| match text.contains('\0') {
        true => Err("a program cannot be given a NUL character"),
        false => Ok(()),
    };
    Constraint::each(Constraint::check(check).with_pattern(r"^[^\x00]*$"))
}
