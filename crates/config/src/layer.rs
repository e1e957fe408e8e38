//! [`Layer`]: the options that were set.

use std::fmt;

use indexmap::IndexMap;

use crate::stored::Stored;
use crate::{ConfigDescription, OptionError, OptionValue, Options, Origin, Value};

/// The options that were set explicitly, before defaults and parents.
///
/// The builders that the derive generates wrap a layer; a layer of its own serves configs
/// that are described at run time.
///
/// ```
/// use standin_config::{ConfigDescription, Kind, Layer, Node, OptionDescription, Value};
///
/// let echo = ConfigDescription::builder("echo")
///     .option(OptionDescription::required("greeting", Kind::String))
///     .build();
/// let mut layer = Layer::new(&echo);
/// layer.set("greeting", "hello")?;
/// let node = Node::new("echo-1", layer)?;
/// assert_eq!(node.get("greeting")?, Value::from("hello"));
/// # Ok::<(), standin_config::ConfigErrors>(())
/// ```
#[derive(Clone)]
pub struct Layer {
    description: ConfigDescription,
    slots: Vec<Option<Stored>>,
    /// Values under names that the description lacks; kept only if that is allowed.
    extra: IndexMap<String, Value>,
    /// Weaker layers, strongest first.
    defaults: Vec<(Origin, Layer)>,
}

impl Layer {
    /// Creates a layer in which nothing is set.
    pub fn new(description: &ConfigDescription) -> Self {
        Self {
            description: description.clone(),
            slots: vec![None; description.options().len()],
            extra: IndexMap::new(),
            defaults: Vec::new(),
        }
    }

    /// Reads a layer from named values, all mistakes at once. Names that the config lacks are
    /// mistakes, unless it ignores extra keys: then they are dropped.
    ///
    /// # Errors
    ///
    /// Returns one error for each value that does not fit and for each unknown name.
    pub fn read<K: AsRef<str>>(
        description: &ConfigDescription,
        owner: &str,
        values: impl IntoIterator<Item = (K, Value)>,
    ) -> Result<Self, crate::ConfigErrors> {
        let mut layer = Self::new(description);
        let mut errors = Vec::new();
        for (name, value) in values {
            let name = name.as_ref();
            match description.index(name) {
                Some(index) => match description.options()[index].read_or_mistakes(owner, &value) {
                    Ok(stored) => layer.put_stored(index, stored),
                    Err(mistakes) => errors.extend(mistakes),
                },
                None if description.ignores_extra_keys() => {}
                None => errors.push(description.unknown_option(owner, name)),
            }
        }
        crate::ConfigErrors::from_errors(owner, errors)?;
        Ok(layer)
    }

    /// Returns the description of the config whose options these are.
    pub fn description(&self) -> &ConfigDescription {
        &self.description
    }

    /// Returns whether these are options of exactly this config.
    pub fn is_of(&self, description: &ConfigDescription) -> bool {
        self.description.ptr_eq(description)
    }

    /// Sets an option by name.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such option, or when the value is not of its type.
    /// Constraints are checked later, with all other options, by [`Node::new`](crate::Node::new).
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> Result<(), OptionError> {
        let owner = self.description.name().to_owned();
        match self.description.index(name) {
            Some(index) => self.read_slot(index, &owner, &value.into()),
            None => Err(self.description.unknown_option(&owner, name)),
        }
    }

    /// Takes back what was set; the option has its default or inherits again.
    pub fn unset(&mut self, name: &str) {
        match self.description.index(name) {
            Some(index) => self.slots[index] = None,
            None => drop(self.extra.shift_remove(name)),
        }
    }

    /// Returns the value of `name`, in its written form.
    pub fn get(&self, name: &str) -> Option<Value> {
        match self.description.index(name) {
            Some(index) => self.slots[index].as_ref().and_then(Stored::value),
            None => self.extra.get(name).cloned(),
        }
    }

    /// Returns whether the option was set.
    pub fn is_set(&self, name: &str) -> bool {
        match self.description.index(name) {
            Some(index) => self.slots[index].is_some(),
            None => self.extra.contains_key(name),
        }
    }

    /// Returns whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.set_slots().next().is_none() && self.extra.is_empty()
    }

    /// Returns the names of the options that are set, in the order of their declaration.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.set_slots()
            .map(|(index, _)| self.description.options()[index].name())
            .chain(self.extra.keys().map(String::as_str))
    }

    /// Returns the options that are set and have a written form, in the order of their declaration.
    pub fn values(&self) -> IndexMap<String, Value> {
        self.set_slots()
            .filter_map(|(index, stored)| {
                let name = self.description.options()[index].name();
                Some((name.to_owned(), stored.value()?))
            })
            .chain(self.extra.clone())
            .collect()
    }

    /// Adds options of the same config that count where these, and those added before, have
    /// nothing, such as the defaults of a file; [`Origin::Defaults`] has the `name`.
    ///
    /// Options of another config are passed over.
    pub fn add_defaults(&mut self, name: &str, defaults: &Layer) {
        if defaults.is_of(&self.description) {
            let origin = Origin::Defaults(name.to_owned());
            self.defaults.push((origin, defaults.clone()));
        }
    }

    /// Sets the option at `index` to a value of its declared type. The derive's setters call it.
    #[doc(hidden)]
    pub fn put<T: OptionValue>(&mut self, index: usize, value: T) {
        self.put_stored(index, Stored::new(value));
    }

    /// Adds an item to the list or map at `index`. The derive's setters call it.
    #[doc(hidden)]
    pub fn append<C, T>(&mut self, index: usize, item: T)
    where
        C: OptionValue + Clone + Default + Extend<T>,
    {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let mut stored = slot.take().unwrap_or_else(|| Stored::new(C::default()));
        match stored.get_mut::<C>() {
            Some(items) => items.extend([item]),
            None => {
                let mut items = stored.get::<C>().cloned().unwrap_or_default();
                items.extend([item]);
                stored = Stored::new(items);
            }
        }
        *slot = Some(stored);
    }

    /// As [`Layer::put`], for values without a written form.
    #[doc(hidden)]
    pub fn put_code<T: Send + Sync + 'static>(&mut self, index: usize, value: T) {
        self.put_stored(index, Stored::code(value));
    }

    /// As [`Layer::put_code`], for options that may be without a value.
    #[doc(hidden)]
    pub fn put_optional_code<T: Send + Sync + 'static>(&mut self, index: usize, value: Option<T>) {
        self.put_stored(index, Stored::optional_code(value));
    }

    pub(crate) fn put_stored(&mut self, index: usize, stored: Stored) {
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(stored);
        }
    }

    pub(crate) fn put_extra(&mut self, name: &str, value: Value) {
        self.extra.insert(name.to_owned(), value);
    }

    pub(crate) fn extra(&self, name: &str) -> Option<&Value> {
        self.extra.get(name)
    }

    pub(crate) fn slot(&self, index: usize) -> Option<&Stored> {
        self.slots.get(index)?.as_ref()
    }

    pub(crate) fn extra_names(&self) -> impl Iterator<Item = &str> {
        self.extra.keys().map(String::as_str)
    }

    /// The value of the strongest layer that has one.
    pub(crate) fn find(&self, index: usize) -> Option<(&Stored, &Origin)> {
        if let Some(stored) = self.slot(index) {
            return Some((stored, &Origin::Explicit));
        }
        self.defaults
            .iter()
            .find_map(|(origin, layer)| Some((layer.slot(index)?, origin)))
    }

    pub(crate) fn set_slots(&self) -> impl Iterator<Item = (usize, &Stored)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((index, slot.as_ref()?)))
    }

    fn read_slot(&mut self, index: usize, owner: &str, value: &Value) -> Result<(), OptionError> {
        let stored = self.description.options()[index].read(owner, value)?;
        self.slots[index] = Some(stored);
        Ok(())
    }
}

impl Options for Layer {
    fn description(&self) -> &ConfigDescription {
        &self.description
    }

    fn layer(&self) -> &Layer {
        self
    }

    fn into_layer(self) -> Layer {
        self
    }
}

/// Shows what is set, by name.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (index, stored) in self.set_slots() {
            map.entry(&self.description.options()[index].name(), stored);
        }
        map.entries(&self.extra).finish()
    }
}
