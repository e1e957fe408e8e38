//! Reads a page as strictly as a browser does not: what it takes is well formed.

/// The elements of a page in order, and the names of all attributes.
#[derive(Debug)]
pub(crate) struct Markup {
    pub(crate) elements: Vec<String>,
    pub(crate) attributes: Vec<String>,
}

/// Elements without an end.
const VOID: [&str; 1] = ["meta"];

impl Markup {
    pub(crate) fn of(page: &str) -> Result<Self, String> {
        let mut rest = page
            .strip_prefix("<!DOCTYPE html>")
            .ok_or("no document type")?;
        let mut markup = Self {
            elements: Vec::new(),
            attributes: Vec::new(),
        };
        let mut open: Vec<String> = Vec::new();
        while let Some(start) = rest.find('<') {
            let is_style = open.last().is_some_and(|element| element == "style");
            if !is_style {
                text(&rest[..start])?;
            }
            let end = rest[start..].find('>').ok_or("a tag without an end")? + start;
            let tag = &rest[start + 1..end];
            rest = &rest[end + 1..];
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop().as_deref() != Some(name) {
                    return Err(format!("</{name}> ends something else"));
                }
                continue;
            }
            let (tag, is_closed) = match tag.strip_suffix('/') {
                Some(tag) => (tag, true),
                None => (tag, false),
            };
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            if !name.chars().all(|c| c.is_ascii_alphanumeric()) || name.is_empty() {
                return Err(format!("<{tag}> is not an element"));
            }
            markup.elements.push(name.to_owned());
            markup.read_attributes(attributes)?;
            if !is_closed && !VOID.contains(&name) {
                open.push(name.to_owned());
            }
        }
        text(rest)?;
        match open.pop() {
            None => Ok(markup),
            Some(open) => Err(format!("<{open}> has no end")),
        }
    }

    fn read_attributes(&mut self, mut rest: &str) -> Result<(), String> {
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return Ok(());
            }
            let end = rest.find([' ', '=']).unwrap_or(rest.len());
            let name = &rest[..end];
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                return Err(format!("{name:?} is not an attribute"));
            }
            self.attributes.push(name.to_owned());
            rest = &rest[end..];
            if let Some(value) = rest.strip_prefix("=\"") {
                let end = value.find('"').ok_or("a value without an end")?;
                text(&value[..end])?;
                rest = &value[end + 1..];
            } else if rest.starts_with('=') {
                return Err("a value without quotes".to_owned());
            }
        }
    }
}

/// Text in which every `&` begins one of the entities that are in use.
fn text(text: &str) -> Result<(), String> {
    if let Some(hidden) = text
        .chars()
        .find(|c| c.is_control() && !"\n\t".contains(*c))
    {
        return Err(format!("{hidden:?} in a text"));
    }
    for rest in text.split('&').skip(1) {
        let entities = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        if !entities.iter().any(|entity| rest.starts_with(entity)) {
            return Err(format!(
                "& before {:?}",
                rest.chars().take(9).collect::<String>()
            ));
        }
    }
    if text.contains(['<', '>']) {
        return Err(format!("a bracket in {text:?}"));
    }
    Ok(())
}
