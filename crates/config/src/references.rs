//! The references to others by name in values: context values, and templates that use `context`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::context::ContextValue;
use crate::kind::Kind;
use crate::option::OptionDescription;
use crate::step::Step;
use crate::tags::{self, Markup};
use crate::template;
use crate::value::Value;

/// A reference from a value of an option to the driver with the `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Whose context is read.
    pub name: String,
    /// Where in the value the name is: the key `driver` of a context value, or a template.
    pub path: Vec<Step>,
    /// How sure that is.
    pub by: ReferenceBy,
}

/// The kind of reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceBy {
    /// A context value.
    ContextValue,
    /// A template that names it as `context.name` or `context["name"]`.
    Template,
    /// A text in which the name occurs, and that may read it: a template that uses `context` in
    /// another way, or a text of an option that is not declared to be a template.
    Word,
}

impl OptionDescription {
    /// Returns what a value of this option reads from others, as far as the value says.
    ///
    /// ```
    /// use standin_config::{Config, Setting, Port, ReferenceBy, Value};
    ///
    /// /// A peer.
    /// #[derive(Clone, Debug, Config)]
    /// struct PeerConfig {
    ///     /// Where it connects to.
    ///     port: Setting<Port>,
    /// }
    ///
    /// let option = PeerConfig::description().option("port").expect("it is declared above");
    /// let value: Value = [("driver", "server"), ("value", "{{ port }}")].into_iter().collect();
    /// let references = option.references(&value);
    /// assert_eq!(references[0].name, "server");
    /// assert_eq!(references[0].by, ReferenceBy::ContextValue);
    /// ```
    pub fn references(&self, value: &Value) -> Vec<Reference> {
        let mut found = Vec::new();
        // To find out of which kind a part is takes longer than to see that it does not matter.
        if !may_refer(value) {
            return found;
        }
        let mut visit = |kind: &Kind, value: &Value, path: &[Step]| match value {
            Value::String(text) if text.contains("context") => {
                let is_template = matches!(kind, Kind::Template | Kind::PathTemplate);
                for (name, is_certain) in names_read(text, Markup::Option) {
                    found.push(Reference {
                        name,
                        path: path.to_vec(),
                        by: match is_template && is_certain {
                            true => ReferenceBy::Template,
                            false => ReferenceBy::Word,
                        },
                    });
                }
            }
            Value::Map(_) => {
                if let Some((driver, _)) = ContextValue::parts(value) {
                    let mut path = path.to_vec();
                    path.push(Step::Key("driver".to_owned()));
                    found.push(Reference {
                        name: driver.to_owned(),
                        path,
                        by: ReferenceBy::ContextValue,
                    });
                }
            }
            _ => {}
        };
        self.kind()
            .for_each_part(value, &mut Vec::new(), &mut visit);
        found
    }
}

fn may_refer(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("context"),
        Value::List(items) => items.iter().any(may_refer),
        Value::Map(_) => true,
        _ => false,
    }
}

/// Those whose context a template may read, each once, in the order of their names.
///
/// `context.server` and `context["my server"]` name them. A template that uses `context` in another
/// way (under another name, in a loop, with a filter) may read everything that it names anywhere,
/// as a text or as a word: the caller has to leave out other words. A name that is computed only
/// when the template is rendered cannot be detected.
pub fn drivers_read(template: &str, markup: Markup) -> Vec<String> {
    let names = names_read(template, markup).into_iter();
    names.map(|(name, _)| name).collect()
}

/// The names, and whether the template says that it reads from there.
fn names_read(template: &str, markup: Markup) -> BTreeMap<String, bool> {
    let mut names = BTreeMap::new();
    if !markup.has_tags(template) || !template.contains("context") {
        return names;
    }
    // As an attribute, a name in brackets is one that the engine reports; as one of `context`
    // itself, a method is told from a driver of its name.
    let mut literals = Vec::new();
    let with_attributes = ACCESS.replace_all(template, |found: &Captures<'_>| {
        let before = &found["before"];
        let Some(name) = found.name("single").or_else(|| found.name("double")) else {
            return format!("{before}context(");
        };
        literals.push(name.as_str().to_owned());
        format!("{before}context.{ATTRIBUTE}{}", literals.len() - 1)
    });
    // One that does not parse is reported for that.
    let Ok(parsed) = template::parse(&with_attributes, markup) else {
        return names;
    };
    for name in parsed.undeclared_variables(true) {
        let mut parts = name.split('.');
        if parts.next() != Some("context") {
            continue;
        }
        match parts.next() {
            Some(driver) => {
                let literal = driver.strip_prefix(ATTRIBUTE);
                let literal =
                    literal.and_then(|number| literals.get(number.parse::<usize>().ok()?));
                names.insert(literal.map_or(driver, String::as_str).to_owned(), true);
            }
            None => {
                for word in words(template, markup) {
                    names.entry(word).or_insert(false);
                }
            }
        }
    }
    names
}

/// `context["name"]`, also as `context['name']`, and a call as `context.get(`; but not of an
/// attribute `context` of something else.
static ACCESS: LazyLock<Regex> = LazyLock::new(|| {
    // Names and spaces of the engine are ASCII, and all of Unicode's would take milliseconds.
    let space = "[[:space:]]*";
    let literal = format!(r#"\[{space}(?:'(?<single>[^'\\]*)'|"(?<double>[^"\\]*)"){space}\]"#);
    let pattern = format!(
        r"(?<before>^|[^[:word:].])context{space}(?:{literal}|\.{space}[[:word:]]+{space}\()"
    );
    Regex::new(&pattern).expect("the pattern is valid")
});

/// Stands for a name in brackets.
const ATTRIBUTE: &str = "standin_literal_";

/// Every word and every quoted text within the tags of a template.
fn words(template: &str, markup: Markup) -> Vec<String> {
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"'([^'\\]*)'|"([^"\\]*)"|\w+"#).expect("the pattern is valid")
    });
    let mut words = Vec::new();
    for content in tags::contents(template, markup) {
        for found in WORDS.captures_iter(content) {
            let word = found.get(1).or_else(|| found.get(2));
            let word = word.map_or(&found[0], |word| word.as_str());
            words.push(word.to_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: &[&str]) {
        let drivers = drivers_read(template, Markup::Option);
        assert_eq!(drivers, expected, "{template}");
    }

    #[test]
    fn sees_attributes_and_literals() {
        check(
            "{{ context.b.port }}{{ context.a.host }}{{ context.b.host }}",
            &["a", "b"],
        );
        check("{{ context['my server'].port }}", &["my server"]);
        check(
            r#"{{ context [ "a" ].port }}{% if context["b.c"] %}x{% endif %}"#,
            &["a", "b.c"],
        );
        check(
            "{% for x in [context.a, context['b']] %}{{ x.port }}{% endfor %}",
            &["a", "b"],
        );
        check("{{ port }} context.a context['a']", &[]);
        check("{{ mine.context['a'] }}{{ my_context['b'] }}", &[]);
        check("{% set context = {'a': 1} %}{{ context['a'] }}", &[]);
        check("{{ context.a.port", &[]);
    }

    #[test]
    fn a_driver_may_be_called_like_a_method() {
        check("{{ context.items.port }}", &["items"]);
        check(
            "{{ context.get['port'] }}{{ context.keys }}",
            &["get", "keys"],
        );
        check("{{ context['values'].port }}", &["values"]);
    }

    #[test]
    fn what_is_quoted_or_not_rendered_ends_no_tag() {
        #[track_caller]
        fn check_words(template: &str, markup: Markup, has: &str, has_not: &str) {
            let words = drivers_read(template, markup);
            assert!(words.iter().any(|word| word == has), "{words:?}");
            assert!(words.iter().all(|word| word != has_not), "{words:?}");
        }
        let template = "{% set c = context %}{{ '}}' ~ c.srv.port }} after";
        check_words(template, Markup::Option, "srv", "after");
        let template = "{% set c = context %}{% raw %}{{ mine }}{% endraw %}{{ c.srv.port }}";
        check_words(template, Markup::Option, "srv", "mine");
        let template = "{% set c = context %}{# {{ mine }} #}{{ c.srv.port }}";
        check_words(template, Markup::File, "srv", "mine");
    }

    #[test]
    fn takes_every_name_where_context_is_used_as_a_whole() {
        #[track_caller]
        fn check_has(template: &str, driver: &str) {
            let drivers = drivers_read(template, Markup::Option);
            assert!(drivers.iter().any(|name| name == driver), "{drivers:?}");
        }
        check_has("{% set c = context %}{{ c.srv.port }}", "srv");
        check_has("{% set c = context %}{{ c['my srv'].port }}", "my srv");
        check_has("{{ (context | attr('srv')).port }}", "srv");
        check_has("{{ context.get('srv').port }}", "srv");
        check_has(
            "{% for n, c in context . items ( ) if n == 'srv' %}{{ c.port }}{% endfor %}",
            "srv",
        );
        check_has(
            "{% for n in ['a', 'b'] %}{{ context[n].port }}{% endfor %}",
            "b",
        );
        check_has("{% with c = context %}{{ c.srv.port }}{% endwith %}", "srv");
        check_has(
            "{% macro port(c) %}{{ c.srv.port }}{% endmacro %}{{ port(context) }}",
            "srv",
        );
    }
}
