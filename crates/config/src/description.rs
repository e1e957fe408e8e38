//! [`ConfigDescription`]: a config's options as a value.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::docs::without_item_links;
use crate::kind::Kind;
use crate::node::CheckOption;
use crate::suggest::nearest;
use crate::{
    Config, ConfigErrors, Layer, Misfit, Node, OptionDescription, OptionError, Source, Value,
    ValueError,
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

/// A check of several options that are right one by one.
#[derive(Clone)]
struct Together {
    /// The options, which are those of a config that this one is or includes: their places here.
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
            check: None,
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

    /// Returns the conflicts between options that are valid one by one. Options that are `is_wrong`
    /// are skipped, and so are those that were not set.
    pub(crate) fn misfits(
        &self,
        owner: &str,
        layer: &Layer,
        is_wrong: impl Fn(usize) -> bool,
    ) -> Vec<OptionError> {
        let mut errors = Vec::new();
        for together in &self.0.checks {
            let places = &together.places;
            let is_set = |place: &usize| layer.find(*place).is_some();
            if !places.iter().any(is_set) || places.iter().any(|place| is_wrong(*place)) {
                continue;
            }
            let node = Node::unchecked(owner.to_owned(), layer.clone());
            errors.extend((together.check)(&node).into_iter().map(|misfit| {
                let about = || {
                    self.option(misfit.option())
                        .and_then(OptionDescription::help)
                };
                OptionError::Misfit {
                    owner: owner.to_owned(),
                    help: misfit.help_text().map(str::to_owned).or_else(about),
                    misfit,
                }
            }));
        }
        errors
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
        OptionError::Unknown {
            owner: owner.to_owned(),
            option: name.to_owned(),
            help: self.help_for_unknown(name, |names| nearest(name, names)),
        }
    }

    /// `nearest` finds the one of the known names that was probably meant.
    pub(crate) fn help_for_unknown<'a>(
        &'a self,
        name: &str,
        nearest: impl FnOnce(&mut dyn Iterator<Item = &'a str>) -> Option<&'a str>,
    ) -> String {
        let option = self.option(name);
        if let Some(option) = option.filter(|option| option.is_code_only()) {
            // It may name the options that do the same in files.
            let docs = option.plain_docs();
            let summary = docs.split("\n\n").next().unwrap_or_default();
            let summary = summary.replace('\n', " ");
            return format!("{name:?} can only be set in code. {summary}");
        }
        let names = || {
            let options = self.options().iter();
            let options = options.filter(|option| !option.is_code_only());
            options.map(OptionDescription::name)
        };
        match nearest(&mut names()) {
            Some(known) => format!("did you mean {known:?}?"),
            None => {
                let names: Vec<&str> = names().collect();
                format!("the options of {} are: {}", self.label(), names.join(", "))
            }
        }
    }

    /// Everything that is wrong in a table of options of this config, except for its templates:
    /// they are looked for once in the whole value that the table is a part of.
    pub(crate) fn nested_mistakes(&self, value: &Value) -> Vec<ValueError> {
        match self.nested_node(value, OptionDescription::check_constraints) {
            Ok(_) => Vec::new(),
            Err(errors) => errors,
        }
    }

    /// A node that stands alone, for a table of options within another config's option.
    pub(crate) fn read_nested(&self, value: &Value) -> Result<Node, ValueError> {
        let node = self.nested_node(value, OptionDescription::check_rules);
        node.map_err(|errors| {
            let first = errors.into_iter().next();
            first.unwrap_or_else(|| Kind::Nested(self.clone()).unfit(value))
        })
    }

    /// The values have just been read, and need no check but that of the rules: with another one at
    /// every level, tables within tables would take twice as long for each.
    fn nested_node(&self, value: &Value, rules: CheckOption) -> Result<Node, Vec<ValueError>> {
        let Value::Map(entries) = value else {
            return Err(vec![Kind::Nested(self.clone()).unfit(value)]);
        };
        let unfit = |errors: ConfigErrors| -> Vec<ValueError> {
            let errors = errors.into_errors();
            errors
                .into_iter()
                .map(|error| self.unfit_nested(value, error))
                .collect()
        };
        let values = entries.iter().map(|(key, value)| (key, value.clone()));
        let layer = Layer::read(self, self.name(), values).map_err(unfit)?;
        Node::checked(self.name().to_owned(), layer, rules).map_err(unfit)
    }

    /// A mistake in the options, as an error of the value that holds them.
    pub(crate) fn unfit_nested(&self, value: &Value, error: OptionError) -> ValueError {
        let this = || ValueError::new(Kind::Nested(self.clone()).to_string(), value.to_string());
        match error {
            OptionError::WrongType { option, error, .. }
            | OptionError::BadTemplate { option, error, .. } => error.at_key(&option),
            OptionError::Broken { option, broken, .. } => broken.into_value_error().at_key(&option),
            OptionError::Unknown { option, help, .. } => this()
                .because(format!("unknown key {option:?}"))
                .hint(help)
                .in_key(&option),
            OptionError::Misfit { misfit, help, .. } => {
                let mut error = this().because(misfit.message()).at(misfit.path());
                if let Some(help) = help {
                    error = error.hint(help);
                }
                error.at_key(misfit.option())
            }
            OptionError::Missing { option, help, .. } => {
                this().because(format!("{option:?} is missing")).hint(help)
            }
            error => this().because(error.to_string()),
        }
    }
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
    check: Option<Together>,
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

    /// A check of all options together, once each is right. A config that includes this one has
    /// it, too, unless it declares one of them again.
    pub fn check_together<C: Config>(mut self, check: fn(&C) -> Vec<Misfit>) -> Self {
        // A value that is inherited may be of a parent that is not there yet.
        let check = move |node: &Node| node.resolve().map(|config| check(&config));
        self.check = Some(Together {
            places: Vec::new(),
            check: Arc::new(move |node| check(node).unwrap_or_default()),
        });
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
        checks.extend(self.check.map(|check| Together {
            places: (0..options.len()).collect(),
            ..check
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
