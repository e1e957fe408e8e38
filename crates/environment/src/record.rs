//! The option `record`: what is kept of what happens in an environment.

use standin_config::{Config, OptionValue, Pattern};
use standin_record::{Recorder, Redact, Settings};

/// The option `record`: what is kept of an environment's events, and what is written when a test
/// fails. Recording itself is always on.
///
/// ```
/// use standin_environment::{Environment, Format, Record};
///
/// # fn main() -> standin_entity::Result<()> {
/// let record = Record::default()
///     .on_failure([Format::Page, Format::Json])
///     .redact(["password=\\S+"]);
/// let env = Environment::builder("greeting").record(record).build()?;
/// # drop(env);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Config)]
#[config(table)]
pub struct Record {
    /// How many bytes are kept of one connection: when they are used up, the oldest records go.
    /// All connections of a process together have 16 MiB.
    #[config(default = 65536)]
    pub(crate) keep: usize,

    /// The files that are written when a test fails; none with an empty list. They are below
    /// `target/standin/<environment>`, or in the folder that the variable `STANDIN_ARTIFACTS`
    /// names.
    #[config(default = vec![Format::Text, Format::Page, Format::Pcapng])]
    pub(crate) on_failure: Vec<Format>,

    /// Regular expressions of what must not be kept, such as passwords: each byte that matches
    /// becomes a `*` before it is recorded. What a test compares is not changed.
    #[config(default)]
    pub(crate) redact: Vec<Pattern>,
}

/// A file that shows what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, OptionValue)]
#[non_exhaustive]
pub enum Format {
    /// Everything as lines of text: `transcript.txt`.
    Text,
    /// One page for a browser, which loads nothing: `report.html`.
    Page,
    /// A capture for Wireshark: `capture.pcapng`.
    Pcapng,
    /// A sequence diagram in Mermaid's language: `sequence.mmd`.
    Mermaid,
    /// Data, as `schemas/transcript.json` describes it: `transcript.json`.
    Json,
    /// The start, as Perfetto and Chrome show traces: `start.trace.json`.
    Trace,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Text,
        Self::Page,
        Self::Pcapng,
        Self::Mermaid,
        Self::Json,
        Self::Trace,
    ];

    /// Returns the name of the file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Text => "transcript.txt",
            Self::Page => "report.html",
            Self::Pcapng => "capture.pcapng",
            Self::Mermaid => "sequence.mmd",
            Self::Json => "transcript.json",
            Self::Trace => "start.trace.json",
        }
    }
}

impl Default for Record {
    /// 64 KiB of each connection, and text, page and capture of a test that fails.
    fn default() -> Self {
        Self {
            keep: 64 << 10,
            on_failure: vec![Format::Text, Format::Page, Format::Pcapng],
            redact: Vec::new(),
        }
    }
}

impl Record {
    /// Sets how many bytes are kept of one connection, by default 64 KiB.
    #[must_use]
    pub fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// Sets the files to write when a test fails, by default text, page and capture.
    #[must_use]
    pub fn on_failure(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.on_failure = formats.into_iter().collect();
        self
    }

    /// Sets regular expressions for what must not be kept, by default none.
    #[must_use]
    pub fn redact<P: Into<Pattern>>(mut self, patterns: impl IntoIterator<Item = P>) -> Self {
        self.redact = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// A recorder of the environment of that name.
    pub(crate) fn recorder(&self, environment: &str) -> Recorder {
        // They were checked when the environment was made.
        let patterns = self
            .redact
            .iter()
            .filter_map(|pattern| pattern.regex().ok());
        let settings = Settings {
            keep: self.keep,
            redact: Redact::from(patterns.cloned().collect::<Vec<_>>()),
            ..Settings::default()
        };
        Recorder::with_settings(environment, settings)
    }
}
