//! A part of `cargo xtask style`: the files, links and commands that pages name exist.
//!
//! A word of code that begins like a path of the workspace, of its `crates/` or from the
//! page has to be one, up to a placeholder (`<name>` or `*`). Of commands, those of
//! `cargo xtask` are parsed, and what follows `-p` and `--test` has to be a package and a test
//! of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::Metadata;
use clap::Parser;

use crate::Arguments;

/// What is not there before something has made it.
const MADE: &[&str] = &["target", "fuzz/artifacts"];

/// What pages may name.
pub(crate) struct Named {
    root: PathBuf,
    /// The tests of each package.
    packages: BTreeMap<String, BTreeSet<String>>,
}

impl Named {
    pub(crate) fn new(metadata: &Metadata) -> Self {
        let packages = metadata.packages.iter().map(|package| {
            let tests = package.targets.iter().filter(|target| target.is_test());
            let tests = tests.map(|target| target.name.clone()).collect();
            (package.name.to_string(), tests)
        });
        Self {
            root: metadata.workspace_root.clone().into(),
            packages: packages.collect(),
        }
    }

    /// What a page in this folder names in which line that does not exist.
    pub(crate) fn missing(&self, folder: &Path, text: &str) -> Vec<(usize, String)> {
        let mut missing = Vec::new();
        let mut line = 1;
        // A fence is three of them, so that every other part is code in any case.
        let parts: Vec<&str> = text.split('`').collect();
        for (index, part) in parts.iter().enumerate() {
            let is_code = index % 2 == 1;
            if is_code && !parts[index - 1].is_empty() {
                // It may continue in the next line.
                missing.extend(self.in_code(folder, part).map(|name| (line, name)));
            } else {
                for (offset, text) in part.lines().enumerate() {
                    let found: Vec<String> = match is_code {
                        true => self.in_code(folder, text).collect(),
                        false => self.in_links(folder, text).collect(),
                    };
                    missing.extend(found.into_iter().map(|name| (line + offset, name)));
                }
            }
            line += part.matches('\n').count();
        }
        missing
    }

    fn in_code(&self, folder: &Path, code: &str) -> impl Iterator<Item = String> {
        let words = code.split_whitespace().take_while(|word| *word != "#");
        let words: Vec<&str> = words.collect();
        let mut missing = Vec::new();
        for word in words.iter().filter(|word| !self.may_be_named(folder, word)) {
            missing.push(format!("there is no {word}"));
        }
        if let Some(cargo) = words.iter().position(|word| *word == "cargo") {
            missing.extend(self.in_command(&words[cargo..]));
        }
        missing.into_iter()
    }

    /// Whether a word is a path that exists, or does not begin like one.
    fn may_be_named(&self, folder: &Path, word: &str) -> bool {
        let certain = match word.split_once(['*', '<']) {
            Some((before, _)) => before.rsplit_once('/').map_or("", |(path, _)| path),
            None => word,
        };
        let Some((first, _)) = certain.split_once('/') else {
            return true;
        };
        let is_made = MADE.iter().any(|made| Path::new(certain).starts_with(made));
        // What begins with a slash or a dot is the user's; a place in a file is an example.
        if is_made || ["", ".", ".."].contains(&first) || certain.contains(':') {
            return true;
        }
        let crates = self.root.join("crates");
        let bases = [self.root.as_path(), &crates, folder];
        let mut begun = bases
            .iter()
            .filter(|base| base.join(first).exists())
            .peekable();
        begun.peek().is_none() || begun.any(|base| base.join(certain).exists())
    }

    fn in_command(&self, words: &[&str]) -> Vec<String> {
        let mut missing = Vec::new();
        let command = words.join(" ");
        if words.get(1) == Some(&"xtask")
            && words.len() > 2
            && let Err(error) = Arguments::try_parse_from(&words[1..])
            && error.use_stderr()
        {
            let error = error.to_string();
            let error = error.lines().next().unwrap_or_default();
            missing.push(format!("`{command}`: {error}"));
        }
        let after = |option| {
            let pairs = words.windows(2);
            pairs.filter_map(move |pair| (pair[0] == option).then_some(pair[1]))
        };
        for package in after("-p") {
            let tests = self.packages.get(package);
            if tests.is_none() {
                missing.push(format!("`{command}`: there is no package {package}"));
            }
            for test in after("--test").filter(|test| tests.is_some_and(|all| !all.contains(*test)))
            {
                missing.push(format!("`{command}`: {package} has no test {test}"));
            }
        }
        missing
    }

    fn in_links(&self, folder: &Path, text: &str) -> impl Iterator<Item = String> {
        let inline = text.split("](").skip(1);
        let inline = inline.filter_map(|rest| Some(rest.split_once(')')?.0));
        let address = text
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        let links = inline.chain(address.map(|(_, address)| address));
        links
            .filter_map(|link| link.split('#').next())
            .filter(|file| !file.contains(':') && !folder.join(file).exists())
            .map(|file| format!("there is no {file}"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Named;

    /// What a page in the root of a small workspace names without reason.
    #[track_caller]
    fn check(text: &str, missing: &[(usize, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        fs::create_dir_all(root.join("crates/tcp/src")).unwrap();
        fs::write(root.join("crates/tcp/src/lib.rs"), "").unwrap();
        fs::write(root.join("README.md"), "").unwrap();
        let tests = ["text".to_owned()].into();
        let named = Named {
            root: root.clone(),
            packages: [("standin-tcp".to_owned(), tests)].into(),
        };
        let found = named.missing(&root, text);
        let found: Vec<_> = found
            .iter()
            .map(|(line, name)| (*line, name.as_str()))
            .collect();
        assert_eq!(found, missing);
    }

    #[test]
    fn finds_files_that_do_not_exist() {
        check("`crates/tcp/src/lib.rs`, `tcp/src/` and `crates/*/no`", &[]);
        check(
            "`src/main.rs`, `/crates/no`, `./crates/no` and `target/no`",
            &[],
        );
        check("The\n`crates/no`", &[(2, "there is no crates/no")]);
        check("`tcp/no/<name>.rs`", &[(1, "there is no tcp/no/<name>.rs")]);
        check(
            "```sh\ncat crates/no # crates/no\n```",
            &[(2, "there is no crates/no")],
        );
    }

    #[test]
    fn finds_links_that_lead_nowhere() {
        check("[a](README.md#top), [`b`](https://no) and [c](#top)", &[]);
        check("a\n[a](no.md)", &[(2, "there is no no.md")]);
        check("[a]: no.md", &[(1, "there is no no.md")]);
        check("```text\n[a](no.md)\n```", &[]);
    }

    #[test]
    fn finds_commands_that_do_not_exist() {
        check(
            "`cargo xtask`, `cargo xtask\nhelp`, `cargo xtask soak --minutes 5`",
            &[],
        );
        check("`cargo test -p standin-tcp --test text`", &[]);
        check(
            "```sh\nA=1 cargo xtask no\n```",
            &[(2, "`cargo xtask no`: error: unrecognized subcommand 'no'")],
        );
        check(
            "`cargo test -p standin-no`",
            &[(
                1,
                "`cargo test -p standin-no`: there is no package standin-no",
            )],
        );
        check(
            "`cargo test -p standin-tcp --test no`",
            &[(
                1,
                "`cargo test -p standin-tcp --test no`: standin-tcp has no test no",
            )],
        );
    }
}
