//! [`Loader`]: from a text to a document, collecting mistakes.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use indexmap::IndexMap;
use standin_config::reading::Step;
use standin_config::{
    BrokenRule, ConfigDescription, Layer, OptionDescription, OptionError, Origin, Value, ValueError,
};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::convert;
use super::defaults::{Defaults, KeyAndValue, TypeDefaults};
use super::document::{Document, Entry};
use super::draft::Draft;
use super::keys::{AFTER, DEFAULTS, DRIVER, TYPE};
use super::mistake::{Mistake, OptionMistake};
use super::references::References;
use super::registry::TypeRegistry;
use super::suggestions::Suggestions;
use super::syntax;

/// Reads one text.
pub(crate) struct Loader<'r> {
    pub(super) registry: &'r TypeRegistry,
    /// Where relative paths start.
    folder: Option<&'r Path>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) suggestions: Suggestions,
    references: References,
    /// What drivers inherit from the environment, and where it was written.
    inheritable: IndexMap<String, (Value, Range<usize>)>,
    /// The types and options whose inherited value was checked; once for each is enough.
    checked: HashMap<String, HashSet<usize>>,
}

/// The options of one table while they are read.
pub(super) struct Reading<'d> {
    description: &'d ConfigDescription,
    /// What the table is, in words: `driver "server"`.
    place: String,
    /// Keys of the table that are not options.
    keys: &'static [&'static str],
    pub(super) layer: Layer,
    /// The options that are there, but wrong.
    wrong: HashSet<usize>,
}

impl<'d> Reading<'d> {
    pub(super) fn new(
        description: &'d ConfigDescription,
        place: impl Into<String>,
        keys: &'static [&'static str],
    ) -> Self {
        Self {
            description,
            place: place.into(),
            keys,
            layer: Layer::new(description),
            wrong: HashSet::new(),
        }
    }
}

impl<'r> Loader<'r> {
    pub(crate) fn new(registry: &'r TypeRegistry, folder: Option<&'r Path>) -> Self {
        Self {
            registry,
            folder,
            mistakes: Vec::new(),
            suggestions: Suggestions::default(),
            references: References::default(),
            inheritable: IndexMap::new(),
            checked: HashMap::new(),
        }
    }

    pub(crate) fn load(mut self, file: &str, text: &str) -> Draft {
        let (table, errors) = DeTable::parse_recoverable(text);
        let document = self.document(table.get_ref());
        let mut mistakes = std::mem::take(&mut self.mistakes);
        let links = self.references.check(&mut mistakes, &mut self.suggestions);
        // What was lost with a broken line is not missing, and no place is no mistake.
        let broken = errors
            .iter()
            .map(|error| line_of(text, error.span().unwrap_or_default()))
            .collect();
        let syntax = errors.iter().map(|error| {
            let message = first_line(error.message());
            Mistake::Syntax {
                help: syntax::help(&message, text, error.span().unwrap_or_default()),
                message,
                span: convert::span(error.span().unwrap_or_default()),
            }
        });
        mistakes.extend(syntax);
        Draft::new(file, text, document, links, mistakes, broken)
    }

    fn document(&mut self, table: &DeTable<'_>) -> Document {
        let environment = self.registry.environment();
        let mut reading = Reading::new(environment, "the environment", &[DRIVER, DEFAULTS]);
        let mut drivers = None;
        let mut defaults = Defaults::default();
        for (key, value) in table {
            match &**key.get_ref() {
                DRIVER => drivers = Some(value),
                DEFAULTS => defaults = self.defaults(value),
                _ => self.option(&mut reading, (key, value)),
            }
        }
        let end = table
            .iter()
            .map(|(key, _)| key.span())
            .min_by_key(|span| span.start)
            .unwrap_or_default();
        self.missing_options(&reading, end);
        let layer = reading.layer;
        self.inheritable = table
            .iter()
            .filter_map(|(key, spanned)| {
                let name = &**key.get_ref();
                Some((name.to_owned(), (layer.get(name)?, spanned.span())))
            })
            .collect();
        let mut by_type: IndexMap<String, TypeDefaults<'_>> = IndexMap::new();
        self.check_defaults(&defaults, drivers, &mut by_type);
        let entries = match drivers {
            Some(drivers) => self.entries(drivers, &by_type),
            None => Vec::new(),
        };
        let values = |table: &DeTable<'_>| -> IndexMap<String, Value> {
            table
                .iter()
                .filter_map(|(key, value)| {
                    Some((key.get_ref().to_string(), convert::value(value).ok()?))
                })
                .collect()
        };
        Document {
            environment: layer,
            defaults: defaults
                .of_all
                .iter()
                .filter_map(|(key, value)| {
                    Some((key.get_ref().to_string(), convert::value(value).ok()?))
                })
                .collect(),
            type_defaults: defaults
                .of_types
                .iter()
                .map(|(type_name, table)| ((*type_name).to_owned(), values(table)))
                .collect(),
            entries,
        }
    }

    fn entries(
        &mut self,
        drivers: &Spanned<DeValue<'_>>,
        defaults: &IndexMap<String, TypeDefaults<'_>>,
    ) -> Vec<Entry> {
        let Some(items) = drivers.get_ref().as_array() else {
            let help = "write `[[driver]]`, with two brackets, once for each driver";
            self.wrong_key(
                DRIVER,
                "the file",
                "a list of tables",
                drivers,
                help.to_owned(),
            );
            return Vec::new();
        };
        items
            .iter()
            .enumerate()
            .filter_map(|(index, driver)| self.entry(index, driver, defaults))
            .collect()
    }

    fn entry(
        &mut self,
        index: usize,
        driver: &Spanned<DeValue<'_>>,
        defaults: &IndexMap<String, TypeDefaults<'_>>,
    ) -> Option<Entry> {
        let Some(table) = driver.get_ref().as_table() else {
            self.not_a_table(DRIVER, "the file", driver);
            return None;
        };
        let registry = self.registry;
        let before = self.mistakes.len();
        let name = table
            .get("name")
            .and_then(|name| Some((name.get_ref().as_str()?, name.span())));
        let place = match &name {
            Some((name, _)) => format!("driver {name:?}"),
            None => format!("driver number {}", index + 1),
        };
        let after = table
            .get(AFTER)
            .map(|after| self.after(&place, after))
            .unwrap_or_default();
        if let Some((name, span)) = &name {
            if registry
                .reserved_names
                .iter()
                .any(|reserved| reserved == name)
            {
                let rule = "this name is reserved, for it means something else where a driver's \
                            name could stand";
                let error = OptionError::Broken {
                    owner: place.clone(),
                    option: "name".to_owned(),
                    broken: BrokenRule::new(format!("{name:?}"), rule.to_owned()),
                    help: Some("give the driver another name".to_owned()),
                };
                self.mistaken(error, span.clone());
            }
            self.references
                .enter_driver(name, span.clone(), &after, &mut self.mistakes);
        }
        let entry = self.typed_entry(table, &place, driver.span(), defaults);
        self.references.leave();
        let (type_name, layer) = entry?;
        Some(Entry {
            name: name?.0.to_owned(),
            type_name,
            layer,
            after: after.into_iter().map(|(name, _)| name).collect(),
            span: driver.span(),
            is_sound: self.mistakes.len() == before,
        })
    }

    fn typed_entry(
        &mut self,
        table: &DeTable<'_>,
        place: &str,
        span: Range<usize>,
        defaults: &IndexMap<String, TypeDefaults<'_>>,
    ) -> Option<(String, Layer)> {
        let registry = self.registry;
        let Some(type_value) = table.get(TYPE) else {
            let help = format!("the types are: {}", self.type_names());
            self.missing_key(TYPE, place, help, span);
            return None;
        };
        let Some(type_name) = type_value.get_ref().as_str() else {
            let help = format!("the types are: {}", self.type_names());
            self.wrong_key(TYPE, place, "the name of a driver type", type_value, help);
            return None;
        };
        let Some(description) = registry.get(type_name) else {
            self.unknown_type(type_name, type_value.span());
            return None;
        };
        let mut reading = Reading::new(description, place, &[TYPE, AFTER]);
        for (key, value) in table {
            match &**key.get_ref() {
                TYPE | AFTER => {}
                _ => self.option(&mut reading, (key, value)),
            }
        }
        if let Some(defaults) = defaults.get(type_name) {
            reading.layer = reading
                .layer
                .with_defaults(
                    Origin::DefaultsOfType(type_name.to_owned()),
                    &defaults.of_type.layer,
                )
                .with_defaults(Origin::DefaultsOfAll, &defaults.of_all.layer);
        }
        self.missing_options(&reading, span.clone());
        self.check_inherited(&reading, type_name);
        // A type may have a default for its name; that would name all of its drivers.
        let name = description.option("name");
        if let Some(name) = name.filter(|name| !name.is_required() && !table.contains_key("name")) {
            self.missing_option(name, place, span);
        }
        Some((type_name.to_owned(), reading.layer))
    }

    /// Reads `after`: one name, or a list of names.
    fn after(&mut self, place: &str, value: &Spanned<DeValue<'_>>) -> Vec<(String, Range<usize>)> {
        let items: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut names = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(name) => names.push((name.to_owned(), item.span())),
                None => {
                    let help = "after: the drivers that are up before this one starts, by name";
                    self.wrong_key(AFTER, place, "the name of a driver", item, help.to_owned());
                }
            }
        }
        names
    }

    /// Reads one option into its layer.
    pub(super) fn option(
        &mut self,
        reading: &mut Reading<'_>,
        (key, spanned): KeyAndValue<'_, '_>,
    ) {
        let name = &**key.get_ref();
        let description = reading.description;
        let known = description
            .index(name)
            .map(|index| (index, &description.options()[index]))
            .filter(|(_, option)| !option.is_code_only());
        let Some((index, option)) = known else {
            if !description.ignores_extra_keys() {
                let keys = reading.keys;
                let help = self.suggestions.help_for_option(description, name, keys);
                self.unknown_key(name, &reading.place, help, key.span());
            }
            return;
        };
        let place = &reading.place;
        let mut value = match convert::value(spanned) {
            Ok(value) => value,
            Err((found, span)) => {
                reading.wrong.insert(index);
                let error = ValueError::new(option.kind().to_string(), found)
                    .because("it does not fit 64 bits");
                let error = option.wrong_type(place, error);
                self.mistaken(error, span);
                return;
            }
        };
        if let Some(folder) = self.folder
            && option.holds().path
        {
            option.kind().resolve_paths(&mut value, folder);
        }
        match option.read_and_check(place, &value) {
            Ok(stored) => {
                let references = &mut self.references;
                references.read_option(place, option, spanned, &value);
                reading.layer.put_stored(index, stored);
            }
            Err(errors) => {
                reading.wrong.insert(index);
                self.misfits(description, spanned, errors);
            }
        }
    }

    /// A driver may ask more of an option than the environment does that it inherits it from.
    fn check_inherited(&mut self, reading: &Reading<'_>, type_name: &str) {
        let mut mistakes = Vec::new();
        for (name, (value, span)) in &self.inheritable {
            let Some(index) = reading.description.index(name) else {
                continue;
            };
            let option = &reading.description.options()[index];
            if !option.is_inherited()
                || reading.layer.find(index).is_some()
                || reading.wrong.contains(&index)
            {
                continue;
            }
            let is_new = match self.checked.get_mut(type_name) {
                Some(checked) => checked.insert(index),
                None => {
                    let checked = HashSet::from([index]);
                    self.checked.insert(type_name.to_owned(), checked);
                    true
                }
            };
            if is_new {
                let place = format!("the environment, for {type_name}");
                let errors = option.read_and_check(&place, value).err();
                let errors = errors.into_iter().flatten();
                mistakes.extend(errors.map(|error| (error, span.clone())));
            }
        }
        for (error, span) in mistakes {
            self.mistaken(error, span);
        }
    }

    /// Notes mistakes of an option, each at the part of its value that it is about.
    fn misfits(
        &mut self,
        description: &ConfigDescription,
        spanned: &Spanned<DeValue<'_>>,
        errors: Vec<OptionError>,
    ) {
        for mut error in errors {
            let (path, in_key) = match &error {
                OptionError::WrongType { error, .. } | OptionError::BadTemplate { error, .. } => {
                    (error.path(), error.is_in_key())
                }
                OptionError::Broken { broken, .. } => (broken.path(), broken.is_in_key()),
                _ => (&[][..], false),
            };
            let span = convert::span_at(spanned, path, in_key);
            if let Some(hint) = strayed(description, path) {
                error = error.with_help(hint);
            }
            self.mistaken(error, span);
        }
    }

    fn mistaken(&mut self, error: OptionError, span: Range<usize>) {
        let mistake = OptionMistake::new(error, convert::span(span));
        self.mistakes.push(Mistake::Option(mistake));
    }

    fn missing_options(&mut self, reading: &Reading<'_>, span: Range<usize>) {
        for (index, option) in reading.description.options().iter().enumerate() {
            // A value that is there but wrong is reported as such.
            if option.is_required()
                && reading.layer.find(index).is_none()
                && !reading.wrong.contains(&index)
            {
                self.missing_option(option, &reading.place, span.clone());
            }
        }
    }

    fn missing_option(&mut self, option: &OptionDescription, place: &str, span: Range<usize>) {
        self.missing_key(option.name(), place, option.help_for_missing(), span);
    }

    fn missing_key(&mut self, key: &str, place: &str, help: String, span: Range<usize>) {
        let error = OptionError::Missing {
            owner: place.to_owned(),
            option: key.to_owned(),
            help,
        };
        self.mistaken(error, span);
    }

    /// A key that is not an option has a value of another type than it must have.
    fn wrong_key(
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
            error: ValueError::new(expected, convert::type_name(value.get_ref())),
            help: Some(help),
        };
        self.mistaken(error, value.span());
    }

    pub(super) fn unknown_key(&mut self, key: &str, place: &str, help: String, span: Range<usize>) {
        let error = OptionError::Unknown {
            owner: place.to_owned(),
            option: key.to_owned(),
            help,
        };
        self.mistaken(error, span);
    }

    pub(super) fn unknown_type(&mut self, type_name: &str, span: Range<usize>) {
        let names = self.registry.types().map(|(name, _)| name);
        let help = match self.suggestions.nearest(type_name, names) {
            Some(known) => format!("did you mean {known:?}?"),
            None => format!("the types are: {}", self.type_names()),
        };
        self.mistakes.push(Mistake::UnknownType {
            type_name: type_name.to_owned(),
            help,
            span: convert::span(span),
        });
    }

    pub(super) fn not_a_table(&mut self, key: &str, place: &str, value: &Spanned<DeValue<'_>>) {
        let help = format!("write a table: [{key}]");
        self.wrong_key(key, place, "a table", value, help);
    }

    fn type_names(&self) -> String {
        let names: Vec<&str> = self.registry.types().map(|(name, _)| name).collect();
        names.join(", ")
    }
}

/// A key below a header of TOML that was meant for the table above.
fn strayed(description: &ConfigDescription, path: &[Step]) -> Option<String> {
    let Some(Step::Key(key)) = path.first() else {
        return None;
    };
    description.option(key)?;
    Some(format!(
        "{key:?} is an option of {}, too: what follows the header of a table within it, such as \
         [driver.env], belongs to that table, so write {key:?} above the header",
        description.label()
    ))
}

/// The whole lines that a span touches.
fn line_of(text: &str, span: Range<usize>) -> Range<usize> {
    let bytes = text.as_bytes();
    let start = span.start.min(bytes.len());
    let end = span.end.clamp(start, bytes.len());
    let start = bytes[..start]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let end = bytes[end..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |at| end + at + 1);
    start..end
}

fn first_line(message: &str) -> String {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    match lines.next() {
        Some(second) => format!("{first}, {second}"),
        None => first.to_owned(),
    }
}
