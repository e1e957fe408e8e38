//! The files that explain a failed test.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use standin_entity::{ArtifactFolder, write_whole};
use standin_record::Transcript;

use crate::record::Format;

/// The files that were written when a test failed, and what kept others from being written.
///
/// Shown as lines for the end of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Artifacts {
    /// The files.
    pub files: Vec<PathBuf>,
    /// The files that could not be written, each with the reason, as sentences.
    pub problems: Vec<String>,
}

impl Artifacts {
    /// Writes them to a folder of their own.
    pub(crate) fn of_failure(transcript: &Transcript, formats: &[Format]) -> Self {
        if formats.is_empty() {
            return Self::default();
        }
        match ArtifactFolder::make(&transcript.name) {
            Ok(folder) => Self::write(transcript, formats, |format, content| {
                folder.write(format.file_name(), content)
            }),
            Err(error) => Self::lost(error),
        }
    }

    /// Writes them to the same place again, with later records.
    pub(crate) fn again(&self, transcript: &Transcript, formats: &[Format]) -> Self {
        match self.files.first().and_then(|file| file.parent()) {
            Some(folder) => Self::write(transcript, formats, |format, content| {
                let path = folder.join(format.file_name());
                write_whole(&path, content)?;
                Ok(path)
            }),
            None => Self::of_failure(transcript, formats),
        }
    }

    /// The same in a thread of its own, for where a panic would end the program.
    pub(crate) fn of_panic(transcript: &Transcript, formats: &[Format]) -> Self {
        if formats.is_empty() {
            return Self::default();
        }
        thread::scope(|scope| {
            let writing = thread::Builder::new().name("standin-artifacts".to_owned());
            let writing = writing.spawn_scoped(scope, || Self::of_failure(transcript, formats));
            match writing {
                Ok(writing) => {
                    let written = writing.join();
                    written.unwrap_or_else(|_| Self::lost("its writer panicked"))
                }
                Err(error) => Self::lost(error),
            }
        })
    }

    fn lost(why: impl fmt::Display) -> Self {
        Self {
            files: Vec::new(),
            problems: vec![format!("what was recorded cannot be written: {why}")],
        }
    }

    /// Writes all formats to a folder of the user's choice.
    pub(crate) fn on_request(transcript: &Transcript, folder: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder)?;
        let files = Format::ALL.into_iter().map(|format| {
            let path = folder.join(format.file_name());
            write_whole(&path, &format.content(transcript))?;
            Ok(path)
        });
        files.collect()
    }

    fn write(
        transcript: &Transcript,
        formats: &[Format],
        file: impl Fn(Format, &[u8]) -> io::Result<PathBuf>,
    ) -> Self {
        let mut artifacts = Self::default();
        let all = Format::ALL.into_iter();
        for format in all.filter(|format| formats.contains(format)) {
            match file(format, &format.content(transcript)) {
                Ok(path) => artifacts.files.push(path),
                Err(error) => artifacts
                    .problems
                    .push(format!("{} cannot be written: {error}", format.file_name())),
            }
        }
        artifacts
    }

    /// Returns whether nothing was to be written.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.problems.is_empty()
    }
}

impl fmt::Display for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The page is what people open.
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_owned();
        let page = |path: &&PathBuf| name(path) == Format::Page.file_name();
        let main = self.files.iter().find(page).or(self.files.first());
        let mut lines = Vec::new();
        if let Some(main) = main {
            let others = self.files.iter().filter(|path| *path != main);
            let others: Vec<String> = others
                .map(|path| name(path).to_string_lossy().into_owned())
                .collect();
            lines.push(if others.is_empty() {
                format!("what was recorded: {}", main.display())
            } else {
                let others = others.join(", ");
                format!("what was recorded: {} (beside it {others})", main.display())
            });
        }
        lines.extend(self.problems.iter().cloned());
        f.write_str(&lines.join("\n"))
    }
}

impl Format {
    fn content(self, transcript: &Transcript) -> Vec<u8> {
        match self {
            Self::Text => {
                let (start, all) = (transcript.start_text(), transcript.text());
                format!("{start}\n\n{all}\n").into_bytes()
            }
            Self::Page => transcript.to_html().into_bytes(),
            Self::Pcapng => transcript.to_pcapng(),
            Self::Mermaid => transcript.to_mermaid().into_bytes(),
            Self::Json => transcript.to_json().to_string().into_bytes(),
            Self::Trace => transcript.to_chrome_trace().to_string().into_bytes(),
        }
    }
}
