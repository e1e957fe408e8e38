//! The pages on error codes: what the sources say of each code, as one page of the guide, which
//! `standin explain` shows parts of.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Expr, ImplItem, Lit, Meta};

use crate::workspace::{root, rust_files};

/// How wide the text of the page is.
const WIDTH: usize = 96;

/// What is known of one use of a code.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    docs: String,
    message: String,
    help: String,
}

/// The page, made of the sources of all crates.
pub(crate) fn page() -> String {
    let mut codes: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    let mut files = rust_files(&root().join("crates")).unwrap_or_default();
    files.sort();
    for file in files {
        let is_source = file.iter().any(|part| part == "src");
        if is_source && let Ok(text) = fs::read_to_string(&file) {
            read(&file, &text, &mut codes);
        }
    }
    let mut page = String::from(
        "# Error codes\n\n\
         Every error of standin has a code. `standin explain CODE` shows what is here of it; the\n\
         last word of a code will do.\n",
    );
    for (code, mut entries) in codes {
        entries.sort();
        entries.dedup();
        // Writing to a string does not fail.
        let _ = write_code(&mut page, &code, &entries);
    }
    page
}

fn write_code(page: &mut String, code: &str, entries: &[Entry]) -> std::fmt::Result {
    writeln!(page, "\n## `{code}`")?;
    for entry in entries {
        if !entry.docs.is_empty() {
            writeln!(page, "\n{}", wrapped(&entry.docs, ""))?;
        }
        if !entry.message.is_empty() {
            writeln!(page, "\n{}", wrapped(&entry.message, "> "))?;
        }
        if !entry.help.is_empty() {
            let help = format!("What to do: {}", entry.help);
            writeln!(page, "\n{}", wrapped(&help, ""))?;
        }
    }
    Ok(())
}

fn read(file: &Path, text: &str, codes: &mut BTreeMap<String, Vec<Entry>>) {
    let Ok(parsed) = syn::parse_file(text) else {
        // The compiler says that, and better.
        complain!("{} does not parse", file.display());
        return;
    };
    let mut reader = Reader {
        codes,
        types: BTreeMap::new(),
    };
    reader.visit_file(&parsed);
}

struct Reader<'a> {
    codes: &'a mut BTreeMap<String, Vec<Entry>>,
    /// What is said of the types of the file.
    types: BTreeMap<String, String>,
}

impl Reader<'_> {
    fn add(&mut self, attributes: &[Attribute]) {
        let Some((code, help)) = attributes.iter().find_map(diagnostic) else {
            return;
        };
        let entry = Entry {
            docs: docs(attributes),
            message: attributes.iter().find_map(message).unwrap_or_default(),
            help: help.unwrap_or_default(),
        };
        self.codes.entry(code).or_default().push(entry);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.types.insert(item.ident.to_string(), docs(&item.attrs));
        self.add(&item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.types.insert(item.ident.to_string(), docs(&item.attrs));
        self.add(&item.attrs);
        item.variants
            .iter()
            .for_each(|variant| self.add(&variant.attrs));
    }

    /// `impl Diagnostic for X`, by hand: the codes are texts in its `code`.
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = item
            .trait_
            .as_ref()
            .and_then(|(path, _)| path.segments.last());
        if of.is_none_or(|of| of.ident != "Diagnostic") {
            return;
        }
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|s| s.ident.to_string()),
            _ => None,
        };
        let docs = name.and_then(|name| self.types.get(&name)).cloned();
        for function in &item.items {
            if let ImplItem::Fn(function) = function
                && function.sig.ident == "code"
            {
                let mut texts = Texts::default();
                texts.visit_impl_item_fn(function);
                for code in texts
                    .0
                    .into_iter()
                    .filter(|text| text.starts_with("standin::"))
                {
                    let docs = docs.clone().unwrap_or_default();
                    let entry = Entry {
                        docs,
                        ..Entry::default()
                    };
                    self.codes.entry(code).or_default().push(entry);
                }
            }
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // Errors of tests have no pages.
        if item.ident != "tests" {
            syn::visit::visit_item_mod(self, item);
        }
    }
}

/// All texts in a piece of code.
#[derive(Default)]
struct Texts(Vec<String>);

impl<'ast> Visit<'ast> for Texts {
    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.0.push(text.value());
    }
}

/// The code and the help of `#[diagnostic(code(..), help(".."))]`.
fn diagnostic(attribute: &Attribute) -> Option<(String, Option<String>)> {
    let tokens = arguments(attribute, "diagnostic")?;
    let code = argument(&tokens, "code")?;
    let code: String = code.to_string().split_whitespace().collect();
    let help = argument(&tokens, "help").and_then(|help| first_text(&help));
    let help = help
        .map(|help| without_places(&help))
        .filter(|help| help != "…");
    Some((code, help))
}

/// The text of `#[error("..")]`.
fn message(attribute: &Attribute) -> Option<String> {
    let text = first_text(&arguments(attribute, "error")?)?;
    Some(without_places(&text))
}

fn arguments(attribute: &Attribute, name: &str) -> Option<TokenStream> {
    match &attribute.meta {
        Meta::List(list) if list.path.is_ident(name) => Some(list.tokens.clone()),
        _ => None,
    }
}

/// What is in the parentheses after `name`.
fn argument(tokens: &TokenStream, name: &str) -> Option<TokenStream> {
    let mut tokens = tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        if let TokenTree::Ident(ident) = token
            && ident == name
            && let Some(TokenTree::Group(group)) = tokens.peek()
            && group.delimiter() == Delimiter::Parenthesis
        {
            return Some(group.stream());
        }
    }
    None
}

fn first_text(tokens: &TokenStream) -> Option<String> {
    match tokens.clone().into_iter().next()? {
        TokenTree::Literal(literal) => match syn::parse_str(&literal.to_string()).ok()? {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// A format without what is filled in.
fn without_places(format: &str) -> String {
    let mut text = String::new();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '{' | '}' if letters.peek() == Some(&letter) => {
                letters.next();
                text.push(letter);
            }
            '{' => {
                letters
                    .by_ref()
                    .take_while(|letter| *letter != '}')
                    .for_each(drop);
                text.push('…');
            }
            letter => text.push(letter),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first paragraph of the documentation, without links.
fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value().trim().to_owned()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    without_links(&lines.join(" "))
}

/// `[text](target)` and `[text]` become the text.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        let Some((label, behind)) = after.split_once(']') else {
            plain.push('[');
            rest = after;
            continue;
        };
        plain.push_str(label);
        rest = match behind
            .strip_prefix('(')
            .and_then(|target| target.split_once(')'))
        {
            Some((_, behind)) => behind,
            None => behind,
        };
    }
    plain.push_str(rest);
    plain
}

/// The text in lines that all begin with `prefix`.
fn wrapped(text: &str, prefix: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        // What is between angle brackets would be taken for HTML.
        let word = word.replace('<', "&lt;");
        let line = lines.last_mut().expect("there is one from the beginning");
        let length = line.chars().count() + word.chars().count() + prefix.len();
        if !line.is_empty() && length >= WIDTH {
            lines.push(word);
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    let lines = lines.iter().map(|line| format!("{prefix}{line}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_in_the_sources_has_its_part_of_the_page() {
        let page = page();
        let mut count = 0;
        for file in rust_files(&root().join("crates")).unwrap() {
            if !file.iter().any(|part| part == "src") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for (_, after) in text
                .match_indices("code(standin::")
                .map(|(at, _)| text.split_at(at))
            {
                let code = after["code(".len()..].split(')').next().unwrap();
                count += 1;
                assert!(
                    page.contains(&format!("## `{code}`\n")),
                    "{code} of {}",
                    file.display()
                );
            }
        }
        assert!(count > 250, "{count}");
    }

    #[test]
    fn says_what_the_sources_say_of_a_code() {
        let source = r#"
            /// Why [it](crate::It) failed.
            enum Error {
                /// A `thing` is gone.
                ///
                /// More.
                #[error("{thing:?} is {}{{}}", place())]
                #[diagnostic(code(standin::here::gone), help("find <it>, {}", 1))]
                Gone { thing: String },
                #[error(transparent)]
                #[diagnostic(transparent)]
                Other(Other),
            }
            impl Diagnostic for Error {
                fn code(&self) -> Option<&str> { Some("standin::here::by_hand") }
            }
            mod tests {
                #[diagnostic(code(standin::here::test))]
                struct Test;
            }
        "#;
        let mut codes = BTreeMap::new();
        read(Path::new("here.rs"), source, &mut codes);
        let mut page = String::new();
        for (code, entries) in &codes {
            write_code(&mut page, code, entries).unwrap();
        }
        assert_eq!(
            page,
            "\n## `standin::here::by_hand`\n\nWhy it failed.\n\n\
             ## `standin::here::gone`\n\nA `thing` is gone.\n\n> … is …{}\n\n\
             What to do: find &lt;it>, …\n"
        );
    }
}
