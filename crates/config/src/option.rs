//! [`OptionDescription`]: one option as a value; [`Source`]: where its value comes from.

use std::sync::OnceLock;

use crate::constraint::Constraint;
use crate::docs::without_item_links;
use crate::kind::{Holds, Kind};
use crate::stored::Stored;
use crate::{Misfit, OptionError, OptionValue, Value, ValueError};

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
    /// The options of which it needs one.
    needs: Vec<String>,
    /// Found out when it is needed: a kind may be one of a config that is being described.
    holds: OnceLock<Holds>,
    /// The config that declares it; set when the config is built.
    pub(crate) declared_in: Option<String>,
}

/// Where an option's value comes from if it was not set.
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

/// Says what is wrong with a value of an option, for the owner that errors name.
pub(crate) type CheckOption = fn(&OptionDescription, &str, &Stored) -> Vec<OptionError>;

#[derive(Clone, Debug)]
enum Reader {
    Typed(fn(&Value) -> Result<Stored, Vec<ValueError>>),
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
            needs: Vec::new(),
            holds: OnceLock::new(),
            declared_in: None,
        }
    }

    /// Creates an option that must be set.
    pub fn required(name: impl Into<String>, kind: Kind) -> Self {
        Self::new(name.into(), kind, Source::Required, Reader::ByKind)
    }

    /// Creates an option with a default.
    pub fn with_default(name: impl Into<String>, kind: Kind, default: impl Into<Value>) -> Self {
        let source = Source::Default(Stored::new(default.into()));
        Self::new(name.into(), kind, source, Reader::ByKind)
    }

    /// Creates an option that parents provide when it is not set.
    pub fn inherited(name: impl Into<String>, kind: Kind) -> Self {
        Self::new(name.into(), kind, Source::Inherited, Reader::ByKind)
    }

    /// Creates an option that parents provide when it is not set, with a value for when they have
    /// none.
    pub fn inherited_or(name: impl Into<String>, kind: Kind, fallback: impl Into<Value>) -> Self {
        let source = Source::InheritedOr(Stored::new(fallback.into()));
        Self::new(name.into(), kind, source, Reader::ByKind)
    }

    /// Creates an option of type `T` that must be set, unless a source is given.
    pub fn of<T: OptionValue>(name: impl Into<String>) -> Self {
        let reader = Reader::Typed(|value| T::read(value).map(Stored::new));
        Self::new(name.into(), T::kind(), Source::Required, reader)
    }

    /// Creates an option that only code can set.
    pub fn code(name: impl Into<String>) -> Self {
        Self::new(name.into(), Kind::Code, Source::Required, Reader::Code)
    }

    /// Where its value comes from if it was not set.
    #[must_use]
    pub fn source_is(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Sets the purpose of the option; messages show the first sentence.
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

    /// Declares that it has no effect unless one of these options is set.
    #[must_use]
    pub fn needs<N: Into<String>>(mut self, options: impl IntoIterator<Item = N>) -> Self {
        self.needs.extend(options.into_iter().map(Into::into));
        self
    }

    /// Declares that the texts in its values are templates over the driver's own context: invalid
    /// ones are refused.
    #[must_use]
    pub fn of_templates(mut self) -> Self {
        self.kind = self.kind.of_templates();
        self
    }

    /// Adds an example value for the schema.
    #[must_use]
    pub fn example(mut self, example: impl Into<Value>) -> Self {
        self.examples.push(example.into());
        self
    }

    /// Returns the name: the key in files, the name of the setter.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the purpose of the option: its doc comment.
    pub fn docs(&self) -> &str {
        &self.docs
    }

    /// Returns the [docs](Self::docs) without links to Rust items, for readers outside of rustdoc.
    pub fn plain_docs(&self) -> String {
        without_item_links(&self.docs)
    }

    /// Returns the first paragraph of the docs, on one line.
    pub fn summary(&self) -> String {
        let docs = self.plain_docs();
        let paragraph: Vec<&str> = docs
            .lines()
            .map(str::trim)
            .skip_while(|line| line.is_empty())
            .take_while(|line| !line.is_empty())
            .collect();
        paragraph.join(" ")
    }

    /// Returns the values that it accepts.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Returns where its value comes from if it was not set.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the rules that its values must keep.
    pub fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }

    /// Values that show how it is used.
    pub fn examples(&self) -> &[Value] {
        &self.examples
    }

    /// The options of which it needs one.
    pub(crate) fn needed(&self) -> &[String] {
        &self.needs
    }

    /// The misfit of a value without the option that it needs.
    pub(crate) fn misfit_without(&self, needed: &OptionDescription) -> Misfit {
        let message = format!("it has no effect without `{}`", needed.name);
        let example = needed.examples.first();
        let example = example.map(|example| format!("set it, such as {} = {example}", needed.name));
        let misfit = Misfit::new(&self.name, message);
        match example.or(needed.help()) {
            Some(help) => misfit.help(help),
            None => misfit,
        }
    }

    /// Returns the name of the config that declares it.
    pub fn declared_in(&self) -> &str {
        self.declared_in.as_deref().unwrap_or_default()
    }

    /// Returns whether it is inherited from parents.
    pub fn is_inherited(&self) -> bool {
        matches!(self.source, Source::Inherited | Source::InheritedOr(_))
    }

    /// Returns whether it must be set.
    pub fn is_required(&self) -> bool {
        matches!(self.source, Source::Required)
    }

    /// Returns whether it can be set in code only, never in a file.
    pub fn is_code_only(&self) -> bool {
        self.kind.is_code()
    }

    /// Returns the default or fallback in its written form.
    pub fn default_value(&self) -> Option<Value> {
        match &self.source {
            Source::Default(value) | Source::InheritedOr(value) => value.value(),
            Source::Required | Source::Inherited => None,
        }
    }

    /// Reads a value of this option, constraints not included.
    pub(crate) fn read(&self, owner: &str, value: &Value) -> Result<Stored, OptionError> {
        self.read_or_mistakes(owner, value).map_err(|errors| {
            let first = errors.into_iter().next();
            first.unwrap_or_else(|| self.wrong_type(owner, self.kind.unfit(value)))
        })
    }

    /// As [`OptionDescription::read`], with everything that is wrong.
    pub(crate) fn read_or_mistakes(
        &self,
        owner: &str,
        value: &Value,
    ) -> Result<Stored, Vec<OptionError>> {
        let read = match self.reader {
            Reader::Typed(read) => read(value),
            Reader::ByKind => match self.kind.mistakes(value) {
                mistakes if mistakes.is_empty() => Ok(Stored::new(value.clone())),
                mistakes => Err(mistakes),
            },
            Reader::Code => {
                return Err(vec![OptionError::CodeOnly {
                    owner: owner.to_owned(),
                    option: self.name.clone(),
                }]);
            }
        };
        read.map_err(|errors| {
            let errors = errors.into_iter();
            errors.map(|error| self.wrong_type(owner, error)).collect()
        })
    }

    /// Reads a value of this option, and checks it by the option's rules.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the value; `owner` is whose it is.
    pub fn read_and_check(&self, owner: &str, value: &Value) -> Result<Stored, Vec<OptionError>> {
        self.read_by(owner, value, Self::check_rules)
    }

    /// As [`OptionDescription::read_and_check`], with these rules.
    pub(crate) fn read_by(
        &self,
        owner: &str,
        value: &Value,
        rules: CheckOption,
    ) -> Result<Stored, Vec<OptionError>> {
        let (stored, mistakes) = match self.read_or_mistakes(owner, value) {
            Ok(stored) => (stored, Vec::new()),
            Err(mistakes) => (Stored::new(value.clone()), mistakes),
        };
        match self.with_rules(owner, &stored, mistakes, rules) {
            mistakes if mistakes.is_empty() => Ok(stored),
            mistakes => Err(mistakes),
        }
    }

    /// Adds what the rules say of the parts of a value that are of the right type.
    fn with_rules(
        &self,
        owner: &str,
        stored: &Stored,
        mut mistakes: Vec<OptionError>,
        rules: CheckOption,
    ) -> Vec<OptionError> {
        let broken = rules(self, owner, stored);
        let is_apart = |other: &OptionError| !mistakes.iter().any(|one| one.part() == other.part());
        let broken: Vec<OptionError> = broken.into_iter().filter(is_apart).collect();
        mistakes.extend(broken);
        mistakes
    }

    /// What there may be within the option's values.
    pub(crate) fn holds(&self) -> Holds {
        *self.holds.get_or_init(|| self.kind.holds())
    }

    pub(crate) fn wrong_type(&self, owner: &str, error: ValueError) -> OptionError {
        let (owner, option) = (owner.to_owned(), self.name.clone());
        // What to write instead is all that one needs to know.
        let hint = error.hint_text().map(str::to_owned);
        if let Some(broken) = error.as_broken() {
            return OptionError::Broken {
                owner,
                option,
                broken,
                help: hint.or(self.help()),
            };
        }
        if let Some(misfit) = error.as_misfit(&option) {
            let help = hint.or(self.help());
            return OptionError::Misfit {
                owner,
                misfit,
                help,
            };
        }
        if error.is_template() {
            return OptionError::BadTemplate {
                owner,
                option,
                help: hint.or(self.help()),
                error,
            };
        }
        OptionError::WrongType {
            owner,
            option,
            help: hint.or_else(|| match (self.kind.spelling(), self.help()) {
                // A reason says how it is written.
                (_, Some(help)) if error.reason().is_some() => Some(help),
                (Some(spelling), Some(help)) => Some(format!("{help}\n{spelling}")),
                (spelling, help) => spelling.or(help),
            }),
            error,
        }
    }

    /// Everything that is wrong with a value that a user has set.
    pub(crate) fn check(&self, owner: &str, stored: &Stored) -> Vec<OptionError> {
        let mistakes = stored.mistakes().into_iter();
        let mistakes = mistakes.map(|error| self.wrong_type(owner, error));
        self.with_rules(owner, stored, mistakes.collect(), Self::check_rules)
    }

    /// What is wrong with a value of the right type: templates that do not parse, and constraints.
    pub(crate) fn check_rules(&self, owner: &str, stored: &Stored) -> Vec<OptionError> {
        let mut mistakes = self.check_constraints(owner, stored);
        if self.holds().template
            && let Some(value) = stored.value()
        {
            let templates = self.kind.template_mistakes(&value).into_iter();
            mistakes.extend(templates.map(|error| self.wrong_type(owner, error)));
        }
        mistakes
    }

    pub(crate) fn check_constraints(&self, owner: &str, stored: &Stored) -> Vec<OptionError> {
        self.constraints
            .iter()
            .flat_map(|constraint| constraint.apply(&self.kind, stored))
            .map(|broken| OptionError::Broken {
                owner: owner.to_owned(),
                option: self.name.clone(),
                broken,
                help: self.help(),
            })
            .collect()
    }

    /// Returns the error for an option of `owner` that must be set and is not.
    pub fn missing(&self, owner: &str) -> OptionError {
        OptionError::Missing {
            owner: owner.to_owned(),
            option: self.name.clone(),
            help: self.help_for_missing(),
        }
    }

    fn help_for_missing(&self) -> String {
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
