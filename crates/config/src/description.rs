//! [`ConfigDescription`] and [`OptionDescription`]: a config's options as values.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::constraint::Constraint;
use crate::kind::Kind;
use crate::stored::Stored;
use crate::suggest::nearest;
use crate::{Config, ConfigErrors, Layer, Node, OptionError, OptionValue, Value, ValueError};

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
        }
    }

    /// The config's name, as messages show it: usually its Rust type.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The name under which environment files know the type that is built from this config.
    pub fn type_name(&self) -> Option<&str> {
        self.0.type_name.as_deref()
    }

    /// What the config is for: its doc comment.
    pub fn docs(&self) -> &str {
        &self.0.docs
    }

    /// The name that the readers of files know, if they know one.
    pub(crate) fn label(&self) -> &str {
        self.type_name().unwrap_or(self.name())
    }

    /// All options, included ones too, in the order of declaration.
    pub fn options(&self) -> &[OptionDescription] {
        &self.0.options
    }

    /// The option called `name`.
    pub fn option(&self, name: &str) -> Option<&OptionDescription> {
        self.index(name).map(|index| &self.0.options[index])
    }

    /// Whether unknown names are dropped instead of being mistakes.
    pub fn ignores_extra_keys(&self) -> bool {
        self.0.ignore_extra_keys
    }

    /// The names of the declared configs whose options this one includes, at any depth.
    pub fn includes(&self) -> impl Iterator<Item = &str> {
        self.0.includes.iter().map(|include| include.name.as_str())
    }

    pub(crate) fn index(&self, name: &str) -> Option<usize> {
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
            help: self.help_for_unknown(name),
        }
    }

    pub(crate) fn help_for_unknown(&self, name: &str) -> String {
        let names = || {
            self.options()
                .iter()
                .filter(|option| !option.is_code_only())
                .map(OptionDescription::name)
        };
        if let Some(option) = self.option(name)
            && option.is_code_only()
        {
            return format!("{name:?} can only be set in code");
        }
        match nearest(name, names()) {
            Some(known) => format!("did you mean {known:?}?"),
            None => {
                let names: Vec<&str> = names().collect();
                format!("the options of {} are: {}", self.label(), names.join(", "))
            }
        }
    }

    /// Checks a table of options of a nested config.
    pub(crate) fn check_value(&self, value: &Value) -> Result<(), ValueError> {
        self.read_nested(value).map(drop)
    }

    /// A node that stands alone, for a table of options within another config's option.
    pub(crate) fn read_nested(&self, value: &Value) -> Result<Node, ValueError> {
        let Value::Map(entries) = value else {
            return Err(Kind::Nested(self.clone()).unfit(value));
        };
        let layer = Layer::read(
            self,
            self.name(),
            entries.iter().map(|(key, value)| (key, value.clone())),
        )
        .map_err(|errors| self.unfit_nested(value, &errors))?;
        Node::new(self.name(), layer).map_err(|errors| self.unfit_nested(value, &errors))
    }

    /// The first of the mistakes, as an error of the value that holds the options.
    pub(crate) fn unfit_nested(&self, value: &Value, errors: &ConfigErrors) -> ValueError {
        match errors.errors().first() {
            Some(OptionError::WrongType { option, error, .. }) => error.clone().at_key(option),
            Some(error) => Kind::Nested(self.clone())
                .unfit(value)
                .because(nested_reason(error)),
            None => Kind::Nested(self.clone()).unfit(value),
        }
    }
}

fn nested_reason(error: &OptionError) -> String {
    match error {
        OptionError::Unknown { option, help, .. } => format!("unknown option {option:?}, {help}"),
        OptionError::Missing { option, .. } => format!("option {option:?} is missing"),
        OptionError::Broken {
            option,
            found,
            rule,
            ..
        } => {
            format!("option {option:?} is {found}, but {rule}")
        }
        error => error.to_string(),
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
}

#[derive(Debug)]
enum Item {
    Include(ConfigDescription),
    Option(Box<OptionDescription>),
}

impl ConfigDescriptionBuilder {
    /// The name by which environment files know the type.
    pub fn type_name(mut self, type_name: impl Into<String>) -> Self {
        self.type_name = Some(type_name.into());
        self
    }

    /// What the config is for.
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

    /// Whether unknown names are dropped instead of being mistakes.
    pub fn ignore_extra_keys(mut self, ignore: bool) -> Self {
        self.ignore_extra_keys = ignore;
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
                Item::Option(option) => Some(option.name.clone()),
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
                    match index.get(&option.name) {
                        Some(&place) => options[place] = *option,
                        None => {
                            index.insert(option.name.clone(), options.len());
                            options.push(*option);
                        }
                    }
                }
                Item::Include(base) => {
                    for option in base.options() {
                        if !own.contains(&option.name) && !index.contains_key(&option.name) {
                            index.insert(option.name.clone(), options.len());
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
        ConfigDescription(Arc::new(Inner {
            name: self.name,
            type_name: self.type_name,
            docs: self.docs,
            options,
            index,
            includes,
            ignore_extra_keys: self.ignore_extra_keys,
            rust_type: self.rust_type,
        }))
    }
}

/// One option of a config: name, kind, where its value comes from, rules and documentation.
#[derive(Clone, Debug)]
pub struct OptionDescription {
    name: String,
    docs: String,
    kind: Kind,
    source: Source,
    constraints: Vec<Constraint>,
    examples: Vec<Value>,
    reader: Reader,
    /// The config that declares it; set when the config is built.
    declared_in: Option<String>,
}

/// Where an option's value comes from when nobody set it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// From nowhere: it must be set.
    Required,
    /// This value.
    Default(Stored),
    /// The nearest parent that has one.
    Inherited,
    /// The nearest parent that has one, otherwise this value.
    InheritedOr(Stored),
}

#[derive(Clone, Debug)]
enum Reader {
    Typed(fn(&Value) -> Result<Stored, ValueError>),
    /// Described at run time: kept as a [`Value`].
    ByKind,
    Code,
}

impl OptionDescription {
    fn new(name: String, kind: Kind, source: Source, reader: Reader) -> Self {
        Self {
            name,
            docs: String::new(),
            kind,
            source,
            constraints: Vec::new(),
            examples: Vec::new(),
            reader,
            declared_in: None,
        }
    }

    /// An option that must be set.
    pub fn required(name: impl Into<String>, kind: Kind) -> Self {
        Self::new(name.into(), kind, Source::Required, Reader::ByKind)
    }

    /// An option with a default.
    pub fn with_default(name: impl Into<String>, kind: Kind, default: impl Into<Value>) -> Self {
        let source = Source::Default(Stored::new(default.into()));
        Self::new(name.into(), kind, source, Reader::ByKind)
    }

    /// An option that parents provide when it is not set.
    pub fn inherited(name: impl Into<String>, kind: Kind) -> Self {
        Self::new(name.into(), kind, Source::Inherited, Reader::ByKind)
    }

    /// An option that parents provide when it is not set, with a value for when they have none.
    pub fn inherited_or(name: impl Into<String>, kind: Kind, fallback: impl Into<Value>) -> Self {
        let source = Source::InheritedOr(Stored::new(fallback.into()));
        Self::new(name.into(), kind, source, Reader::ByKind)
    }

    /// An option of type `T` that must be set, unless a source is given.
    pub fn of<T: OptionValue>(name: impl Into<String>) -> Self {
        let reader = Reader::Typed(|value| T::from_value(value).map(Stored::new));
        Self::new(name.into(), T::kind(), Source::Required, reader)
    }

    /// An option that only code can set.
    pub fn code(name: impl Into<String>) -> Self {
        Self::new(name.into(), Kind::Code, Source::Required, Reader::Code)
    }

    /// Where its value comes from when nobody set it.
    #[must_use]
    pub fn source_is(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// What the option is for; the first sentence is shown in messages.
    #[must_use]
    pub fn docs_are(mut self, docs: impl Into<String>) -> Self {
        self.docs = docs.into();
        self
    }

    /// Adds a rule that its values must keep.
    #[must_use]
    pub fn constraint(mut self, constraint: Constraint) -> Self {
        self.constraints.push(constraint);
        self
    }

    /// Adds an example value for the schema.
    #[must_use]
    pub fn example(mut self, example: impl Into<Value>) -> Self {
        self.examples.push(example.into());
        self
    }

    /// The name: the key in files, the name of the setter.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the option is for: its doc comment.
    pub fn docs(&self) -> &str {
        &self.docs
    }

    /// The first paragraph of the docs, on one line.
    pub fn summary(&self) -> String {
        let paragraph: Vec<&str> = self
            .docs
            .lines()
            .map(str::trim)
            .skip_while(|line| line.is_empty())
            .take_while(|line| !line.is_empty())
            .collect();
        paragraph.join(" ")
    }

    /// What values it takes.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Where its value comes from when nobody set it.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The rules that its values must keep.
    pub fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }

    /// Values that show how it is used.
    pub fn examples(&self) -> &[Value] {
        &self.examples
    }

    /// The name of the config that declares it.
    pub fn declared_in(&self) -> &str {
        self.declared_in.as_deref().unwrap_or_default()
    }

    /// Whether parents are asked for it.
    pub fn is_inherited(&self) -> bool {
        matches!(self.source, Source::Inherited | Source::InheritedOr(_))
    }

    /// Whether it must be set.
    pub fn is_required(&self) -> bool {
        matches!(self.source, Source::Required)
    }

    /// Whether it can be set in code only, never in a file.
    pub fn is_code_only(&self) -> bool {
        self.kind.is_code()
    }

    /// The default or fallback in its written form.
    pub fn default_value(&self) -> Option<Value> {
        match &self.source {
            Source::Default(value) | Source::InheritedOr(value) => value.value(),
            Source::Required | Source::Inherited => None,
        }
    }

    /// Reads a value of this option, constraints not included.
    pub(crate) fn read(&self, owner: &str, value: &Value) -> Result<Stored, OptionError> {
        let read = match self.reader {
            Reader::Typed(read) => read(value),
            Reader::ByKind => self.kind.check(value).map(|()| Stored::new(value.clone())),
            Reader::Code => {
                return Err(OptionError::CodeOnly {
                    owner: owner.to_owned(),
                    option: self.name.clone(),
                });
            }
        };
        read.map_err(|error| self.wrong_type(owner, error))
    }

    pub(crate) fn wrong_type(&self, owner: &str, error: ValueError) -> OptionError {
        if error.is_template() {
            return OptionError::BadTemplate {
                owner: owner.to_owned(),
                option: self.name.clone(),
                reason: error.reason().unwrap_or(error.found()).to_owned(),
            };
        }
        OptionError::WrongType {
            owner: owner.to_owned(),
            option: self.name.clone(),
            error,
            help: match (self.kind.spelling(), self.help()) {
                (Some(spelling), Some(help)) => Some(format!("{help}\n{spelling}")),
                (spelling, help) => spelling.or(help),
            },
        }
    }

    /// Everything that is wrong with a value that somebody set.
    pub(crate) fn check(&self, owner: &str, stored: &Stored) -> Vec<OptionError> {
        if let Err(error) = stored.check() {
            return vec![self.wrong_type(owner, error)];
        }
        self.check_constraints(owner, stored)
    }

    pub(crate) fn check_constraints(&self, owner: &str, stored: &Stored) -> Vec<OptionError> {
        self.constraints
            .iter()
            .filter_map(|constraint| constraint.apply(&self.kind, stored).err())
            .map(|rule| OptionError::Broken {
                owner: owner.to_owned(),
                option: self.name.clone(),
                found: stored.to_string(),
                rule,
                help: self.help(),
            })
            .collect()
    }

    pub(crate) fn missing(&self, owner: &str) -> OptionError {
        OptionError::Missing {
            owner: owner.to_owned(),
            option: self.name.clone(),
            help: self.help_for_missing(),
        }
    }

    pub(crate) fn help_for_missing(&self) -> String {
        let summary = self.summary();
        let about = match summary.is_empty() {
            true => String::new(),
            false => format!(": {summary}"),
        };
        let example = self
            .examples
            .first()
            .map(|example| format!("\nfor example: {} = {example}", self.name))
            .unwrap_or_default();
        format!("{:?} is {}{about}{example}", self.name, self.kind)
    }

    pub(crate) fn help(&self) -> Option<String> {
        let summary = self.summary();
        (!summary.is_empty()).then(|| format!("{}: {summary}", self.name))
    }
}
