//! From a text to a document, collecting mistakes.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use indexmap::IndexMap;
use standin_config::{Layer, OptionError, TableOptions, TomlText, Value, nearest, toml_start_of};
use standin_error::text::Quoted;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::defaults::{Defaults, TypeDefaults};
use super::document::{Document, Entry};
use super::draft::Draft;
use super::keys::{AFTER, CONTEXT, DEFAULTS, DRIVER, TYPE};
use super::loader::{KeyAndValue, Loader};
use super::mistake::{FileErrors, Mistake, ReadError};
use super::registry::TypeRegistry;

/// The largest environment file: 64 MiB, far more than anybody writes.
pub const LARGEST_FILE: u64 = 64 << 20;

impl Loader<'_> {
    pub(crate) fn load(mut self, file: &str, text: &str) -> Draft {
        let (toml, table) = TomlText::parse(file, text);
        let document = self.document(table.get_ref());
        let mut mistakes = std::mem::take(&mut self.mistakes);
        let suggestions = self.reader.suggestions();
        let links = self.references.check(&mut mistakes, suggestions);
        Draft {
            toml,
            document,
            links,
            mistakes,
            unread: self.unread,
            has_dependencies: self.has_dependencies,
        }
    }

    fn document(&mut self, table: &DeTable<'_>) -> Document {
        let environment = self.registry.environment();
        let reading = self.reader.begin(environment, "the environment");
        let mut reading = reading.with_keys(&[DRIVER, DEFAULTS, CONTEXT]);
        let mut drivers = None;
        let mut defaults = Defaults::default();
        let mut context = IndexMap::new();
        for (key, value) in table {
            match &**key.get_ref() {
                DRIVER => drivers = Some(value),
                DEFAULTS => defaults = self.defaults(value),
                CONTEXT => context = self.context(value),
                _ => self.option(&mut reading, (key, value)),
            }
        }
        reading.finish(table, toml_start_of(table));
        let names = reading
            .unread()
            .iter()
            .map(|index| &environment.options()[*index]);
        self.unread = names.map(|option| option.name().to_owned()).collect();
        let layer = self.take(reading);
        self.inheritable = table
            .iter()
            .filter_map(|(key, spanned)| {
                let name = &**key.get_ref();
                Some((name.to_owned(), (layer.get(name)?, spanned.span())))
            })
            .collect();
        let by_type = self.check_defaults(&defaults, drivers);
        let entries = match drivers {
            Some(drivers) => self.entries(drivers, &by_type),
            None => Vec::new(),
        };
        let values = |table: &DeTable<'_>| -> IndexMap<String, Value> {
            table.iter().filter_map(key_and_value).collect()
        };
        Document {
            environment: layer,
            context,
            defaults: defaults
                .of_all
                .iter()
                .filter_map(|(key, value)| key_and_value((key, value)))
                .collect(),
            type_defaults: defaults
                .of_types
                .iter()
                .map(|(type_name, table)| ((*type_name).to_owned(), values(table)))
                .collect(),
            entries,
        }
    }

    /// Reads `[context]`: values of any kind.
    fn context(&mut self, value: &Spanned<DeValue<'_>>) -> IndexMap<String, Value> {
        let Some(table) = value.get_ref().as_table() else {
            self.not_a_table(CONTEXT, "the file", value);
            return IndexMap::new();
        };
        let mut context = IndexMap::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            match Value::from_toml(value) {
                Ok(value) => {
                    self.references.add_value(&name);
                    context.insert(name, value);
                }
                Err(foreign) => {
                    for found in foreign {
                        let error = OptionError::WrongType {
                            owner: format!("[{CONTEXT}]"),
                            option: name.clone(),
                            error: found.error(None),
                            help: Some(found.hint()),
                        };
                        self.mistaken(error, found.span());
                    }
                }
            }
        }
        context
    }

    fn entries(
        &mut self,
        drivers: &Spanned<DeValue<'_>>,
        defaults: &IndexMap<String, TypeDefaults>,
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
        defaults: &IndexMap<String, TypeDefaults>,
    ) -> Option<Entry> {
        let Some(table) = driver.get_ref().as_table() else {
            self.not_a_table(DRIVER, "the file", driver);
            return None;
        };
        let before = self.mistakes.len();
        let name = table
            .get("name")
            .and_then(|name| Some((name.get_ref().as_str()?, name.span())));
        let place = match &name {
            Some((name, _)) => format!("driver {}", Quoted(name)),
            None => format!("driver number {}", index + 1),
        };
        self.has_dependencies |= table.contains_key(AFTER);
        let after = table
            .get(AFTER)
            .map(|after| self.after(&place, after))
            .unwrap_or_default();
        match &name {
            Some((name, span)) => {
                self.references
                    .enter_driver(name, span.clone(), &after, &mut self.mistakes);
            }
            None => self.references.enter_nameless(),
        }
        let entry = self.typed_entry(table, &place, driver.span(), defaults);
        self.references.leave();
        let (type_name, layer) = entry?;
        let defaults = defaults.get(&type_name).into_iter().flatten();
        let has_defaults = defaults.into_iter().all(|read| read.unread.is_empty());
        Some(Entry {
            name: name?.0.to_owned(),
            type_name,
            layer,
            after: after.into_iter().map(|(name, _)| name).collect(),
            span: driver.span(),
            values: table
                .iter()
                .map(|(key, value)| (key.get_ref().clone().into_owned(), value.span()))
                .collect(),
            is_sound: has_defaults && self.mistakes.len() == before,
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
        let Some(type_name) = self.type_of(table, place, span.clone()) else {
            self.common_options(table, place, span);
            return None;
        };
        let description = registry.get(type_name)?;
        let reading = self.reader.begin(description, place);
        let mut reading = reading.with_keys(&[TYPE, AFTER]);
        for (key, value) in table {
            match &**key.get_ref() {
                TYPE | AFTER => {}
                _ => self.option(&mut reading, (key, value)),
            }
        }
        for read in defaults.get(type_name).into_iter().flatten() {
            reading.add_defaults(&read.place, &read.layer, &read.unread);
        }
        reading.finish(table, span.clone());
        self.check_inherited(&mut reading, type_name);
        // A type may have a default for its name; that would name all of its drivers.
        let name = description.option("name");
        if let Some(name) = name.filter(|name| !name.is_required() && !table.contains_key("name")) {
            reading.add(name.missing(place), span);
        }
        Some((type_name.to_owned(), self.take(reading)))
    }

    /// The type of a driver, if it is a known one.
    fn type_of<'t>(
        &mut self,
        table: &'t DeTable<'_>,
        place: &str,
        span: Range<usize>,
    ) -> Option<&'t str> {
        let Some(value) = table.get(TYPE) else {
            let is_meant = |key: &&Spanned<DeString<'_>>| nearest(key.get_ref(), [TYPE]).is_some();
            match table.keys().find(is_meant) {
                Some(key) => {
                    let help = format!("did you mean {TYPE:?}?");
                    self.unknown_key(key.get_ref(), place, help, key.span());
                }
                None => self.missing_key(TYPE, place, self.types_help(), span),
            }
            return None;
        };
        let Some(type_name) = value.get_ref().as_str() else {
            let help = self.types_help();
            self.wrong_key(TYPE, place, "the name of a driver type", value, help);
            return None;
        };
        if self.registry.get(type_name).is_none() {
            self.unknown_type(type_name, value.span());
            return None;
        }
        Some(type_name)
    }

    /// Checks the options that every type has, in the table of a driver whose type is not known.
    fn common_options(&mut self, table: &DeTable<'_>, place: &str, span: Range<usize>) {
        let registry = self.registry;
        let Some((_, first)) = registry.types().next() else {
            return;
        };
        let common = registry.common_options();
        let mut reading = self.reader.begin(first, place);
        for (key, value) in table {
            if common
                .iter()
                .any(|option| option.name() == &**key.get_ref())
            {
                self.option(&mut reading, (key, value));
            }
        }
        let is_name = |key: &Spanned<DeString<'_>>| nearest(key.get_ref(), ["name"]).is_some();
        if let Some(name) = first.option("name").filter(|_| !table.keys().any(is_name)) {
            reading.add(name.missing(place), span);
        }
        self.take(reading);
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

    /// A driver may ask more of an option than the environment does that it inherits it from.
    fn check_inherited(&mut self, reading: &mut TableOptions<'_>, type_name: &str) {
        for (name, (value, span)) in &self.inheritable {
            let description = reading.description();
            let Some(index) = description.index(name) else {
                continue;
            };
            let option = &description.options()[index];
            if !option.is_inherited() || reading.has(index) {
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
                for error in errors.into_iter().flatten() {
                    reading.add(error, span.clone());
                }
            }
        }
    }
}

/// An entry of a table as it was written, unless there is something in it that no option has.
fn key_and_value((key, value): KeyAndValue<'_, '_>) -> Option<(String, Value)> {
    Some((key.get_ref().to_string(), Value::from_toml(value).ok()?))
}

/// Reads a file, which may be a FIFO or a device, but no more than `limit` bytes of it.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    let count = read.map_err(|source| ReadError::Io {
        path: path.to_owned(),
        source,
    })?;
    if count as u64 > limit {
        let path = path.to_owned();
        return Err(ReadError::TooLarge { path, limit });
    }
    Ok(bytes)
}

impl TypeRegistry {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read; all mistakes in it at once.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Document, ReadError> {
        Ok(self.read_draft(path)?.finish()?)
    }

    /// Reads a text. Nothing is read from the file system: `path` names the text in messages, and
    /// relative paths in the text start at its folder.
    ///
    /// # Errors
    ///
    /// Returns all mistakes in the text at once.
    pub fn parse(&self, path: impl AsRef<Path>, text: &str) -> Result<Document, FileErrors> {
        self.draft(path, text).finish()
    }

    /// Reads a file as [`TypeRegistry::read`] does, for callers that add their own mistakes.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read.
    pub fn read_draft(&self, path: impl AsRef<Path>) -> Result<Draft, ReadError> {
        let path = path.as_ref();
        let bytes = read(path, LARGEST_FILE)?;
        // Where the paths of the file start must not move with the working directory.
        let folder = std::path::absolute(path)
            .ok()
            .and_then(|path| path.parent().map(Path::to_owned));
        let name = path.display().to_string();
        match str::from_utf8(&bytes) {
            Ok(text) => Ok(Loader::new(self, folder.as_deref()).load(&name, text)),
            Err(error) => {
                let text = String::from_utf8_lossy(&bytes);
                let start = error.valid_up_to();
                // The lossy text has one replacement character there.
                let span = (start..start + char::REPLACEMENT_CHARACTER.len_utf8()).into();
                Err(FileErrors::new(&name, &text, vec![Mistake::NotUtf8 { span }]).into())
            }
        }
    }

    /// Reads a text as [`TypeRegistry::parse`] does, for callers that add their own mistakes.
    pub fn draft(&self, path: impl AsRef<Path>, text: &str) -> Draft {
        let path = path.as_ref();
        Loader::new(self, path.parent()).load(&path.display().to_string(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "1234").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"1234");
        let error = read(&path, 3).unwrap_err();
        assert!(
            matches!(&error, ReadError::TooLarge { limit: 3, .. }),
            "{error}"
        );
    }
}
