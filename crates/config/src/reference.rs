//! The reference table of all options, as Markdown.

use std::fmt::{self, Write as _};

use crate::option::{OptionDescription, Source};
use crate::{ConfigDescription, TypeRegistry};

/// The options of the environment and of every driver type, as a Markdown page: name, type,
/// default, whether it is inherited, description.
///
/// ```
/// # use standin_config::{ConfigDescription, Kind, OptionDescription, TypeRegistry};
/// let environment = ConfigDescription::builder("environment")
///     .option(OptionDescription::inherited_or("timeout", Kind::Duration, "5m").docs_are("A limit."))
///     .build();
/// let page = standin_config::reference_page(&TypeRegistry::new(&environment));
/// assert!(page.contains("| `timeout` | a duration | `\"5m\"` | yes | A limit. |"));
/// ```
pub fn reference_page(registry: &TypeRegistry) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, registry);
    page
}

fn write_page(page: &mut String, registry: &TypeRegistry) -> fmt::Result {
    writeln!(page, "# Options")?;
    writeln!(page)?;
    writeln!(
        page,
        "Every option can be set in code, by the builder's method of the same name, and in an\n\
         environment file, by its key. An inherited option that is not set has the value of the\n\
         environment; its default counts when the environment has none either."
    )?;
    write_table(page, "The environment", registry.environment())?;
    for (type_name, description) in registry.types() {
        write_table(page, &format!("`{type_name}`"), description)?;
    }
    Ok(())
}

fn write_table(page: &mut String, title: &str, description: &ConfigDescription) -> fmt::Result {
    writeln!(page, "\n## {title}\n")?;
    let docs = description.docs();
    if !docs.is_empty() {
        writeln!(page, "{docs}\n")?;
    }
    writeln!(
        page,
        "| option | type | default | inherited | description |"
    )?;
    writeln!(page, "| --- | --- | --- | --- | --- |")?;
    for option in description.options() {
        writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            option.name(),
            cell(&option.kind().to_string()),
            cell(&default(option)),
            if option.is_inherited() { "yes" } else { "" },
            cell(&docs_with_rules(option)),
        )?;
    }
    Ok(())
}

fn default(option: &OptionDescription) -> String {
    match option.source() {
        Source::Required => "required".to_owned(),
        Source::Inherited => String::new(),
        Source::Default(value) | Source::InheritedOr(value) => match value.value() {
            Some(value) if !value.is_null() => format!("`{value}`"),
            _ => String::new(),
        },
    }
}

fn docs_with_rules(option: &OptionDescription) -> String {
    let mut docs = option.docs().to_owned();
    for constraint in option.constraints() {
        let rule = constraint.rule();
        let mut letters = rule.chars();
        if let Some(first) = letters.next() {
            docs.push_str(&format!(" {}{}.", first.to_uppercase(), letters.as_str()));
        }
    }
    docs
}

/// A cell is one line, and a bar ends it.
fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('|', "\\|")
}
