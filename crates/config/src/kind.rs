//! [`Kind`]: what values an option takes, as data.

use std::path::PathBuf;
use std::time::Duration;

use standin_error::text::Shortened;

use crate::step::overlap;
use crate::suggest::nearest;
use crate::{ConfigDescription, ContextValue, OptionValue, Pattern, Port, Value, ValueError};

/// The values that an option accepts.
///
/// It is the run-time side of a Rust type: messages, the JSON Schema and the reference table
/// speak of it, and options described at run time are checked against it.
///
/// ```
/// use standin_config::{Kind, Value};
///
/// let kind = Kind::Union(vec![Kind::Int { min: Some(0), max: None }, Kind::Null]);
/// assert!(kind.check(&Value::Null).is_ok());
/// assert!(kind.check(&Value::from(-1)).is_err());
/// assert_eq!(kind.to_string(), "a whole number of at least 0");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// Any value.
    Any,
    /// Only null.
    Null,
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds that it may reach.
    Int {
        /// The least number, if there is one.
        min: Option<i64>,
        /// The greatest number, if there is one.
        max: Option<i64>,
    },
    /// A number, whole or not.
    Float,
    /// Text.
    String,
    /// One of these texts.
    OneOf(Vec<String>),
    /// Text that is a template over the driver's own context, such as `{{ runpath }}/app.conf`.
    Template,
    /// A path; in a file a relative one starts at the file's folder.
    Path,
    /// A path that is a template; in a file a relative one starts at the file's folder, unless it
    /// begins with a template's `{{`.
    PathTemplate,
    /// A duration: `"1m 30s"` or a number of seconds.
    Duration,
    /// A regular expression.
    Pattern,
    /// A port: a number, the number as text, or a service name.
    Port,
    /// A template over another driver's context.
    Context,
    /// A list of values of one kind.
    List(Box<Kind>),
    /// A list with a fixed number of values, each of its own kind.
    Tuple(Vec<Kind>),
    /// A table with values of one kind under any keys.
    Map(Box<Kind>),
    /// A value that fits one of these.
    Union(Vec<Kind>),
    /// A table of another config's options.
    Nested(ConfigDescription),
    /// The kind of a type, evaluated when needed, so that a type can contain itself.
    Lazy(LazyKind),
    /// A value that can only be set in code, such as a hook. It has no written form.
    Code,
}

/// The kind of a type, not evaluated yet.
#[derive(Clone, Copy)]
pub struct LazyKind {
    type_name: &'static str,
    kind: fn() -> Kind,
}

impl LazyKind {
    /// Returns the values that the type accepts.
    pub fn get(self) -> Kind {
        (self.kind)()
    }

    /// Returns whether values of the type may hold values of the type.
    #[doc(hidden)]
    pub fn contains_itself(self) -> bool {
        let mut seen = Vec::new();
        // It is seen only where it stands within itself.
        self.get().note_held(&mut Holds::default(), &mut seen);
        seen.contains(&self.type_name)
    }

    /// Returns the Rust type, by its full path.
    pub fn type_name(self) -> &'static str {
        self.type_name
    }
}

impl std::fmt::Debug for LazyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LazyKind").field(&self.type_name).finish()
    }
}

impl Kind {
    /// One of the given texts.
    pub fn one_of<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Kind {
        Kind::OneOf(texts.into_iter().map(Into::into).collect())
    }

    /// Returns the kind of the type `T`, computed by `kind`: for types that may contain themselves,
    /// such as a condition that consists of conditions.
    pub fn lazy<T: OptionValue>(kind: fn() -> Kind) -> Kind {
        Kind::Lazy(LazyKind {
            type_name: std::any::type_name::<T>(),
            kind,
        })
    }

    /// Checks that `value` is of this kind. Whether the templates in it parse is checked with the
    /// rules of an option.
    ///
    /// # Errors
    ///
    /// Returns what was expected and what was found; of several mistakes the first.
    pub fn check(&self, value: &Value) -> Result<(), ValueError> {
        match self.mistakes(value).into_iter().next() {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Everything by which `value` is not of this kind.
    pub(crate) fn mistakes(&self, value: &Value) -> Vec<ValueError> {
        let mut mistakes = Vec::new();
        self.collect_mistakes(value, &mut mistakes);
        mistakes
    }

    /// Everything that is wrong with `value`, of which `error` is what its type found first. The
    /// kind knows every mistake and what was meant, the type its reasons.
    pub(crate) fn mistakes_beside(&self, value: &Value, error: ValueError) -> Vec<ValueError> {
        let mut mistakes = self.mistakes(value);
        mistakes.extend(self.template_mistakes(value));
        let is_same = |mistake: &ValueError| overlap(mistake.path(), error.path());
        let same: Vec<&ValueError> = mistakes.iter().filter(|found| is_same(found)).collect();
        if same.len() > 1 || same.iter().any(|found| found.is_more_exact_than(&error)) {
            return mistakes;
        }
        match mistakes.iter().position(is_same) {
            Some(at) => mistakes[at] = error,
            None => mistakes.insert(0, error),
        }
        mistakes
    }

    fn collect_mistakes(&self, value: &Value, mistakes: &mut Vec<ValueError>) {
        let read = match self {
            Kind::Duration => Duration::from_value(value).map(drop),
            Kind::Pattern => Pattern::from_value(value).map(drop),
            Kind::Port => Port::from_value(value).map(drop),
            Kind::Context => ContextValue::from_value(value).map(drop),
            Kind::Path | Kind::PathTemplate => PathBuf::from_value(value).map(drop),
            Kind::List(item) if value.as_list().is_some() => {
                let items = value.as_list().into_iter().flatten().enumerate();
                for (index, value) in items {
                    let found = item.mistakes(value);
                    mistakes.extend(found.into_iter().map(|error| error.at_index(index)));
                }
                return;
            }
            Kind::Tuple(kinds) if value.as_list().is_some_and(|all| all.len() == kinds.len()) => {
                let items = value.as_list().into_iter().flatten();
                for (index, (kind, value)) in kinds.iter().zip(items).enumerate() {
                    let found = kind.mistakes(value);
                    mistakes.extend(found.into_iter().map(|error| error.at_index(index)));
                }
                return;
            }
            Kind::Map(item) if value.as_map().is_some() => {
                for (key, value) in value.as_map().into_iter().flatten() {
                    let found = item.mistakes(value);
                    mistakes.extend(found.into_iter().map(|error| error.at_key(key)));
                }
                return;
            }
            Kind::Union(kinds) => {
                // Each is looked into once at most: values within values may be deep.
                let mut tried = Vec::new();
                for kind in kinds.iter().filter(|kind| kind.could_be(value)) {
                    let found = kind.mistakes(value);
                    if found.is_empty() {
                        return;
                    }
                    tried.push((kind, found));
                }
                return self.collect_of_union(kinds, tried, value, mistakes);
            }
            Kind::Nested(description) if value.as_map().is_some() => {
                mistakes.extend(description.nested_node(value).err().unwrap_or_default());
                return;
            }
            Kind::Lazy(kind) => return kind.get().collect_mistakes(value, mistakes),
            _ => match self.is_plain(value) {
                true => Ok(()),
                false => Err(self.unfit(value)),
            },
        };
        mistakes.extend(read.err());
    }

    /// Whether the value is of a kind that holds no others.
    fn is_plain(&self, value: &Value) -> bool {
        match self {
            Kind::Any => true,
            Kind::Null => value.is_null(),
            Kind::Bool => value.as_bool().is_some(),
            Kind::Int { min, max } => value.as_int().is_some_and(|number| {
                min.is_none_or(|min| min <= number) && max.is_none_or(|max| number <= max)
            }),
            Kind::Float => value.as_float().is_some(),
            // Whether a template parses is another question: see `template_mistakes`.
            Kind::String | Kind::Template => value.as_str().is_some(),
            Kind::OneOf(texts) => value
                .as_str()
                .is_some_and(|text| texts.iter().any(|known| known == text)),
            _ => false,
        }
    }

    /// Whether the value is of this kind as far as one sees without looking into its parts.
    fn could_be(&self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Nested(description), Value::Map(entries)) => {
                let is_known = |key| description.option(key).is_some();
                let is_there = |name| entries.contains_key(name);
                let mut required = description.options().iter().filter(|o| o.is_required());
                (description.ignores_extra_keys() || entries.keys().all(|key| is_known(key)))
                    && required.all(|option| is_there(option.name()))
            }
            (Kind::List(_) | Kind::Tuple(_), Value::List(_)) | (Kind::Map(_), Value::Map(_)) => {
                true
            }
            (Kind::Context, value) => ContextValue::looks_like(value),
            // What holds no values cannot be one.
            (
                Kind::Duration | Kind::Pattern | Kind::Port | Kind::Path | Kind::PathTemplate,
                Value::Map(_) | Value::List(_),
            ) => false,
            (
                Kind::Any
                | Kind::Null
                | Kind::Bool
                | Kind::Int { .. }
                | Kind::Float
                | Kind::String
                | Kind::Template
                | Kind::OneOf(_),
                value,
            ) => self.is_plain(value),
            (Kind::Lazy(kind), value) => kind.get().could_be(value),
            (Kind::Union(kinds), value) => kinds.iter().any(|kind| kind.could_be(value)),
            (kind, value) => kind.check(value).is_ok(),
        }
    }

    /// The one of `kinds` whose value it is. Where only one comes into question, its parts are not
    /// looked into to find that out.
    pub(crate) fn that_fits<'k>(kinds: &'k [Kind], value: &Value) -> Option<&'k Kind> {
        let mut likely = kinds.iter().filter(|kind| kind.could_be(value));
        let first = likely.next()?;
        match likely.next() {
            None => Some(first),
            Some(_) => kinds.iter().find(|kind| kind.check(value).is_ok()),
        }
    }

    /// The mistakes by which the value fits none of `kinds`: those of the one that was meant, where
    /// one can tell. `tried` has the mistakes that are known already.
    fn collect_of_union(
        &self,
        kinds: &[Kind],
        tried: Vec<(&Kind, Vec<ValueError>)>,
        value: &Value,
        mistakes: &mut Vec<ValueError>,
    ) {
        let likeness = |kind: &Kind| kind.likeness(value);
        let best = kinds.iter().map(likeness).max().unwrap_or_default();
        let meant = kinds.iter().find(|kind| best > 0 && likeness(kind) == best);
        if let Some(meant) = meant {
            let known = tried
                .into_iter()
                .find(|(kind, _)| std::ptr::eq(*kind, meant));
            match known {
                Some((_, found)) => mistakes.extend(found),
                None => meant.collect_mistakes(value, mistakes),
            }
            return;
        }
        // The first kind is the one that is usually meant: its words help most. Of tables none is.
        let mut first = kinds.iter().flat_map(|kind| kind.mistakes(value));
        let first = first.next().filter(|_| value.as_map().is_none());
        let error = first.unwrap_or_else(|| self.unfit(value)).expecting(self);
        mistakes.push(match self.hint(value) {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }

    /// How sure one can be that the value was meant to be of this kind, though it is not.
    fn likeness(&self, value: &Value) -> usize {
        match (self, value) {
            (Kind::Context, Value::Map(entries)) => alike(entries.keys(), &["driver", "value"]),
            (Kind::Nested(description), Value::Map(entries)) => {
                let names: Vec<&str> = description.options().iter().map(|o| o.name()).collect();
                alike(entries.keys(), &names)
            }
            (Kind::List(_) | Kind::Tuple(_), Value::List(_)) | (Kind::Map(_), Value::Map(_)) => 1,
            (Kind::Lazy(kind), value) => kind.get().likeness(value),
            (Kind::Union(kinds), value) => {
                let all = kinds.iter().map(|kind| kind.likeness(value));
                all.max().unwrap_or_default()
            }
            _ => 0,
        }
    }

    /// What to write instead of `value`, where one can guess what was meant.
    pub(crate) fn hint(&self, value: &Value) -> Option<String> {
        match (self, value) {
            (Kind::Union(kinds), value) => kinds.iter().find_map(|kind| kind.hint(value)),
            (Kind::Lazy(kind), value) => kind.get().hint(value),
            (Kind::OneOf(texts), Value::String(text)) => {
                let known = nearest(text, texts.iter().map(String::as_str))?;
                Some(format!("did you mean {known:?}?"))
            }
            (Kind::List(item), value) if value.as_list().is_none() && item.check(value).is_ok() => {
                Some(format!("write a list: [{}]", Shortened(&value.to_string())))
            }
            (Kind::String | Kind::Template | Kind::OneOf(_), Value::Int(_) | Value::Bool(_)) => {
                Some(format!("write it in quotes: \"{value}\""))
            }
            // It need not have been written as it is shown.
            (Kind::String | Kind::Template | Kind::OneOf(_), Value::Float(_)) => {
                Some("write it in quotes".to_owned())
            }
            (Kind::Bool | Kind::Int { .. } | Kind::Float, Value::String(text)) => {
                let bare = match text.trim() {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    number => match number.parse() {
                        Ok(number) => Value::Int(number),
                        Err(_) => Value::Float(number.parse().ok()?),
                    },
                };
                let fits = self.check(&bare).is_ok();
                fits.then(|| format!("write it without quotes: {bare}"))
            }
            _ => None,
        }
    }

    /// Returns what the values of a union may be, one by one; of other kinds that kind alone.
    #[doc(hidden)]
    pub fn variants(&self) -> Vec<Kind> {
        match self {
            Kind::Union(kinds) => kinds.iter().flat_map(Kind::variants).collect(),
            Kind::Lazy(kind) if !kind.contains_itself() => kind.get().variants(),
            kind => vec![kind.clone()],
        }
    }

    /// Returns the error for a value that is not of this kind.
    pub fn unfit(&self, value: &Value) -> ValueError {
        let error = ValueError::new(self.to_string(), value.to_string());
        match self.hint(value) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// The error for a value that has no written form.
    pub(crate) fn unfit_code(&self) -> ValueError {
        ValueError::new(self.to_string(), "a value that only code can set")
    }

    /// True when a context value fits.
    pub fn takes_context(&self) -> bool {
        match self {
            Kind::Context => true,
            Kind::Union(kinds) => kinds.iter().any(Kind::takes_context),
            Kind::Lazy(kind) => kind.get().takes_context(),
            _ => false,
        }
    }

    /// Returns whether such values can only be set in code.
    pub fn is_code(&self) -> bool {
        matches!(self, Kind::Code)
    }

    /// How such a value is written, where its name does not say so.
    pub(crate) fn spelling(&self) -> Option<String> {
        match self {
            Kind::Duration => Some(
                "a duration is a text such as \"1m 30s\" or \"250ms\", or a number of seconds"
                    .to_owned(),
            ),
            Kind::Port => {
                Some("a port is a number from 0 to 65535 or the name of a service".to_owned())
            }
            Kind::Context => Some(
                "a context value is a table: { driver = \"...\", value = \"{{ ... }}\" }"
                    .to_owned(),
            ),
            Kind::List(item) | Kind::Map(item) => item.spelling(),
            Kind::Union(kinds) | Kind::Tuple(kinds) => {
                let spellings: Vec<String> = kinds.iter().filter_map(Kind::spelling).collect();
                (!spellings.is_empty()).then(|| spellings.join("; "))
            }
            _ => None,
        }
    }

    /// What there may be within a value.
    pub(crate) fn holds(&self) -> Holds {
        let mut holds = Holds::default();
        self.note_held(&mut holds, &mut Vec::new());
        holds
    }

    /// `seen` holds the types that are being looked into, for they may contain themselves.
    fn note_held(&self, holds: &mut Holds, seen: &mut Vec<&'static str>) {
        match self {
            Kind::Path => holds.path = true,
            Kind::PathTemplate => {
                holds.path = true;
                holds.template = true;
            }
            Kind::Template => holds.template = true,
            Kind::Context => holds.context = true,
            Kind::List(item) | Kind::Map(item) => item.note_held(holds, seen),
            Kind::Tuple(kinds) | Kind::Union(kinds) => {
                kinds.iter().for_each(|kind| kind.note_held(holds, seen));
            }
            Kind::Nested(description) => {
                let options = description.options().iter();
                options.for_each(|option| option.kind().note_held(holds, seen));
            }
            Kind::Lazy(kind) if !seen.contains(&kind.type_name) => {
                seen.push(kind.type_name);
                kind.get().note_held(holds, seen);
            }
            _ => {}
        }
    }

    /// The same kind, with its texts as templates.
    pub(crate) fn of_templates(self) -> Kind {
        match self {
            Kind::String => Kind::Template,
            Kind::Path => Kind::PathTemplate,
            Kind::List(item) => Kind::List(Box::new(item.of_templates())),
            Kind::Map(item) => Kind::Map(Box::new(item.of_templates())),
            Kind::Tuple(kinds) => Kind::Tuple(kinds.into_iter().map(Kind::of_templates).collect()),
            Kind::Union(kinds) => Kind::Union(kinds.into_iter().map(Kind::of_templates).collect()),
            kind => kind,
        }
    }
}

/// What there may be within the values of a kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holds {
    pub(crate) path: bool,
    pub(crate) context: bool,
    pub(crate) template: bool,
}

/// How many of the keys are those of a table, or nearly so.
fn alike<'a>(keys: impl Iterator<Item = &'a String>, names: &[&str]) -> usize {
    keys.map(|key| match names.contains(&key.as_str()) {
        true => 2,
        false => usize::from(nearest(key, names.iter().copied()).is_some()),
    })
    .sum()
}

/// Names the kind the way a message does: "expected *a duration* ...".
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Any => f.write_str("any value"),
            Kind::Null => f.write_str("null"),
            Kind::Bool => f.write_str("true or false"),
            Kind::Int { min, max } => {
                // The limits of a type say nothing; those of small types are limits of meaning.
                let min = min.filter(|min| *min > i64::from(i32::MIN));
                let max = max.filter(|max| *max < i64::from(i32::MAX));
                match (min, max) {
                    (None, None) => f.write_str("a whole number"),
                    (Some(min), None) => write!(f, "a whole number of at least {min}"),
                    (None, Some(max)) => write!(f, "a whole number of at most {max}"),
                    (Some(min), Some(max)) => write!(f, "a whole number from {min} to {max}"),
                }
            }
            Kind::Float => f.write_str("a number"),
            Kind::String | Kind::Template => f.write_str("a string"),
            Kind::OneOf(texts) => {
                f.write_str("one of ")?;
                for (index, text) in texts.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{text:?}")?;
                }
                Ok(())
            }
            Kind::Path | Kind::PathTemplate => f.write_str("a path"),
            Kind::Duration => f.write_str("a duration"),
            Kind::Pattern => f.write_str("a regular expression"),
            Kind::Port => f.write_str("a port"),
            Kind::Context => f.write_str("a context value"),
            Kind::List(item) => match &**item {
                Kind::Any => f.write_str("a list"),
                item => write!(f, "a list, each item {item}"),
            },
            Kind::Tuple(kinds) => {
                write!(f, "a list of {} values: ", kinds.len())?;
                for (index, kind) in kinds.iter().enumerate() {
                    let comma = if index > 0 { ", then " } else { "" };
                    write!(f, "{comma}{kind}")?;
                }
                Ok(())
            }
            Kind::Map(item) => match &**item {
                Kind::Any => f.write_str("a table"),
                item => write!(f, "a table, each value {item}"),
            },
            Kind::Union(kinds) => {
                // Null is left out: a file cannot write it, one leaves the key out.
                let mut names: Vec<String> = Vec::new();
                for kind in kinds.iter().filter(|kind| !matches!(kind, Kind::Null)) {
                    let name = kind.to_string();
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                match names.is_empty() {
                    true => f.write_str("null"),
                    false => f.write_str(&names.join(" or ")),
                }
            }
            Kind::Nested(description) => {
                const SHOWN: usize = 5;
                let mut names: Vec<&str> = description
                    .options()
                    .iter()
                    .filter(|option| !option.is_code_only())
                    .map(|option| option.name())
                    .take(SHOWN + 1)
                    .collect();
                if names.len() > SHOWN {
                    names[SHOWN] = "...";
                }
                write!(f, "a table {{ {} }}", names.join(", "))
            }
            Kind::Lazy(kind) => kind.get().fmt(f),
            Kind::Code => f.write_str("a value that only code can set"),
        }
    }
}
