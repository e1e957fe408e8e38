//! A part of `cargo xtask layers`: in no crate do files import each other in a
//! circle, so that each can be read with nothing but those below it in mind.
//!
//! A file imports another one by naming what that one defines, also where a folder's
//! `mod.rs` hands it on. Three things do not count: what a crate exports, by the
//! name that everybody has for it (`crate::Driver`), is the vocabulary of all its
//! files; a module and the files below it are parts of one whole; and tests inside
//! files see what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Item, UseTree};

use crate::workspace::root;

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum CirclesError {
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(xtask::circles::unreadable))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not Rust: {message}", path.display())]
    #[diagnostic(code(xtask::circles::not_rust), help("run `cargo check`"))]
    NotRust { path: PathBuf, message: String },
    #[error("files import each other in a circle:\n{}", circles.join("\n"))]
    #[diagnostic(
        code(xtask::circles::found),
        help("move what both sides need to a file below them, or hand it in from above")
    )]
    Found { circles: Vec<String> },
}

/// Checks the sources of these packages, each the folder of a `Cargo.toml`.
pub(crate) fn run(packages: &[PathBuf]) -> Result<(), CirclesError> {
    let mut circles = Vec::new();
    for package in packages {
        let library = package.join("src/lib.rs");
        let main = package.join("src/main.rs");
        let start = if library.exists() { library } else { main };
        circles.extend(Modules::read(&start)?.circles());
    }
    if circles.is_empty() {
        println!("no files import each other in a circle");
        return Ok(());
    }
    Err(CirclesError::Found { circles })
}

/// The segments of a path, without what is generic in it.
type Segments = Vec<String>;

/// The modules of one crate, the root first.
#[derive(Default)]
struct Modules(Vec<Module>);

struct Module {
    file: PathBuf,
    parent: usize,
    children: BTreeMap<String, usize>,
    /// What is defined in it.
    items: BTreeSet<String>,
    /// What is imported, by the name that it has here.
    imports: BTreeMap<String, Segments>,
    /// Modules of which everything is imported.
    globs: Vec<Segments>,
    /// The paths that its code has in it.
    paths: Vec<Segments>,
}

impl Modules {
    fn read(start: &Path) -> Result<Self, CirclesError> {
        let mut modules = Self::default();
        modules.add_file(start.to_owned(), 0)?;
        Ok(modules)
    }

    fn add_file(&mut self, file: PathBuf, parent: usize) -> Result<usize, CirclesError> {
        let text = std::fs::read_to_string(&file).map_err(|source| CirclesError::Unreadable {
            path: file.clone(),
            source,
        })?;
        let parsed = syn::parse_file(&text).map_err(|error| CirclesError::NotRust {
            path: file.clone(),
            message: error.to_string(),
        })?;
        self.add(file, parent, &parsed.items)
    }

    fn add(&mut self, file: PathBuf, parent: usize, items: &[Item]) -> Result<usize, CirclesError> {
        let index = self.0.len();
        self.0.push(Module {
            file: file.clone(),
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            paths: Vec::new(),
        });
        for item in items.iter().filter(|item| !is_test(item)) {
            match item {
                Item::Mod(child) => {
                    let child_index = match &child.content {
                        Some((_, items)) => self.add(file.clone(), index, items)?,
                        None => self.add_file(file_of(&file, &child.ident.to_string()), index)?,
                    };
                    let children = &mut self.0[index].children;
                    children.insert(child.ident.to_string(), child_index);
                }
                Item::Use(item) => self.0[index].import(Vec::new(), &item.tree),
                item => {
                    let module = &mut self.0[index];
                    module.items.extend(name(item));
                    module.scan(item.to_token_stream());
                }
            }
        }
        Ok(index)
    }

    /// The module that defines what `path` names in `from`; nothing for what other
    /// crates define, and for a module.
    fn definition(&self, from: usize, path: &[String], depth: usize) -> Option<usize> {
        // Imports of everything may lead back to where they are.
        const DEEPEST: usize = 12;
        if depth > DEEPEST {
            return None;
        }
        let mut here = from;
        for (index, segment) in path.iter().enumerate() {
            let module = &self.0[here];
            here = match segment.as_str() {
                "crate" => 0,
                "self" => here,
                "super" => module.parent,
                name => match module.children.get(name) {
                    Some(child) => *child,
                    None if module.items.contains(name) => return Some(here),
                    None => return self.imported(here, &path[index..], depth),
                },
            };
        }
        None
    }

    fn imported(&self, here: usize, path: &[String], depth: usize) -> Option<usize> {
        let module = &self.0[here];
        let (name, rest) = path.split_first()?;
        if let Some(import) = module.imports.get(name) {
            // What the crate exports.
            if here == 0 {
                return None;
            }
            // `use error::Error` may mean a crate `error`, and is then no way further.
            if import.first() == Some(name) {
                return None;
            }
            return self.definition(here, &[import, rest].concat(), depth + 1);
        }
        let mut globs = module.globs.iter();
        globs.find_map(|glob| self.definition(here, &[glob, path].concat(), depth + 1))
    }

    /// Who imports what, with an example of a name.
    fn edges(&self) -> BTreeMap<(&Path, &Path), String> {
        let mut edges = BTreeMap::new();
        for (index, module) in self.0.iter().enumerate() {
            for path in module.imports.values().chain(&module.paths) {
                let Some(definition) = self.definition(index, path, 0) else {
                    continue;
                };
                let (from, to) = (module.file.as_path(), self.0[definition].file.as_path());
                let is_apart =
                    !self.contains(index, definition) && !self.contains(definition, index);
                if from != to && is_apart {
                    edges.entry((from, to)).or_insert_with(|| path.join("::"));
                }
            }
        }
        edges
    }

    /// Whether `module` is `outer` or below it.
    fn contains(&self, outer: usize, module: usize) -> bool {
        module == outer || (module > 0 && self.contains(outer, self.0[module].parent))
    }

    /// Each circle, with the imports that close it.
    fn circles(&self) -> Vec<String> {
        let edges = self.edges();
        let graph: DiGraphMap<&Path, ()> = edges.keys().copied().collect();
        let groups = tarjan_scc(&graph);
        let circles = groups.into_iter().filter(|group| group.len() > 1);
        circles.map(|group| shown(group, &edges)).collect()
    }
}

fn shown(group: Vec<&Path>, edges: &BTreeMap<(&Path, &Path), String>) -> String {
    let relative = |path: &Path| {
        let root = root();
        path.strip_prefix(root)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    let inside = edges
        .iter()
        .filter(|((from, to), _)| group.contains(from) && group.contains(to));
    let lines = inside.map(|((from, to), name)| {
        format!(
            "    {} imports {name} from {}",
            relative(from),
            relative(to)
        )
    });
    let lines: Vec<String> = lines.collect();
    format!("  {} files:\n{}", group.len(), lines.join("\n"))
}

impl Module {
    fn import(&mut self, mut before: Segments, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.import(before, &path.tree);
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                if name != "self" {
                    before.push(name);
                }
                if let Some(name) = before.last().cloned() {
                    self.imports.insert(name, before);
                }
            }
            UseTree::Rename(rename) => {
                before.push(rename.ident.to_string());
                self.imports.insert(rename.rename.to_string(), before);
            }
            UseTree::Glob(_) => self.globs.push(before),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(before.clone(), tree);
                }
            }
        }
    }

    /// Notes the paths of more than one segment: what is named by one is imported, or
    /// from here.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path = Segments::new();
        // How many colons have come since the last segment.
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.note(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.note(std::mem::take(&mut path));
                    self.scan(group.stream());
                }
                _ => {
                    self.note(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.note(path);
    }

    fn note(&mut self, path: Segments) {
        if path.len() > 1 {
            self.paths.push(path);
        }
    }
}

/// The file of a module that `parent` declares.
fn file_of(parent: &Path, name: &str) -> PathBuf {
    let folder = parent.parent().unwrap_or(parent);
    let folder = match parent.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") | None => folder.to_owned(),
        Some(stem) => folder.join(stem),
    };
    let file = folder.join(format!("{name}.rs"));
    match file.exists() {
        true => file,
        false => folder.join(name).join("mod.rs"),
    }
}

fn is_test(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .to_token_stream()
                .to_string()
                .contains("test")
    })
}

/// The name that an item gives to what it defines.
fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Modules;

    /// The circles of a crate with these files.
    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let modules = Modules::read(&folder.path().join("lib.rs")).unwrap();
        modules.circles()
    }

    #[test]
    fn finds_files_that_import_each_other() {
        let found = circles(&[
            ("lib.rs", "mod a;\nmod b;"),
            ("a.rs", "use crate::b::B;\npub struct A;"),
            ("b.rs", "pub struct B;\nfn f() { let _ = crate::a::A; }"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("a.rs imports crate::b::B from"),
            "{found:?}"
        );
        assert!(
            found[0].contains("b.rs imports crate::a::A from"),
            "{found:?}"
        );
    }

    #[test]
    fn sees_through_a_folder_that_hands_on_a_name() {
        let found = circles(&[
            ("lib.rs", "mod a;\nmod b;"),
            ("a/mod.rs", "mod inner;\npub(crate) use self::inner::*;"),
            ("a/inner.rs", "use crate::b;\npub struct A(b::B);"),
            ("b.rs", "use crate::a::A;\npub struct B;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("inner.rs imports b::B from"), "{found:?}");
    }

    #[test]
    fn neither_exports_nor_a_folder_of_its_own_nor_tests_make_a_circle() {
        let found = circles(&[
            ("lib.rs", "mod a;\nmod b;\npub use a::A;"),
            (
                "a.rs",
                "mod part;\nuse part::Part;\npub struct A(crate::b::B, Part);",
            ),
            ("a/part.rs", "use super::A;\npub struct Part;"),
            (
                "b.rs",
                "pub struct B(Box<crate::A>);\n#[cfg(test)]\nmod tests { use crate::a::A; }",
            ),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}
