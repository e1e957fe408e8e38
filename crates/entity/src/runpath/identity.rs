//! One name for each directory, however it is written.

use std::io;
use std::path::{Component, Path, PathBuf};

/// The path without links, `.` and `..`. What is not there yet keeps the name
/// that it will have. A link to nowhere stays as it is.
///
/// # Errors
///
/// Returns an error if the path is relative and there is no current directory, or
/// if a directory above it cannot be read.
pub(super) fn canonical(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let mut real = PathBuf::new();
    for component in path.components() {
        match component {
            // What is above is canonical, or not there: it has no other parent.
            Component::ParentDir => {
                real.pop();
            }
            component => {
                real.push(component);
                if real.is_symlink()
                    && let Ok(behind) = real.canonicalize()
                {
                    real = behind;
                }
            }
        }
    }
    Ok(real)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_way_to_write_a_path_gives_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let tmp = folder.path().canonicalize().unwrap();
        fs::create_dir_all(tmp.join("real/inner")).unwrap();
        symlink(tmp.join("real"), tmp.join("link")).unwrap();
        symlink("link", tmp.join("link-to-link")).unwrap();
        let there = tmp.join("real/inner");
        let missing = tmp.join("real/missing/deeper");
        for (written, real) in [
            ("real/inner", &there),
            ("real/inner/", &there),
            ("link/inner", &there),
            ("link-to-link/./inner", &there),
            ("link/inner/../inner", &there),
            ("missing/../link/inner", &there),
            ("real/missing/deeper", &missing),
            ("link/missing/deeper", &missing),
            ("link/missing/x/../deeper/", &missing),
            ("x/y/../../link-to-link/missing/deeper", &missing),
        ] {
            assert_eq!(canonical(&tmp.join(written)).unwrap(), *real, "{written}");
        }
        assert_eq!(canonical(Path::new("/..")).unwrap(), Path::new("/"));
    }

    #[test]
    fn a_link_to_nowhere_and_what_is_below_a_file_keep_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let tmp = folder.path().canonicalize().unwrap();
        symlink(tmp.join("nowhere"), tmp.join("link")).unwrap();
        fs::write(tmp.join("file"), "x").unwrap();
        for name in ["link", "file/d"] {
            assert_eq!(canonical(&tmp.join(name)).unwrap(), tmp.join(name));
        }
    }
}
