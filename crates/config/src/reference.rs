//! The reference table of all options, as Markdown.

use std::fmt::{self, Write as _};

use crate::docs::without_item_links;
use crate::kind::Kind;
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
         environment file, by its key; hooks and other code in code only. An inherited option that\n\
         is not set has the value of the environment; its default counts when the environment has\n\
         none either."
    )?;
    let environment = registry.environment();
    write_section(page, "The environment", environment.docs())?;
    write_table(page, environment.options().iter())?;
    let common = common_options(registry);
    if !common.is_empty() {
        write_section(page, "Every driver", "What all of the types below have.")?;
        write_table(page, common.iter().copied())?;
    }
    for (type_name, description) in registry.types() {
        write_section(page, &format!("`{type_name}`"), description.docs())?;
        let is_own = |option: &&OptionDescription| {
            !common
                .iter()
                .any(|known| is_same_declaration(known, option))
        };
        let mut own = description.options().iter().filter(is_own).peekable();
        match own.peek() {
            Some(_) => write_table(page, own)?,
            None => writeln!(page, "It has the options of every driver.")?,
        }
    }
    Ok(())
}

/// The options that all types take over from the same config.
fn common_options(registry: &TypeRegistry) -> Vec<&OptionDescription> {
    let types: Vec<&ConfigDescription> = registry.types().map(|(_, config)| config).collect();
    let Some((first, others)) = types.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Vec::new();
    };
    first
        .options()
        .iter()
        .filter(|option| {
            others.iter().all(|other| {
                other
                    .option(option.name())
                    .is_some_and(|twin| is_same_declaration(option, twin))
            })
        })
        .collect()
}

fn is_same_declaration(left: &OptionDescription, right: &OptionDescription) -> bool {
    left.name() == right.name() && left.declared_in() == right.declared_in()
}

fn write_section(page: &mut String, title: &str, docs: &str) -> fmt::Result {
    writeln!(page, "\n## {title}\n")?;
    match docs.is_empty() {
        true => Ok(()),
        false => writeln!(page, "{}\n", without_item_links(docs)),
    }
}

fn write_table<'a>(
    page: &mut String,
    options: impl Iterator<Item = &'a OptionDescription>,
) -> fmt::Result {
    writeln!(
        page,
        "| option | type | default | inherited | description |"
    )?;
    writeln!(page, "| --- | --- | --- | --- | --- |")?;
    for option in options {
        write_row(page, "", option)?;
    }
    Ok(())
}

/// One row, and one for each option of a nested table: `retry.times`.
fn write_row(page: &mut String, prefix: &str, option: &OptionDescription) -> fmt::Result {
    let kind = match option.is_code_only() {
        true => "code".to_owned(),
        false => option.kind().to_string(),
    };
    let name = format!("{prefix}{}", option.name());
    writeln!(
        page,
        "| `{name}` | {} | {} | {} | {} |",
        cell(&kind),
        cell(&default(option)),
        if option.is_inherited() { "yes" } else { "" },
        cell(&docs_with_rules(option)),
    )?;
    if let Some(nested) = nested(option.kind(), &mut Vec::new()) {
        for inner in nested.options() {
            write_row(page, &format!("{name}."), inner)?;
        }
    }
    Ok(())
}

/// The config of a table within an option, where there is just one. `seen` holds the types that
/// are being looked into, for they may contain themselves.
fn nested(kind: &Kind, seen: &mut Vec<&'static str>) -> Option<ConfigDescription> {
    match kind {
        Kind::Nested(description) => Some(description.clone()),
        Kind::List(item) | Kind::Map(item) => nested(item, seen),
        Kind::Union(kinds) => {
            let all: Vec<_> = kinds.iter().filter_map(|kind| nested(kind, seen)).collect();
            <[_; 1]>::try_from(all).ok().map(|[only]| only)
        }
        Kind::Lazy(kind) if !seen.contains(&kind.type_name()) => {
            seen.push(kind.type_name());
            nested(&kind.get(), seen)
        }
        _ => None,
    }
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
    let mut docs = without_item_links(option.docs());
    let rules = option.constraints().iter();
    for constraint in rules.filter(|constraint| constraint.is_told()) {
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
