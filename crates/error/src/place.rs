//! Where in somebody's source an error entered the report.

use std::fmt;
use std::panic::Location;

/// A place in the source of a test, a hook or a driver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(&'static Location<'static>);

impl Place {
    #[track_caller]
    pub(crate) fn of_caller() -> Self {
        Self(Location::caller())
    }

    /// Whether it is in somebody else's source, where it helps to look. A place
    /// within these crates would only show how they pass an error on.
    pub(crate) fn is_foreign(self) -> bool {
        !is_ours(self.0.file(), file!())
    }
}

/// Whether `file` is in the source of a crate beside the one that `own`, a file
/// in `src` of this crate, belongs to: `crates/error/src/place.rs` in the
/// workspace, `/.../standin-error-0.1.0/src/place.rs` as a dependency.
fn is_ours(file: &str, own: &str) -> bool {
    let mut folders = own.rsplitn(4, ['/', '\\']).skip(2);
    let crates = match (folders.next(), folders.next()) {
        (Some(_), Some(above)) => &own[..above.len() + 1],
        _ => "",
    };
    let Some(inside) = file.strip_prefix(crates) else {
        return false;
    };
    let mut parts = inside.split(['/', '\\']);
    let name = parts.next().unwrap_or_default();
    // Beside a dependency lie all the others.
    let named = !own.starts_with(['/', '\\']) || name.starts_with("standin");
    named && parts.next() == Some("src")
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[track_caller]
    fn check(file: &str, own: &str, ours: bool) {
        assert_eq!(is_ours(file, own), ours, "{file} beside {own}");
    }

    #[test]
    fn knows_the_sources_of_the_workspace() {
        let own = "crates/error/src/place.rs";
        check("crates/tcp/src/server.rs", own, true);
        check("crates/config/src/file/load.rs", own, true);
        check("crates/tcp/tests/server.rs", own, false);
        check("examples/proxy/src/main.rs", own, false);
        check("tests/two_clients.rs", own, false);
        check("src/main.rs", own, false);
    }

    #[test]
    fn knows_the_sources_of_the_dependencies() {
        let own = "/home/u/.cargo/registry/src/index/standin-error-0.1.0/src/place.rs";
        let beside = |rest: &str| format!("/home/u/.cargo/registry/src/index/{rest}");
        check(&beside("standin-tcp-0.1.0/src/server.rs"), own, true);
        check(&beside("rand-0.9.0/src/lib.rs"), own, false);
        check("crates/tcp/src/server.rs", own, false);
        check("tests/two_clients.rs", own, false);
    }
}
