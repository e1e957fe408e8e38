//! The tags of a template, as far as they can be told apart without parsing what is in them.

/// Where a template stands, which decides how it is marked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Markup {
    /// The value of an option: `{{ ... }}` and `{% ... %}`. Nobody writes comments there, and a
    /// shell's `${#name}` is not one.
    Option,
    /// A file: also `{# ... #}`, which leaves no text.
    File,
}

impl Markup {
    /// Returns what begins and ends a comment. A value of an option cannot have this one.
    #[doc(hidden)]
    pub fn comment(self) -> (&'static str, &'static str) {
        match self {
            Markup::Option => ("\0{#", "#}\0"),
            Markup::File => ("{#", "#}"),
        }
    }

    /// Returns whether anything in the text is a tag.
    #[doc(hidden)]
    pub fn has_tags(self, text: &str) -> bool {
        text.contains("{{") || text.contains("{%") || text.contains(self.comment().0)
    }
}

/// Why a text is not a template.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateMistake {
    /// The line of the mistake, counted from 1: where a tag begins that is not ended.
    pub line: usize,
    /// What is wrong, as a part of a sentence.
    pub reason: String,
}

/// How many operators, filters and the like a tag may have, and a template `elif`s. Whatever reads
/// a template needs as much of the stack as they are many.
pub(crate) const MOST_LINKS: usize = 400;

/// What a look over all tags of a template finds.
#[doc(hidden)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// A tag, or block, that is begun and not ended. The engine reports the end of the text for it.
    pub unfinished: Option<TemplateMistake>,
    /// More than the engine should be given.
    pub too_long: Option<TemplateMistake>,
}

impl Tags {
    /// Returns the mistake behind an error of the engine, which has a line and a reason: the tag
    /// that is not ended, unless the error is before it.
    pub fn mistake(self, line: Option<usize>, reason: impl FnOnce() -> String) -> TemplateMistake {
        match self.unfinished {
            Some(mistake) if line.is_none_or(|line| line >= mistake.line) => mistake,
            _ => TemplateMistake {
                line: line.unwrap_or(1),
                reason: reason(),
            },
        }
    }

    /// Looks over the text.
    pub fn of(text: &str, markup: Markup) -> Self {
        let mut tags = Tags::default();
        let mut lines = Lines::new(text);
        let mut blocks: Vec<(&str, usize)> = Vec::new();
        let mut elifs = 0;
        for (start, kind, content) in found(text, markup) {
            let line = lines.of(start);
            let Some(content) = content else {
                tags.unfinished = Some(TemplateMistake {
                    line,
                    reason: format!("`{}` without `{}`", kind.begin(), kind.end()),
                });
                return tags;
            };
            if kind == Tag::Comment {
                continue;
            }
            let word = first_word(content);
            elifs += usize::from(kind == Tag::Block && word == "elif");
            if tags.too_long.is_none() && (links(content) > MOST_LINKS || elifs > MOST_LINKS) {
                tags.too_long = Some(TemplateMistake {
                    line,
                    reason: format!(
                        "it has more than {MOST_LINKS} operators, filters and the like in one tag"
                    ),
                });
            }
            if kind != Tag::Block {
                continue;
            }
            if let Some(ended) = word.strip_prefix("end") {
                if let Some(begun) = blocks.iter().rposition(|(block, _)| *block == ended) {
                    blocks.truncate(begun);
                }
            } else if is_block(word, content) {
                blocks.push((word, line));
            }
        }
        tags.unfinished = blocks.pop().map(|(block, line)| TemplateMistake {
            line,
            reason: format!("`{{% {block} %}}` without `{{% end{block} %}}`"),
        });
        tags
    }
}

/// What is in the tags of a text, comments excepted.
pub(crate) fn contents(text: &str, markup: Markup) -> impl Iterator<Item = &str> {
    found(text, markup)
        .filter(|(_, kind, _)| *kind != Tag::Comment)
        .filter_map(|(_, _, content)| content)
}

/// The tags of a text: where each begins, and what is in it. The last one may not be ended, and
/// then has no content.
fn found(text: &str, markup: Markup) -> impl Iterator<Item = (usize, Tag, Option<&str>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (start, kind) = next_tag(text, at, markup)?;
        let inside = &text[start + 2..];
        let Some(length) = kind.length(inside) else {
            at = text.len();
            return Some((start, kind, None));
        };
        let content = &inside[..length];
        at = start + 2 + length + 2;
        if kind == Tag::Block && first_word(content) == "raw" {
            at = end_of_raw(text, at).unwrap_or(text.len());
        }
        Some((start, kind, Some(content)))
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Variable,
    Block,
    Comment,
}

impl Tag {
    fn begin(self) -> &'static str {
        match self {
            Tag::Variable => "{{",
            Tag::Block => "{%",
            Tag::Comment => "{#",
        }
    }

    fn end(self) -> &'static str {
        match self {
            Tag::Variable => "}}",
            Tag::Block => "%}",
            Tag::Comment => "#}",
        }
    }

    /// How much of the text after its beginning is before its end.
    fn length(self, inside: &str) -> Option<usize> {
        if self == Tag::Comment {
            return inside.find(self.end());
        }
        let bytes = inside.as_bytes();
        let mut quote = None;
        let mut at = 0;
        while at < bytes.len() {
            match (quote, bytes[at]) {
                (Some(_), b'\\') => at += 1,
                (Some(open), byte) if byte == open => quote = None,
                (Some(_), _) => {}
                (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
                (None, _) if bytes[at..].starts_with(self.end().as_bytes()) => return Some(at),
                (None, _) => {}
            }
            at += 1;
        }
        None
    }
}

fn next_tag(text: &str, from: usize, markup: Markup) -> Option<(usize, Tag)> {
    let mut at = from;
    loop {
        let brace = at + text.get(at..)?.find('{')?;
        let kind = match (text.as_bytes().get(brace + 1), markup) {
            (Some(b'{'), _) => Tag::Variable,
            (Some(b'%'), _) => Tag::Block,
            (Some(b'#'), Markup::File) => Tag::Comment,
            _ => {
                at = brace + 1;
                continue;
            }
        };
        return Some((brace, kind));
    }
}

/// The first word in a block's tag: its name.
fn first_word(content: &str) -> &str {
    let content = content.trim_start_matches(['-', '+']).trim_start();
    let end = content.find(|c: char| !c.is_alphanumeric() && c != '_');
    &content[..end.unwrap_or(content.len())]
}

fn is_block(word: &str, content: &str) -> bool {
    match word {
        "if" | "for" | "block" | "macro" | "call" | "filter" | "with" | "autoescape" | "raw" => {
            true
        }
        // `{% set x = 1 %}` is whole, `{% set x %}` is not.
        "set" => !content.contains('='),
        _ => false,
    }
}

/// Where the tag `{% endraw %}` begins.
fn end_of_raw(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let start = at + text.get(at..)?.find("{%")?;
        let inside = &text[start + 2..];
        let length = inside.find("%}")?;
        if first_word(&inside[..length]) == "endraw" {
            return Some(start);
        }
        at = start + 2;
    }
}

/// How many links chains in a tag can have at most.
fn links(content: &str) -> usize {
    let mut quote = None;
    let mut is_escaped = false;
    let mut word = String::new();
    let mut links = 0;
    for c in content.chars().chain([' ']) {
        if let Some(open) = quote {
            if !is_escaped && c == open {
                quote = None;
            }
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        links += usize::from(matches!(
            word.as_str(),
            "and" | "or" | "not" | "in" | "is" | "if" | "else"
        ));
        word.clear();
        match c {
            '"' | '\'' => quote = Some(c),
            '|' | '.' | '[' | '(' | '{' | '+' | '-' | '*' | '/' | '%' | '~' | '<' | '>' | '='
            | '!' => {
                links += 1;
            }
            _ => {}
        }
    }
    links
}

/// Counts lines up to places that come one after the other.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
        }
    }

    fn of(&mut self, place: usize) -> usize {
        let between = &self.text.as_bytes()[self.at..place];
        self.line += between.iter().filter(|byte| **byte == b'\n').count();
        self.at = place;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, markup: Markup, expected: Option<(usize, &str)>) {
        let found = Tags::of(text, markup).unfinished;
        let found = found
            .as_ref()
            .map(|found| (found.line, found.reason.as_str()));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn finds_where_a_tag_begins_that_is_not_ended() {
        use Markup::{File, Option};
        check(
            "a\n{{ b }}\n{{ c\n\n\n",
            File,
            Some((3, "`{{` without `}}`")),
        );
        check("a\n{{ '}}' \n", File, Some((2, "`{{` without `}}`")));
        check(r"{{ '\'}}' }}", File, None);
        check("\n{% if x }}\n", File, Some((2, "`{%` without `%}`")));
        check("1\n2\n3\n${#f}\n5\n", File, Some((4, "`{#` without `#}`")));
        check("1\n2\n3\n${#f}\n5\n", Option, None);
        check("{# {{ #}\n", File, None);
        check("{# {{ #}\n", Option, Some((1, "`{{` without `}}`")));
        check("{% raw %}{{ {% {#\n{% endraw %}", File, None);
        check(
            "\n{%- raw -%}{{ {%",
            File,
            Some((2, "`{% raw %}` without `{% endraw %}`")),
        );
        check(
            "{% if a %}\n{% for b in c %}\n{% endfor %}\n\n",
            File,
            Some((1, "`{% if %}` without `{% endif %}`")),
        );
        check("{% set a = 1 %}{% set b %}{% endset %}", File, None);
        check(
            "{% set b %}\n",
            File,
            Some((1, "`{% set %}` without `{% endset %}`")),
        );
        check("{", File, None);
        check("\u{fc}{{ '\u{fc}' }}{", File, None);
    }

    #[test]
    fn refuses_more_links_than_fit_on_the_stack() {
        let is_long = |text: String| Tags::of(&text, Markup::File).too_long.is_some();
        for link in [
            "|upper", ".b", "[0]", "()", "+1", "~b", " and a", " or a", " is a", "**1",
        ] {
            assert!(
                !is_long(format!("{{{{ a{} }}}}", link.repeat(MOST_LINKS / 2))),
                "{link}"
            );
            assert!(
                is_long(format!("{{{{ a{} }}}}", link.repeat(MOST_LINKS + 1))),
                "{link}"
            );
        }
        assert!(!is_long(format!("{{{{ '{}' }}}}", "|.[(+".repeat(1000))));
        assert!(!is_long(format!("{{{{ [{}] }}}}", "1, ".repeat(1000))));
        assert!(!is_long("{{ a|upper }}".repeat(1000)));
        assert!(is_long(format!(
            "{{% if a %}}{}{{% endif %}}",
            "{% elif b %}".repeat(1000)
        )));
    }
}
