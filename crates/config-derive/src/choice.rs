//! `#[derive(OptionValue)]`: an enum without fields as the type of an option.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, LitStr, Result};

pub(crate) fn derive(item: &DeriveInput, config_path: &TokenStream) -> Result<TokenStream> {
    let Data::Enum(data) = &item.data else {
        return Err(Error::new(
            item.ident.span(),
            "the values of an option are the variants of an enum; a struct of options is a `Config`",
        ));
    };
    if data.variants.is_empty() {
        return Err(Error::new(
            item.ident.span(),
            "an enum without variants has no value that an option could have",
        ));
    }
    let mut idents = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new(
                variant.ident.span(),
                "a variant stands for one text, so it has no fields",
            ));
        }
        let mut text = kebab_case(&variant.ident.unraw().to_string());
        for attribute in &variant.attrs {
            if attribute.path().is_ident("config") {
                attribute.parse_nested_meta(|meta| {
                    if meta.path.is_ident("key") {
                        text = meta.value()?.parse::<LitStr>()?.value();
                        return Ok(());
                    }
                    Err(meta.error("a variant has no attribute but `key = \"...\"`"))
                })?;
            }
        }
        if texts.contains(&text) {
            return Err(Error::new(
                variant.ident.span(),
                format!("there are two variants written {text:?}"),
            ));
        }
        idents.push(&variant.ident);
        texts.push(text);
    }
    let ident = &item.ident;
    Ok(quote! {
        #[automatically_derived]
        impl #config_path::OptionValue for #ident {
            fn kind() -> #config_path::Kind {
                #config_path::Kind::one_of([#(#texts),*])
            }

            fn from_value(
                value: &#config_path::Value,
            ) -> ::std::result::Result<Self, #config_path::ValueError> {
                match value.as_str() {
                    #(::std::option::Option::Some(#texts) => ::std::result::Result::Ok(Self::#idents),)*
                    _ => ::std::result::Result::Err(
                        <Self as #config_path::OptionValue>::kind().unfit(value),
                    ),
                }
            }

            fn to_value(&self) -> #config_path::Value {
                #config_path::Value::from(match self {
                    #(Self::#idents => #texts,)*
                })
            }
        }

        #[automatically_derived]
        impl #config_path::PlainValue for #ident {}
    })
}

/// `KeepAlive` is written `keep-alive`.
fn kebab_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
