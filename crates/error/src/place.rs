//! The place in the user's source where an error entered the report.

use std::fmt;
use std::panic::Location;
use std::path::Path;

/// A place in the source of a test, a hook or a driver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(&'static Location<'static>);

impl Place {
    #[track_caller]
    pub(crate) fn of_caller() -> Self {
        Self(Location::caller())
    }

    /// Whether it is in the source of the test, where it helps to look. A place in a
    /// dependency would only show how it passes an error on.
    pub(crate) fn is_of_test(self) -> bool {
        is_of_test(self.0)
    }
}

/// Returns whether a place is in the source of the test, where it helps to look, rather than in a
/// dependency of it.
#[doc(hidden)]
pub fn is_of_test(place: &Location<'_>) -> bool {
    is_beside(place.file(), file!())
}

/// Cargo gives the compiler relative paths for the packages of the workspace, and absolute
/// ones for dependencies and for the standard library. Within our own workspace our crates
/// are dependencies anyway: those beside the one that `own`, a file in `src` of this
/// crate, belongs to.
fn is_beside(file: &str, own: &str) -> bool {
    if Path::new(file).is_absolute() {
        return false;
    }
    let Some(inside) = own
        .rsplitn(4, ['/', '\\'])
        .nth(3)
        .and_then(|crates| file.strip_prefix(crates))
    else {
        return true;
    };
    let folder = inside.split(['/', '\\']).nth(2);
    folder != Some("src")
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::is_beside;

    #[track_caller]
    fn check(file: &str, own: &str, expected: bool) {
        assert_eq!(is_beside(file, own), expected, "{file} beside {own}");
    }

    #[test]
    fn knows_the_sources_of_this_workspace() {
        let own = "crates/error/src/place.rs";
        check("crates/tcp/src/server.rs", own, false);
        check("crates/config/src/file/load.rs", own, false);
        check("crates/tcp/tests/server.rs", own, true);
        check("examples/proxy/src/main.rs", own, true);
        check("tests/two_clients.rs", own, true);
        check("src/main.rs", own, true);
    }

    #[test]
    #[cfg(unix)]
    fn knows_the_sources_of_dependencies() {
        let registry = "/home/u/.cargo/registry/src/index";
        let own = format!("{registry}/standin-error-0.1.0/src/place.rs");
        check(
            &format!("{registry}/standin-tcp-0.1.0/src/server.rs"),
            &own,
            false,
        );
        let path = "/somewhere/standin/crates";
        let git = "/home/u/.cargo/git/checkouts/standin-1f2e/8e7f0da/crates";
        for crates in [path, git] {
            let own = format!("{crates}/error/src/place.rs");
            check(&format!("{crates}/driver/src/steps.rs"), &own, false);
            check("tests/two_clients.rs", &own, true);
            check("crates/driver/src/steps.rs", &own, true);
        }
        check("/rustc/abc/library/core/src/ops/function.rs", &own, false);
        check("crates/tcp/src/server.rs", &own, true);
        check("tests/two_clients.rs", &own, true);
    }
}
