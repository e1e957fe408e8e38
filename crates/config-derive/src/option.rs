//! How an option is described.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, Type};

use crate::input::{ConfigInput, Field};
use crate::spec::is_primitive;

pub(crate) fn option_description(input: &ConfigInput, field: &Field) -> TokenStream {
    let config_path = &input.config_path;
    let Field {
        ty,
        docs,
        key,
        attributes,
        ..
    } = field;
    let start = match field.is_code() {
        true => quote!(#config_path::OptionDescription::code(#key)),
        false => quote!(#config_path::OptionDescription::of::<#ty>(#key)),
    };
    let store = |value: TokenStream| match (field.is_code(), field.is_optional()) {
        (true, true) => quote!(#config_path::Stored::optional_code(#value)),
        (true, false) => quote!(#config_path::Stored::code::<#ty>(#value)),
        (false, _) => quote!(#config_path::Stored::new::<#ty>(#value)),
    };
    let solid = field.solid();
    let none = || quote!(::std::option::Option::<#solid>::None);
    let source = if let Some((_, fallback)) = &attributes.fallback {
        let value = store(converted(field, fallback));
        Some(quote!(InheritedOr(#value)))
    } else if attributes.inherited.is_some() {
        match field.is_optional() {
            true => {
                let value = store(none());
                Some(quote!(InheritedOr(#value)))
            }
            false => Some(quote!(Inherited)),
        }
    } else if let Some((_, default)) = &attributes.default {
        let value = store(match default {
            Some(default) => converted(field, default),
            None => quote!(<#ty as ::std::default::Default>::default()),
        });
        Some(quote!(Default(#value)))
    } else if field.is_optional() {
        let value = store(none());
        Some(quote!(Default(#value)))
    } else {
        None
    };
    let source = source.map(|source| quote!(.source_is(#config_path::Source::#source)));
    let constraint =
        |constraint: TokenStream| quote!(.constraint(#config_path::Constraint::#constraint));
    let range = attributes
        .range
        .iter()
        .map(|range| constraint(quote!(range(#range))));
    let one_of = attributes
        .one_of
        .iter()
        .map(|values| constraint(quote!(one_of(#values))));
    let non_empty = attributes
        .non_empty
        .iter()
        .map(|_| constraint(quote!(NonEmpty)));
    let pattern = attributes
        .pattern
        .iter()
        .map(|pattern| constraint(quote!(matches(#pattern))));
    let checks = attributes
        .checks
        .iter()
        .map(|check| constraint(quote!(check::<#solid, _>(#check))));
    let constraints = attributes
        .constraints
        .iter()
        .map(|constraint| quote!(.constraint(#constraint)));
    let template = attributes.template.iter().map(|_| quote!(.of_templates()));
    let examples = attributes
        .examples
        .iter()
        .map(|example| quote!(.example(#example)));
    let needs = attributes.needs.iter().map(|names| {
        let keys = names
            .iter()
            .filter_map(|name| input.field(name))
            .map(|field| &field.key);
        quote!(.needs([#(#keys),*]))
    });
    quote! {
        #start
            #source
            .docs_are(#docs)
            #(#range)*
            #(#one_of)*
            #(#non_empty)*
            #(#pattern)*
            #(#checks)*
            #(#constraints)*
            #(#template)*
            #(#examples)*
            #(#needs)*
    }
}

/// The expression as a value of the field's type.
fn converted(field: &Field, expr: &Expr) -> TokenStream {
    let solid = field.solid();
    if field.is_optional() {
        if matches!(expr, Expr::Path(path) if path.path.is_ident("None")) {
            return quote!(::std::option::Option::<#solid>::None);
        }
        let value = converted_to(solid, expr);
        return quote!(::std::option::Option::Some(#value));
    }
    converted_to(solid, expr)
}

fn converted_to(ty: &Type, expr: &Expr) -> TokenStream {
    if is_primitive(&ty.to_token_stream()) {
        return quote!({ let value: #ty = #expr; value });
    }
    match (ty, expr) {
        (_, Expr::Array(array)) if crate::spec::unwrap(ty, "Vec").is_some() => {
            let items = array
                .elems
                .iter()
                .filter_map(|item| Some(converted_to(crate::spec::unwrap(ty, "Vec")?, item)));
            quote!({ let values: #ty = ::std::vec![#(#items),*]; values })
        }
        (Type::Tuple(types), Expr::Tuple(values)) if types.elems.len() == values.elems.len() => {
            let parts = types
                .elems
                .iter()
                .zip(&values.elems)
                .map(|(ty, value)| converted_to(ty, value));
            quote!((#(#parts,)*))
        }
        _ => quote!(::std::convert::Into::<#ty>::into(#expr)),
    }
}
