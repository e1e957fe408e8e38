//! Where programs are.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// Returns the first program called `name` in `folders`, which are those of `PATH` as from
/// [`std::env::split_paths`].
///
/// # Errors
///
/// Returns the first file of that name that may not be executed, if there is one.
pub fn find_program(
    name: impl AsRef<Path>,
    folders: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<PathBuf, Option<PathBuf>> {
    let mut refused = None;
    for folder in folders {
        let file = folder.as_ref().join(name.as_ref());
        match fs::metadata(&file) {
            Ok(metadata) if !metadata.is_file() => {}
            Ok(metadata) if is_executable(&metadata) => return Ok(file),
            Ok(_) => refused = refused.or(Some(file)),
            Err(_) => {}
        }
    }
    Err(refused)
}

/// Returns whether the file is executable. Always true where the system does not report that.
pub fn is_executable(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    return metadata.is_file();
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{OpenOptionsExt, symlink};

    use super::*;

    #[test]
    fn a_program_is_a_file_that_may_be_executed() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["none", "folder", "plain", "program", "link"].map(|name| {
            let folder = root.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        });
        let [none, folder, plain, program, link] = &folders;
        fs::create_dir(folder.join("it")).unwrap();
        fs::write(plain.join("it"), "").unwrap();
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).mode(0o755);
        options.open(program.join("it")).unwrap();
        symlink(program.join("it"), link.join("it")).unwrap();
        assert_eq!(find_program("it", &folders), Ok(program.join("it")));
        assert_eq!(find_program("it", [link, program]), Ok(link.join("it")));
        assert_eq!(
            find_program("it", [none, folder, plain]),
            Err(Some(plain.join("it")))
        );
        assert_eq!(find_program("it", [none, folder]), Err(None));
    }
}
