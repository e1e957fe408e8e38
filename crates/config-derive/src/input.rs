//! [`ConfigInput`]: the struct that the derive stands on, understood.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Fields, GenericArgument, Ident, Path, PathArguments, Result, Type,
    Visibility,
};

use crate::attributes::{FieldAttributes, StructAttributes, docs};
use crate::names::spell_out;
use crate::spec::{Input, OptionSpec, unwrap};

/// The struct that the derive stands on.
pub(crate) struct ConfigInput {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) docs: String,
    pub(crate) attributes: StructAttributes,
    /// The path of `standin-config`.
    pub(crate) config_path: TokenStream,
    pub(crate) builder_ident: Ident,
    pub(crate) fields: Vec<Field>,
}

/// A field: an option, or a config whose options are included.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) docs: String,
    pub(crate) key: String,
    pub(crate) attributes: FieldAttributes,
}

impl ConfigInput {
    pub(crate) fn new(item: &DeriveInput, default_path: &TokenStream) -> Result<Self> {
        let Data::Struct(data) = &item.data else {
            return Err(Error::new(
                item.ident.span(),
                "options are the fields of a struct: a config is neither an enum nor a union",
            ));
        };
        let Fields::Named(fields) = &data.fields else {
            return Err(Error::new(
                item.ident.span(),
                "options have names: write the struct with named fields",
            ));
        };
        if !item.generics.params.is_empty() {
            return Err(Error::new(
                item.generics.span(),
                "a config has one description, so it cannot be generic",
            ));
        }
        let attributes = StructAttributes::new(&item.attrs)?;
        let config_path = match &attributes.config_path {
            Some(path) => path.to_token_stream(),
            None => default_path.clone(),
        };
        let name = item.ident.to_string();
        let builder_ident = attributes.builder.clone().unwrap_or_else(|| {
            let stem = name.strip_suffix("Config").unwrap_or(&name);
            format_ident!("{stem}Builder", span = item.ident.span())
        });
        let mut errors: Option<Error> = None;
        let mut understood = Vec::new();
        for field in &fields.named {
            match Field::new(field) {
                Ok(field) => understood.push(field),
                Err(error) => match &mut errors {
                    Some(errors) => errors.combine(error),
                    None => errors = Some(error),
                },
            }
        }
        for (index, field) in understood.iter().enumerate() {
            let is_twin = |other: &Field| !other.is_include() && other.key == field.key;
            if !field.is_include() && understood[..index].iter().any(is_twin) {
                let error = Error::new(
                    field.ident.span(),
                    format!("there are two options called `{}`", field.key),
                );
                match &mut errors {
                    Some(errors) => errors.combine(error),
                    None => errors = Some(error),
                }
            }
        }
        if let Some(errors) = errors {
            return Err(errors);
        }
        let is_option = |name: &Ident| {
            understood
                .iter()
                .any(|field| !field.is_include() && field.ident == *name)
        };
        let checked = attributes.checks.iter().flat_map(|check| &check.fields);
        let needed = understood
            .iter()
            .filter_map(|field| field.attributes.needs.as_ref());
        if let Some(name) = checked
            .chain(needed.flatten())
            .find(|name| !is_option(name))
        {
            return Err(Error::new(
                name.span(),
                format!("no option `{name}` is declared here"),
            ));
        }
        Ok(Self {
            ident: item.ident.clone(),
            vis: item.vis.clone(),
            docs: docs(&item.attrs),
            attributes,
            config_path,
            builder_ident,
            fields: understood,
        })
    }

    pub(crate) fn includes(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.is_include())
    }

    /// The option whose field has this name.
    pub(crate) fn field(&self, name: &Ident) -> Option<&Field> {
        self.fields.iter().find(|field| field.ident == *name)
    }

    /// The path of an included config, which is also the path of its macro.
    pub(crate) fn include_path(&self, field: &Field) -> Result<Path> {
        match &field.ty {
            Type::Path(path) if path.qself.is_none() => {
                let generic = path
                    .path
                    .segments
                    .iter()
                    .any(|segment| !segment.arguments.is_none());
                match generic {
                    true => Err(Error::new(path.span(), "an included config is not generic")),
                    false => Ok(path.path.clone()),
                }
            }
            ty => Err(Error::new(
                ty.span(),
                "an included config is named by its path, such as `DriverConfig`",
            )),
        }
    }
}

impl Field {
    fn new(field: &syn::Field) -> Result<Self> {
        let ident = field
            .ident
            .clone()
            .ok_or_else(|| Error::new(field.span(), "options have names"))?;
        let attributes = FieldAttributes::new(&field.attrs)?;
        let is_option = unwrap(&field.ty, "Option").is_some();
        if let (Some(append), None) = (
            &attributes.append,
            items_of(&field.ty).filter(|_| !is_option),
        ) {
            return Err(Error::new(
                append.span(),
                "only a list or a map can be appended to, such as a `Vec<T>`",
            ));
        }
        attributes.check(unwrap(&field.ty, "Option").is_some())?;
        let key = match &attributes.key {
            Some(key) if key.value().is_empty() => {
                return Err(Error::new(key.span(), "a key cannot be empty"));
            }
            Some(key) => key.value(),
            None => ident.unraw().to_string(),
        };
        if attributes.include.is_none() && (key == "new" || key == "build") {
            return Err(Error::new(
                ident.span(),
                format!(
                    "an option cannot be called `{key}`: the options have a method of that name"
                ),
            ));
        }
        if let (Some(accepts), Some(with)) = (&attributes.accepts, &attributes.with) {
            for tokens in [accepts.to_token_stream(), with.to_token_stream()] {
                spell_out(&tokens).map_err(|name| {
                    Error::new(
                        name.span(),
                        format!("configs of other crates that include this one cannot name `{name}`: write its full path, starting with `crate::` or `std::`"),
                    )
                })?;
            }
        }
        Ok(Self {
            ident,
            ty: field.ty.clone(),
            docs: docs(&field.attrs),
            key,
            attributes,
        })
    }

    pub(crate) fn is_include(&self) -> bool {
        self.attributes.include.is_some()
    }

    pub(crate) fn is_code(&self) -> bool {
        self.attributes.code_only.is_some()
    }

    /// The declared type without `Option`.
    pub(crate) fn solid(&self) -> &Type {
        unwrap(&self.ty, "Option").unwrap_or(&self.ty)
    }

    pub(crate) fn is_optional(&self) -> bool {
        unwrap(&self.ty, "Option").is_some()
    }

    /// The setter that adds one value to a list, or one entry to a map.
    pub(crate) fn appending_setter(&self, index: usize) -> Option<TokenStream> {
        let name = self.attributes.append.as_ref()?;
        let items = items_of(&self.ty)?;
        let docs = format!(
            "Adds one to those that are set with [`{}`](Self::{0}).",
            self.key
        );
        let ty = &self.ty;
        let (parameters, item) = match items[..] {
            [item] => (
                quote!(value: impl ::std::convert::Into<#item>),
                quote!(::std::convert::Into::<#item>::into(value)),
            ),
            [key, item] => (
                quote!(key: impl ::std::convert::Into<#key>, value: impl ::std::convert::Into<#item>),
                quote!((
                    ::std::convert::Into::<#key>::into(key),
                    ::std::convert::Into::<#item>::into(value),
                )),
            ),
            _ => return None,
        };
        Some(quote! {
            #[doc = #docs]
            pub fn #name(mut self, #parameters) -> Self {
                self.0.append::<#ty, _>(#index, #item);
                self
            }
        })
    }

    /// The declared type without `Option` and `Vec`.
    pub(crate) fn item(&self) -> &Type {
        unwrap(self.solid(), "Vec").unwrap_or(self.solid())
    }

    /// What the setter needs to know where the field is declared.
    pub(crate) fn spec(&self, origin: &str) -> OptionSpec {
        let custom = match (&self.attributes.accepts, &self.attributes.with) {
            (Some(accepts), Some(with)) => Some((accepts.clone(), with.clone())),
            _ => None,
        };
        OptionSpec {
            origin: origin.to_owned(),
            ident: self.ident.clone(),
            key: self.key.clone(),
            docs: self.docs.clone(),
            optional: self.is_optional(),
            list: unwrap(self.solid(), "Vec").is_some(),
            code: self.is_code(),
            file: self.attributes.file_only.is_some(),
            input: Input::Known(Box::new(self.item().clone())),
            custom,
        }
    }

    /// As [`Field::spec`], for other crates. `index` is the option's place in this config.
    pub(crate) fn exported_spec(&self, origin: &str, index: usize) -> TokenStream {
        let spec = self.spec(origin);
        let custom = match &spec.custom {
            Some((accepts, with)) => {
                let spelt = |tokens: TokenStream| spell_out(&tokens).unwrap_or(tokens);
                let accepts = spelt(accepts.to_token_stream());
                let with = spelt(with.to_token_stream());
                quote!([#accepts] [#with])
            }
            None => TokenStream::new(),
        };
        let input = match self.spelt_out() {
            Some(ty) => quote!([#ty]),
            None => quote!(#index),
        };
        spec.encode(&input, &custom)
    }

    /// The type of [`Field::item`] in words that mean the same in every crate.
    pub(crate) fn spelt_out(&self) -> Option<TokenStream> {
        spell_out(&self.item().to_token_stream()).ok()
    }
}

/// The types of what a list or a map holds: one of a list, two of a map, as they are written behind
/// the name of the type.
fn items_of(ty: &Type) -> Option<Vec<&Type>> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    let items = arguments.args.iter().map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    items.collect()
}
