//! [`Loader`]: from a text to a checked document, collecting mistakes.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use indexmap::IndexMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::convert;
use super::defaults::{Defaults, KeyAndValue, TypeDefaults};
use super::document::{Document, Entry};
use super::keys::{AFTER, DEFAULTS, DRIVER, TYPE};
use super::mistake::{FileErrors, Mistake};
use super::references::References;
use super::registry::TypeRegistry;
use crate::option::OptionDescription;
use crate::stored::Stored;
use crate::suggest::nearest;
use crate::{ConfigDescription, Layer, OptionError, Origin, Value};

/// Reads one text.
pub(crate) struct Loader<'r> {
    pub(super) registry: &'r TypeRegistry,
    /// Where relative paths start.
    folder: Option<&'r Path>,
    pub(super) mistakes: Vec<Mistake>,
    references: References,
    /// What drivers inherit from the environment, and where it was written.
    inheritable: HashMap<String, (Value, Range<usize>)>,
    /// The types and options whose inherited value was checked; once for each is enough.
    checked: HashSet<(String, usize)>,
}

impl<'r> Loader<'r> {
    pub(crate) fn new(registry: &'r TypeRegistry, folder: Option<&'r Path>) -> Self {
        Self {
            registry,
            folder,
            mistakes: Vec::new(),
            references: References::default(),
            inheritable: HashMap::new(),
            checked: HashSet::new(),
        }
    }

    pub(crate) fn load(mut self, file: &str, text: &str) -> Result<Document, FileErrors> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let document = self.document(table.get_ref());
        let mut mistakes = std::mem::take(&mut self.mistakes);
        self.references.check(&mut mistakes);
        if !errors.is_empty() {
            // What was lost with a broken line is not missing, and no place is no mistake.
            let broken: Vec<Range<usize>> = errors
                .iter()
                .map(|error| line_of(text, error.span().unwrap_or_default()))
                .collect();
            mistakes.retain(|mistake| {
                let span = mistake.span();
                !mistake.tells_of_absence()
                    && !span.is_empty()
                    && !broken.iter().any(|line| line.contains(&span.offset()))
            });
            mistakes.extend(errors.iter().map(|error| Mistake::Syntax {
                message: first_line(error.message()),
                span: convert::span(error.span().unwrap_or_default()),
            }));
        }
        match mistakes.is_empty() {
            true => Ok(document),
            false => Err(FileErrors::new(file, text, mistakes)),
        }
    }

    fn document(&mut self, table: &DeTable<'_>) -> Document {
        let environment = self.registry.environment();
        let place = "the environment";
        let mut layer = Layer::new(environment);
        let mut drivers = None;
        let mut defaults = Defaults::default();
        for (key, value) in table {
            match &**key.get_ref() {
                DRIVER => drivers = Some(value),
                DEFAULTS => defaults = self.defaults(value),
                _ => {
                    let entry = (key, value);
                    self.option(environment, place, &mut layer, &[DRIVER, DEFAULTS], entry);
                }
            }
        }
        let end = table
            .iter()
            .map(|(key, _)| key.span())
            .min_by_key(|span| span.start)
            .unwrap_or_default();
        self.missing_options(environment, place, &layer, end);
        self.inheritable = table
            .iter()
            .filter_map(|(key, spanned)| {
                let name = &**key.get_ref();
                Some((name.to_owned(), (layer.get(name)?, spanned.span())))
            })
            .collect();
        let mut by_type: IndexMap<String, TypeDefaults> = IndexMap::new();
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
        defaults: &IndexMap<String, TypeDefaults>,
    ) -> Vec<Entry> {
        let Some(items) = drivers.get_ref().as_array() else {
            self.mistakes.push(Mistake::WrongType {
                key: DRIVER.to_owned(),
                place: "the file".to_owned(),
                expected: "a list of tables".to_owned(),
                found: format!("this is {}", convert::type_name(drivers.get_ref())),
                help: Some(
                    "write `[[driver]]`, with two brackets, once for each driver".to_owned(),
                ),
                span: convert::span(drivers.span()),
            });
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
        defaults: &IndexMap<String, TypeDefaults>,
    ) -> Option<Entry> {
        let Some(table) = driver.get_ref().as_table() else {
            self.not_a_table(DRIVER, "the file", driver);
            return None;
        };
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
            self.references
                .add_driver(name, span.clone(), &after, &mut self.mistakes);
        }
        self.references.enter(name.as_ref().map(|(name, _)| *name));
        let entry = self.typed_entry(table, &place, driver.span(), defaults);
        self.references.leave();
        let (type_name, layer) = entry?;
        Some(Entry {
            name: name?.0.to_owned(),
            type_name,
            layer,
            after: after.into_iter().map(|(name, _)| name).collect(),
            span: driver.span(),
        })
    }

    fn typed_entry(
        &mut self,
        table: &DeTable<'_>,
        place: &str,
        span: Range<usize>,
        defaults: &IndexMap<String, TypeDefaults>,
    ) -> Option<(String, Layer)> {
        let registry = self.registry;
        let Some(type_value) = table.get(TYPE) else {
            self.mistakes.push(Mistake::Missing {
                key: TYPE.to_owned(),
                place: place.to_owned(),
                help: format!("the types are: {}", self.type_names()),
                span: convert::span(span),
            });
            return None;
        };
        let Some(type_name) = type_value.get_ref().as_str() else {
            self.mistakes.push(Mistake::WrongType {
                key: TYPE.to_owned(),
                place: place.to_owned(),
                expected: "the name of a driver type".to_owned(),
                found: format!("this is {}", convert::type_name(type_value.get_ref())),
                help: Some(format!("the types are: {}", self.type_names())),
                span: convert::span(type_value.span()),
            });
            return None;
        };
        let Some(description) = registry.get(type_name) else {
            self.unknown_type(type_name, type_value.span());
            return None;
        };
        let mut layer = Layer::new(description);
        for (key, value) in table {
            match &**key.get_ref() {
                TYPE | AFTER => {}
                _ => self.option(description, place, &mut layer, &[TYPE, AFTER], (key, value)),
            }
        }
        if let Some(defaults) = defaults.get(type_name) {
            layer = layer
                .with_defaults(
                    Origin::DefaultsOfType(type_name.to_owned()),
                    defaults.of_type.clone(),
                )
                .with_defaults(Origin::DefaultsOfAll, defaults.of_all.clone());
        }
        self.missing_options(description, place, &layer, span.clone());
        self.check_inherited(description, type_name, &layer);
        // A type may have a default for its name; that would name all of its drivers.
        let name = description.option("name");
        if let Some(name) = name.filter(|name| !name.is_required() && !table.contains_key("name")) {
            self.missing_option(name, place, span);
        }
        Some((type_name.to_owned(), layer))
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
                None => self.mistakes.push(Mistake::WrongType {
                    key: AFTER.to_owned(),
                    place: place.to_owned(),
                    expected: "a list of drivers' names".to_owned(),
                    found: format!("this is {}", convert::type_name(item.get_ref())),
                    help: Some("after: the drivers that are up before this one starts".to_owned()),
                    span: convert::span(item.span()),
                }),
            }
        }
        names
    }

    /// Reads one option into its layer.
    pub(super) fn option(
        &mut self,
        description: &ConfigDescription,
        place: &str,
        layer: &mut Layer,
        keys: &[&'static str],
        (key, spanned): KeyAndValue<'_, '_>,
    ) {
        let name = &**key.get_ref();
        let known = description
            .index(name)
            .map(|index| (index, &description.options()[index]))
            .filter(|(_, option)| !option.is_code_only());
        let Some((index, option)) = known else {
            if !description.ignores_extra_keys() {
                let help = description.help_for_unknown(name, keys);
                self.unknown_key(name, place, help, key.span());
            }
            return;
        };
        let mut value = match convert::value(spanned) {
            Ok(value) => value,
            Err(span) => {
                self.mistakes.push(Mistake::WrongType {
                    key: name.to_owned(),
                    place: place.to_owned(),
                    expected: option.kind().to_string(),
                    found: "this number does not fit 64 bits".to_owned(),
                    help: option.help(),
                    span: convert::span(span),
                });
                return;
            }
        };
        if let Some(folder) = self.folder
            && option.kind().holds_path()
        {
            option.kind().resolve_paths(&mut value, folder);
        }
        match option.read("", &value) {
            Ok(stored) => {
                if self.keeps_constraints(option, place, &stored, spanned.span()) {
                    self.references.read_context(place, name, option, spanned);
                    layer.put_stored(index, stored);
                }
            }
            Err(error) => self.misfit(option, place, error, spanned),
        }
    }

    fn keeps_constraints(
        &mut self,
        option: &OptionDescription,
        place: &str,
        stored: &Stored,
        span: Range<usize>,
    ) -> bool {
        let broken = option.check_constraints("", stored);
        let kept = broken.is_empty();
        for error in broken {
            if let OptionError::Broken {
                option: key,
                found,
                rule,
                help,
                ..
            } = error
            {
                self.mistakes.push(Mistake::Broken {
                    key,
                    place: place.to_owned(),
                    found,
                    rule,
                    help,
                    span: convert::span(span.clone()),
                });
            }
        }
        kept
    }

    /// A driver may ask more of an option than the environment does that it inherits it from.
    fn check_inherited(&mut self, description: &ConfigDescription, type_name: &str, layer: &Layer) {
        for (index, option) in description.options().iter().enumerate() {
            if !option.is_inherited() || layer.find(index).is_some() {
                continue;
            }
            let Some((value, span)) = self.inheritable.get(option.name()).cloned() else {
                continue;
            };
            if !self.checked.insert((type_name.to_owned(), index)) {
                continue;
            }
            let place = format!("the environment, for {type_name}");
            match option.read("", &value) {
                Ok(stored) => drop(self.keeps_constraints(option, &place, &stored, span)),
                Err(_) => self.mistakes.push(Mistake::WrongType {
                    key: option.name().to_owned(),
                    place,
                    expected: option.kind().to_string(),
                    found: format!("expected {}", option.kind()),
                    help: option.help(),
                    span: convert::span(span),
                }),
            }
        }
    }

    fn misfit(
        &mut self,
        option: &OptionDescription,
        place: &str,
        error: OptionError,
        spanned: &Spanned<DeValue<'_>>,
    ) {
        let key = option.name().to_owned();
        let place = place.to_owned();
        match error {
            OptionError::WrongType { error, help, .. } => {
                let span = convert::span_at(spanned, error.path());
                let found = match error.reason() {
                    Some(reason) => reason.to_owned(),
                    None => format!("expected {}", error.expected()),
                };
                let expected = match error.path().is_empty() {
                    true => error.expected().to_owned(),
                    false => option.kind().to_string(),
                };
                self.mistakes.push(Mistake::WrongType {
                    key,
                    place,
                    expected,
                    found,
                    help,
                    span: convert::span(span),
                });
            }
            OptionError::BadTemplate { reason, .. } => {
                self.mistakes.push(Mistake::BadTemplate {
                    key,
                    place,
                    reason,
                    span: convert::span(template_span(spanned)),
                });
            }
            // `read` has no other complaints.
            error => self.mistakes.push(Mistake::WrongType {
                key,
                place,
                expected: option.kind().to_string(),
                found: error.to_string(),
                help: None,
                span: convert::span(spanned.span()),
            }),
        }
    }

    fn missing_options(
        &mut self,
        description: &ConfigDescription,
        place: &str,
        layer: &Layer,
        span: Range<usize>,
    ) {
        for (index, option) in description.options().iter().enumerate() {
            if !option.is_required() || layer.find(index).is_some() {
                continue;
            }
            // A value that is there but wrong is reported as such.
            let is_wrong = self.mistakes.iter().any(|mistake| match mistake {
                Mistake::WrongType { key, place: at, .. }
                | Mistake::Broken { key, place: at, .. }
                | Mistake::BadTemplate { key, place: at, .. } => {
                    key == option.name() && at == place
                }
                _ => false,
            });
            if is_wrong {
                continue;
            }
            self.missing_option(option, place, span.clone());
        }
    }

    fn missing_option(&mut self, option: &OptionDescription, place: &str, span: Range<usize>) {
        self.mistakes.push(Mistake::Missing {
            key: option.name().to_owned(),
            place: place.to_owned(),
            help: option.help_for_missing(),
            span: convert::span(span),
        });
    }

    pub(super) fn unknown_key(&mut self, key: &str, place: &str, help: String, span: Range<usize>) {
        self.mistakes.push(Mistake::UnknownKey {
            key: key.to_owned(),
            place: place.to_owned(),
            help,
            span: convert::span(span),
        });
    }

    pub(super) fn unknown_type(&mut self, type_name: &str, span: Range<usize>) {
        let help = match nearest(type_name, self.registry.types().map(|(name, _)| name)) {
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
        self.mistakes.push(Mistake::WrongType {
            key: key.to_owned(),
            place: place.to_owned(),
            expected: "a table".to_owned(),
            found: format!("this is {}", convert::type_name(value.get_ref())),
            help: None,
            span: convert::span(value.span()),
        });
    }

    fn type_names(&self) -> String {
        let names: Vec<&str> = self.registry.types().map(|(name, _)| name).collect();
        names.join(", ")
    }
}

/// The template within a context value, where it can be found without looking far.
fn template_span(spanned: &Spanned<DeValue<'_>>) -> Range<usize> {
    match spanned.get_ref() {
        DeValue::Table(table) => table
            .get("value")
            .map_or_else(|| spanned.span(), Spanned::span),
        _ => spanned.span(),
    }
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
