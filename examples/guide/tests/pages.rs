//! The pages of the guide: whether they are complete, and whether their files are right.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn page(name: &str) -> String {
    fs::read_to_string(docs().join(name)).unwrap()
}

/// The targets of a page's links to other pages.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

#[test]
fn the_summary_names_every_page() {
    let summary = page("SUMMARY.md");
    let named: BTreeSet<String> = links(&summary).into_iter().map(str::to_owned).collect();
    let mut pages = BTreeSet::new();
    for entry in fs::read_dir(docs()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "SUMMARY.md" {
            pages.insert(name);
        }
    }
    assert_eq!(named, pages);
}

#[test]
fn links_lead_to_files() {
    let root = docs().join("..");
    let mut broken = Vec::new();
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    pages.extend(
        fs::read_dir(docs())
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    for path in pages
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
    {
        let text = fs::read_to_string(path).unwrap();
        for link in links(&text) {
            if !path.parent().unwrap().join(link).exists() {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Every page with code of Rust's is one that the tests of documentation run.
#[test]
fn every_page_with_code_is_run() {
    let run = include_str!("../src/lib.rs");
    for entry in fs::read_dir(docs()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && page(&name).contains("```rust\n") {
            assert!(
                run.contains(&format!("{name:?}")),
                "{name} is not in src/lib.rs"
            );
        }
    }
}

#[test]
fn the_environment_file_of_the_page_is_the_one_that_its_example_reads() {
    let page = page("environment-files.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (file, _) = rest.split_once("```").unwrap();
    assert_eq!(file, include_str!("environment.toml"));
}
