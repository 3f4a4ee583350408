//! Writes the code of one parameter: taken by `s` and `delay`, described to the binding, read from the message.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::params::{Missing, Parameter, Source};

/// The type of an argument in `s` and `delay`.
pub(crate) fn taken_as(argument: &Parameter) -> TokenStream {
    let ty = &argument.ty;
    if argument.is_string() { quote!(impl ::core::convert::Into<#ty>) } else { quote!(#ty) }
}

/// The argument of `s`, as it is written into the message.
pub(crate) fn owned(argument: &Parameter) -> TokenStream {
    let Parameter { ident, ty, .. } = argument;
    if argument.is_string() {
        quote!(::queue_core::__private::arg::<#ty>(&::core::convert::Into::into(#ident)))
    } else {
        quote_spanned!(ty.span()=> ::queue_core::__private::arg::<#ty>(&#ident))
    }
}

/// What binding needs to know of an argument.
pub(crate) fn param(argument: &Parameter) -> TokenStream {
    let (name, expected) = (argument.name(), argument.expected());
    let optional = matches!(argument.source, Source::Argument { default: Some(_) });
    quote!(::queue_core::__private::Param { name: #name, expected: #expected, optional: #optional })
}

/// A parameter that comes from the context.
pub(crate) fn extract(parameter: &Parameter) -> TokenStream {
    let ty = &parameter.ty;
    quote_spanned!(ty.span()=> <#ty as ::queue_core::__private::FromContext>::from_context(&__queue_ctx)?)
}

/// The argument at this place of the call, or what stands in where it is missing.
pub(crate) fn read_argument(parameter: &Parameter, at: usize, missing: Option<&Missing>) -> TokenStream {
    let ty = &parameter.ty;
    match missing {
        None => quote_spanned!(ty.span()=> __queue_args.required::<#ty>(#at)?),
        Some(Missing::None) => quote_spanned! {ty.span()=>
            __queue_args.optional::<#ty>(#at)?.unwrap_or(::core::option::Option::None)
        },
        Some(Missing::Value(value)) => {
            let value =
                if parameter.is_string() { quote!(::core::convert::Into::<#ty>::into(#value)) } else { quote!(#value) };
            quote! {
                match __queue_args.optional::<#ty>(#at)? {
                    ::core::option::Option::Some(given) => given,
                    ::core::option::Option::None => #value,
                }
            }
        }
    }
}
