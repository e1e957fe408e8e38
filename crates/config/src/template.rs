//! Templates as options have them: whether they parse, and which drivers they read.

use std::sync::LazyLock;

use minijinja::Environment;

use crate::ValueError;

/// Filters are looked up when a template is rendered, so that an empty environment will do.
static PARSER: LazyLock<Environment<'static>> = LazyLock::new(Environment::empty);

/// Whether anything in the text means something to the engine.
fn has_tags(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Checks a text that is a template.
pub(crate) fn check(text: &str) -> Result<(), ValueError> {
    if !has_tags(text) {
        return Ok(());
    }
    PARSER.template_from_str(text).map(drop).map_err(|error| {
        let reason = match error.detail() {
            Some(detail) => detail.to_owned(),
            None => error.kind().to_string(),
        };
        ValueError::new("a valid template", format!("{text:?}"))
            .because(reason)
            .bad_template()
    })
}

/// The drivers that a template reads as `context.<driver>`, each once, in the order of their names.
pub(crate) fn drivers_read(text: &str) -> Vec<String> {
    if !has_tags(text) || !text.contains("context") {
        return Vec::new();
    }
    // One that does not parse is reported for that.
    let Ok(parsed) = PARSER.template_from_str(text) else {
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
