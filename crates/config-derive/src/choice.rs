//! `#[derive(OptionValue)]`: an enum as the type of an option.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, Ident, LitStr, Result, Type};

use crate::attributes::docs;

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
    let mut variants: Vec<Variant<'_>> = Vec::new();
    for variant in &data.variants {
        let variant = Variant::new(variant)?;
        if variants.iter().any(|known| known.key == variant.key) {
            return Err(Error::new(
                variant.ident.span(),
                format!("there are two variants written {:?}", variant.key),
            ));
        }
        variants.push(variant);
    }
    let ident = &item.ident;
    let (tagged, plain): (Vec<_>, Vec<_>) =
        variants.iter().partition(|variant| variant.holds.is_some());
    let (texts, units): (Vec<_>, Vec<_>) = plain.iter().map(|v| (&v.key, v.ident)).unzip();
    let (keys, holders): (Vec<_>, Vec<_>) = tagged.iter().map(|v| (&v.key, v.ident)).unzip();
    let types: Vec<_> = tagged.iter().filter_map(|variant| variant.holds).collect();
    let docs = tagged.iter().map(|variant| &variant.docs);
    let one_of = (!texts.is_empty()).then(|| quote!(#config_path::Kind::one_of([#(#texts),*]),));
    let names = keys.iter().map(|key| format!("{ident} {key}"));
    let tables = quote! {
        #(#config_path::Kind::Nested(
            #config_path::ConfigDescription::builder(#names)
                .option(#config_path::OptionDescription::of::<#types>(#keys).docs_are(#docs))
                .build(),
        ),)*
    };
    let kind = match tagged.is_empty() {
        true => quote!(#config_path::Kind::one_of([#(#texts),*])),
        false => quote!(#config_path::Kind::Union(::std::vec![#one_of #tables])),
    };
    let plain_value = tagged.is_empty().then(|| {
        quote! {
            #[automatically_derived]
            impl #config_path::PlainValue for #ident {}
        }
    });
    // A text is right or wrong; what a table holds may be wrong in several parts.
    let read = (!tagged.is_empty()).then(|| {
        quote! {
            fn read(
                value: &#config_path::Value,
            ) -> ::std::result::Result<Self, ::std::vec::Vec<#config_path::ValueError>> {
                #(
                    if let ::std::option::Option::Some(held) = value.only_entry(#keys) {
                        return <#types as #config_path::OptionValue>::read(held)
                            .map(Self::#holders)
                            .map_err(|errors| {
                                let errors = errors.into_iter();
                                errors.map(|error| error.at_key(#keys)).collect()
                            });
                    }
                )*
                let read = <Self as #config_path::OptionValue>::from_value(value);
                read.map_err(|error| #config_path::__private::mistakes::<Self>(value, error))
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #config_path::OptionValue for #ident {
            fn kind() -> #config_path::Kind {
                static KIND: #config_path::__private::OnceLock<#config_path::Kind> =
                    #config_path::__private::OnceLock::new();
                #config_path::__private::kind(&KIND, || #kind)
            }

            fn from_value(
                value: &#config_path::Value,
            ) -> ::std::result::Result<Self, #config_path::ValueError> {
                #(
                    if value.as_str() == ::std::option::Option::Some(#texts) {
                        return ::std::result::Result::Ok(Self::#units);
                    }
                )*
                #(
                    if let ::std::option::Option::Some(held) = value.only_entry(#keys) {
                        return <#types as #config_path::OptionValue>::from_value(held)
                            .map(Self::#holders)
                            .map_err(|error| error.at_key(#keys));
                    }
                )*
                ::std::result::Result::Err(
                    <Self as #config_path::OptionValue>::kind().unfit(value),
                )
            }

            #read

            fn to_value(&self) -> #config_path::Value {
                match self {
                    #(Self::#units => #config_path::Value::from(#texts),)*
                    #(Self::#holders(held) => ::std::iter::FromIterator::from_iter([
                        (#keys, #config_path::OptionValue::to_value(held)),
                    ]),)*
                }
            }

            fn check(&self) -> ::std::result::Result<(), #config_path::ValueError> {
                match self {
                    #(Self::#units => ::std::result::Result::Ok(()),)*
                    #(Self::#holders(held) => #config_path::OptionValue::check(held)
                        .map_err(|error| error.at_key(#keys)),)*
                }
            }
        }

        #plain_value
    })
}

/// One of the values.
struct Variant<'a> {
    ident: &'a Ident,
    /// The text that it is written as, or the key of the table.
    key: String,
    docs: String,
    /// What a table has under the key; without it the value is a text.
    holds: Option<&'a Type>,
}

impl<'a> Variant<'a> {
    fn new(variant: &'a syn::Variant) -> Result<Self> {
        let holds = match &variant.fields {
            Fields::Unit => None,
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                fields.unnamed.first().map(|field| &field.ty)
            }
            _ => {
                return Err(Error::new(
                    variant.ident.span(),
                    "a variant stands for a text, or holds one value: a table with several keys is \
                     a `Config`",
                ));
            }
        };
        let mut key = kebab_case(&variant.ident.unraw().to_string());
        for attribute in &variant.attrs {
            if attribute.path().is_ident("config") {
                attribute.parse_nested_meta(|meta| {
                    if meta.path.is_ident("key") {
                        key = meta.value()?.parse::<LitStr>()?.value();
                        return Ok(());
                    }
                    Err(meta.error("a variant has no attribute but `key = \"...\"`"))
                })?;
            }
        }
        Ok(Self {
            ident: &variant.ident,
            key,
            docs: docs(&variant.attrs),
            holds,
        })
    }
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
