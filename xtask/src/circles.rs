//! A part of `cargo xtask layers`: in no crate do files import each other in a
//! circle, so that each can be read with nothing but those below it in mind.
//!
//! A file imports another one by naming what that one defines, also where a folder's
//! `mod.rs` hands it on. A module and the files below it are one whole: what they import
//! of each other does not count, and to files elsewhere each of them is all of them. So
//! `a/part.rs` that imports `b.rs`, which imports `a.rs`, is a circle. Two more things do
//! not count: what a crate exports, by the name that everybody has for it
//! (`crate::Driver`), is the vocabulary of all its files; and what is only compiled for
//! tests sees what it likes.
//!
//! `use a::*` would hide what is imported, and is refused, unless `a` is below the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Meta, Token, UseTree};

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
    #[error("files import everything of a module elsewhere:\n{}", globs.join("\n"))]
    #[diagnostic(
        code(xtask::circles::globs),
        help("import what is needed by its name, so that circles are found")
    )]
    Globs { globs: Vec<String> },
    #[error("files import each other in a circle:\n{}", circles.join("\n"))]
    #[diagnostic(
        code(xtask::circles::found),
        help("move what both sides need to a file below them, or hand it in from above")
    )]
    Found { circles: Vec<String> },
}

/// Checks the sources of these packages, each the folder of a `Cargo.toml`.
pub(crate) fn run(packages: &[PathBuf]) -> Result<(), CirclesError> {
    let (mut globs, mut circles) = (Vec::new(), Vec::new());
    for package in packages {
        let library = package.join("src/lib.rs");
        let main = package.join("src/main.rs");
        let start = if library.exists() { library } else { main };
        let modules = Modules::read(&start)?;
        globs.extend(modules.globs());
        circles.extend(modules.circles());
    }
    if !globs.is_empty() {
        return Err(CirclesError::Globs { globs });
    }
    if circles.is_empty() {
        say!("no files import each other in a circle");
        return Ok(());
    }
    Err(CirclesError::Found { circles })
}

/// The segments of a path, without what is generic in it.
type Segments = Vec<String>;

/// The modules of one crate, the root first.
#[derive(Default)]
struct Modules(Vec<Module>);

/// One import: which module names what, and which one defines that.
struct Import {
    from: usize,
    to: usize,
    name: String,
}

#[derive(Default)]
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
            ..Module::default()
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
        // What the crate exports.
        if here == 0 {
            return None;
        }
        let module = &self.0[here];
        let (name, rest) = path.split_first()?;
        if let Some(import) = module.imports.get(name) {
            // `use error::Error` may mean a crate `error`, and is then no way further.
            if import.first() == Some(name) {
                return None;
            }
            return self.definition(here, &[import, rest].concat(), depth + 1);
        }
        let mut globs = module.globs.iter();
        globs.find_map(|glob| self.definition(here, &[glob, path].concat(), depth + 1))
    }

    /// The module that `path` names in `from`, if all of it is modules of this crate.
    fn module(&self, from: usize, path: &[String]) -> Option<usize> {
        path.iter()
            .try_fold(from, |here, segment| match segment.as_str() {
                "crate" => Some(0),
                "self" => Some(here),
                "super" => Some(self.0[here].parent),
                name => self.0[here].children.get(name).copied(),
            })
    }

    /// Imports of everything of a module that is not below.
    fn globs(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (index, module) in self.0.iter().enumerate() {
            for glob in &module.globs {
                let target = self.module(index, glob);
                if target.is_some_and(|target| !self.contains(index, target)) {
                    let file = relative(&module.file);
                    found.push(format!("  {file} imports {}::*", glob.join("::")));
                }
            }
        }
        found
    }

    fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (from, module) in self.0.iter().enumerate() {
            let named = module.imports.values().chain(&module.paths);
            for path in named.chain(&module.globs) {
                if let Some(to) = self.definition(from, path, 0)
                    && self.0[to].file != module.file
                {
                    let name = path.join("::");
                    imports.push(Import { from, to, name });
                }
            }
        }
        imports
    }

    /// Whether `module` is `outer` or below it.
    fn contains(&self, outer: usize, module: usize) -> bool {
        module == outer || (module > 0 && self.contains(outer, self.0[module].parent))
    }

    /// The largest modules that have one of the two in them and not the other; nothing if
    /// one is below the other.
    fn wholes(&self, import: &Import) -> Option<(usize, usize)> {
        let whole = |module: usize, other: usize| {
            let mut whole = module;
            while !self.contains(self.0[whole].parent, other) {
                whole = self.0[whole].parent;
            }
            whole
        };
        let (from, to) = (import.from, import.to);
        let is_one = self.contains(from, to) || self.contains(to, from);
        (!is_one).then(|| (whole(from, to), whole(to, from)))
    }

    /// Each circle, with the imports that close it.
    fn circles(&self) -> Vec<String> {
        let imports = self.imports();
        let edges = imports
            .iter()
            .filter_map(|import| Some((self.wholes(import)?, import)));
        let edges: Vec<((usize, usize), &Import)> = edges.collect();
        let graph: DiGraphMap<usize, ()> = edges.iter().map(|(edge, _)| *edge).collect();
        let groups = tarjan_scc(&graph);
        let circles = groups.iter().filter(|group| group.len() > 1);
        circles
            .map(|group| {
                let inside = edges
                    .iter()
                    .filter(|((from, to), _)| group.contains(from) && group.contains(to));
                self.shown(inside.map(|(_, import)| *import))
            })
            .collect()
    }

    /// The imports of a circle, with one name for each pair of files.
    fn shown<'i>(&self, imports: impl Iterator<Item = &'i Import>) -> String {
        let mut names = BTreeMap::new();
        for import in imports {
            let files = (&self.0[import.from].file, &self.0[import.to].file);
            names.entry(files).or_insert(&import.name);
        }
        let line = |((from, to), name): ((&PathBuf, &PathBuf), &String)| {
            format!("  {} imports {name} from {}", relative(from), relative(to))
        };
        let lines: Vec<String> = names.into_iter().map(line).collect();
        lines.join("\n") + "\n"
    }
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.display().to_string()
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
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(ident) if ident == "use" => {
                    let is_end = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
                    let import = std::iter::from_fn(|| tokens.next_if(|token| !is_end(token)));
                    self.scan_import(import.collect());
                }
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

    /// Notes what is imported within a function: its names hold only there.
    fn scan_import(&mut self, tokens: TokenStream) {
        match syn::parse2(tokens.clone()) {
            Ok(tree) => {
                let mut inner = Self::default();
                inner.import(Vec::new(), &tree);
                self.paths.extend(inner.imports.into_values());
                self.globs.extend(inner.globs);
            }
            // The `use<'a>` of a type.
            Err(_) => self.scan(tokens),
        }
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

/// Whether an item is only compiled for tests.
fn is_test(item: &Item) -> bool {
    let attributes = |input: ParseStream<'_>| {
        let attributes = Attribute::parse_outer(input)?;
        input.parse::<TokenStream>()?;
        Ok(attributes)
    };
    let attributes = attributes.parse2(item.to_token_stream());
    let mut attributes = attributes.unwrap_or_default().into_iter();
    attributes.any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args()
                .is_ok_and(|condition| implies_test(&condition))
    })
}

fn implies_test(condition: &Meta) -> bool {
    let Meta::List(list) = condition else {
        return condition.path().is_ident("test");
    };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    list.path.is_ident("all") && parts.is_ok_and(|parts| parts.iter().any(implies_test))
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
        modules(files).circles()
    }

    fn modules(files: &[(&str, &str)]) -> Modules {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Modules::read(&folder.path().join("lib.rs")).unwrap()
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
    fn takes_a_folder_for_one_whole() {
        let found = circles(&[
            ("lib.rs", "mod a;\nmod b;"),
            ("a.rs", "mod part;\npub struct A;"),
            ("a/part.rs", "use crate::b::B;"),
            ("b.rs", "use crate::a::A;\npub struct B;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("part.rs imports crate::b::B from"));
        // Within the folder, its files are apart.
        let found = circles(&[
            ("lib.rs", "mod a;"),
            ("a.rs", "mod one;\nmod two;"),
            ("a/one.rs", "pub struct One(super::two::Two);"),
            ("a/two.rs", "pub struct Two(Box<super::one::One>);"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn sees_imports_within_functions() {
        let found = circles(&[
            ("lib.rs", "mod a;\nmod b;"),
            ("a.rs", "pub struct A;\npub struct C(crate::b::B);"),
            (
                "b.rs",
                "pub struct B;\nfn f() { use crate::a::{A, C as D}; }",
            ),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        let found = circles(&[
            ("lib.rs", "mod a;\nmod b;"),
            ("a.rs", "pub enum A { One(crate::b::B) }"),
            ("b.rs", "pub struct B;\nfn f() { use crate::a::A::*; }"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn refuses_imports_of_everything_but_of_what_is_below() {
        let files = |text| {
            modules(&[
                ("lib.rs", "mod a;\nmod b;"),
                ("a.rs", text),
                ("a/part.rs", ""),
                ("b.rs", "pub enum B { One }"),
            ])
        };
        let found = |text| files(text).globs().len();
        assert_eq!(found("mod part;\nuse part::*;\nuse self::part::*;"), 0);
        assert_eq!(found("use std::io::prelude::*;\nuse crate::b::B::*;"), 0);
        assert_eq!(found("#[cfg(test)]\nmod tests { use super::*; }"), 0);
        assert_eq!(found("use crate::b::*;"), 1);
        assert_eq!(found("mod inner { use super::*; }"), 1);
        assert_eq!(found("fn f() { use super::b::*; }"), 1);
    }

    #[test]
    fn takes_for_tests_only_what_is_compiled_for_them_alone() {
        let found = |condition: &str| {
            let b = format!("pub struct B;\n#[cfg({condition})]\nuse crate::a::A;");
            let files = [
                ("lib.rs", "mod a;\nmod b;"),
                ("a.rs", "pub struct A(crate::b::B);"),
                ("b.rs", &b),
            ];
            circles(&files).len()
        };
        for tests in ["test", "all(test, unix)", "all(unix, all(test))"] {
            assert_eq!(found(tests), 0, "{tests}");
        }
        for others in ["not(test)", "any(test, unix)", "feature = \"test\""] {
            assert_eq!(found(others), 1, "{others}");
        }
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
