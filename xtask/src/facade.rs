//! A part of `cargo xtask layers`: the crate `standin` holds no logic.
//!
//! What a user reaches through the facade is what the crates below it export,
//! nothing else: one file of docs, attributes and `pub use`, where `pub mod`
//! may group more of the same.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceSpan};
use syn::spanned::Spanned;

use crate::workspace::{root, rust_files};

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum FacadeError {
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(xtask::facade::unreadable))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not Rust source: {message}", path.display())]
    #[diagnostic(code(xtask::facade::not_rust), help("run `cargo check -p standin`"))]
    NotRust { path: PathBuf, message: String },
    #[error("the facade holds more than docs and re-exports")]
    #[diagnostic(
        code(xtask::facade::logic),
        help("move the code to the crate that it belongs to, and `pub use` it from there")
    )]
    Logic {
        #[source_code]
        source_code: NamedSource<String>,
        #[label(collection, "not a `pub use`")]
        items: Vec<LabeledSpan>,
    },
    #[error("the facade has files besides its lib.rs: {}", names(files))]
    #[diagnostic(
        code(xtask::facade::files),
        help("move them to the crate that they belong to")
    )]
    Files { files: Vec<PathBuf> },
}

pub(crate) fn run() -> Result<(), FacadeError> {
    let folder = root().join("crates/standin");
    let mut files = compiled_files(&folder)?;
    files.retain(|path| *path != folder.join("src/lib.rs"));
    if !files.is_empty() {
        return Err(FacadeError::Files { files });
    }
    let path = folder.join("src/lib.rs");
    let text = read(&path)?;
    check(&path, &text)?;
    say!("the facade holds docs and re-exports only");
    Ok(())
}

fn check(path: &Path, text: &str) -> Result<(), FacadeError> {
    let file = syn::parse_file(text).map_err(|error| FacadeError::NotRust {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    let mut items = Vec::new();
    collect_logic(&file.items, &mut items);
    if items.is_empty() {
        return Ok(());
    }
    Err(FacadeError::Logic {
        source_code: NamedSource::new(path.to_string_lossy(), text.to_owned())
            .with_language("rust"),
        items: items
            .into_iter()
            .map(|span| LabeledSpan::new_with_span(None, span))
            .collect(),
    })
}

fn collect_logic(items: &[syn::Item], found: &mut Vec<SourceSpan>) {
    for item in items {
        match item {
            syn::Item::Use(item) if is_public(&item.vis) => {}
            syn::Item::Mod(syn::ItemMod {
                vis,
                content: Some((_, items)),
                ..
            }) if is_public(vis) => collect_logic(items, found),
            other => {
                let range = other.span().byte_range();
                found.push((range.start, range.len()).into());
            }
        }
    }
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

/// Every Rust file that cargo would compile into the facade: its source and a
/// build script. Its tests are not part of it.
fn compiled_files(folder: &Path) -> Result<Vec<PathBuf>, FacadeError> {
    let mut found = rust_files(&folder.join("src"))
        .map_err(|(path, source)| FacadeError::Unreadable { path, source })?;
    let build_script = folder.join("build.rs");
    if build_script.exists() {
        found.push(build_script);
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String, FacadeError> {
    std::fs::read_to_string(path).map_err(|source| FacadeError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn names(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().map(|f| f.display().to_string()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FacadeError, check, run};

    #[test]
    fn the_facade_holds_no_logic() {
        run().unwrap();
    }

    #[test]
    fn lets_docs_and_re_exports_pass() {
        let text = "//! Docs.\n#![forbid(unsafe_code)]\n/// More.\npub use a::B as C;\n\
                    pub mod d { pub use a::D; }\n";
        check(Path::new("lib.rs"), text).unwrap();
    }

    #[test]
    fn names_each_item_that_is_more_than_a_re_export() {
        let text = "use a::B;\npub use a::C;\npub fn f() {}\npub mod m { struct S; }\nmod n;\n";
        let Err(FacadeError::Logic { items, .. }) = check(Path::new("lib.rs"), text) else {
            panic!("it passed");
        };
        let found: Vec<_> = items
            .iter()
            .map(|span| &text[span.offset()..span.offset() + span.len()])
            .collect();
        assert_eq!(found, ["use a::B;", "pub fn f() {}", "struct S;", "mod n;"]);
    }
}
