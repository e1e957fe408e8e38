//! [`TableReader`]: from tables of TOML to layers of options, collecting mistakes.

use std::collections::HashSet;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::convert;
use super::mistake::{OptionMistake, TableMistake};
use super::suggestions::Suggestions;
use crate::description::ConfigDescription;
use crate::error::OptionError;
use crate::layer::Layer;
use crate::option::OptionDescription;
use crate::step::Step;
use crate::value::Value;

/// Reads options from the tables of a text.
///
/// ```
/// use standin_config::{
///     Config, ConfigDescription, Kind, OptionDescription, TableReader, TomlText, Value,
/// };
///
/// let shop = ConfigDescription::builder("shop")
///     .option(OptionDescription::required("owner", Kind::String))
///     .build();
/// let tea = ConfigDescription::builder("tea")
///     .option(OptionDescription::required("leaves", Kind::String))
///     .build();
///
/// let text = "owner = 'Ann'\n[tea]\nleaves = 'green'\n";
/// let (toml, table) = TomlText::parse("shop.toml", text);
/// let mut reader = TableReader::new();
/// let mut mistakes = Vec::new();
///
/// let mut options = reader.begin(&shop, "the shop").with_keys(&["tea"]);
/// for (key, value) in table.get_ref() {
///     match &**key.get_ref() {
///         "tea" => {
///             let inner = value.get_ref().as_table().expect("it is a table here");
///             let read = reader.read(&tea, "the tea", inner, value.span());
///             let (layer, more) = read.into_parts();
///             assert_eq!(layer.get("leaves"), Some(Value::from("green")));
///             mistakes.extend(more);
///         }
///         _ => drop(options.put(&mut reader, key, value)),
///     }
/// }
/// options.finish(table.get_ref(), 0..0);
/// let (layer, more) = options.into_parts();
/// mistakes.extend(more);
/// toml.verdict(mistakes)?;
/// assert_eq!(layer.get("owner"), Some(Value::from("Ann")));
/// # Ok::<(), miette::Report>(())
/// ```
#[derive(Debug, Default)]
pub struct TableReader {
    folder: Option<PathBuf>,
    suggestions: Suggestions,
}

/// The options of one table while they are read.
#[derive(Debug)]
pub struct TableOptions<'d> {
    description: &'d ConfigDescription,
    owner: String,
    keys: &'static [&'static str],
    layer: Layer,
    /// The options that are there, but wrong.
    wrong: HashSet<usize>,
    mistakes: Vec<TableMistake>,
}

impl TableReader {
    /// Creates a reader that leaves relative paths as they are.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes relative paths in the tables start at `folder`.
    #[must_use]
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Names that were probably meant, for mistakes that the reader does not find itself.
    pub fn suggestions(&mut self) -> &mut Suggestions {
        &mut self.suggestions
    }

    /// Starts to read the options of a config; `owner` is what mistakes call the table.
    pub fn begin<'d>(
        &self,
        description: &'d ConfigDescription,
        owner: impl Into<String>,
    ) -> TableOptions<'d> {
        TableOptions {
            description,
            owner: owner.into(),
            keys: &[],
            layer: Layer::new(description),
            wrong: HashSet::new(),
            mistakes: Vec::new(),
        }
    }

    /// Reads a table all of whose keys are options. What is missing is reported at `span`.
    pub fn read<'d>(
        &mut self,
        description: &'d ConfigDescription,
        owner: impl Into<String>,
        table: &DeTable<'_>,
        span: Range<usize>,
    ) -> TableOptions<'d> {
        let mut options = self.begin(description, owner);
        for (key, value) in table {
            options.put(self, key, value);
        }
        options.finish(table, span);
        options
    }
}

impl<'d> TableOptions<'d> {
    /// Names keys of the table that are not options, for the help about unknown keys.
    #[must_use]
    pub fn with_keys(mut self, keys: &'static [&'static str]) -> Self {
        self.keys = keys;
        self
    }

    /// Returns the config whose options these are.
    pub fn description(&self) -> &'d ConfigDescription {
        self.description
    }

    /// Returns the name of the table in mistakes.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Returns what is right so far.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Adds weaker options of the same config; see [`Layer::add_defaults`].
    pub fn add_defaults(&mut self, name: &str, defaults: &Layer) {
        self.layer.add_defaults(name, defaults);
    }

    /// Returns whether a value for the option at `index` is in the table, valid or not.
    pub fn has(&self, index: usize) -> bool {
        self.layer.find(index).is_some() || self.wrong.contains(&index)
    }

    /// Returns what is wrong so far.
    pub fn mistakes(&self) -> &[TableMistake] {
        &self.mistakes
    }

    /// Reads one key. Returns the option and its value, if they are right.
    pub fn put(
        &mut self,
        reader: &mut TableReader,
        key: &Spanned<DeString<'_>>,
        spanned: &Spanned<DeValue<'_>>,
    ) -> Option<(&'d OptionDescription, Value)> {
        let name = &**key.get_ref();
        let description = self.description;
        let known = description
            .index(name)
            .map(|index| (index, &description.options()[index]))
            .filter(|(_, option)| !option.is_code_only());
        let Some((index, option)) = known else {
            if !description.ignores_extra_keys() {
                let suggestions = &mut reader.suggestions;
                let help = suggestions.help_for_option(description, name, self.keys);
                let owner = self.owner.clone();
                let mistake = TableMistake::unknown_key(owner, name, help, key.span());
                self.mistakes.push(mistake);
            }
            return None;
        };
        let mut value = match Value::from_toml(spanned) {
            Ok(value) => value,
            Err(number) => {
                self.wrong.insert(index);
                let error = number.error(option.kind().to_string());
                self.add(option.wrong_type(&self.owner, error), number.span);
                return None;
            }
        };
        if let Some(folder) = &reader.folder
            && option.holds().path
        {
            option.kind().resolve_paths(&mut value, folder);
        }
        match option.read_and_check(&self.owner, &value) {
            Ok(stored) => {
                self.layer.put_stored(index, stored);
                Some((option, value))
            }
            Err(errors) => {
                self.wrong.insert(index);
                self.misfits(spanned, errors);
                None
            }
        }
    }

    /// Reports what only the whole table shows: required options that are not set, at `span` (an
    /// invalid value is reported as such), and conflicts between options, at their positions in
    /// `table`.
    pub fn finish(&mut self, table: &DeTable<'_>, span: Range<usize>) {
        for (index, option) in self.description.options().iter().enumerate() {
            if option.is_required() && !self.has(index) {
                self.add(option.missing(&self.owner), span.clone());
            }
        }
        let is_wrong = |index| self.wrong.contains(&index);
        let errors = (self.description).misfits(&self.owner, &self.layer, is_wrong);
        for error in errors {
            let place = match &error {
                OptionError::Misfit { misfit, .. } => table
                    .get(misfit.option())
                    .map(|value| convert::span_at(value, misfit.path(), false)),
                _ => None,
            };
            self.add(error, place.unwrap_or_else(|| span.clone()));
        }
    }

    /// Returns the options that are right, and all mistakes.
    pub fn into_parts(self) -> (Layer, Vec<TableMistake>) {
        (self.layer, self.mistakes)
    }

    /// Adds a mistake of one of the options.
    pub fn add(&mut self, error: OptionError, span: Range<usize>) {
        let mistake = OptionMistake::new(error, span.into());
        self.mistakes.push(TableMistake::Option(mistake));
    }

    /// Notes mistakes of an option, each at the part of its value that it is about.
    fn misfits(&mut self, spanned: &Spanned<DeValue<'_>>, errors: Vec<OptionError>) {
        for mut error in errors {
            let (path, in_key) = match &error {
                OptionError::WrongType { error, .. } | OptionError::BadTemplate { error, .. } => {
                    (error.path(), error.is_in_key())
                }
                OptionError::Broken { broken, .. } => (broken.path(), broken.is_in_key()),
                _ => (&[][..], false),
            };
            let span = convert::span_at(spanned, path, in_key);
            if let Some(hint) = strayed(self.description, error.option(), path) {
                error = error.with_help(hint);
            }
            self.add(error, span);
        }
    }
}

/// A key below a header of TOML that was meant for the table above.
fn strayed(description: &ConfigDescription, option: &str, path: &[Step]) -> Option<String> {
    let Some(Step::Key(key)) = path.first() else {
        return None;
    };
    description.option(key)?;
    Some(format!(
        "{key:?} is an option of {}, too: what follows the header of the table {option:?} belongs \
         to that table, so write {key:?} above the header",
        description.label()
    ))
}
