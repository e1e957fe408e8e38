//! Replies with names in them.

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};

use crate::captures::Captures;

/// A text, parsed as far as it helps. Most have no names, or nothing but plain ones, and do not
/// need the engine.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    Plain(Arc<[u8]>),
    Simple(Arc<[Part]>),
    /// A text, and the names in it.
    Engine(Arc<str>, Arc<[String]>),
}

#[derive(Debug)]
pub(crate) enum Part {
    Text(Box<[u8]>),
    Frame,
    Index,
    Capture(Arc<str>),
}

/// The names that a template can use.
pub(crate) struct Scope<'a> {
    pub(crate) frame: Option<&'a [u8]>,
    pub(crate) connection: usize,
    pub(crate) captures: &'a Captures,
    pub(crate) globals: &'a Value,
}

/// How much a template may do before it counts as one that never ends.
const FUEL: u64 = 5_000_000;

/// How long the tags of a template may be: the engine needs the stack for each of their links.
const LONGEST_TAG: usize = 2000;

const FRAME: &str = "frame";
const CONNECTION: &str = "connection";

impl Template {
    /// Parses a text. `captures` are the names of groups that it may use, and `known` other names.
    pub(crate) fn parse(
        text: &str,
        captures: &[Arc<str>],
        has_frame: bool,
        known: &[&str],
    ) -> Result<Template, TemplateError> {
        if !text.contains("{{") && !text.contains("{%") {
            return Ok(Template::Plain(text.as_bytes().into()));
        }
        if let Some(parts) = simple(text, captures, has_frame) {
            return Ok(Template::Simple(parts.into()));
        }
        if longest_tag(text) > LONGEST_TAG {
            return Err(TemplateError::Invalid(format!(
                "a tag is longer than {LONGEST_TAG} bytes"
            )));
        }
        let parsed = ENGINE
            .template_from_str(text)
            .map_err(|error| TemplateError::Invalid(reason(&error)))?;
        let is_known = |name: &str| {
            name == CONNECTION
                || (name == FRAME && has_frame)
                || captures.iter().any(|capture| **capture == *name)
                || known.contains(&name)
                || FUNCTIONS.contains(&name)
        };
        let mut names: Vec<String> = parsed.undeclared_variables(false).into_iter().collect();
        names.sort();
        match names.iter().find(|name| !is_known(name)) {
            Some(name) => Err(TemplateError::Unknown(name.clone())),
            None => Ok(Template::Engine(text.into(), names.into())),
        }
    }

    /// Whether it may name what a pattern has captured.
    pub(crate) fn wants_captures(&self) -> bool {
        match self {
            Template::Plain(_) => false,
            Template::Simple(parts) => parts.iter().any(|part| matches!(part, Part::Capture(_))),
            Template::Engine(..) => true,
        }
    }

    /// Adds the text to `out`.
    pub(crate) fn render(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> Result<(), TemplateError> {
        match self {
            Template::Plain(text) => out.extend_from_slice(text),
            Template::Simple(parts) => {
                for part in parts.iter() {
                    match part {
                        Part::Text(text) => out.extend_from_slice(text),
                        Part::Frame => out.extend_from_slice(scope.frame.unwrap_or_default()),
                        Part::Index => {
                            out.extend_from_slice(scope.connection.to_string().as_bytes())
                        }
                        // A group that took no part in the match is empty.
                        Part::Capture(name) => {
                            out.extend_from_slice(scope.captures.get(name).unwrap_or_default());
                        }
                    }
                }
            }
            Template::Engine(text, used) => {
                let mut own = Vec::new();
                for name in used.iter() {
                    let bytes = match &**name {
                        CONNECTION => continue,
                        name => scope.captures.get(name),
                    };
                    let frame = scope.frame.filter(|_| name == FRAME);
                    if let Some(bytes) = bytes.or(frame) {
                        own.push((name.clone(), value(name, bytes)?));
                    }
                }
                let names = Names {
                    connection: scope.connection,
                    own,
                    globals: scope.globals.clone(),
                };
                let template = ENGINE.template_from_str(text);
                let rendered = template.and_then(|template| {
                    let rendered = template.render(Value::from_object(names));
                    rendered.map_err(|error| named(error, &template))
                });
                let text = rendered.map_err(|error| TemplateError::Invalid(reason(&error)))?;
                out.extend_from_slice(text.as_bytes());
            }
        }
        Ok(())
    }
}

/// Why a template is not one, or has no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TemplateError {
    /// It names what nobody knows.
    Unknown(String),
    /// Anything else, as a part of a sentence.
    Invalid(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Unknown(name) => write!(f, "`{name}` is not known"),
            TemplateError::Invalid(reason) => f.write_str(reason),
        }
    }
}

/// The parts of a text whose tags are all plain names of what comes from the peer.
fn simple(text: &str, captures: &[Arc<str>], has_frame: bool) -> Option<Vec<Part>> {
    if text.contains("{%") {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}")?;
        parts.push(Part::Text(before.as_bytes().into()));
        let name = name.trim();
        let capture = captures.iter().find(|capture| ***capture == *name);
        parts.push(match (capture, name) {
            (Some(capture), _) => Part::Capture(capture.clone()),
            (None, FRAME) if has_frame => Part::Frame,
            (None, "connection.index") => Part::Index,
            _ => return None,
        });
        rest = after;
    }
    parts.push(Part::Text(rest.as_bytes().into()));
    Some(parts)
}

fn longest_tag(text: &str) -> usize {
    let tags = text.split("{{").chain(text.split("{%")).skip(1);
    let ends = tags.map(|tag| tag.find("}}").into_iter().chain(tag.find("%}")).min());
    ends.map(|end| end.unwrap_or(0)).max().unwrap_or(0)
}

/// The engine has only text.
fn value(name: &str, bytes: &[u8]) -> Result<Value, TemplateError> {
    str::from_utf8(bytes).map(Value::from).map_err(|_| {
        TemplateError::Invalid(format!(
            "`{name}` is not UTF-8 here, and can only be sent as it is: `{{{{ {name} }}}}`"
        ))
    })
}

#[derive(Debug)]
struct Names {
    connection: usize,
    /// What the peer has said.
    own: Vec<(String, Value)>,
    globals: Value,
}

impl Object for Names {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        if let Some((_, value)) = self.own.iter().find(|(own, _)| own == name) {
            return Some(value.clone());
        }
        if name == CONNECTION {
            return Some(context! { index => self.connection });
        }
        let value = self.globals.get_attr(name).ok()?;
        (!value.is_undefined()).then_some(value)
    }
}

/// What the engine itself has.
const FUNCTIONS: &[&str] = &["range", "dict", "namespace", "debug"];

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_fuel(Some(FUEL));
    // No comments: `{#` may well be what a peer says.
    let syntax = SyntaxConfig::builder()
        .comment_delimiters("\0{#", "#}\0")
        .keep_trailing_newline(true)
        .build();
    engine.set_syntax(syntax.expect("its delimiters differ"));
    engine.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    engine.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    engine
});

/// The engine does not say what is not there.
fn named(error: Error, template: &minijinja::Template<'_, '_>) -> Error {
    if error.kind() != ErrorKind::UndefinedError {
        return error;
    }
    let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    names.sort();
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let one_of = if names.len() > 1 { "one of " } else { "" };
    let detail = format!("{one_of}{} does not exist", names.join(", "));
    Error::new(ErrorKind::UndefinedError, detail)
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

    fn render(template: &str) -> Result<Vec<u8>, TemplateError> {
        let names: [Arc<str>; 2] = ["who".into(), "raw".into()];
        let mut captures = Captures::default();
        captures.set(&names[0], b"Ada");
        captures.set(&names[1], b"\xff");
        let template = Template::parse(template, &names, true, &["port"])?;
        let scope = Scope {
            frame: Some(b"HELLO Ada"),
            connection: 3,
            captures: &captures,
            globals: &context! { port => 8080 },
        };
        let mut out = Vec::new();
        template.render(&scope, &mut out)?;
        Ok(out)
    }

    #[track_caller]
    fn check(template: &str, expected: &[u8]) {
        assert_eq!(render(template).unwrap(), expected, "{template}");
    }

    #[test]
    fn plain_names_need_no_engine() {
        check("a {# b }} c\n", b"a {# b }} c\n");
        check(
            "{{ who }}, {{raw}} on {{ connection.index }}\n",
            b"Ada, \xff on 3\n",
        );
        check("{{ frame }}", b"HELLO Ada");
    }

    #[test]
    fn the_engine_has_everything_else() {
        check("{{ who | upper }} {{ port + 1 }}\n", b"ADA 8081\n");
        check("{% if connection.index > 2 %}late{% endif %}", b"late");
        check("{{ frame | length }}", b"9");
        check("{{ who.upper() }}", b"ADA");
    }

    #[test]
    fn mistakes_are_found_when_it_is_parsed() {
        assert_eq!(
            render("{{ whom }}"),
            Err(TemplateError::Unknown("whom".to_owned()))
        );
        assert_eq!(
            render("{{ a }} {{ who | upper }}"),
            Err(TemplateError::Unknown("a".to_owned()))
        );
        for template in [
            "{{ who",
            "{% if %}",
            &format!("{{{{ who{} }}}}", "|upper".repeat(9999)),
        ] {
            assert!(matches!(render(template), Err(TemplateError::Invalid(_))));
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = render("{{ port.number.x }} {{ who | upper }}").unwrap_err();
        let expected = "undefined value: one of `port.number.x`, `who` does not exist";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn bytes_that_are_not_text_are_never_changed() {
        assert!(matches!(
            render("{{ raw }} {{ who | upper }}"),
            Err(TemplateError::Invalid(_))
        ));
    }
}
