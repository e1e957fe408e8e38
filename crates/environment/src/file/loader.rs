//! [`Loader`]: what is known while a text is read, and how mistakes are noted.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use indexmap::IndexMap;
use standin_config::{
    Layer, OptionError, OptionMistake, TableMistake, TableOptions, TableReader, Value, ValueError,
    toml_type_name,
};
use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::mistake::Mistake;
use super::references::References;
use super::registry::TypeRegistry;

/// A key and its value, each with its place in the text.
pub(super) type KeyAndValue<'t, 'i> = (&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>);

/// Reads one text.
pub(crate) struct Loader<'r> {
    pub(super) registry: &'r TypeRegistry,
    pub(super) reader: TableReader,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) references: References,
    /// What drivers inherit from the environment, and where it was written.
    pub(super) inheritable: IndexMap<String, (Value, Range<usize>)>,
    /// The options of the environment that are there, and wrong.
    pub(super) unread: HashSet<String>,
    /// Whether some driver is declared to start after others.
    pub(super) has_dependencies: bool,
    /// The types and options whose inherited value was checked; once for each is enough.
    pub(super) checked: HashMap<String, HashSet<usize>>,
}

impl<'r> Loader<'r> {
    pub(crate) fn new(registry: &'r TypeRegistry, folder: Option<&Path>) -> Self {
        let reader = TableReader::new();
        Self {
            registry,
            reader: match folder {
                Some(folder) => reader.with_folder(folder),
                None => reader,
            },
            mistakes: Vec::new(),
            unread: HashSet::new(),
            has_dependencies: false,
            references: References::default(),
            inheritable: IndexMap::new(),
            checked: HashMap::new(),
        }
    }

    /// Reads one option into its layer.
    pub(super) fn option(
        &mut self,
        reading: &mut TableOptions<'_>,
        (key, spanned): KeyAndValue<'_, '_>,
    ) {
        if let Some((option, value)) = reading.put(&mut self.reader, key, spanned) {
            let place = reading.owner();
            self.references.read_option(place, option, spanned, &value);
        }
    }

    /// Takes over what was found wrong in a table. Returns what is right.
    pub(super) fn take(&mut self, reading: TableOptions<'_>) -> Layer {
        let (layer, mistakes) = reading.into_parts();
        self.mistakes
            .extend(mistakes.into_iter().map(Mistake::from));
        layer
    }

    pub(super) fn mistaken(&mut self, error: OptionError, span: Range<usize>) {
        let mistake = TableMistake::Option(OptionMistake::new(error, span.into()));
        self.mistakes.push(mistake.into());
    }

    pub(super) fn missing_key(&mut self, key: &str, place: &str, help: String, span: Range<usize>) {
        let error = OptionError::Missing {
            owner: place.to_owned(),
            option: key.to_owned(),
            help,
        };
        self.mistaken(error, span);
    }

    /// A key that is not an option has a value of another type than it must have.
    pub(super) fn wrong_key(
        &mut self,
        key: &str,
        place: &str,
        expected: &str,
        value: &Spanned<DeValue<'_>>,
        help: String,
    ) {
        let error = OptionError::WrongType {
            owner: place.to_owned(),
            option: key.to_owned(),
            error: ValueError::new(expected, toml_type_name(value.get_ref())),
            help: Some(help),
        };
        self.mistaken(error, value.span());
    }

    pub(super) fn unknown_key(&mut self, key: &str, place: &str, help: String, span: Range<usize>) {
        let mistake = TableMistake::unknown_key(place, key, help, span);
        self.mistakes.push(mistake.into());
    }

    pub(super) fn unknown_type(&mut self, type_name: &str, span: Range<usize>) {
        let names = self.registry.types().map(|(name, _)| name);
        let help = match self.reader.suggestions().nearest(type_name, names) {
            Some(known) => format!("did you mean {known:?}?"),
            None => self.types_help(),
        };
        self.mistakes.push(Mistake::UnknownType {
            type_name: type_name.to_owned(),
            help,
            span: span.into(),
        });
    }

    pub(super) fn not_a_table(&mut self, key: &str, place: &str, value: &Spanned<DeValue<'_>>) {
        let help = format!("write a table: [{key}]");
        self.wrong_key(key, place, "a table", value, help);
    }

    pub(super) fn types_help(&self) -> String {
        let names: Vec<&str> = self.registry.types().map(|(name, _)| name).collect();
        format!("the types are: {}", names.join(", "))
    }
}
