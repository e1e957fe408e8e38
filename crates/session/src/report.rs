//! The files of a failed run.

use std::fmt::Write as _;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::Path;

use standin::environment::Format;
use standin::error::read_file;

use crate::ReferenceError;

/// Returns the report in a directory of a failed run: its text, and where the other files are.
///
/// # Errors
///
/// Returns an error if there are no such files, or the text cannot be read.
pub fn failed_run(directory: &Path) -> Result<String, ReferenceError> {
    let mut report = String::new();
    let text = directory.join(Format::Text.file_name());
    match read_file(&text) {
        Ok(text) => {
            report.push_str(String::from_utf8_lossy(&text).trim_end());
            report.push_str("\n\n");
        }
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => {}
        Err(source) => return Err(ReferenceError::Unreadable { path: text, source }),
    }
    let mut is_empty = true;
    for format in Format::ALL {
        let path = directory.join(format.file_name());
        if path.is_file() {
            is_empty = false;
            // Writing to a string does not fail.
            let _ = writeln!(report, "{:20} {}", what(format), path.display());
        }
    }
    if is_empty {
        return Err(ReferenceError::NoReport {
            directory: directory.to_owned(),
        });
    }
    Ok(report)
}

fn what(format: Format) -> &'static str {
    match format {
        Format::Text => "text:",
        Format::Page => "page for a browser:",
        Format::Pcapng => "capture (Wireshark):",
        Format::Mermaid => "diagram (Mermaid):",
        Format::Json => "data (JSON):",
        Format::Trace => "start (Perfetto):",
        _ => "file:",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn what_is_not_a_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("transcript.txt");
        mknodat(CWD, &text, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let error = failed_run(folder.path()).unwrap_err();
        assert!(
            matches!(&error, ReferenceError::Unreadable { path, .. } if *path == text),
            "{error:?}"
        );
        fs::remove_file(&text).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &text).unwrap();
        failed_run(folder.path()).unwrap_err();
    }

    #[test]
    fn says_what_is_there_and_where() {
        let folder = tempfile::tempdir().unwrap();
        let error = failed_run(folder.path()).unwrap_err().to_string();
        assert!(error.contains("there is no report"), "{error}");
        for (name, text) in [("transcript.txt", "hello\n"), ("report.html", "<html>")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let report = failed_run(folder.path()).unwrap();
        let page = folder.path().join("report.html");
        assert!(report.starts_with("hello\n\ntext:"), "{report}");
        assert!(
            report.contains(&format!("page for a browser:  {}\n", page.display())),
            "{report}"
        );
        assert_eq!(report.lines().count(), 4);
    }
}
