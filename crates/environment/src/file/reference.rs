//! The reference table of all options, as Markdown.

use std::fmt::{self, Write as _};

use indexmap::IndexMap;
use standin_config::{ConfigDescription, Kind, OptionDescription};

use super::TypeRegistry;
use super::keys::{AFTER, CONTEXT, DEFAULTS, DRIVER, TYPE};
use super::registry::is_same_declaration;

/// Returns the options of the environment and of every driver type as a Markdown page: name, type,
/// default, whether it is inherited, description.
///
/// ```
/// # use standin_config::{ConfigDescription, Kind, OptionDescription};
/// # use standin_environment::file::{self, TypeRegistry};
/// let environment = ConfigDescription::builder("environment")
///     .option(
///         OptionDescription::inherited_or("timeout", Kind::Duration, "5m").docs_are("A limit."),
///     )
///     .build();
/// let page = file::reference_page(&TypeRegistry::new(&environment));
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
         environment file, by its key, unless it says what code has instead; hooks and other code\n\
         in code only. An inherited option that is not set has the value of the environment; its\n\
         default counts when the environment has none either."
    )?;
    write_format(page, registry)?;
    let environment = registry.environment();
    write_section(page, "The environment", &environment.plain_docs())?;
    write_table(page, environment.options().iter())?;
    let common = registry.common_options();
    if !common.is_empty() {
        write_section(page, "Every driver", "Options that all types below share.")?;
        write_table(page, common.iter().copied())?;
    }
    for (type_name, description) in registry.types() {
        write_section(page, &format!("`{type_name}`"), &description.plain_docs())?;
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

/// The parts of a file other than options.
fn write_format(page: &mut String, registry: &TypeRegistry) -> fmt::Result {
    let names: Vec<String> = registry
        .types()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let Some((example, _)) = registry.types().next() else {
        return Ok(());
    };
    writeln!(page, "\n## The file\n")?;
    writeln!(
        page,
        "An environment file is TOML. The options of the environment come first, then, in tables,\n\
         those of its drivers:\n\n\
         ```toml\n\
         name = \"greeting\"          # options of the environment\n\n\
         [context]                  # values that templates read: {{{{ context.stage }}}}\n\
         stage = \"test\"\n\n\
         [defaults]                 # options of all drivers that do not set them themselves\n\n\
         [defaults.{example}]{pad}# the same for all drivers of a type; they come before `[defaults]`\n\n\
         [[driver]]                 # a driver, and its options; once for each, in the order of the start\n\
         type = \"{example}\"\n\
         name = \"first\"\n\n\
         [[driver]]\n\
         type = \"{example}\"\n\
         name = \"second\"\n\
         after = [\"first\"]          # starts when these are up\n\
         ```\n",
        pad = " ".repeat(16_usize.saturating_sub(example.len()).max(1)),
    )?;
    writeln!(page, "| key | value | default | description |")?;
    writeln!(page, "| --- | --- | --- | --- |")?;
    writeln!(
        page,
        "| `[[{DRIVER}]]` | a list of tables | none | The drivers, in the order in which they start. |\n\
         | `{DRIVER}.{TYPE}` | {} | required | What the driver is. |\n\
         | `{DRIVER}.{AFTER}` | a list of names, or one name | `[]` | The drivers that are up before this one starts. Drivers whose context it reads need not be named. |\n\
         | `[{CONTEXT}]` | a table of values | none | What templates can read below `context` besides drivers, as `{{{{ context.stage }}}}`; a table is read as if a driver of that name published its values. |\n\
         | `[{DEFAULTS}]` | a table of options | none | Options of every driver that has such an option and does not set it. |\n\
         | `[{DEFAULTS}.TYPE]` | a table of options | none | Options of every driver of that type; they come before those of `[{DEFAULTS}]`. |",
        names.join(" or "),
    )
}

fn write_section(page: &mut String, title: &str, docs: &str) -> fmt::Result {
    writeln!(page, "\n## {title}\n")?;
    match docs.is_empty() {
        true => Ok(()),
        false => writeln!(page, "{docs}\n"),
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
    let mut seen = Seen::new();
    for option in options {
        write_row(page, "", option, &mut seen)?;
    }
    Ok(())
}

/// The types of which the table has the options already, each with the option that has it first.
type Seen = IndexMap<&'static str, String>;

/// One row, and one for each option of a table within its values: `retry.times`. A type is looked
/// into once.
fn write_row(
    page: &mut String,
    prefix: &str,
    option: &OptionDescription,
    seen: &mut Seen,
) -> fmt::Result {
    let kind = match option.is_code_only() {
        true => "code".to_owned(),
        false => option.kind().to_string(),
    };
    let name = format!("{prefix}{}", option.name());
    let mut docs = docs_with_rules(option);
    let mut found = Found::default();
    find_tables(option.kind(), &name, &mut found, seen);
    for known in &found.known {
        docs.push_str(&format!(" Its table: see `{known}`."));
    }
    writeln!(
        page,
        "| `{name}` | {} | {} | {} | {} |",
        cell(&kind),
        cell(&default(option)),
        if option.is_inherited() { "yes" } else { "no" },
        cell(&docs),
    )?;
    let mut written: Vec<String> = Vec::new();
    for inner in found.tables.iter().flat_map(ConfigDescription::options) {
        // Tables of several sorts may have a key in common, with one meaning or with two.
        let mut row = String::new();
        write_row(&mut row, &format!("{name}."), inner, seen)?;
        if !written.contains(&row) {
            page.push_str(&row);
            written.push(row);
        }
    }
    Ok(())
}

/// The tables that a value can be or hold.
#[derive(Default)]
struct Found {
    tables: Vec<ConfigDescription>,
    /// The options at which those are that were seen before.
    known: Vec<String>,
}

fn find_tables(kind: &Kind, name: &str, found: &mut Found, seen: &mut Seen) {
    match kind {
        Kind::Nested(description) => found.tables.push(description.clone()),
        Kind::List(item) | Kind::Map(item) => find_tables(item, name, found, seen),
        Kind::Union(kinds) | Kind::Tuple(kinds) => {
            kinds
                .iter()
                .for_each(|kind| find_tables(kind, name, found, seen));
        }
        Kind::Lazy(kind) => match seen.get(kind.type_name()) {
            // Of one option twice: a table, and a list of such tables.
            Some(known) if known == name => {}
            Some(known) => {
                if !found.known.contains(known) {
                    found.known.push(known.clone());
                }
            }
            None => {
                seen.insert(kind.type_name(), name.to_owned());
                find_tables(&kind.get(), name, found, seen);
            }
        },
        _ => {}
    }
}

fn default(option: &OptionDescription) -> String {
    if option.is_required() {
        return "required".to_owned();
    }
    match option.default_value() {
        Some(value) if !value.is_null() => format!("`{value}`"),
        _ => "none".to_owned(),
    }
}

fn docs_with_rules(option: &OptionDescription) -> String {
    let mut docs = option.plain_docs();
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
