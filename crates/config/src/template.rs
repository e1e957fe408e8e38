//! Templates as options have them: whether they parse, and which drivers they read.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Template};

use crate::{Markup, Tags, TemplateMistake, ValueError};

/// Filters are looked up when a template is rendered, so that an empty environment will do.
static PARSER: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut parser = Environment::empty();
    let (begin, end) = Markup::Option.comment();
    let syntax = SyntaxConfig::builder()
        .comment_delimiters(begin, end)
        .build();
    parser.set_syntax(syntax.expect("its delimiters differ"));
    parser
});

fn parse(text: &str) -> Result<Template<'_, '_>, TemplateMistake> {
    let tags = Tags::of(text, Markup::Option);
    if let Some(mistake) = tags.too_long {
        return Err(mistake);
    }
    PARSER.template_from_str(text).map_err(|error| {
        tags.mistake(error.line(), || match error.detail() {
            Some(detail) => detail.to_owned(),
            None => error.kind().to_string(),
        })
    })
}

/// Checks a text that is a template.
pub(crate) fn check(text: &str) -> Result<(), ValueError> {
    if !Markup::Option.has_tags(text) {
        return Ok(());
    }
    parse(text).map(drop).map_err(|mistake| {
        let line = match text.trim_end().contains('\n') {
            true => format!(", in line {}", mistake.line),
            false => String::new(),
        };
        ValueError::new("a valid template", format!("{text:?}"))
            .because(format!("{}{line}", mistake.reason))
            .bad_template()
    })
}

/// The drivers that a template reads as `context.<driver>`, each once, in the order of their names.
#[doc(hidden)]
pub fn drivers_read(text: &str) -> Vec<String> {
    if !Markup::Option.has_tags(text) || !text.contains("context") {
        return Vec::new();
    }
    // One that does not parse is reported for that.
    let Ok(parsed) = parse(text) else {
        return Vec::new();
    };
    let names = parsed.undeclared_variables(true);
    let mut drivers: Vec<String> = names
        .iter()
        .filter_map(|name| name.strip_prefix("context.")?.split('.').next())
        .map(str::to_owned)
        .collect();
    drivers.sort();
    drivers.dedup();
    drivers
}
