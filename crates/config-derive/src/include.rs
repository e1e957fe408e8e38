//! Collects the options of included configs, one macro call each, then expands.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{DeriveInput, Result, braced, bracketed, parenthesized};

use crate::expand;
use crate::input::ConfigInput;
use crate::spec::OptionSpec;

/// What travels through the calls.
struct State {
    default_path: TokenStream,
    item: DeriveInput,
    /// The options of the includes asked so far, in the order of their fields.
    collected: Vec<Vec<OptionSpec>>,
}

/// The state together with the answer of one include.
pub(crate) struct Step {
    state: State,
    answer: Vec<OptionSpec>,
}

pub(crate) fn start(item: &DeriveInput, default_path: &TokenStream) -> Result<TokenStream> {
    ask_or_expand(&State {
        default_path: default_path.clone(),
        item: item.clone(),
        collected: Vec::new(),
    })
}

pub(crate) fn proceed(step: Step) -> Result<TokenStream> {
    let Step { mut state, answer } = step;
    state.collected.push(answer);
    ask_or_expand(&state)
}

fn ask_or_expand(state: &State) -> Result<TokenStream> {
    let input = ConfigInput::new(&state.item, &state.default_path)?;
    let next = input.includes().nth(state.collected.len());
    let Some(include) = next else {
        expand::check_includes(&input, &state.collected)?;
        return Ok(expand::expand(&input, &state.collected));
    };
    let path = input.include_path(include)?;
    let config = &input.config_path;
    let default_path = &state.default_path;
    let item = &state.item;
    let collected = state.collected.iter().map(|specs| quote!([#(#specs)*]));
    Ok(quote! {
        #path! {
            { #config::__private::__expand_config }
            { (#default_path) { #item } [#(#collected)*] }
        }
    })
}

impl Parse for Step {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let state;
        braced!(state in input);
        let default_path;
        parenthesized!(default_path in state);
        let item;
        braced!(item in state);
        let lists;
        bracketed!(lists in state);
        let answer;
        bracketed!(answer in input);
        Ok(Step {
            state: State {
                default_path: default_path.parse()?,
                item: item.parse()?,
                collected: parse_lists(&lists)?,
            },
            answer: OptionSpec::parse_all(&answer)?,
        })
    }
}

fn parse_lists(input: ParseStream<'_>) -> Result<Vec<Vec<OptionSpec>>> {
    let mut lists = Vec::new();
    while !input.is_empty() {
        let list;
        bracketed!(list in input);
        lists.push(OptionSpec::parse_all(&list)?);
    }
    Ok(lists)
}
