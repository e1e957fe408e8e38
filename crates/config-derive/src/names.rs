//! Makes the types of options nameable from other crates.
//!
//! A setter for an included option is generated in the including crate, where the names that the
//! declaring crate imported mean nothing. Names from the standard library and from `standin-config`
//! are spelt out; `crate::` becomes `$crate::`; a type with any other name is reached through a
//! trait.

use proc_macro2::{Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::quote;

/// Stands for the path of `standin-config`, which every including crate may reach differently.
pub(crate) const CONFIG: &str = "__standin_config";

/// The tokens with every path spelt out; `Err` holds the first name that has no known place.
pub(crate) fn spell_out(tokens: &TokenStream) -> Result<TokenStream, Ident> {
    let mut output = Vec::new();
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let is_colons = |at: Option<usize>| {
            matches!(at.and_then(|at| tokens.get(at)), Some(TokenTree::Punct(punct)) if punct.as_char() == ':')
                && matches!(at.and_then(|at| tokens.get(at + 1)), Some(TokenTree::Punct(punct)) if punct.as_char() == ':')
        };
        match token {
            TokenTree::Group(group) => {
                let mut spelt = Group::new(group.delimiter(), spell_out(&group.stream())?);
                spelt.set_span(group.span());
                output.push(TokenTree::Group(spelt));
            }
            TokenTree::Ident(ident) => {
                let after_colons = index >= 2 && is_colons(Some(index - 2));
                let after_tick = matches!(index.checked_sub(1).map(|at| &tokens[at]),
                    Some(TokenTree::Punct(punct)) if punct.as_char() == '\'');
                let before_equals = matches!(tokens.get(index + 1),
                    Some(TokenTree::Punct(punct)) if punct.as_char() == '=');
                if after_colons || after_tick || before_equals {
                    output.push(token.clone());
                } else {
                    output.extend(place(ident, is_colons(Some(index + 1)))?);
                }
            }
            token => output.push(token.clone()),
        }
    }
    Ok(output.into_iter().collect())
}

fn place(ident: &Ident, starts_path: bool) -> Result<TokenStream, Ident> {
    let name = ident.to_string();
    if starts_path {
        return match name.as_str() {
            "crate" => {
                let dollar = Punct::new('$', Spacing::Alone);
                Ok(quote!(#dollar crate))
            }
            "std" | "core" | "alloc" => Ok(quote!(::#ident)),
            "standin_config" => Ok(config()),
            // Already resolved by an outer macro.
            "$crate" => Ok(quote!(#ident)),
            name if name == CONFIG => Ok(quote!(#ident)),
            _ => Err(ident.clone()),
        };
    }
    let config = config();
    Ok(match name.as_str() {
        "impl" | "dyn" | "fn" | "for" | "mut" | "bool" | "char" | "str" | "i8" | "i16" | "i32"
        | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "f32"
        | "f64" => quote!(#ident),
        "String" => quote!(::std::string::String),
        "Vec" => quote!(::std::vec::Vec),
        "Option" => quote!(::std::option::Option),
        "Box" => quote!(::std::boxed::Box),
        "Arc" => quote!(::std::sync::Arc),
        "Duration" => quote!(::std::time::Duration),
        "PathBuf" => quote!(::std::path::PathBuf),
        "BTreeMap" => quote!(::std::collections::BTreeMap),
        "Fn" | "FnMut" | "FnOnce" => quote!(::std::ops::#ident),
        "Send" | "Sync" | "Sized" => quote!(::std::marker::#ident),
        "Into" => quote!(::std::convert::Into),
        "Setting" | "Port" | "Pattern" | "ContextValue" | "Text" | "Value" => {
            quote!(#config::#ident)
        }
        _ => return Err(ident.clone()),
    })
}

fn config() -> TokenStream {
    let ident = Ident::new(CONFIG, Span::call_site());
    quote!(#ident)
}

/// Puts the real path of `standin-config` in the place of its stand-in.
pub(crate) fn with_config_path(tokens: TokenStream, path: &TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(ident) if ident == CONFIG => path.clone(),
            TokenTree::Group(group) => {
                let mut replaced =
                    Group::new(group.delimiter(), with_config_path(group.stream(), path));
                replaced.set_span(group.span());
                TokenTree::Group(replaced).into()
            }
            token => token.into(),
        })
        .collect()
}
