//! Which drivers a template reads: those have to be up before the driver that has it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use minijinja::Environment;
use regex::{Captures, Regex};

/// The drivers whose context a template may read, each once, in the order of their names.
///
/// `context.server` and `context["my server"]` name them. A template that uses `context` in
/// another way (under another name, in a loop, with a filter) may read every driver that it
/// names anywhere, be it as a text or as a word: what is not a driver is for the caller to leave
/// out. A name that is put together only when the template is rendered cannot be seen.
pub(crate) fn drivers_read(engine: &Environment<'_>, template: &str) -> Vec<String> {
    if !template.contains("context") {
        return Vec::new();
    }
    // As an attribute, a name in brackets is one that the engine reports.
    let mut literals = Vec::new();
    let with_attributes = LITERAL.replace_all(template, |found: &Captures<'_>| {
        let name = found.name("single").or_else(|| found.name("double"));
        literals.push(name.map_or("", |name| name.as_str()).to_owned());
        format!(
            "{}context.{ATTRIBUTE}{}",
            &found["before"],
            literals.len() - 1
        )
    });
    // One that does not parse says so when it is rendered.
    let Ok(parsed) = engine.template_from_str(&with_attributes) else {
        return Vec::new();
    };
    let mut drivers = BTreeSet::new();
    for name in parsed.undeclared_variables(true) {
        let mut parts = name.split('.');
        if parts.next() != Some("context") {
            continue;
        }
        match parts.next() {
            Some(driver) if !METHODS.contains(&driver) => {
                let literal = driver.strip_prefix(ATTRIBUTE);
                let literal =
                    literal.and_then(|number| literals.get(number.parse::<usize>().ok()?));
                drivers.insert(literal.map_or(driver, String::as_str).to_owned());
            }
            _ => drivers.extend(words(template)),
        }
    }
    drivers.into_iter().collect()
}

/// `context["name"]`, also as `context['name']`, but not as an attribute of something else.
static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    let pattern =
        r#"(?<before>^|[^\w.])context\s*\[\s*(?:'(?<single>[^'\\]*)'|"(?<double>[^"\\]*)")\s*\]"#;
    Regex::new(pattern).expect("the pattern is valid")
});

/// Stands for a name in brackets.
const ATTRIBUTE: &str = "standin_literal_";

/// What is called on `context` itself; no driver can have these names.
const METHODS: [&str; 4] = ["get", "items", "keys", "values"];

/// Every word and every quoted text within the tags of a template.
fn words(template: &str) -> Vec<String> {
    static TAGS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?s)\{\{.*?\}\}|\{%.*?%\}").expect("the pattern is valid"));
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"'([^'\\]*)'|"([^"\\]*)"|\w+"#).expect("the pattern is valid")
    });
    let mut words = Vec::new();
    for tag in TAGS.find_iter(template) {
        for found in WORDS.captures_iter(tag.as_str()) {
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
        let drivers = drivers_read(&Environment::new(), template);
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
    fn takes_every_name_where_context_is_used_as_a_whole() {
        #[track_caller]
        fn check_has(template: &str, driver: &str) {
            let drivers = drivers_read(&Environment::new(), template);
            assert!(drivers.iter().any(|name| name == driver), "{drivers:?}");
        }
        check_has("{% set c = context %}{{ c.srv.port }}", "srv");
        check_has("{% set c = context %}{{ c['my srv'].port }}", "my srv");
        check_has("{{ (context | attr('srv')).port }}", "srv");
        check_has("{{ context.get('srv').port }}", "srv");
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
