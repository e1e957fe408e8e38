//! [`Draft`]: a file that was read, and not yet accepted.

use std::collections::HashSet;
use std::ops::Range;

use indexmap::IndexMap;
use miette::Diagnostic;
use standin_config::{ConfigErrors, Layer, OptionMistake, TableMistake, TomlText, Value};

use super::document::{Document, Entry};
use super::mistake::{FileErrors, Mistake};
use super::references::Links;
use crate::DependencyError;

/// A file that was read, and not yet accepted: what is right in it, and what is wrong so far.
///
/// Code that creates drivers from a file can refuse parts of it. Its mistakes are reported together
/// with all others, each with its line:
///
/// 1. [`TypeRegistry::draft`](super::TypeRegistry::draft) reads the file;
/// 2. create something from each of the [entries](Draft::entries), and report to the draft what is
///    wrong with those that are [sound](Entry::is_sound);
/// 3. [`Draft::finish`] returns the document, or all mistakes.
#[derive(Debug)]
pub struct Draft {
    pub(super) toml: TomlText,
    pub(super) document: Document,
    pub(super) links: Links,
    pub(super) mistakes: Vec<Mistake>,
    /// The options of the environment that are there, and wrong.
    pub(super) unread: HashSet<String>,
    pub(super) has_dependencies: bool,
}

impl Draft {
    /// Returns whether nothing is wrong so far.
    pub fn is_sound(&self) -> bool {
        self.mistakes.is_empty() && self.toml.is_well_formed()
    }

    /// Returns the valid options of the environment.
    pub fn environment(&self) -> &Layer {
        self.document.environment()
    }

    /// Returns the values that templates can read below `context` besides drivers.
    pub fn context(&self) -> &IndexMap<String, Value> {
        self.document.context()
    }

    /// Returns the drivers of known types, in order. One that is not [sound](Entry::is_sound) has
    /// the options that are right.
    pub fn entries(&self) -> &[Entry] {
        self.document.entries()
    }

    /// Returns whether an option of the environment is in the file, and wrong.
    pub fn is_unread(&self, option: &str) -> bool {
        self.unread.contains(option)
    }

    /// Returns whether a driver is declared to start after others, even if these are not there.
    pub fn has_dependencies(&self) -> bool {
        self.has_dependencies
    }

    /// Returns the drivers that are to start before others, each as the one that is needed and the
    /// one that needs it; those left out that are not there, or would have to wait for themselves.
    pub fn dependencies(&self) -> impl Iterator<Item = (&str, &str)> {
        let links = self.links.after.iter();
        links.map(|link| (link.needs.as_str(), link.driver.as_str()))
    }

    /// Refuses the environment: its options conflict.
    pub fn refuse_environment(&mut self, error: &dyn Diagnostic) {
        self.refuse_at(0..0, error);
    }

    /// Refuses a driver.
    pub fn refuse_driver(&mut self, entry: &Entry, error: &dyn Diagnostic) {
        self.refuse_at(entry.span(), error);
    }

    /// Refuses options of a driver, each at its place in the text.
    pub fn refuse_options(&mut self, entry: &Entry, errors: &ConfigErrors) {
        let mistakes = errors.errors().iter().map(|error| {
            let span = entry.span_of(error.option());
            let span = span.unwrap_or_else(|| entry.span());
            Mistake::from(TableMistake::Option(OptionMistake::new(
                error.clone(),
                span.into(),
            )))
        });
        self.mistakes.extend(mistakes);
    }

    /// Refuses a dependency of `driver`, at the place of its declaration: in `option`, or in
    /// `after`. Without such a place, the whole driver is marked.
    pub fn refuse_dependency(
        &mut self,
        driver: &str,
        option: &str,
        needs: &str,
        error: &dyn Diagnostic,
    ) {
        let links = self.links.after.iter().chain(&self.links.reads);
        let exact = links
            .filter(|link| link.driver == driver && link.needs == needs)
            .find(|link| link.option == option);
        let entries = self.document.entries();
        let whole = || entries.iter().find(|entry| entry.name() == driver);
        let span = match exact {
            Some(link) => link.span.clone(),
            None => whole().map(Entry::span).unwrap_or_default(),
        };
        self.refuse_at(span, error);
    }

    /// Refuses what reads from later drivers, in a file whose drivers start one after the other.
    pub(crate) fn refuse_later(&mut self) {
        let later = self.links.reads.iter().filter(|link| link.is_later);
        let refused = later.map(|link| {
            let error = DependencyError::StartsLater {
                reader: link.driver.clone(),
                option: link.option.clone(),
                later: link.needs.clone(),
            };
            (link.span.clone(), error)
        });
        for (span, error) in refused.collect::<Vec<_>>() {
            self.refuse_at(span, &error);
        }
    }

    fn refuse_at(&mut self, span: Range<usize>, error: &dyn Diagnostic) {
        let message = with_causes(error);
        let is_known = |known: &Mistake| matches!(known, Mistake::Refused { message: known, .. } if *known == message);
        if self.mistakes.iter().any(is_known) {
            return;
        }
        self.mistakes.push(Mistake::Refused {
            message,
            help: error.help().map(|help| help.to_string()),
            span: span.into(),
        });
    }

    /// Returns the document, if nothing is wrong.
    ///
    /// # Errors
    ///
    /// Returns all mistakes at once, in the order of the text.
    pub fn finish(self) -> Result<Document, FileErrors> {
        self.toml.verdict(self.mistakes)?;
        Ok(self.document)
    }
}

/// The error and its causes in one line, those left out that it repeats.
fn with_causes(error: &dyn Diagnostic) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let message = source.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = source.source();
    }
    text
}
