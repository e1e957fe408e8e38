//! `cargo xtask style`: what no lint holds of how comments and pages are written.
//!
//! A line of a comment or of a page has at most 100 columns, except for tables, the addresses
//! of links (`[name]: address`) and, in pages, code. What follows `# Errors` is an empty line
//! and then what is returned; `# Errors` comes before `# Panics`. Some words are not used.
//! What pages name exists: see `pages.rs`.

use std::path::PathBuf;

use cargo_metadata::MetadataCommand;
use miette::Diagnostic;

use crate::pages::Named;
use crate::workspace::root;

const WIDTH: usize = 100;

/// What is not written, and what is instead.
const WORDS: &[(&str, &str)] = &[
    (" is no ", "is not a"),
    (" are no ", "are not"),
    (" is none", "is not one"),
    (" are none", "are not any"),
    (" tells ", "reports, shows"),
    (" be had", "is available"),
    (" in vain", "without success"),
    (" for ever", "forever"),
    (" anew", "again"),
    (" all the same", "anyway"),
    (" by now", "already, now"),
    (" at this moment", "now"),
    ("one's own", "your own"),
    ("to whoever", "to the one that"),
];

/// Folders and files of the workspace that are written by hand.
const PLACES: &[&str] = &[
    "crates",
    "conformance",
    "docs",
    "examples",
    "fuzz/fuzz_targets",
    "test-port",
    "xtask",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
];

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum StyleError {
    #[error("cannot ask cargo about the workspace's packages")]
    #[diagnostic(
        code(xtask::style::metadata),
        help("does `cargo metadata` work in the workspace's root?")
    )]
    Metadata(#[from] cargo_metadata::Error),
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(xtask::style::unreadable))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} lines are not in style:\n  {}", flaws.len(), flaws.join("\n  "))]
    #[diagnostic(
        code(xtask::style::flaws),
        help("the rules are at the top of xtask/src/style.rs")
    )]
    Flaws { flaws: Vec<String> },
}

pub(crate) fn run() -> Result<(), StyleError> {
    let root = root();
    let metadata = MetadataCommand::new().current_dir(&root).no_deps().exec()?;
    let named = Named::new(&metadata);
    let mut flaws = Vec::new();
    let mut paths: Vec<PathBuf> = PLACES.iter().map(|place| root.join(place)).collect();
    while let Some(path) = paths.pop() {
        let unreadable = |source| StyleError::Unreadable {
            path: path.clone(),
            source,
        };
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                // A crate's README may be that of the workspace.
                if !path.ends_with("target") && !path.is_symlink() {
                    paths.push(path);
                }
            }
            continue;
        }
        let is = |end: &str| path.extension().is_some_and(|extension| extension == end);
        // This file has the words that it refuses.
        if (is("rs") || is("md")) && !path.ends_with("xtask/src/style.rs") {
            let text = std::fs::read_to_string(&path).map_err(unreadable)?;
            let mut found: Vec<_> = flaws_of(&text, is("rs")).collect();
            if let Some(folder) = path.parent().filter(|_| is("md")) {
                found.extend(named.missing(folder, &text));
            }
            let place = path.strip_prefix(&root).unwrap_or(&path).display();
            flaws.extend(
                found
                    .into_iter()
                    .map(|(line, flaw)| format!("{place}:{line}: {flaw}")),
            );
        }
    }
    if flaws.is_empty() {
        say!("comments and pages are in style");
        return Ok(());
    }
    flaws.sort();
    Err(StyleError::Flaws { flaws })
}

/// What is wrong with which line of a file.
fn flaws_of(text: &str, is_rust: bool) -> impl Iterator<Item = (usize, String)> {
    let mut flaws = Vec::new();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut has_panics = false;
    let mut is_code = false;
    for (index, (whole, line)) in text.lines().zip(&lines).enumerate() {
        let mut flaw = |flaw: String| flaws.push((index + 1, flaw));
        for (word, better) in WORDS {
            // A message that is wrapped may hide the word before.
            if uses(line, word) && !line.starts_with('│') {
                flaw(format!("not \"{}\": {better}", word.trim()));
            }
        }
        let is_comment = line.starts_with("//");
        let text = match is_rust {
            true => line.trim_start_matches(['/', '!', ' ']),
            false => line,
        };
        is_code ^= !is_rust && text.starts_with("```");
        let is_address = text.starts_with('[') && text.contains("]: ");
        let can_break = !is_code && !text.starts_with('|') && !is_address;
        if (is_comment || !is_rust) && can_break && whole.chars().count() > WIDTH {
            flaw(format!("wider than {WIDTH} columns"));
        }
        match *line {
            "/// # Panics" => has_panics = true,
            "/// # Errors" if has_panics => flaw("`# Errors` comes before `# Panics`".to_owned()),
            "/// # Errors" => {
                let next = |offset: usize| lines.get(index + offset).copied().unwrap_or_default();
                // What a macro writes is not read.
                let says = next(2).starts_with("/// Returns ") || next(2).starts_with("#[doc");
                if next(1) != "///" || !says {
                    flaw("after `# Errors`: an empty line, and \"Returns an error if\"".to_owned());
                }
            }
            _ if !is_comment => has_panics = false,
            _ => {}
        }
    }
    flaws.into_iter()
}

/// Whether a line uses the word, except for "there is no", "is no longer" and "is nonetheless".
fn uses(line: &str, word: &str) -> bool {
    let mut places = line.match_indices(word);
    places.any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let is_whole = word.ends_with(' ') || !after.starts_with(char::is_alphanumeric);
        is_whole && !before.to_lowercase().ends_with("there") && !after.starts_with("longer")
    })
}

#[cfg(test)]
mod tests {
    use super::flaws_of;

    #[track_caller]
    fn check(text: &str, lines: &[usize]) {
        check_file(text, true, lines);
    }

    #[track_caller]
    fn check_file(text: &str, is_rust: bool, lines: &[usize]) {
        let found: Vec<usize> = flaws_of(text, is_rust).map(|(line, _)| line).collect();
        assert_eq!(found, lines);
    }

    #[test]
    fn finds_what_is_not_in_style() {
        check("/// There is no port.\nfn f() {}", &[]);
        check("/// It is no port.\nfn f() {}", &[1]);
        check("/// It is no longer one.\nfn f() {}", &[]);
        check("/// It is none.\n/// It is nonetheless.", &[1]);
        check("/// # Errors\n///\n/// Returns an error if it is.\n", &[]);
        check("/// # Errors\n/// Returns an error if it is.\n", &[1]);
        check("/// # Errors\n///\n/// If it is.\n", &[1]);
        check(
            "/// # Panics\n///\n/// If.\n///\n/// # Errors\n///\n/// Returns it.\n",
            &[5],
        );
        check(&format!("// {}", "x".repeat(98)), &[1]);
        check(&format!("f(\"{}\")", "x".repeat(98)), &[]);
        check(&format!("/// | {} |", "x".repeat(98)), &[]);
    }

    #[test]
    fn finds_wide_lines_of_pages() {
        let wide = "x".repeat(101);
        check_file(&wide[1..], false, &[]);
        check_file(&format!("# Title\n\n- {wide}"), false, &[3]);
        check_file(&format!("| {wide} |\n\n[a]: {wide}"), false, &[]);
        check_file(&format!("```sh\n{wide}\n```\n{wide}"), false, &[4]);
    }
}
