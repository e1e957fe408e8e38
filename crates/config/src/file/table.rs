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
    /// The options that are there, but wrong or misspelt.
    unread: HashSet<usize>,
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
            unread: HashSet::new(),
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

    /// Adds weaker options of the same config; see [`Layer::add_defaults`]. Those that are `unread`
    /// there are not missing here.
    pub fn add_defaults(&mut self, name: &str, defaults: &Layer, unread: &HashSet<usize>) {
        self.layer.add_defaults(name, defaults);
        self.unread.extend(unread);
    }

    /// Returns whether a value for the option at `index` is in the table, valid or not.
    pub fn has(&self, index: usize) -> bool {
        self.layer.find(index).is_some() || self.unread.contains(&index)
    }

    /// Returns the options that are in the table and could not be read, by index: they are wrong,
    /// or misspelt.
    pub fn unread(&self) -> &HashSet<usize> {
        &self.unread
    }

    /// Forgets the mistakes from this one on: they were reported of another table.
    pub fn forget_mistakes(&mut self, from: usize) {
        self.mistakes.truncate(from);
    }

    /// Returns what is wrong so far.
    pub fn mistakes(&self) -> &[TableMistake] {
        &self.mistakes
    }

    /// Reads one key. Returns the option and its value, of which parts may be wrong.
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
                let keys = self.keys.iter().copied();
                let unknown = description.unknown(&self.owner, name, |names| {
                    suggestions.nearest(name, names.chain(keys))
                });
                self.unread.extend(unknown.meant);
                self.add(unknown.error, key.span());
            }
            return None;
        };
        let mut foreign = Vec::new();
        let mut value = convert::convert(spanned, &mut Vec::new(), &mut foreign);
        if let Some(folder) = &reader.folder
            && option.holds().path
        {
            option.kind().resolve_paths(&mut value, folder);
        }
        let mut errors = match option.read_and_check(&self.owner, &value) {
            Ok(stored) if foreign.is_empty() => {
                self.layer.put_stored(index, stored);
                return Some((option, value));
            }
            Ok(_) => Vec::new(),
            Err(errors) => errors,
        };
        self.unread.insert(index);
        let mut as_texts = value.clone();
        for (path, found) in &foreign {
            if let Some(part) = convert::part_mut(&mut as_texts, path) {
                *part = found.as_text();
            }
        }
        let of_texts = option.read_and_check(&self.owner, &as_texts);
        let of_texts = of_texts.err().unwrap_or_default();
        for (path, found) in foreign {
            // What should be there is known where it is missed.
            let missed = errors
                .iter()
                .position(|error| error.part() == (&path, false));
            let missed = missed.map(|at| errors.remove(at));
            let expected = match &missed {
                Some(OptionError::WrongType { error, .. }) => Some(error.expected()),
                _ => None,
            };
            let mut error = found.error(expected).at(&path);
            if !of_texts.iter().any(|error| error.part() == (&path, false)) {
                error = error.hint(found.hint());
            }
            self.add(option.wrong_type(&self.owner, error), found.span());
        }
        self.misfits(spanned, errors);
        Some((option, value))
    }

    /// Reports what only the whole table shows: required options that are not set, at `span` (an
    /// invalid value is reported as such), and conflicts between options, at their positions in
    /// `table`.
    pub fn finish(&mut self, table: &DeTable<'_>, span: Range<usize>) {
        let (owner, layer, unread) = (&self.owner, &self.layer, &self.unread);
        let missing = self.description.missing(owner, layer, unread);
        let errors = self.description.misfits(owner, layer, unread);
        for error in missing {
            self.add(error, span.clone());
        }
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
            let (path, in_key) = error.part();
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
