//! The parts of values, by their kinds: templates, context values, paths.

use std::path::{Path, PathBuf};

use crate::context::ContextValue;
use crate::kind::Kind;
use crate::step::Step;
use crate::template;
use crate::value::Value;
use crate::value_error::ValueError;

impl Kind {
    /// The texts of a value that are templates and do not parse.
    pub(crate) fn template_mistakes(&self, value: &Value) -> Vec<ValueError> {
        let mut mistakes = Vec::new();
        let mut visit = |kind: &Kind, value: &Value, path: &[Step]| {
            if let (Kind::Template | Kind::PathTemplate, Value::String(text)) = (kind, value) {
                let error = template::check(text).err();
                mistakes.extend(error.map(|error| error.at(path)));
            }
        };
        self.for_each_part(value, &mut Vec::new(), &mut visit);
        mistakes
    }

    /// Calls `visit` with every part of a value of this kind that holds no other parts: its kind,
    /// the part, and where it is.
    pub(crate) fn for_each_part(
        &self,
        value: &Value,
        path: &mut Vec<Step>,
        visit: &mut dyn FnMut(&Kind, &Value, &[Step]),
    ) {
        let mut inside = |step: Step, kind: &Kind, value: &Value| {
            path.push(step);
            kind.for_each_part(value, path, visit);
            path.pop();
        };
        match (self, value) {
            (Kind::List(kind), Value::List(items)) => items
                .iter()
                .enumerate()
                .for_each(|(index, item)| inside(Step::Index(index), kind, item)),
            (Kind::Tuple(kinds), Value::List(items)) => kinds
                .iter()
                .zip(items)
                .enumerate()
                .for_each(|(index, (kind, item))| inside(Step::Index(index), kind, item)),
            (Kind::Map(kind), Value::Map(entries)) => entries
                .iter()
                .for_each(|(key, entry)| inside(Step::Key(key.clone()), kind, entry)),
            (Kind::Nested(description), Value::Map(entries)) => {
                for (key, entry) in entries {
                    if let Some(option) = description.option(key) {
                        inside(Step::Key(key.clone()), option.kind(), entry);
                    }
                }
            }
            (Kind::Any, Value::List(items)) => items
                .iter()
                .enumerate()
                .for_each(|(index, item)| inside(Step::Index(index), self, item)),
            (Kind::Any, Value::Map(entries)) if ContextValue::parts(value).is_none() => entries
                .iter()
                .for_each(|(key, entry)| inside(Step::Key(key.clone()), self, entry)),
            (Kind::Union(kinds), value) => {
                if let Some(kind) = Kind::that_fits(kinds, value) {
                    kind.for_each_part(value, path, visit);
                }
            }
            (Kind::Lazy(kind), value) => kind.get().for_each_part(value, path, visit),
            (kind, value) => visit(kind, value, path),
        }
    }

    /// Applies the folder that relative paths start from to every path within `value`.
    pub(crate) fn resolve_paths(&self, value: &mut Value, folder: &Path) {
        match (self, value) {
            (Kind::Path | Kind::PathTemplate, value @ Value::String(_)) => {
                if let Value::String(text) = value {
                    let path = PathBuf::from(&*text);
                    // A path that starts with an expression starts where the expression says,
                    // and an empty one is not a path at all.
                    let is_led =
                        matches!(self, Kind::PathTemplate) && text.trim_start().starts_with("{{");
                    if !text.is_empty() && path.is_relative() && !is_led {
                        *value = Value::from(folder.join(path));
                    }
                }
            }
            (Kind::List(kind), Value::List(items)) => {
                for item in items {
                    kind.resolve_paths(item, folder);
                }
            }
            (Kind::Tuple(kinds), Value::List(items)) => {
                for (kind, item) in kinds.iter().zip(items) {
                    kind.resolve_paths(item, folder);
                }
            }
            (Kind::Map(kind), Value::Map(entries)) => {
                for value in entries.values_mut() {
                    kind.resolve_paths(value, folder);
                }
            }
            (Kind::Union(kinds), value) => {
                // Only the kind that the value is of may touch it.
                if let Some(kind) = Kind::that_fits(kinds, value) {
                    kind.resolve_paths(value, folder);
                }
            }
            (Kind::Nested(description), Value::Map(entries)) => {
                for (key, value) in entries {
                    if let Some(option) = description.option(key) {
                        option.kind().resolve_paths(value, folder);
                    }
                }
            }
            (Kind::Lazy(kind), value) => kind.get().resolve_paths(value, folder),
            _ => {}
        }
    }
}
