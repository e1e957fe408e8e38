//! [`OptionSpec`]: what a setter of an option needs to know, as it travels between crates.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{LitInt, LitStr, Path, Result, Type, TypeTuple, braced, bracketed};

/// One option of a config, without what only the declaring crate needs.
#[derive(Clone)]
pub(crate) struct OptionSpec {
    /// The config that declares it, with a mark that distinguishes configs of one name.
    pub(crate) origin: String,
    pub(crate) ident: Ident,
    pub(crate) key: String,
    pub(crate) docs: String,
    /// The declared type is an `Option`.
    pub(crate) optional: bool,
    /// The declared type, without `Option`, is a `Vec`.
    pub(crate) list: bool,
    /// The value has no written form.
    pub(crate) code: bool,
    /// No setter: it is set in files only.
    pub(crate) file: bool,
    pub(crate) input: Input,
    /// What the setter takes instead, and what makes the value of it.
    pub(crate) custom: Option<(Type, Path)>,
}

/// The type without `Option` and `Vec` around it.
#[derive(Clone)]
pub(crate) enum Input {
    /// Tokens that mean the same in every crate.
    Known(Box<Type>),
    /// `OptionAt<N>` of the config knows it.
    At(usize),
}

impl OptionSpec {
    pub(crate) fn parse_all(input: ParseStream<'_>) -> Result<Vec<Self>> {
        let mut specs = Vec::new();
        while !input.is_empty() {
            specs.push(input.parse()?);
        }
        Ok(specs)
    }

    /// The setter, if it has one; `ty` is the type without `Option` and `Vec`, `layer` the place of
    /// the layer.
    pub(crate) fn setter(&self, index: usize, ty: &TokenStream) -> TokenStream {
        if self.file {
            return TokenStream::new();
        }
        let Self { ident, docs, .. } = self;
        let docs = match docs.is_empty() {
            true => format!("Sets the option `{}`.", self.key),
            false => docs.clone(),
        };
        let (parameter, value) = match &self.custom {
            Some((accepts, with)) => (quote!(value: #accepts), quote!(#with(value))),
            None => self.parameter(ty),
        };
        let value = match self.optional {
            true => quote!(::std::option::Option::Some(#value)),
            false => value,
        };
        let put = match (self.code, self.optional) {
            (true, true) => quote!(put_optional_code),
            (true, false) => quote!(put_code),
            (false, _) => quote!(put),
        };
        quote! {
            #[doc = #docs]
            pub fn #ident(mut self, #parameter) -> Self {
                self.0.#put(#index, #value);
                self
            }
        }
    }

    fn parameter(&self, ty: &TokenStream) -> (TokenStream, TokenStream) {
        if self.list {
            if is_primitive(ty) {
                return (
                    quote!(values: impl ::std::iter::IntoIterator<Item = #ty>),
                    quote!(::std::iter::Iterator::collect::<::std::vec::Vec<#ty>>(
                        ::std::iter::IntoIterator::into_iter(values)
                    )),
                );
            }
            return (
                quote!(values: impl ::std::iter::IntoIterator<Item = impl ::std::convert::Into<#ty>>),
                quote!(::std::iter::Iterator::collect::<::std::vec::Vec<#ty>>(
                    ::std::iter::Iterator::map(
                        ::std::iter::IntoIterator::into_iter(values),
                        ::std::convert::Into::into,
                    )
                )),
            );
        }
        if is_primitive(ty) {
            return (quote!(value: #ty), quote!(value));
        }
        // A pair takes parts that convert, so that `("localhost", 0)` will do.
        if let Ok(TypeTuple { elems, .. }) = syn::parse2::<TypeTuple>(ty.clone()) {
            let part = |(index, part): (usize, &Type)| {
                let name = format_ident!("part{index}");
                match is_primitive(&part.to_token_stream()) {
                    true => (quote!(#part), quote!(#name), quote!(#name)),
                    false => (
                        quote!(impl ::std::convert::Into<#part>),
                        quote!(#name),
                        quote!(::std::convert::Into::into(#name)),
                    ),
                }
            };
            let mut types = Vec::new();
            let mut names = Vec::new();
            let mut values = Vec::new();
            for (ty, name, value) in elems.iter().enumerate().map(part) {
                types.push(ty);
                names.push(name);
                values.push(value);
            }
            return (
                quote!((#(#names,)*): (#(#types,)*)),
                quote!({ let value: #ty = (#(#values,)*); value }),
            );
        }
        (
            quote!(value: impl ::std::convert::Into<#ty>),
            quote!(::std::convert::Into::<#ty>::into(value)),
        )
    }
}

/// Types that a literal has at once: `impl Into` would leave a number's type open.
pub(crate) fn is_primitive(ty: &TokenStream) -> bool {
    matches!(
        ty.to_string().as_str(),
        "bool"
            | "char"
            | "i8"
            | "i16"
            | "i32"
            | "i64"
            | "i128"
            | "isize"
            | "u8"
            | "u16"
            | "u32"
            | "u64"
            | "u128"
            | "usize"
            | "f32"
            | "f64"
    )
}

impl OptionSpec {
    /// The option in the form that [`OptionSpec::parse`] reads. The last two parts may hold a
    /// `$crate`, which has no place in a syntax tree.
    pub(crate) fn encode(&self, input: &TokenStream, custom: &TokenStream) -> TokenStream {
        let Self {
            origin,
            ident,
            key,
            docs,
            ..
        } = self;
        let flags = [
            (self.optional, "optional"),
            (self.list, "list"),
            (self.code, "code"),
            (self.file, "file"),
        ]
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, flag)| format_ident!("{flag}"));
        quote!({ #origin #ident #key #docs [#(#flags)*] #input #custom })
    }
}

impl ToTokens for OptionSpec {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let input = match &self.input {
            Input::Known(ty) => quote!([#ty]),
            Input::At(index) => quote!(#index),
        };
        let custom = self
            .custom
            .iter()
            .map(|(accepts, with)| quote!([#accepts] [#with]))
            .collect();
        tokens.extend(self.encode(&input, &custom));
    }
}

impl Parse for OptionSpec {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let fields;
        braced!(fields in input);
        let origin: LitStr = fields.parse()?;
        let ident = fields.parse()?;
        let key: LitStr = fields.parse()?;
        let docs: LitStr = fields.parse()?;
        let list;
        bracketed!(list in fields);
        let mut flags = Vec::new();
        while !list.is_empty() {
            flags.push(list.parse::<Ident>()?.to_string());
        }
        let input = match fields.peek(LitInt) {
            true => Input::At(fields.parse::<LitInt>()?.base10_parse()?),
            false => {
                let ty;
                bracketed!(ty in fields);
                Input::Known(Box::new(ty.parse()?))
            }
        };
        let custom = match fields.is_empty() {
            true => None,
            false => {
                let accepts;
                bracketed!(accepts in fields);
                let with;
                bracketed!(with in fields);
                Some((accepts.parse()?, with.call(Path::parse_mod_style)?))
            }
        };
        let has = |flag: &str| flags.iter().any(|known| known == flag);
        Ok(Self {
            origin: origin.value(),
            ident,
            key: key.value(),
            docs: docs.value(),
            optional: has("optional"),
            list: has("list"),
            code: has("code"),
            file: has("file"),
            input,
            custom,
        })
    }
}

/// The type within `Wrapper<...>`, when `ty` is written so.
pub(crate) fn unwrap<'a>(ty: &'a Type, wrapper: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    if last.ident != wrapper || path.qself.is_some() {
        return None;
    }
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match (arguments.args.len(), arguments.args.first()?) {
        (1, syn::GenericArgument::Type(ty)) => Some(ty),
        _ => None,
    }
}
