//! What the derive generates, once the options of all includes are known.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Result, Visibility};

use crate::attributes::quiet;
use crate::input::{ConfigInput, Field};
use crate::names::with_config_path;
use crate::option::option_description;
use crate::spec::{Input, OptionSpec};

/// The options in their final order, by the rules of `ConfigDescriptionBuilder::build`.
enum Flat<'a> {
    Own(&'a Field),
    Included {
        /// The include's field.
        field: &'a Field,
        /// The option's place in the included config.
        at: usize,
        spec: &'a OptionSpec,
    },
}

impl Flat<'_> {
    fn key(&self) -> &str {
        match self {
            Flat::Own(field) => &field.key,
            Flat::Included { spec, .. } => &spec.key,
        }
    }
}

pub(crate) fn expand(input: &ConfigInput, collected: &[Vec<OptionSpec>]) -> TokenStream {
    let flat = flatten(input, collected);
    if input.attributes.table.is_some() {
        let (config, value) = (config_impl(input, &flat), value_impl(input));
        return quote!(#config #value);
    }
    let builder = builder_type(input, &flat);
    let config = config_impl(input, &flat);
    let value = value_impl(input);
    let types = type_impls(input, &flat);
    let include_macro = include_macro(input, &flat);
    quote! {
        #builder
        #config
        #value
        #types
        #include_macro
    }
}

/// Refuses options of one name that two includes declare each in its own way: only one of them
/// could be set. One that both have from a config that both include is one option.
pub(crate) fn check_includes(input: &ConfigInput, collected: &[Vec<OptionSpec>]) -> Result<()> {
    let mut seen: Vec<(&OptionSpec, &Field)> = Vec::new();
    for (field, specs) in input.includes().zip(collected) {
        for spec in specs {
            let is_own = |own: &&Field| !own.is_include() && own.key == spec.key;
            if input.fields.iter().any(|own| is_own(&own)) {
                continue;
            }
            let twin = seen.iter().find(|(twin, _)| twin.key == spec.key);
            match twin {
                Some((twin, first)) if twin.origin != spec.origin => {
                    let config = |spec: &OptionSpec| {
                        let name = spec.origin.split(' ').next();
                        name.unwrap_or_default().to_owned()
                    };
                    return Err(Error::new(
                        field.ident.span(),
                        format!(
                            "`{}` includes an option `{}` of {}, and `{}` one of {}: declare `{}` here, too, to say which it is",
                            first.ident,
                            twin.key,
                            config(twin),
                            field.ident,
                            config(spec),
                            spec.key,
                        ),
                    ));
                }
                Some(_) => {}
                None => seen.push((spec, field)),
            }
        }
    }
    Ok(())
}

fn flatten<'a>(input: &'a ConfigInput, collected: &'a [Vec<OptionSpec>]) -> Vec<Flat<'a>> {
    let is_own = |key: &str| {
        input
            .fields
            .iter()
            .any(|field| !field.is_include() && field.key == key)
    };
    let mut flat: Vec<Flat<'a>> = Vec::new();
    let mut lists = collected.iter();
    for field in &input.fields {
        if !field.is_include() {
            flat.push(Flat::Own(field));
            continue;
        }
        for (at, spec) in lists.next().into_iter().flatten().enumerate() {
            if !is_own(&spec.key) && !flat.iter().any(|known| known.key() == spec.key) {
                flat.push(Flat::Included { field, at, spec });
            }
        }
    }
    flat
}

/// The struct that users fill in.
fn builder_type(input: &ConfigInput, flat: &[Flat<'_>]) -> TokenStream {
    let ConfigInput {
        ident,
        vis,
        config_path,
        builder_ident,
        ..
    } = input;
    let setters = flat.iter().enumerate().map(|(index, option)| match option {
        Flat::Own(field) => {
            let setter = field.spec("");
            let setter = setter.setter(index, &field.item().to_token_stream());
            let append = field.appending_setter(index);
            quote!(#setter #append)
        }
        Flat::Included { field, at, spec } => {
            let include = &field.ty;
            let ty = match &spec.input {
                Input::Known(ty) => quote!(#ty),
                Input::At(_) => {
                    quote!(<#include as #config_path::__private::OptionAt<#at>>::Input)
                }
            };
            with_config_path(spec.setter(index, &ty), config_path)
        }
    });
    let docs = format!(
        "Builds a [`{ident}`]: each option may be left out, and then has its default or comes from a parent."
    );
    let build = input.attributes.builds.as_ref().map(|target| {
        let name = target
            .segments
            .last()
            .map(|segment| segment.ident.to_string())
            .unwrap_or_default();
        let docs = format!("Builds the [`{name}`].");
        quote! {
            #[doc = #docs]
            ///
            /// # Errors
            ///
            /// Returns an error if options are missing or do not fit; all mistakes are reported at
            /// once.
            pub fn build(
                self,
            ) -> ::std::result::Result<
                #target,
                <#target as #config_path::FromOptions<Self>>::Error,
            > {
                <#target as #config_path::FromOptions<Self>>::from_options(self)
            }
        }
    });
    quote! {
        #[doc = #docs]
        #[derive(Clone, Debug)]
        #[must_use = "a builder does nothing until something is built of it"]
        #vis struct #builder_ident(#config_path::Layer);

        #[automatically_derived]
        impl #builder_ident {
            /// A builder of which no option is set.
            pub fn new() -> Self {
                Self(#config_path::Layer::new(<#ident as #config_path::Config>::description()))
            }

            #(#setters)*

            /// Takes back what was set of the option of that name, which then has its default
            /// or inherits again. Does nothing if it is not set.
            pub fn unset(mut self, option: &str) -> Self {
                self.0.unset(option);
                self
            }

            #build
        }

        #[automatically_derived]
        impl ::std::default::Default for #builder_ident {
            fn default() -> Self {
                Self::new()
            }
        }

        #[automatically_derived]
        impl #config_path::Options for #builder_ident {
            fn description(&self) -> &#config_path::ConfigDescription {
                self.0.description()
            }

            fn layer(&self) -> &#config_path::Layer {
                &self.0
            }

            fn into_layer(self) -> #config_path::Layer {
                self.0
            }
        }

        #[automatically_derived]
        impl #config_path::TypedOptions for #builder_ident {
            type Config = #ident;

            fn from_layer(
                layer: #config_path::Layer,
            ) -> ::std::result::Result<Self, #config_path::Layer> {
                if layer.is_of(<#ident as #config_path::Config>::description()) {
                    ::std::result::Result::Ok(Self(layer))
                } else {
                    ::std::result::Result::Err(layer)
                }
            }
        }
    }
}

fn config_impl(input: &ConfigInput, flat: &[Flat<'_>]) -> TokenStream {
    let ConfigInput {
        ident,
        docs,
        attributes,
        config_path,
        builder_ident,
        fields,
        ..
    } = input;
    let name = ident.to_string();
    let options = match attributes.table {
        Some(_) => quote!(#config_path::Layer),
        None => quote!(#builder_ident),
    };
    let type_name = attributes
        .type_name
        .iter()
        .map(|type_name| quote!(.type_name(#type_name)));
    let ignore_extra_keys = attributes.ignore_extra_keys;
    let items = fields.iter().map(|field| {
        if field.is_include() {
            let ty = &field.ty;
            return quote!(.include(<#ty as #config_path::Config>::description()));
        }
        let option = option_description(input, field);
        quote!(.option(#option))
    });
    let names: Vec<_> = fields.iter().map(|field| &field.ident).collect();
    let locals: Vec<_> = (0..fields.len())
        .map(|index| format_ident!("value{index}"))
        .collect();
    let value = |field: &Field| {
        let ty = &field.ty;
        if field.is_include() {
            return quote!(resolver.included::<#ty>());
        }
        let index = flat.iter().position(|option| option.key() == field.key);
        match field.is_code() {
            true => quote!(resolver.code::<#ty>(#index)),
            false => quote!(resolver.option::<#ty>(#index)),
        }
    };
    let values = fields.iter().map(value);
    let checks = attributes.checks.iter().map(|check| {
        let function = &check.function;
        let taken: Vec<&Field> = check
            .fields
            .iter()
            .filter_map(|name| input.field(name))
            .collect();
        let keys = taken.iter().map(|field| &field.key);
        let values = taken.iter().map(|field| value(field));
        quote! {
            .check_together::<#ident>(&[#(#keys),*], |resolver| {
                ::std::option::Option::Some(#function(#(&#values?),*))
            })
        }
    });
    quote! {
        #[automatically_derived]
        impl #config_path::Config for #ident {
            type Options = #options;

            fn description() -> &'static #config_path::ConfigDescription {
                static DESCRIPTION: #config_path::__private::OnceLock<
                    #config_path::ConfigDescription,
                > = #config_path::__private::OnceLock::new();
                #config_path::__private::describe(&DESCRIPTION, || {
                    #config_path::ConfigDescription::builder(#name)
                        .rust_type::<#ident>()
                        .docs(#docs)
                        .ignore_extra_keys(#ignore_extra_keys)
                        #(#type_name)*
                        #(#items)*
                        #(#checks)*
                        .build()
                })
            }

            fn resolve_from(
                resolver: &mut #config_path::__private::Resolver<'_>,
            ) -> ::std::option::Option<Self> {
                // All of them before the first `?`, so that every mistake is collected.
                #(let #locals = #values;)*
                ::std::option::Option::Some(Self { #(#names: #locals?,)* })
            }
        }
    }
}

/// Lets the config be the type of an option: a nested table.
fn value_impl(input: &ConfigInput) -> TokenStream {
    let ConfigInput {
        ident,
        config_path,
        fields,
        ..
    } = input;
    let included = fields.iter().filter(|field| field.is_include()).map(|field| {
        let name = &field.ident;
        quote! {
            if let #config_path::Value::Map(more) = #config_path::OptionValue::to_value(&self.#name) {
                entries.extend(more);
            }
        }
    });
    let own = fields
        .iter()
        .filter(|field| !field.is_include() && !field.is_code())
        .map(|field| {
            let Field { ident, key, .. } = field;
            quote! {
                entries.insert(
                    ::std::string::String::from(#key),
                    #config_path::OptionValue::to_value(&self.#ident),
                );
            }
        });
    quote! {
        #[automatically_derived]
        impl #config_path::OptionValue for #ident {
            fn kind() -> #config_path::Kind {
                // Looked at when it is needed, for the config may contain itself.
                #config_path::Kind::lazy::<Self>(|| {
                    #config_path::Kind::Nested(
                        <Self as #config_path::Config>::description().clone(),
                    )
                })
            }

            fn from_value(
                value: &#config_path::Value,
            ) -> ::std::result::Result<Self, #config_path::ValueError> {
                #config_path::__private::read_nested_or_first(value)
            }

            fn read(
                value: &#config_path::Value,
            ) -> ::std::result::Result<Self, ::std::vec::Vec<#config_path::ValueError>> {
                #config_path::__private::read_nested(value)
            }

            fn to_value(&self) -> #config_path::Value {
                let mut entries = #config_path::__private::Entries::new();
                #(#included)*
                #(#own)*
                #config_path::Value::Map(entries)
            }

            fn check(&self) -> ::std::result::Result<(), #config_path::ValueError> {
                #config_path::__private::check_nested(self)
            }
        }
    }
}

/// The types that including crates cannot name, and proofs that those they can are meant.
fn type_impls(input: &ConfigInput, flat: &[Flat<'_>]) -> TokenStream {
    let ConfigInput {
        ident, config_path, ..
    } = input;
    flat.iter()
        .enumerate()
        .map(|(index, option)| {
            let (item, span) = match option {
                Flat::Own(field) => {
                    let item = field.item();
                    if let Some(spelt) = field.spelt_out() {
                        // `Duration` may be another type here than the one that others will take
                        // it for; then this says so where it can be mended.
                        return match uses_crate(&spelt) {
                            true => TokenStream::new(),
                            false => {
                                let spelt = with_config_path(spelt, config_path);
                                quote! { const _: fn(#item) -> #spelt = |same| same; }
                            }
                        };
                    }
                    (quote!(#item), item.span())
                }
                Flat::Included { field, at, spec } => match &spec.input {
                    Input::Known(_) => return TokenStream::new(),
                    Input::At(_) => {
                        let include = &field.ty;
                        (
                            quote!(<#include as #config_path::__private::OptionAt<#at>>::Input),
                            include.span(),
                        )
                    }
                },
            };
            // A type that is less visible than its config is refused; at the field one sees which.
            quote_spanned! { span =>
                #[automatically_derived]
                impl #config_path::__private::OptionAt<#index> for #ident {
                    type Input = #item;
                }
            }
        })
        .collect()
}

/// `$crate` means something in macros only.
fn uses_crate(tokens: &TokenStream) -> bool {
    tokens.to_string().contains('$')
}

/// The macro by which other configs include this one.
fn include_macro(input: &ConfigInput, flat: &[Flat<'_>]) -> TokenStream {
    let ConfigInput { ident, vis, .. } = input;
    // The macro would take the name of the derive that is in scope.
    if ident == "Config" {
        return TokenStream::new();
    }
    let place = place_of(input);
    let origin = format!("{ident} {place}");
    let specs = flat.iter().enumerate().map(|(index, option)| match option {
        Flat::Own(field) => field.exported_spec(&origin, index),
        Flat::Included { spec, .. } => {
            let mut spec = (*spec).clone();
            if let Input::At(at) = &mut spec.input {
                *at = index;
            }
            spec.to_token_stream()
        }
    });
    let name = format_ident!("__standin_config_{}_{}", ident, place);
    let quiet = quiet();
    let export = matches!(vis, Visibility::Public(_)).then(|| quote!(#[macro_export]));
    quote! {
        #[doc(hidden)]
        #export
        #quiet
        macro_rules! #name {
            ({ $($callback:tt)* } { $($state:tt)* }) => {
                $($callback)*! { { $($state)* } [#(#specs)*] }
            };
        }

        #[doc(hidden)]
        #quiet
        #vis use #name as #ident;
    }
}

/// Where the config is, as a part of a name: exported macros share one namespace per crate, so
/// equal names of structs need a difference.
fn place_of(input: &ConfigInput) -> String {
    let span = input.ident.span().unwrap();
    let place = format!("{}_{}_{}", span.file(), span.line(), span.column());
    place.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}
