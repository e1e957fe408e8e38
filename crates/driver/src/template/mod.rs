//! Rendering templates over what a driver publishes.
//!
//! The engine is minijinja. Values print as the templates of ported tests
//! expect them: `None`, `True`, `[1, 2]`, `{'a': 1}`.

mod objects;
mod scope;

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, Template, UndefinedBehavior};
use standin_config::{ContextValue, Markup, Tags, TemplateMistake, Text};

pub(crate) use self::objects::names;
use self::objects::{Published, format_value};
use self::scope::Idioms;
pub(crate) use self::scope::{Missing, Scope};
use crate::attributes::Attributes;
use crate::context::ContextSource;

/// Why a template has no text.
pub(crate) enum TemplateError {
    /// It names something that is not there.
    Undefined(String),
    /// It asks `context` for a driver that is not there, or a driver for an attribute.
    NotInContext(Missing),
    /// Anything else, as a sentence.
    Failed(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Failed(reason) => f.write_str(reason),
            TemplateError::Undefined(name) => write!(f, "`{name}` does not exist"),
            TemplateError::NotInContext(Missing { driver, attribute }) => match attribute {
                None => write!(f, "driver \"{driver}\" is not there"),
                Some(name) => write!(f, "driver \"{driver}\" does not publish `{name}`"),
            },
        }
    }
}

/// How much a template may do before it counts as one that never ends: far more
/// than the largest config file needs, and reached within seconds.
const FUEL: u64 = 5_000_000;

/// Renders `template` over `attributes`; a name that is not there is an error.
/// One newline at the end goes: a value is not a file.
pub(crate) fn render(template: &str, attributes: &Attributes) -> Result<String, TemplateError> {
    let plain = plain_name(template).and_then(|name| attributes.get(name));
    if let Some(text) = plain.and_then(plain_text) {
        return Ok(text);
    }
    let scope = Scope::new(attributes.clone(), None);
    let mut text = render_in(template, &scope, Markup::Option).map_err(|failure| failure.error)?;
    if template.ends_with('\n') && text.ends_with('\n') {
        text.pop();
        if template.ends_with("\r\n") && text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Renders a text that does not belong to a driver: a template sees `own` at the top, and the
/// drivers of `source` below `context`.
///
/// # Errors
///
/// Returns an error if the template does not parse, or names what is not there: the reason, as a
/// sentence.
pub fn render_text(
    text: &Text,
    own: Attributes,
    source: Arc<dyn ContextSource>,
) -> Result<String, String> {
    match text {
        Text::Verbatim(text) => Ok(text.clone()),
        Text::Template(template) if !Markup::Option.has_tags(template) => Ok(template.clone()),
        Text::Template(template) => {
            let scope = Scope::new(own, Some(source));
            render_in(template, &scope, Markup::Option).map_err(|failure| failure.error.to_string())
        }
        Text::Context(ContextValue {
            driver, template, ..
        }) => {
            let Some(attributes) = source.attributes(driver) else {
                return Err(format!("driver \"{driver}\" is not there"));
            };
            render(template, &attributes).map_err(|error| error.to_string())
        }
    }
}

/// The name in a template that is nothing but one, such as `{{ port }}`, as nearly
/// all are. Where that is not a name but an expression, nobody publishes it.
pub(crate) fn plain_name(template: &str) -> Option<&str> {
    Some(template.strip_prefix("{{")?.strip_suffix("}}")?.trim())
}

/// The text of a value that prints in one way only. The engine is not needed for it.
pub(crate) fn plain_text(value: &standin_config::Value) -> Option<String> {
    match value {
        standin_config::Value::String(text) => Some(text.clone()),
        standin_config::Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Why a template has no text, and in which of its lines.
pub(crate) struct Failure {
    pub(crate) error: TemplateError,
    pub(crate) line: Option<usize>,
}

impl Failure {
    fn of(error: &Error) -> Self {
        Self {
            error: TemplateError::Failed(reason(error)),
            line: error.line(),
        }
    }
}

impl From<TemplateMistake> for Failure {
    fn from(mistake: TemplateMistake) -> Self {
        Self {
            error: TemplateError::Failed(mistake.reason),
            line: Some(mistake.line),
        }
    }
}

fn parse(template: &str, markup: Markup) -> Result<Template<'_, '_>, Failure> {
    let tags = Tags::of(template, markup);
    if let Some(mistake) = tags.too_long {
        return Err(mistake.into());
    }
    engine(markup)
        .template_from_str(template)
        .map_err(|error| tags.mistake(error.line(), || reason(&error)).into())
}

/// Renders `template` over everything in `scope`, and keeps its last newline.
pub(crate) fn render_in(template: &str, scope: &Scope, markup: Markup) -> Result<String, Failure> {
    let parsed = parse(template, markup)?;
    let names = || parsed.undeclared_variables(true).into_iter();
    let mut idioms = Idioms {
        calls_uid: false,
        asks_tag: template.contains("tag")
            && names().any(|name| name == "status.tag" || name.ends_with(".status.tag")),
    };
    let render = |idioms| parsed.render(Value::from_object(Published(scope.clone(), idioms)));
    render(idioms)
        .or_else(|error| {
            idioms.calls_uid = true;
            // A text cannot be called, so that nothing else becomes of a template that does.
            match error.kind() {
                ErrorKind::InvalidOperation if template.contains("uid") => {
                    render(idioms).map_err(|_| error)
                }
                _ => Err(error),
            }
        })
        .map_err(|error| {
            if error.kind() == ErrorKind::UndefinedError {
                if let Some(missing) = scope.missing.take() {
                    return Failure {
                        error: TemplateError::NotInContext(missing),
                        line: error.line(),
                    };
                }
                let mut missing: Vec<String> = parsed
                    .undeclared_variables(true)
                    .into_iter()
                    .filter(|name| name.contains('.') || !scope.has(name))
                    .collect();
                missing.sort();
                // A name that is not there is the more likely culprit than one inside a value.
                let culprit = missing.iter().find(|name| !scope.has(name));
                if let Some(name) = culprit.or(missing.first()) {
                    return Failure {
                        error: TemplateError::Undefined(name.clone()),
                        line: error.line(),
                    };
                }
            }
            Failure::of(&error)
        })
}

fn engine(markup: Markup) -> &'static Environment<'static> {
    static OPTIONS: LazyLock<Environment<'static>> = LazyLock::new(|| new_engine(Markup::Option));
    static FILES: LazyLock<Environment<'static>> = LazyLock::new(|| new_engine(Markup::File));
    match markup {
        Markup::Option => &OPTIONS,
        Markup::File => &FILES,
    }
}

fn new_engine(markup: Markup) -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_fuel(Some(FUEL));
    let (begin, end) = markup.comment();
    let syntax = SyntaxConfig::builder()
        .comment_delimiters(begin, end)
        .keep_trailing_newline(true)
        .build();
    engine.set_syntax(syntax.expect("its delimiters differ"));
    engine.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    engine.set_formatter(format_value);
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    engine.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    engine
}

fn reason(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: &str) {
        let attributes = Attributes::new()
            .with("port", 8080)
            .with("text", "Hello World")
            .with("flag", false)
            .with("items_", vec![3, 1, 2])
            .with("uid", "srv")
            .with("status", "STARTED");
        match render(template, &attributes) {
            Ok(text) => assert_eq!(text, expected),
            Err(TemplateError::Undefined(name)) => {
                assert_eq!(format!("undefined {name}"), expected)
            }
            Err(TemplateError::NotInContext(missing)) => panic!("{missing:?}"),
            Err(TemplateError::Failed(reason)) => panic!("{reason}"),
        }
    }

    #[test]
    fn prints_values_as_ported_templates_expect_them() {
        check("{{ port }}", "8080");
        check("{{ flag }}", "False");
        check("{{ items_ }}", "[3, 1, 2]");
        check("{{ {'a': {'b': 'c'}} }}", "{'a': {'b': 'c'}}");
        check("{{ uid }} {{ uid() }}", "srv srv");
        check("{{ uid == 'srv' }}", "True");
        check(
            "{% macro fluid() %}f{% endmacro %}{{ fluid() }} {{ uid == 'srv' }}",
            "f True",
        );
        check(
            "{{ 'status.tag' }} {{ status | lower }}",
            "status.tag started",
        );
        check("{{ status.tag }} {{ status }}", "STARTED STARTED");
        check("{{ status == 'STARTED' }}", "True");
    }

    #[test]
    fn has_filters_methods_and_statements() {
        check("{{ port | int + 2 }}", "8082");
        check("{{ text.split(' ')[1] }}", "World");
        check("{{ items_ | sort | join(',') }}", "1,2,3");
        check("{% if port > 8000 %}high{% else %}low{% endif %}", "high");
        check("{{ nope | default('x') }}", "x");
        check("x\n", "x");
        check("x\r\ny\r\n", "x\r\ny");
    }

    #[test]
    fn braces_of_a_shell_are_no_comments_in_an_option() {
        check("${#v} {{ port }} ${v%#}", "${#v} 8080 ${v%#}");
        let scope = Scope::default();
        let in_file = |text| render_in(text, &scope, Markup::File).map_err(|failure| failure.line);
        assert_eq!(in_file("a{# b\n #}c").as_deref(), Ok("ac"));
        assert_eq!(in_file("#!/bin/sh\n\n\necho ${#f}\n\n\n"), Err(Some(4)));
        assert_eq!(in_file("\n{{ 1 }}\n{{ 1\n\n\n"), Err(Some(3)));
        assert_eq!(in_file("\n{{ 1 2 }}\n{{ 1\n\n\n"), Err(Some(2)));
        assert_eq!(
            in_file("\n{% if 1 %}\n{% for a in [] %}\n{% endfor %}\n"),
            Err(Some(2))
        );
    }

    #[test]
    fn long_chains_are_refused_and_shorter_ones_fit_on_the_stack() {
        // As much as the thread of a test has.
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let all_render_or_fail = || {
            let links = [
                "|upper",
                "+1",
                "~1",
                " and 1",
                " or 1",
                ".a",
                "[0]",
                "()",
                " is defined",
                "**1",
                " if 1 else 1",
                "==1",
                " in 1",
                "//1",
                "%1",
                ".a()",
                " is not string",
            ];
            for (count, is_refused) in [(130, false), (390, false), (100_000, true)] {
                for link in links {
                    let template = format!("{{{{ port{} }}}}", link.repeat(count));
                    let result = render(&template, &Attributes::new().with("port", 1));
                    let is_long = matches!(&result, Err(TemplateError::Failed(reason))
                        if reason.contains("more than 400 operators"));
                    assert!(is_long || !is_refused, "{count} x {link}");
                }
                for link in ["-", "not ", "(", "[", "{'a': "] {
                    let template = format!("{{{{ {}port }}}}", link.repeat(count));
                    let _ = render(&template, &Attributes::new().with("port", 1));
                }
                let branches = "{% elif port %}".repeat(count);
                let template = format!("{{% if port %}}{branches}{{% endif %}}");
                let result = render(&template, &Attributes::new().with("port", 1));
                assert_eq!(result.is_err(), is_refused, "elif");
            }
        };
        thread.spawn(all_render_or_fail).unwrap().join().unwrap();
    }

    #[test]
    fn names_what_is_undefined() {
        check("{{ prot }}", "undefined prot");
        check("{{ port }}{{ nope.attr }}", "undefined nope.attr");
    }
}
