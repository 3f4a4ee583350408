//! Writes the code of a task.
//!
//! Everything but the constant and its type lives in a `const _` block, so that nothing of it can clash with the user's
//! names; what the user's body sees of it begins with `__queue` or `__Queue`.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Ident, ItemFn, Result, ReturnType, Signature};

use crate::arguments::{extract, owned, param, read_argument, taken_as};
use crate::options::Options;
use crate::params::{self, Parameter, Source};
use crate::types::is_result;

pub(crate) fn task(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        Error::new(error.span(), format!("`#[task]` goes before an `async fn` or a `fn` with a body: {error}"))
    })?;
    let options = Options::parse(options)?;
    check_signature(&function.sig)?;
    Ok(Expansion::new(function, options)?.into_token_stream())
}

fn check_signature(sig: &Signature) -> Result<()> {
    let refused = [
        (sig.constness.map(|it| it.span()), "a task cannot be `const`"),
        (
            sig.unsafety.as_ref().map(Spanned::span),
            "a task cannot be `unsafe`: the worker calls it with whatever a message says",
        ),
        (sig.abi.as_ref().map(Spanned::span), "a task cannot be `extern`"),
        (sig.variadic.as_ref().map(Spanned::span), "a task cannot be variadic"),
        (
            (!sig.generics.params.is_empty()).then(|| sig.generics.span()),
            "a task cannot be generic: its name on the wire stands for one function; write one task for each type",
        ),
        (sig.generics.where_clause.as_ref().map(Spanned::span), "a task cannot have a `where` clause"),
        (impl_return(&sig.output), "a task's result is read back by its type; write that type instead of `impl …`"),
    ];
    match refused.into_iter().find_map(|(span, text)| span.map(|span| Error::new(span, text))) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn impl_return(output: &ReturnType) -> Option<proc_macro2::Span> {
    match output {
        ReturnType::Type(_, ty) if matches!(**ty, syn::Type::ImplTrait(_)) => Some(ty.span()),
        ReturnType::Type(..) | ReturnType::Default => None,
    }
}

/// The attributes of the function, each where it belongs.
#[derive(Default)]
struct Attributes {
    /// On everything: `#[cfg]`.
    everywhere: Vec<Attribute>,
    /// On the constant: documentation and deprecation.
    constant: Vec<Attribute>,
    /// On the function: all others, `#[tracing::instrument]` for one.
    function: Vec<Attribute>,
}

impl Attributes {
    fn sort(all: Vec<Attribute>) -> Self {
        let mut sorted = Self::default();
        for attr in all {
            let place = match attr.path().get_ident().map(ToString::to_string).as_deref() {
                Some("cfg") => &mut sorted.everywhere,
                Some("doc" | "deprecated") => &mut sorted.constant,
                _ => &mut sorted.function,
            };
            place.push(attr);
        }
        sorted
    }
}

struct Expansion {
    attributes: Attributes,
    /// The function as written, without our attributes; it keeps its name, which tracing shows.
    function: ItemFn,
    options: Options,
    parameters: Vec<Parameter>,
    /// The constant's type.
    ty: Ident,
}

impl Expansion {
    fn new(mut function: ItemFn, options: Options) -> Result<Self> {
        let attributes = Attributes::sort(std::mem::take(&mut function.attrs));
        let parameters = params::read(function.sig.inputs.iter_mut())?;
        let ty = format_ident!("__task_{}", function.sig.ident.unraw());
        Ok(Self { attributes, function, options, parameters, ty })
    }

    fn arguments(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| matches!(parameter.source, Source::Argument { .. }))
    }

    fn output(&self) -> TokenStream {
        match &self.function.sig.output {
            ReturnType::Default => quote!(()),
            ReturnType::Type(_, ty) => ty.to_token_stream(),
        }
    }

    /// What a handle gives: the inside of a `Result`, or what is returned.
    fn out(&self) -> TokenStream {
        let output = self.output();
        if is_result(&self.function.sig.output) {
            quote_spanned!(output.span()=> <#output as ::queue_core::__private::ResultLike>::Ok)
        } else {
            output
        }
    }

    /// `pub const add: __task_add`, and its type.
    fn constant(&self) -> TokenStream {
        let (vis, name, ty) = (&self.function.vis, &self.function.sig.ident, &self.ty);
        let (cfg, attributes) = (&self.attributes.everywhere, &self.attributes.constant);
        let text = format!("The type of the task `{}`.", name.unraw());
        quote! {
            #(#cfg)*
            #(#attributes)*
            #[allow(non_upper_case_globals, dead_code)]
            #vis const #name: #ty = #ty;

            #(#cfg)*
            #[doc = #text]
            #[doc(hidden)]
            #[allow(non_camel_case_types)]
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #vis struct #ty;
        }
    }

    /// The user's function, as an associated one: its name does not hide the constant from its body.
    fn body(&self) -> TokenStream {
        let (attributes, function) = (&self.attributes.function, &self.function);
        let (sig, block) = (&function.sig, &function.block);
        quote! {
            struct __QueueBody;

            impl __QueueBody {
                #(#attributes)*
                #sig #block
            }
        }
    }

    /// `s`, `delay`, `run`.
    fn methods(&self) -> TokenStream {
        let (vis, name, ty) = (&self.function.vis, &self.function.sig.ident, &self.ty);
        let (output, out) = (&self.function.sig.output, self.out());
        let names: Vec<&Ident> = self.arguments().map(|argument| &argument.ident).collect();
        let taken: Vec<TokenStream> = self.arguments().map(taken_as).collect();
        let owned = self.arguments().map(owned);
        let all = self.parameters.iter().map(|parameter| &parameter.ident);
        let typed = self.parameters.iter().map(|Parameter { ident, ty, .. }| quote!(#ident: #ty));
        let asyncness = &self.function.sig.asyncness;
        let wait = asyncness.as_ref().map(|_| quote!(.await));
        let partial = self.partial();
        quote! {
            #[allow(dead_code, unreachable_pub, clippy::too_many_arguments, clippy::unused_async, clippy::must_use_candidate)]
            impl #ty {
                /// A call of this task that is not made yet.
                #vis fn s(self, #(#names: #taken),*) -> ::queue_core::__private::Call<#out> {
                    ::queue_core::__private::Call::of::<Self>(&(#(#owned,)*))
                }

                /// A call of this task that takes nothing from the step before it.
                #vis fn si(self, #(#names: #taken),*) -> ::queue_core::__private::Immutable<#out> {
                    self.s(#(#names),*).immutable()
                }

                #partial

                /// Enqueues a call of this task with the default client.
                #vis fn delay(self, #(#names: #taken),*) -> ::queue_core::__private::Sending<::queue_core::__private::JobHandle<#out>> {
                    self.s(#(#names),*).send()
                }

                /// Runs the function itself, here and now.
                #vis #asyncness fn run(self, #(#typed),*) #output {
                    __QueueBody::#name(#(#all),*) #wait
                }
            }
        }
    }

    /// `partial`: a call that lacks its first argument. A task without arguments has none to lack.
    fn partial(&self) -> TokenStream {
        let Some(first) = self.arguments().next() else { return TokenStream::new() };
        let (vis, lacking, out) = (&self.function.vis, &first.ty, self.out());
        let names = self.arguments().skip(1).map(|argument| &argument.ident);
        let taken = self.arguments().skip(1).map(taken_as);
        let owned = self.arguments().skip(1).map(owned);
        quote! {
            /// A call of this task that lacks its first argument: the result of the step before it.
            #vis fn partial(self, #(#names: #taken),*) -> ::queue_core::__private::Call<#out, #lacking> {
                ::queue_core::__private::Call::of::<Self>(&(#(#owned,)*))
            }
        }
    }

    fn definition(&self) -> TokenStream {
        let ty = &self.ty;
        let out = self.out();
        let name = self.wire_name();
        let builtin = self.options.builtin;
        let options = self.options.expression();
        let argument_types = self.arguments().map(|argument| &argument.ty);
        let extracted = self.extracted_types();
        let body = if self.function.sig.asyncness.is_some() { quote!(Async) } else { quote!(Blocking) };
        quote! {
            impl ::queue_core::__private::Task for #ty {
                type Args = (#(#argument_types,)*);
                type Out = #out;
                const DEF: &'static ::queue_core::__private::TaskDef = &__QUEUE_DEF;
            }

            const __QUEUE_NAME: &str = #name;

            const __QUEUE_DEF: ::queue_core::__private::TaskDef = ::queue_core::__private::TaskDef {
                name: __QUEUE_NAME,
                file: ::core::file!(),
                line: ::core::line!(),
                options: __queue_options,
                body: ::queue_core::__private::Body::#body(__queue_run),
                states: __queue_states,
                builtin: #builtin,
            };

            ::queue_core::__private::inventory::submit! { __QUEUE_DEF }

            #[allow(clippy::needless_update)]
            fn __queue_options() -> ::queue_core::__private::TaskOptions {
                #options
            }

            fn __queue_states() -> ::std::vec::Vec<::queue_core::__private::StateNeed> {
                let needs: [::core::option::Option<::queue_core::__private::StateNeed>; _] =
                    [#(<#extracted as ::queue_core::__private::FromContext>::need()),*];
                ::core::iter::Iterator::collect(::core::iter::Iterator::flatten(
                    ::core::iter::IntoIterator::into_iter(needs)
                ))
            }
        }
    }

    /// The name given, or the function's path with dots.
    fn wire_name(&self) -> TokenStream {
        if let Some(name) = &self.options.name {
            return quote!(#name);
        }
        let function = self.function.sig.ident.unraw().to_string();
        quote! {{
            const PATH: &str = ::core::concat!(::core::module_path!(), "::", #function);
            const DOTTED: [u8; ::queue_core::__private::dotted_len(PATH)] = ::queue_core::__private::dotted(PATH);
            match ::core::str::from_utf8(&DOTTED) {
                ::core::result::Result::Ok(name) => name,
                ::core::result::Result::Err(_) => PATH,
            }
        }}
    }

    fn extracted_types(&self) -> Vec<&syn::Type> {
        let extracted = self.parameters.iter().filter(|parameter| matches!(parameter.source, Source::Extract));
        extracted.map(|parameter| &parameter.ty).collect()
    }

    /// What the worker calls: binds the arguments, runs the body, writes the result.
    fn runner(&self) -> TokenStream {
        let name = &self.function.sig.ident;
        let params = self.arguments().map(param);
        let count = self.parameters.len();
        let values: Vec<Ident> = (0..count).map(|at| format_ident!("__queue_value_{at}")).collect();
        let mut at = 0_usize;
        let lets = self.parameters.iter().map(|parameter| match &parameter.source {
            Source::Extract => extract(parameter),
            Source::Argument { default } => {
                at += 1;
                read_argument(parameter, at - 1, default.as_ref())
            }
        });
        let lets: Vec<TokenStream> = lets.collect();
        let finish = self.finish();
        let run = |wait: TokenStream| {
            quote! {
                // Without arguments the block ends in `()`.
                #[allow(clippy::unused_unit)]
                let (#(#values,)*) = {
                    let __queue_args = ::queue_core::__private::Arguments::bind(__queue_ctx.message(), __QUEUE_PARAMS)?;
                    (#(#lets,)*)
                };
                let __queue_output = __QueueBody::#name(#(#values),*) #wait;
                #finish
            }
        };
        let function = if self.function.sig.asyncness.is_some() {
            let inner = run(quote!(.await));
            quote! {
                fn __queue_run(__queue_ctx: ::queue_core::__private::Context) -> ::queue_core::__private::RunFuture {
                    ::std::boxed::Box::pin(async move { #inner })
                }
            }
        } else {
            let inner = run(quote!());
            quote! {
                fn __queue_run(
                    __queue_ctx: ::queue_core::__private::Context,
                ) -> ::core::result::Result<::queue_core::__private::Json, ::queue_core::__private::TaskError> {
                    #inner
                }
            }
        };
        quote! {
            const __QUEUE_PARAMS: &[::queue_core::__private::Param] = &[#(#params),*];

            #[allow(unused_variables, clippy::let_unit_value, clippy::unit_arg, clippy::unused_unit)]
            #function
        }
    }

    /// The body's output as JSON; a type that does not fit is reported where it is written.
    fn finish(&self) -> TokenStream {
        match &self.function.sig.output {
            ReturnType::Default => quote!(::queue_core::__private::value(&__queue_ctx, &__queue_output)),
            ReturnType::Type(_, ty) if is_result(&self.function.sig.output) => {
                quote_spanned!(ty.span()=> ::queue_core::__private::result::<#ty>(&__queue_ctx, __queue_output))
            }
            ReturnType::Type(_, ty) => {
                quote_spanned!(ty.span()=> ::queue_core::__private::value::<#ty>(&__queue_ctx, &__queue_output))
            }
        }
    }

    /// Stops an alias of `Result` whose name does not say so: its errors would be stored as successes.
    fn guard(&self) -> TokenStream {
        let ReturnType::Type(_, output) = &self.function.sig.output else { return TokenStream::new() };
        if is_result(&self.function.sig.output) {
            return TokenStream::new();
        }
        let text = format!(
            "the return type of the task `{}` is a `Result` under another name; write `Result<…>`, or give the alias a \
             name that ends in `Result` and parameters",
            self.function.sig.ident
        );
        quote_spanned! {output.span()=>
            const _: () = {
                #[allow(unused_imports)]
                use ::queue_core::__private::NotResult as _;
                ::core::assert!(!<::queue_core::__private::IsResult<#output>>::IS_RESULT, #text);
            };
        }
    }
}

impl ToTokens for Expansion {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (constant, body, methods) = (self.constant(), self.body(), self.methods());
        let (definition, runner, guard) = (self.definition(), self.runner(), self.guard());
        let cfg = &self.attributes.everywhere;
        tokens.extend(quote! {
            #constant

            #(#cfg)*
            const _: () = {
                #body
                #methods
                #definition
                #runner
                #guard
            };
        });
    }
}
