//! Misuse is explained at the word that is wrong.

use proc_macro2::TokenStream;
use quote::quote;

use crate::include;

/// The message and the text that it points at.
#[track_caller]
fn check(item: TokenStream, message: &str) {
    let item: syn::DeriveInput = syn::parse2(item).unwrap();
    let error = include::start(&item, &quote!(::standin_config)).expect_err("it is misuse");
    let messages: Vec<String> = error.into_iter().map(|error| error.to_string()).collect();
    assert_eq!(messages.join("\n"), message);
}

#[test]
fn an_unknown_word_comes_with_the_known_ones() {
    check(
        quote!(
            struct AConfig {
                #[config(defualt = 1)]
                a: u8,
            }
        ),
        "there is no attribute `defualt` here; there are: include, default, inherited, fallback, \
         optional, code_only, file_only, accepts, with, append, key, range, one_of, non_empty, pattern, check, constraint, \
         template, example, needs",
    );
    check(
        quote!(
            #[config(typename = "a")]
            struct AConfig {}
        ),
        "there is no attribute `typename` here; there are: type_name, builds, builder, check, \
         crate, ignore_extra_keys, table",
    );
}

#[test]
fn words_that_contradict_each_other_are_refused() {
    check(
        quote!(
            struct AConfig {
                #[config(file_only, code_only)]
                a: u8,
            }
        ),
        "an option that is set neither in files nor in code has no value",
    );
    check(
        quote!(
            struct AConfig {
                #[config(file_only, append = b)]
                a: Vec<u8>,
            }
        ),
        "an option that is set in files only has no setter that `accepts` or `append` could be about",
    );
    check(
        quote!(
            struct AConfig {
                #[config(inherited, default = 1)]
                a: u8,
            }
        ),
        "an option with a default never asks its parents: write `inherited, fallback = ...`, or \
         leave out `inherited`",
    );
    check(
        quote!(
            struct AConfig {
                #[config(fallback = 1)]
                a: u8,
            }
        ),
        "only an inherited option has a fallback: write `inherited, fallback = ...`, or `default = ...`",
    );
    check(
        quote!(
            struct AConfig {
                #[config(inherited, fallback)]
                a: u8,
            }
        ),
        "a fallback needs a value: `inherited, fallback = 10`",
    );
    check(
        quote!(
            struct AConfig {
                #[config(include, default = 1)]
                a: BConfig,
            }
        ),
        "an included config takes no other attribute: declare an option of the same name to change \
         one of its options",
    );
    check(
        quote!(
            struct AConfig {
                #[config(code_only, non_empty)]
                a: Hook,
            }
        ),
        "an option of code has no written form that `non_empty` could apply to",
    );
    check(
        quote!(
            struct AConfig {
                #[config(optional)]
                a: u8,
            }
        ),
        "an optional option has a type `Option<...>`, which alone makes it optional",
    );
}

#[test]
fn only_structs_with_names_can_be_configs() {
    check(
        quote!(
            enum AConfig {}
        ),
        "options are the fields of a struct: a config is neither an enum nor a union",
    );
    check(
        quote!(
            struct AConfig(u8);
        ),
        "options have names: write the struct with named fields",
    );
    check(
        quote!(
            struct AConfig<T> {
                a: T,
            }
        ),
        "a config has one description, so it cannot be generic",
    );
}

#[test]
fn names_must_be_free_and_reachable() {
    check(
        quote!(
            struct AConfig {
                build: u8,
            }
        ),
        "an option cannot be called `build`: the options have a method of that name",
    );
    check(
        quote!(
            struct AConfig {
                a: u8,
                #[config(key = "a")]
                b: u8,
            }
        ),
        "there are two options called `a`",
    );
    check(
        quote!(
            struct AConfig {
                #[config(code_only, accepts(impl Fn(&Context) + Send), with = crate::Hook::new)]
                a: Option<Hook>,
            }
        ),
        "configs of other crates that include this one cannot name `Context`: write its full path, \
         starting with `crate::` or `std::`",
    );
}

#[test]
fn all_fields_are_checked_at_once() {
    check(
        quote!(
            struct AConfig {
                #[config(fallback = 1)]
                a: u8,
                #[config(inherited, inherited)]
                b: u8,
            }
        ),
        "only an inherited option has a fallback: write `inherited, fallback = ...`, or `default = ...`\n\
         this is given twice",
    );
}

#[test]
fn what_cannot_be_appended_to_is_refused() {
    check(
        quote!(
            struct AConfig {
                #[config(append = b)]
                a: u8,
            }
        ),
        "only a list or a map can be appended to, such as a `Vec<T>`",
    );
    check(
        quote!(
            #[config(table, builds = A)]
            struct AConfig {
                a: u8,
            }
        ),
        "a `table` has no builder",
    );
}

#[test]
fn types_are_spelt_out_for_other_crates() {
    let spelt = |tokens: TokenStream| {
        crate::names::spell_out(&tokens).map(|tokens| tokens.to_string().replace(' ', ""))
    };
    let known = |tokens| spelt(tokens).unwrap();
    assert_eq!(
        known(quote!(Vec<(String, u16)>)),
        "::std::vec::Vec<(::std::string::String,u16)>"
    );
    assert_eq!(
        known(quote!(Setting<Port>)),
        "__standin_config::Setting<__standin_config::Port>"
    );
    assert_eq!(known(quote!(crate::hook::Hook)), "$crate::hook::Hook");
    assert_eq!(known(quote!(std::net::IpAddr)), "::std::net::IpAddr");
    assert_eq!(known(quote!(&'static str)), "&'staticstr");
    assert_eq!(spelt(quote!(Vec<Hook>)).unwrap_err().to_string(), "Hook");
    assert_eq!(spelt(quote!(hook::Hook)).unwrap_err().to_string(), "hook");
}

#[test]
fn an_include_asks_the_config_of_the_same_path() {
    let item: syn::DeriveInput = syn::parse2(quote!(
        struct AConfig {
            #[config(include)]
            base: other::BaseConfig,
        }
    ))
    .unwrap();
    let call = include::start(&item, &quote!(::standin_config)).unwrap();
    let start = call.to_string();
    assert!(start.starts_with("other :: BaseConfig ! {"), "{start}");
}

#[test]
fn a_choice_is_an_enum_of_texts_and_tables() {
    let message = |tokens: TokenStream| {
        let item: syn::DeriveInput = syn::parse2(tokens).unwrap();
        crate::choice::derive(&item, &quote!(::standin_config))
            .expect_err("it is misuse")
            .to_string()
    };
    assert_eq!(
        message(quote!(
            enum A {
                B(u8, u8),
            }
        )),
        "a variant stands for a text, or holds one value: a table with several keys is a `Config`"
    );
    assert_eq!(
        message(quote!(
            enum A {
                KeepAlive,
                #[config(key = "keep-alive")]
                Other,
            }
        )),
        "there are two variants written \"keep-alive\""
    );
    assert_eq!(
        message(quote!(
            struct A;
        )),
        "the values of an option are the variants of an enum; a struct of options is a `Config`"
    );
}

#[test]
fn a_literal_default_keeps_the_rules_of_its_option() {
    check(
        quote!(
            struct AConfig {
                #[config(default = 99, range = 1..=10)]
                a: u8,
                #[config(default = "", non_empty)]
                b: String,
                #[config(inherited, fallback = "z", one_of = ["x", "y"])]
                c: String,
                #[config(default = -1, range = 0..)]
                d: i8,
            }
        ),
        "this breaks the rule of the option itself: it is not within `range`\n\
         this breaks the rule of the option itself: it must not be empty\n\
         this breaks the rule of the option itself: it is not among `one_of`\n\
         this breaks the rule of the option itself: it is not within `range`",
    );
}
