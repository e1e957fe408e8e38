//! `[defaults]`: options of all drivers of a file, and of all drivers of a type.

use std::collections::HashSet;
use std::ops::Range;

use indexmap::IndexMap;
use standin_config::{ConfigDescription, Layer, OptionDescription};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{DEFAULTS, TYPE};
use super::loader::{KeyAndValue, Loader};

/// The defaults of a file for options of one type, strongest first.
pub(super) type TypeDefaults = Vec<ReadDefaults>;

/// A table of defaults, for one type.
pub(super) struct ReadDefaults {
    pub(super) place: String,
    pub(super) layer: Layer,
    /// The options that are there, and wrong.
    pub(super) unread: HashSet<usize>,
}

/// `[defaults]` as it was written.
#[derive(Default)]
pub(super) struct Defaults<'t, 'i> {
    pub(super) of_all: Vec<KeyAndValue<'t, 'i>>,
    pub(super) of_types: IndexMap<&'t str, &'t DeTable<'i>>,
}

impl Loader<'_> {
    /// Sorts the keys of `[defaults]` into options and types.
    pub(super) fn defaults<'t, 'i>(&mut self, value: &'t Spanned<DeValue<'i>>) -> Defaults<'t, 'i> {
        let mut defaults = Defaults::default();
        let DeValue::Table(table) = value.get_ref() else {
            self.not_a_table(DEFAULTS, "the file", value);
            return defaults;
        };
        for (key, value) in table {
            let name = &**key.get_ref();
            match value.get_ref() {
                DeValue::Table(table) if self.registry.get(name).is_some() => {
                    defaults.of_types.insert(name, table);
                }
                DeValue::Table(_) if !self.is_option_of_some_type(name) => {
                    self.unknown_type(name, key.span());
                }
                _ => defaults.of_all.push((key, value)),
            }
        }
        defaults
    }

    fn is_option_of_some_type(&self, name: &str) -> bool {
        self.registry
            .types()
            .any(|(_, description)| description.option(name).is_some())
    }

    /// Reads the defaults for each type that has drivers in the file, or, where that leaves an
    /// option unread, for the first type that has it: a mistake in unused defaults is one, too.
    pub(super) fn check_defaults(
        &mut self,
        defaults: &Defaults<'_, '_>,
        drivers: Option<&Spanned<DeValue<'_>>>,
    ) -> IndexMap<String, TypeDefaults> {
        let mut by_type = IndexMap::new();
        let used: Vec<&str> = drivers
            .and_then(|drivers| drivers.get_ref().as_array())
            .into_iter()
            .flatten()
            .filter_map(|driver| driver.get_ref().as_table()?.get(TYPE)?.get_ref().as_str())
            .collect();
        let registry = self.registry;
        for (type_name, description) in registry.types() {
            let is_used = used.contains(&type_name);
            if !is_used && !defaults.of_types.contains_key(type_name) {
                continue;
            }
            let place = format!("[{DEFAULTS}.{type_name}]");
            let mut of_type = self.reader.begin(description, place.as_str());
            if let Some(table) = defaults.of_types.get(type_name) {
                for (key, value) in *table {
                    let name = &**key.get_ref();
                    if self.is_default(&place, name, key.span()) {
                        self.option(&mut of_type, (key, value));
                    }
                }
            }
            let of_all = self.reader.begin(description, format!("[{DEFAULTS}]"));
            by_type.insert(type_name.to_owned(), (of_type, of_all));
        }
        let place = format!("[{DEFAULTS}]");
        for (key, value) in &defaults.of_all {
            let (name, span) = (&**key.get_ref(), key.span());
            let known: Vec<(&str, &ConfigDescription)> = registry
                .types()
                .filter(|(_, description)| description.option(name).is_some())
                .collect();
            let Some((_, first)) = known.first() else {
                let all = registry.types().flat_map(|(_, description)| {
                    description
                        .options()
                        .iter()
                        .map(OptionDescription::name)
                        .filter(|name| *name != "name")
                });
                let help = match self.reader.suggestions().nearest(name, all) {
                    Some(known) => format!("did you mean {known:?}?"),
                    None => {
                        "[defaults] holds options of drivers, and a table for each type".to_owned()
                    }
                };
                self.unknown_key(name, &place, help, span);
                continue;
            };
            if !self.is_default(&place, name, span) {
                continue;
            }
            let (mut read, mut reported) = (false, false);
            for (type_name, _) in &known {
                if let Some((_, of_all)) = by_type.get_mut(*type_name) {
                    read = true;
                    let before = of_all.mistakes().len();
                    self.option(of_all, (key, value));
                    // Once is enough.
                    if reported {
                        of_all.forget_mistakes(before);
                    }
                    reported |= of_all.mistakes().len() > before;
                }
            }
            if !read {
                let mut unused = self.reader.begin(first, place.as_str());
                self.option(&mut unused, (key, value));
                self.take(unused);
            }
        }
        let taken = by_type.into_iter().map(|(type_name, (of_type, of_all))| {
            let read = [of_type, of_all].map(|reading| ReadDefaults {
                place: reading.owner().to_owned(),
                unread: reading.unread().clone(),
                layer: self.take(reading),
            });
            let is_set = |read: &ReadDefaults| !(read.layer.is_empty() && read.unread.is_empty());
            (type_name, read.into_iter().filter(is_set).collect())
        });
        taken.collect()
    }

    /// A name belongs to one driver, so it is not a default.
    fn is_default(&mut self, place: &str, name: &str, span: Range<usize>) -> bool {
        if name != "name" {
            return true;
        }
        let help = "each driver has a name of its own".to_owned();
        self.unknown_key(name, place, help, span);
        false
    }
}
