#![doc = include_str!("../README.md")]
// How an include reaches across crates: a derive sees only the struct it stands on, yet the setters
// of a config must offer the options of every config that it includes. So each config also defines
// a `macro_rules!` macro of its own name (macros and types have separate namespaces: whatever
// imports the type imports the macro) that hands over the list of its options. The derive on an
// including config calls the macros of its includes one after the other, each passing its list to
// `__expand_config`, and expands when all lists are there.

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod attributes;
mod choice;
mod expand;
mod include;
mod input;
mod names;
mod option;
mod spec;

/// Declares a config: a struct whose fields are options.
///
/// The crate `standin-config` documents the attributes.
#[proc_macro_derive(Config, attributes(config))]
pub fn derive_config(item: TokenStream) -> TokenStream {
    derive(item, quote::quote!(::standin_config))
}

/// As `Config`, for users of the crate `standin`.
#[doc(hidden)]
#[proc_macro_derive(FacadeConfig, attributes(config))]
pub fn derive_facade_config(item: TokenStream) -> TokenStream {
    derive(item, quote::quote!(::standin::config))
}

fn derive(item: TokenStream, default_path: proc_macro2::TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::DeriveInput);
    include::start(&item, &default_path)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Makes an enum the type of an option.
///
/// A variant without fields is a text in kebab case, `KeepAlive` is `"keep-alive"`, or the one in
/// `#[config(key = "...")]` on the variant. One that holds a value is a table with that key:
/// `File(PathBuf)` is `{ file = "..." }`.
#[proc_macro_derive(OptionValue, attributes(config))]
pub fn derive_option_value(item: TokenStream) -> TokenStream {
    choice(item, &quote::quote!(::standin_config))
}

/// As `OptionValue`, for users of the crate `standin`.
#[doc(hidden)]
#[proc_macro_derive(FacadeOptionValue, attributes(config))]
pub fn derive_facade_option_value(item: TokenStream) -> TokenStream {
    choice(item, &quote::quote!(::standin::config))
}

fn choice(item: TokenStream, config_path: &proc_macro2::TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::DeriveInput);
    choice::derive(&item, config_path)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Continues a derive with the options of one more included config.
#[doc(hidden)]
#[proc_macro]
pub fn __expand_config(tokens: TokenStream) -> TokenStream {
    let step = parse_macro_input!(tokens as include::Step);
    include::proceed(step)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

#[cfg(test)]
mod tests;
