//! The `#[config(...)]` attributes of a struct and of its fields.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Result, Type};

/// `#[config(...)]` on the struct.
#[derive(Default)]
pub(crate) struct StructAttributes {
    pub(crate) type_name: Option<LitStr>,
    pub(crate) builds: Option<Path>,
    pub(crate) builder: Option<Ident>,
    pub(crate) config_path: Option<Path>,
    pub(crate) ignore_extra_keys: bool,
    pub(crate) checks: Vec<CheckTogether>,
    /// It is the type of an option only, so nobody needs a builder of it.
    pub(crate) table: Option<Span>,
}

/// `check(field, field) = function`: what looks at options together.
pub(crate) struct CheckTogether {
    pub(crate) fields: Vec<Ident>,
    pub(crate) function: Path,
}

impl CheckTogether {
    fn parse(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        if !meta.input.peek(syn::token::Paren) {
            return Err(meta
                .error("name the options that the function takes: `check(from, to) = function`"));
        }
        Ok(Self {
            fields: names_of_fields(meta)?,
            function: meta.value()?.parse()?,
        })
    }
}

/// `(field, field)`.
fn names_of_fields(meta: &ParseNestedMeta<'_>) -> Result<Vec<Ident>> {
    let fields;
    syn::parenthesized!(fields in meta.input);
    let fields = fields.parse_terminated(Ident::parse_any, syn::Token![,])?;
    Ok(fields.into_iter().collect())
}

/// `#[config(...)]` on a field, with the place of each word for messages.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    pub(crate) include: Option<Span>,
    pub(crate) optional: Option<Span>,
    pub(crate) inherited: Option<Span>,
    pub(crate) code_only: Option<Span>,
    pub(crate) file_only: Option<Span>,
    /// `default` alone is `None` within.
    pub(crate) default: Option<(Span, Option<Expr>)>,
    pub(crate) fallback: Option<(Span, Expr)>,
    pub(crate) key: Option<LitStr>,
    pub(crate) range: Option<Expr>,
    pub(crate) one_of: Option<Expr>,
    pub(crate) non_empty: Option<Span>,
    pub(crate) pattern: Option<LitStr>,
    pub(crate) checks: Vec<Expr>,
    pub(crate) constraints: Vec<Expr>,
    pub(crate) template: Option<Span>,
    pub(crate) examples: Vec<Expr>,
    pub(crate) accepts: Option<Type>,
    pub(crate) with: Option<Path>,
    pub(crate) append: Option<Ident>,
    pub(crate) needs: Option<Vec<Ident>>,
}

impl StructAttributes {
    pub(crate) fn new(attributes: &[Attribute]) -> Result<Self> {
        let mut this = Self::default();
        for attribute in config_attributes(attributes) {
            attribute.parse_nested_meta(|meta| match word(&meta).as_str() {
                "type_name" => set(&mut this.type_name, &meta, meta.value()?.parse()?),
                "builds" => set(&mut this.builds, &meta, meta.value()?.parse()?),
                "builder" => set(&mut this.builder, &meta, meta.value()?.parse()?),
                "crate" => set(
                    &mut this.config_path,
                    &meta,
                    meta.value()?.call(Path::parse_mod_style)?,
                ),
                "check" => {
                    this.checks.push(CheckTogether::parse(&meta)?);
                    Ok(())
                }
                "table" => set(&mut this.table, &meta, meta.path.span()),
                "ignore_extra_keys" => {
                    this.ignore_extra_keys = true;
                    Ok(())
                }
                word => Err(meta.error(unknown(
                    word,
                    &[
                        "type_name",
                        "builds",
                        "builder",
                        "check",
                        "crate",
                        "ignore_extra_keys",
                        "table",
                    ],
                ))),
            })?;
        }
        let builder = this.builds.as_ref().map(Spanned::span);
        let builder = builder.or(this.builder.as_ref().map(Ident::span));
        if let (Some(span), Some(_)) = (builder, this.table) {
            return Err(Error::new(span, "a `table` has no builder"));
        }
        Ok(this)
    }
}

impl FieldAttributes {
    pub(crate) fn new(attributes: &[Attribute]) -> Result<Self> {
        let mut this = Self::default();
        for attribute in config_attributes(attributes) {
            attribute.parse_nested_meta(|meta| {
                let span = meta.path.span();
                match word(&meta).as_str() {
                    "include" => set(&mut this.include, &meta, span),
                    "optional" => set(&mut this.optional, &meta, span),
                    "inherited" => set(&mut this.inherited, &meta, span),
                    "code_only" => set(&mut this.code_only, &meta, span),
                    "file_only" => set(&mut this.file_only, &meta, span),
                    "non_empty" => set(&mut this.non_empty, &meta, span),
                    "default" => {
                        let value = match meta.input.peek(syn::Token![=]) {
                            true => Some(meta.value()?.parse()?),
                            false => None,
                        };
                        set(&mut this.default, &meta, (span, value))
                    }
                    "fallback" => {
                        if !meta.input.peek(syn::Token![=]) {
                            return Err(
                                meta.error("a fallback needs a value: `inherited, fallback = 10`")
                            );
                        }
                        set(&mut this.fallback, &meta, (span, meta.value()?.parse()?))
                    }
                    "key" => set(&mut this.key, &meta, meta.value()?.parse()?),
                    "range" => set(&mut this.range, &meta, meta.value()?.parse()?),
                    "one_of" => set(&mut this.one_of, &meta, meta.value()?.parse()?),
                    "pattern" => set(&mut this.pattern, &meta, meta.value()?.parse()?),
                    "check" => {
                        this.checks.push(meta.value()?.parse()?);
                        Ok(())
                    }
                    "constraint" => {
                        this.constraints.push(meta.value()?.parse()?);
                        Ok(())
                    }
                    "template" => set(&mut this.template, &meta, span),
                    "example" => {
                        this.examples.push(meta.value()?.parse()?);
                        Ok(())
                    }
                    "accepts" => {
                        let tokens;
                        syn::parenthesized!(tokens in meta.input);
                        set(&mut this.accepts, &meta, tokens.parse()?)
                    }
                    "needs" => set(&mut this.needs, &meta, names_of_fields(&meta)?),
                    "with" => set(&mut this.with, &meta, meta.value()?.parse()?),
                    "append" => set(&mut this.append, &meta, meta.value()?.parse()?),
                    word => Err(meta.error(unknown(word, FIELD_WORDS))),
                }
            })?;
        }
        Ok(this)
    }

    /// The first thing that makes no sense together, if there is one.
    pub(crate) fn check(&self, is_option: bool) -> Result<()> {
        if let Some(span) = self.include {
            return match self.other_than_include() {
                true => Err(Error::new(
                    span,
                    "an included config takes no other attribute: declare an option of the same name to change one of its options",
                )),
                false => Ok(()),
            };
        }
        if let (Some((span, _)), Some(_)) = (&self.default, self.inherited) {
            return Err(Error::new(
                *span,
                "an option with a default never asks its parents: write `inherited, fallback = ...`, or leave out `inherited`",
            ));
        }
        if let (Some((span, _)), None) = (&self.fallback, self.inherited) {
            return Err(Error::new(
                *span,
                "only an inherited option has a fallback: write `inherited, fallback = ...`, or `default = ...`",
            ));
        }
        if let (Some(span), false) = (self.optional, is_option) {
            return Err(Error::new(
                span,
                "an optional option has a type `Option<...>`, which alone makes it optional",
            ));
        }
        if let (Some(span), Some(_)) = (self.file_only, self.code_only) {
            return Err(Error::new(
                span,
                "an option that is set neither in files nor in code has no value",
            ));
        }
        if let (Some(span), true) = (self.file_only, self.has_setter_words()) {
            return Err(Error::new(
                span,
                "an option that is set in files only has no setter that `accepts` or `append` could be about",
            ));
        }
        if let (Some(span), Some(what)) = (self.code_only, self.first_rule()) {
            return Err(Error::new(
                span,
                format!("an option of code has no written form that `{what}` could apply to"),
            ));
        }
        self.check_literal_default()?;
        match (&self.accepts, &self.with) {
            (Some(accepts), None) => Err(Error::new(
                accepts.span(),
                "say what makes the option's value of it: `with = crate::Hook::new`",
            )),
            (None, Some(with)) => Err(Error::new(
                with.span(),
                "say what the setter takes: `accepts(impl Fn() + Send + Sync + 'static)`",
            )),
            _ => Ok(()),
        }
    }

    /// A default and rules that are both literals are compared here; others are when the config's
    /// description is used.
    fn check_literal_default(&self) -> Result<()> {
        let declared = self.default.as_ref().and_then(|(_, value)| value.as_ref());
        let fallback = self.fallback.as_ref().map(|(_, value)| value);
        let Some(expr) = declared.or(fallback) else {
            return Ok(());
        };
        let Some(value) = Literal::of(expr) else {
            return Ok(());
        };
        let breaks = |rule: &str| {
            Err(Error::new(
                expr.span(),
                format!("this breaks the rule of the option itself: {rule}"),
            ))
        };
        if self.non_empty.is_some() && value == Literal::Text(String::new()) {
            return breaks("it must not be empty");
        }
        if let Some(Expr::Array(known)) = &self.one_of {
            let known: Option<Vec<Literal>> = known.elems.iter().map(Literal::of).collect();
            if known.is_some_and(|known| !known.contains(&value)) {
                return breaks("it is not among `one_of`");
            }
        }
        if let (Some(Expr::Range(range)), Literal::Number(number)) = (&self.range, &value) {
            let bound = |bound: &Option<Box<Expr>>| match bound.as_deref().map(Literal::of) {
                Some(Some(Literal::Number(bound))) => Some(bound),
                _ => None,
            };
            let is_closed = matches!(range.limits, syn::RangeLimits::Closed(_));
            let too_small = bound(&range.start).is_some_and(|start| *number < start);
            let too_large = bound(&range.end)
                .is_some_and(|end| *number > end || (*number == end && !is_closed));
            if too_small || too_large {
                return breaks("it is not within `range`");
            }
        }
        Ok(())
    }

    fn has_setter_words(&self) -> bool {
        self.accepts.is_some() || self.with.is_some() || self.append.is_some()
    }

    fn other_than_include(&self) -> bool {
        self.optional.is_some()
            || self.inherited.is_some()
            || self.code_only.is_some()
            || self.file_only.is_some()
            || self.default.is_some()
            || self.fallback.is_some()
            || self.key.is_some()
            || self.has_setter_words()
            || self.needs.is_some()
            || self.first_rule().is_some()
    }

    fn first_rule(&self) -> Option<&'static str> {
        [
            (self.range.is_some(), "range"),
            (self.one_of.is_some(), "one_of"),
            (self.non_empty.is_some(), "non_empty"),
            (self.pattern.is_some(), "pattern"),
            (!self.checks.is_empty(), "check"),
            (!self.constraints.is_empty(), "constraint"),
            (self.template.is_some(), "template"),
            (!self.examples.is_empty(), "example"),
        ]
        .into_iter()
        .find_map(|(given, word)| given.then_some(word))
    }
}

/// What an expression says by itself.
#[derive(PartialEq)]
enum Literal {
    Number(i128),
    Text(String),
}

impl Literal {
    fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Lit(ExprLit { lit, .. }) => match lit {
                Lit::Int(number) => number.base10_parse().ok().map(Self::Number),
                Lit::Str(text) => Some(Self::Text(text.value())),
                _ => None,
            },
            Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => {
                match Self::of(&unary.expr)? {
                    Self::Number(number) => Some(Self::Number(-number)),
                    Self::Text(_) => None,
                }
            }
            _ => None,
        }
    }
}

const FIELD_WORDS: &[&str] = &[
    "include",
    "default",
    "inherited",
    "fallback",
    "optional",
    "code_only",
    "file_only",
    "accepts",
    "with",
    "append",
    "key",
    "range",
    "one_of",
    "non_empty",
    "pattern",
    "check",
    "constraint",
    "template",
    "example",
    "needs",
];

/// The doc comment as text, without the space that follows `///`.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(
            |attribute| match &attribute.meta.require_name_value().ok()?.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(line),
                    ..
                }) => Some(line.value()),
                _ => None,
            },
        )
        .map(|line| line.strip_prefix(' ').map(str::to_owned).unwrap_or(line))
        .collect();
    lines.join("\n").trim().to_owned()
}

fn config_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("config"))
}

fn word(meta: &ParseNestedMeta<'_>) -> String {
    meta.path
        .get_ident()
        .map(Ident::to_string)
        .unwrap_or_default()
}

fn set<T>(slot: &mut Option<T>, meta: &ParseNestedMeta<'_>, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(meta.error("this is given twice")),
    }
}

fn unknown(word: &str, known: &[&str]) -> String {
    format!(
        "there is no attribute `{word}` here; there are: {}",
        known.join(", ")
    )
}

/// Attributes that keep generated items quiet about themselves.
pub(crate) fn quiet() -> TokenStream {
    quote::quote! {
        #[allow(
            unused_imports,
            unused_macros,
            reason = "whether another config includes this one is not known here"
        )]
    }
}
