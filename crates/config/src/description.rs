//! [`ConfigDescription`]: a config's options as a value.

use std::any::TypeId;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use standin_error::text::Quoted;

use crate::docs::without_item_links;
use crate::kind::Kind;
use crate::suggest::nearest;
use crate::{
    Config, ConfigErrors, Layer, Misfit, Node, OptionDescription, OptionError, Resolver, Source,
    Value, ValueError,
};

/// The options of a config, as a value. Cloning shares it.
///
/// The derive produces one for each declared config; one can also be built at run time. Everything
/// that works with options (resolution, files, the schema, the reference table) works on it.
///
/// ```
/// use standin_config::{ConfigDescription, Kind, OptionDescription, Value};
///
/// let base = ConfigDescription::builder("base")
///     .option(OptionDescription::required("name", Kind::String))
///     .option(OptionDescription::with_default("retries", Kind::Any, 3))
///     .build();
/// let derived = ConfigDescription::builder("derived")
///     .include(&base)
///     .option(OptionDescription::with_default("retries", Kind::Any, 5))
///     .build();
/// let names: Vec<_> = derived.options().iter().map(|option| option.name()).collect();
/// assert_eq!(names, ["name", "retries"]);
/// assert_eq!(derived.option("retries").and_then(|o| o.default_value()), Some(Value::from(5)));
/// ```
#[derive(Clone)]
pub struct ConfigDescription(Arc<Inner>);

struct Inner {
    name: String,
    type_name: Option<String>,
    docs: String,
    options: Vec<OptionDescription>,
    index: HashMap<String, usize>,
    includes: Vec<Included>,
    ignore_extra_keys: bool,
    rust_type: Option<TypeId>,
    checks: Vec<Together>,
    /// The mistakes in the defaults; determined on first use.
    misfits: OnceLock<Vec<OptionError>>,
}

/// A check of options that are right one by one.
#[derive(Clone)]
struct Together {
    /// The options that it takes, of a config that this one is or includes: their places here.
    places: Vec<usize>,
    check: Arc<FindMisfits>,
}

type FindMisfits = dyn Fn(&Node) -> Vec<Misfit> + Send + Sync;

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.places).finish()
    }
}

/// Where an included config's options are among this one's.
struct Included {
    config: TypeId,
    name: String,
    places: Vec<usize>,
}

impl ConfigDescription {
    /// Starts the description of a config called `name`.
    pub fn builder(name: impl Into<String>) -> ConfigDescriptionBuilder {
        ConfigDescriptionBuilder {
            name: name.into(),
            type_name: None,
            docs: String::new(),
            items: Vec::new(),
            ignore_extra_keys: false,
            rust_type: None,
            checks: Vec::new(),
        }
    }

    /// Returns the config's name, as messages show it: usually its Rust type.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Sets the type name in environment files of what is built from this config.
    pub fn type_name(&self) -> Option<&str> {
        self.0.type_name.as_deref()
    }

    /// Sets the purpose of the config: its doc comment.
    pub fn docs(&self) -> &str {
        &self.0.docs
    }

    /// Returns the [docs](Self::docs) without links to Rust items, for readers outside of rustdoc.
    pub fn plain_docs(&self) -> String {
        without_item_links(&self.0.docs)
    }

    /// Returns the type name in files, if there is one.
    pub(crate) fn label(&self) -> &str {
        self.type_name().unwrap_or(self.name())
    }

    /// Returns all options, included ones too, in the order of declaration.
    pub fn options(&self) -> &[OptionDescription] {
        &self.0.options
    }

    /// Returns the option called `name`.
    pub fn option(&self, name: &str) -> Option<&OptionDescription> {
        self.index(name).map(|index| &self.0.options[index])
    }

    /// Checks the declared defaults and fallbacks against their own types and constraints. Every
    /// node does this, too, so that any test that builds something from the config sees it.
    ///
    /// # Errors
    ///
    /// Returns an error for each default that breaks a rule that its option declares.
    pub fn check_defaults(&self) -> Result<(), ConfigErrors> {
        let misfits = self.0.misfits.get_or_init(|| {
            let options = self.options().iter();
            let misfits = options.flat_map(|option| match option.source() {
                Source::Default(value) | Source::InheritedOr(value) => {
                    option.check(&format!("the defaults of {}", self.name()), value)
                }
                _ => Vec::new(),
            });
            misfits.collect()
        });
        ConfigErrors::from_errors(self.name(), misfits.clone())
    }

    /// Returns the errors for options that must be set and are not. Those that are `unread` are
    /// there, and wrong.
    pub(crate) fn missing(
        &self,
        owner: &str,
        layer: &Layer,
        unread: &HashSet<usize>,
    ) -> Vec<OptionError> {
        let options = self.options().iter().enumerate();
        let missing = options.filter(|(index, option)| {
            let is_there = layer.find(*index).is_some() || unread.contains(index);
            option.is_required() && !is_there
        });
        missing.map(|(_, option)| option.missing(owner)).collect()
    }

    /// Returns the conflicts between options that are valid one by one. Nothing is said about
    /// options that are `unread`, because they are wrong.
    pub(crate) fn misfits(
        &self,
        owner: &str,
        layer: &Layer,
        unread: &HashSet<usize>,
    ) -> Vec<OptionError> {
        let mut misfits = self.without_effect(layer, unread);
        let is_read = |together: &&Together| !together.places.iter().any(|p| unread.contains(p));
        let mut checks = self.0.checks.iter().filter(is_read).peekable();
        if checks.peek().is_some() {
            let node = Node::unchecked(owner.to_owned(), layer.clone());
            misfits.extend(checks.flat_map(|together| (together.check)(&node)));
        }
        let error = |misfit: Misfit| {
            let option = self.option(misfit.option());
            let about = || option.and_then(OptionDescription::help);
            OptionError::Misfit {
                owner: owner.to_owned(),
                help: misfit.help_text().map(str::to_owned).or_else(about),
                misfit,
            }
        };
        misfits.into_iter().map(error).collect()
    }

    /// The options that have no effect, because another one is not there: for each other one the
    /// first.
    fn without_effect(&self, layer: &Layer, unread: &HashSet<usize>) -> Vec<Misfit> {
        let mut reported: Vec<&[String]> = Vec::new();
        let mut misfits = Vec::new();
        for (index, option) in self.options().iter().enumerate() {
            let needed = option.needed();
            let places = || needed.iter().filter_map(|name| self.index(name));
            // One that is declared again by a config that includes this one means something else.
            let ours = |place: &usize| self.options()[*place].declared_in() == option.declared_in();
            let Some(first) = places().find(ours) else {
                continue;
            };
            let is_set = |place| {
                let found = layer.find(place);
                found.is_some_and(|(stored, _)| match stored.value() {
                    Some(Value::List(items)) => !items.is_empty(),
                    value => value != Some(Value::Null),
                })
            };
            let is_there = |place| is_set(place) || unread.contains(&place);
            if is_set(index) && !places().any(is_there) && !reported.contains(&needed) {
                reported.push(needed);
                misfits.push(option.misfit_without(&self.options()[first]));
            }
        }
        misfits
    }

    /// Returns whether unknown names are dropped instead of being mistakes.
    pub fn ignores_extra_keys(&self) -> bool {
        self.0.ignore_extra_keys
    }

    /// Returns the names of the declared configs whose options this one includes, at any depth.
    pub fn includes(&self) -> impl Iterator<Item = &str> {
        self.0.includes.iter().map(|include| include.name.as_str())
    }

    /// Returns the place of the option called `name` among the [options](Self::options).
    pub fn index(&self, name: &str) -> Option<usize> {
        self.0.index.get(name).copied()
    }

    pub(crate) fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where the options of the config `C` are; `None` when this config does not include it.
    pub(crate) fn places<C: Config>(&self) -> Option<Places<'_>> {
        let config = TypeId::of::<C>();
        if self.0.rust_type == Some(config) {
            return Some(Places::Same);
        }
        self.0
            .includes
            .iter()
            .find(|include| include.config == config)
            .map(|include| Places::At(&include.places))
    }

    pub(crate) fn unknown_option(&self, owner: &str, name: &str) -> OptionError {
        self.unknown(owner, name, |names| nearest(name, names))
            .error
    }

    /// `nearest` finds the one of the known names that was probably meant.
    pub(crate) fn unknown<'a>(
        &'a self,
        owner: &str,
        name: &str,
        nearest: impl FnOnce(&mut dyn Iterator<Item = &'a str>) -> Option<&'a str>,
    ) -> Unknown {
        let unknown = |help, meant: Option<&str>| Unknown {
            error: OptionError::Unknown {
                owner: owner.to_owned(),
                option: name.to_owned(),
                help,
            },
            meant: meant.and_then(|meant| self.index(meant)),
        };
        let option = self.option(name);
        if let Some(option) = option.filter(|option| option.is_code_only()) {
            // It may name the options that do the same in files.
            let docs = option.plain_docs();
            let summary = docs.split("\n\n").next().unwrap_or_default();
            let summary = summary.replace('\n', " ");
            let help = format!("{name:?} can only be set in code. {summary}");
            return unknown(help, Some(name));
        }
        let names = || {
            let options = self.options().iter();
            let options = options.filter(|option| !option.is_code_only());
            options.map(OptionDescription::name)
        };
        match nearest(&mut names()) {
            Some(known) => unknown(format!("did you mean {known:?}?"), Some(known)),
            None => {
                let names: Vec<&str> = names().collect();
                // The name of a Rust type says nothing in a file.
                let of = self.type_name().map(|name| format!(" of {name}"));
                let of = of.unwrap_or_default();
                let help = format!("the options{of} are: {}", names.join(", "));
                unknown(help, None)
            }
        }
    }

    /// A node that stands alone, for a table of options within another config's option; or
    /// everything that is wrong in the table, except for its templates: they are looked for once in
    /// the whole value that the table is a part of.
    ///
    /// Each value is read once: with another check at every level, tables within tables would take
    /// twice as long for each.
    pub(crate) fn nested_node(&self, value: &Value) -> Result<Node, Vec<ValueError>> {
        let Value::Map(entries) = value else {
            return Err(vec![Kind::Nested(self.clone()).unfit(value)]);
        };
        let owner = self.name();
        let unfit = |error: OptionError| self.unfit_nested(value, error);
        if let Err(errors) = self.check_defaults() {
            return Err(errors.into_errors().into_iter().map(unfit).collect());
        }
        let mut layer = Layer::new(self);
        let (mut errors, mut unread) = (Vec::new(), HashSet::new());
        for (name, value) in entries {
            let Some(index) = self.index(name) else {
                if !self.ignores_extra_keys() {
                    let unknown = self.unknown(owner, name, |names| nearest(name, names));
                    unread.extend(unknown.meant);
                    errors.push(unknown.error);
                }
                continue;
            };
            let option = &self.options()[index];
            match option.read_by(owner, value, OptionDescription::check_constraints) {
                Ok(stored) => layer.put_stored(index, stored),
                Err(mistakes) => {
                    unread.insert(index);
                    errors.extend(mistakes);
                }
            }
        }
        errors.extend(self.missing(owner, &layer, &unread));
        errors.extend(self.misfits(owner, &layer, &unread));
        match errors.is_empty() {
            true => Ok(Node::unchecked(owner.to_owned(), layer)),
            false => Err(errors.into_iter().map(unfit).collect()),
        }
    }

    /// A mistake in the options, as an error of the value that holds them.
    pub(crate) fn unfit_nested(&self, value: &Value, error: OptionError) -> ValueError {
        let this = || ValueError::new(Kind::Nested(self.clone()).to_string(), value.to_string());
        match error {
            OptionError::WrongType { option, error, .. }
            | OptionError::BadTemplate { option, error, .. } => error.at_key(&option),
            OptionError::Broken { option, broken, .. } => broken.into_value_error().at_key(&option),
            OptionError::Unknown { option, help, .. } => this()
                .because(format!("unknown key {}", Quoted(&option)))
                .hint(help)
                .in_key(&option),
            OptionError::Misfit { misfit, help, .. } => {
                let error = ValueError::of_misfit(&misfit);
                match help {
                    Some(help) => error.hint(help),
                    None => error,
                }
            }
            OptionError::Missing { option, help, .. } => {
                this().because(format!("{option:?} is missing")).hint(help)
            }
            error => this().because(error.to_string()),
        }
    }
}

/// A name that no option has.
pub(crate) struct Unknown {
    pub(crate) error: OptionError,
    /// The option that was probably meant, so that it is not missing.
    pub(crate) meant: Option<usize>,
}

#[derive(Debug)]
pub(crate) enum Places<'a> {
    /// The same config: every option is at its own index.
    Same,
    At(&'a [usize]),
    /// A config that is not included; its options are looked up one by one.
    ByName,
}

impl fmt::Debug for ConfigDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.options().iter().map(OptionDescription::name).collect();
        f.debug_struct("ConfigDescription")
            .field("name", &self.name())
            .field("type_name", &self.type_name())
            .field("options", &names)
            .finish_non_exhaustive()
    }
}

/// Builds a [`ConfigDescription`].
#[derive(Debug)]
#[must_use = "nothing is described until `build` is called"]
pub struct ConfigDescriptionBuilder {
    name: String,
    type_name: Option<String>,
    docs: String,
    items: Vec<Item>,
    ignore_extra_keys: bool,
    rust_type: Option<TypeId>,
    /// Each with the names of the options that it takes.
    checks: Vec<(Vec<String>, Together)>,
}

#[derive(Debug)]
enum Item {
    Include(ConfigDescription),
    Option(Box<OptionDescription>),
}

impl ConfigDescriptionBuilder {
    /// Returns the type name in environment files.
    pub fn type_name(mut self, type_name: impl Into<String>) -> Self {
        self.type_name = Some(type_name.into());
        self
    }

    /// Returns the purpose of the config.
    pub fn docs(mut self, docs: impl Into<String>) -> Self {
        self.docs = docs.into();
        self
    }

    /// Takes over all options of `base`, except those that this config declares itself. When two
    /// included configs have an option of the same name, the first one's is taken.
    pub fn include(mut self, base: &ConfigDescription) -> Self {
        self.items.push(Item::Include(base.clone()));
        self
    }

    /// Declares an option; it replaces an included one of the same name.
    pub fn option(mut self, option: OptionDescription) -> Self {
        self.items.push(Item::Option(Box::new(option)));
        self
    }

    /// Sets whether unknown names are dropped instead of being mistakes.
    pub fn ignore_extra_keys(mut self, ignore: bool) -> Self {
        self.ignore_extra_keys = ignore;
        self
    }

    /// A check of the options that it takes, once each of them is right. A config that includes
    /// this one has it, too, unless it declares one of them again.
    #[doc(hidden)]
    pub fn check_together<C: Config>(
        mut self,
        options: &[&str],
        check: fn(&mut Resolver<'_>) -> Option<Vec<Misfit>>,
    ) -> Self {
        let options = options.iter().map(|name| (*name).to_owned()).collect();
        // A value that is inherited may be of a parent that is not there yet.
        let check = move |node: &Node| node.take::<C, _>(check).unwrap_or_default();
        let together = Together {
            places: Vec::new(),
            check: Arc::new(check),
        };
        self.checks.push((options, together));
        self
    }

    #[doc(hidden)]
    pub fn rust_type<C: Config>(mut self) -> Self {
        self.rust_type = Some(TypeId::of::<C>());
        self
    }

    /// The finished description.
    // The derive lays out its setters by the same rules; `put` by index relies on that.
    pub fn build(self) -> ConfigDescription {
        let own: Vec<String> = self
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Option(option) => Some(option.name().to_owned()),
                Item::Include(_) => None,
            })
            .collect();
        let mut options: Vec<OptionDescription> = Vec::new();
        let mut index: HashMap<String, usize> = HashMap::new();
        let mut bases = Vec::new();
        for item in self.items {
            match item {
                Item::Option(mut option) => {
                    option.declared_in.get_or_insert_with(|| self.name.clone());
                    match index.get(option.name()) {
                        Some(&place) => options[place] = *option,
                        None => {
                            index.insert(option.name().to_owned(), options.len());
                            options.push(*option);
                        }
                    }
                }
                Item::Include(base) => {
                    for option in base.options() {
                        if !own.iter().any(|name| name == option.name())
                            && !index.contains_key(option.name())
                        {
                            index.insert(option.name().to_owned(), options.len());
                            options.push(option.clone());
                        }
                    }
                    bases.push(base);
                }
            }
        }
        let mut includes: Vec<Included> = Vec::new();
        let mut add = |config: TypeId, name: &str, names: &mut dyn Iterator<Item = &str>| {
            if !includes.iter().any(|include| include.config == config) {
                includes.push(Included {
                    config,
                    name: name.to_owned(),
                    places: names.filter_map(|name| index.get(name).copied()).collect(),
                });
            }
        };
        for base in &bases {
            if let Some(config) = base.0.rust_type {
                let mut names = base.options().iter().map(OptionDescription::name);
                add(config, base.name(), &mut names);
            }
            for include in &base.0.includes {
                let mut names = include
                    .places
                    .iter()
                    .map(|&place| base.0.options[place].name());
                add(include.config, &include.name, &mut names);
            }
        }
        let mut checks: Vec<Together> = Vec::new();
        for base in &bases {
            let here = |place: &usize| {
                let option = &base.0.options[*place];
                let here = index.get(option.name()).copied()?;
                (options[here].declared_in() == option.declared_in()).then_some(here)
            };
            checks.extend(base.0.checks.iter().filter_map(|together| {
                Some(Together {
                    // Where this config declares one again, the check does not know what it means.
                    places: together.places.iter().map(here).collect::<Option<_>>()?,
                    check: together.check.clone(),
                })
            }));
        }
        let place = |name: &String| index.get(name).copied();
        checks.extend(self.checks.into_iter().map(|(names, together)| Together {
            places: names.iter().filter_map(place).collect(),
            ..together
        }));
        ConfigDescription(Arc::new(Inner {
            name: self.name,
            type_name: self.type_name,
            docs: self.docs,
            options,
            index,
            includes,
            ignore_extra_keys: self.ignore_extra_keys,
            rust_type: self.rust_type,
            checks,
            misfits: OnceLock::new(),
        }))
    }
}
