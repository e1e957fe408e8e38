//! The reference of options, for `standin options`.

use standin::DriverTypes;
use standin::config::nearest;
use standin::environment::file::{TypeRegistry, reference_page};

use crate::ReferenceError;

/// The name of an environment's options among the types of drivers.
const ENVIRONMENT: &str = "environment";

/// Returns the options of environments and drivers as a page of Markdown: those of one type of
/// drivers with those that every driver has, those of `"environment"`, or all.
///
/// # Errors
///
/// Returns an error if there is no such type.
pub fn options_page(of: Option<&str>) -> Result<String, ReferenceError> {
    let types = DriverTypes::standard();
    let registry = types.registry();
    let page = reference_page(registry);
    let Some(name) = of else {
        return Ok(page);
    };
    let sections = match name {
        ENVIRONMENT => vec!["The environment".to_owned()],
        name if registry.get(name).is_some() => {
            vec![format!("`{name}`"), "Every driver".to_owned()]
        }
        name => return Err(unknown(registry, name)),
    };
    let texts = sections.iter().filter_map(|title| section(&page, title));
    Ok(texts.collect::<Vec<_>>().join("\n"))
}

/// The pages on error codes.
const ERRORS: &str = include_str!("../errors.md");

/// Returns the documentation of an error code, as Markdown. Its last part, or its last two, are
/// enough.
///
/// ```
/// let page = standin_session::explain("unknown_option")?;
/// assert!(page.contains("## `standin::config::unknown_option`"));
/// # Ok::<(), standin_session::ReferenceError>(())
/// ```
///
/// # Errors
///
/// Returns an error if there is no such code.
pub fn explain(code: &str) -> Result<String, ReferenceError> {
    let titles = ERRORS.lines().filter_map(|line| line.strip_prefix("## `"));
    let codes: Vec<&str> = titles.filter_map(|title| title.strip_suffix('`')).collect();
    let is_meant = |known: &&&str| {
        let end = known.strip_suffix(code);
        end.is_some_and(|before| before.is_empty() || before.ends_with("::"))
    };
    let found: Vec<&str> = codes
        .iter()
        .filter(is_meant)
        .filter_map(|code| section(ERRORS, &format!("`{code}`")))
        .collect();
    if found.is_empty() {
        let last = |code: &str| code.rsplit("::").next().unwrap_or_default().to_owned();
        let names: Vec<String> = codes.iter().map(|code| last(code)).collect();
        let close = nearest(&last(code), names.iter().map(String::as_str));
        let place = names.iter().position(|name| Some(name.as_str()) == close);
        return Err(ReferenceError::UnknownCode {
            code: code.to_owned(),
            nearest: place.map(|place| codes[place].to_owned()),
        });
    }
    Ok(found.join("\n"))
}

/// The part of a page below the heading of that title.
fn section<'p>(page: &'p str, title: &str) -> Option<&'p str> {
    let heading = format!("## {title}\n");
    let begin = page.find(&heading)?;
    let text = &page[begin..];
    let end = text[heading.len()..].find("\n## ");
    Some(end.map_or(text, |end| &text[..heading.len() + end + 1]))
}

fn unknown(registry: &TypeRegistry, name: &str) -> ReferenceError {
    let names = registry.types().map(|(name, _)| name);
    let known: Vec<String> = names.chain([ENVIRONMENT]).map(str::to_owned).collect();
    ReferenceError::UnknownType {
        name: name.to_owned(),
        nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
        known,
    }
}
