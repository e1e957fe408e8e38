//! Templates as options have them: whether they parse.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Template};

use crate::tags::{MOST_LINKS, Markup, Tags, TemplateMistake};
use crate::value_error::ValueError;

/// Filters are looked up when a template is rendered, so that an empty environment will do.
fn parser(markup: Markup) -> &'static Environment<'static> {
    fn new(markup: Markup) -> Environment<'static> {
        let mut parser = Environment::empty();
        let (begin, end) = markup.comment();
        let syntax = SyntaxConfig::builder()
            .comment_delimiters(begin, end)
            .build();
        parser.set_syntax(syntax.expect("its delimiters differ"));
        parser
    }
    static OPTIONS: LazyLock<Environment<'static>> = LazyLock::new(|| new(Markup::Option));
    static FILES: LazyLock<Environment<'static>> = LazyLock::new(|| new(Markup::File));
    match markup {
        Markup::Option => &OPTIONS,
        Markup::File => &FILES,
    }
}

pub(crate) fn parse(text: &str, markup: Markup) -> Result<Template<'_, '_>, TemplateMistake> {
    // A short text has no room for them.
    if text.len() > MOST_LINKS
        && let Some(mistake) = Tags::of(text, markup).too_long
    {
        return Err(mistake);
    }
    parser(markup).template_from_str(text).map_err(|error| {
        Tags::of(text, markup).mistake(error.line(), || match error.detail() {
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
    parse(text, Markup::Option).map(drop).map_err(|mistake| {
        let line = match text.trim_end().contains('\n') {
            true => format!(", in line {}", mistake.line),
            false => String::new(),
        };
        ValueError::new("a valid template", format!("{text:?}"))
            .because(format!("{}{line}", mistake.reason))
            .bad_template()
    })
}
