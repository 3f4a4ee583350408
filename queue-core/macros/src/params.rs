//! A task's parameters: which are arguments of the message, and which come from the worker.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, FnArg, Ident, Meta, Pat, PatType, Result, Type, parse_quote_spanned};

use crate::types::{is_called, refuse, text_of};

/// The longest tuple that serde writes.
const MAX_ARGUMENTS: usize = 16;

/// One parameter of the function.
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) ident: Ident,
    /// Its type.
    pub(crate) ty: Type,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// Where a parameter's value comes from.
pub(crate) enum Source {
    /// The worker.
    Extract,
    /// The message; `default` where it may be missing.
    Argument { default: Option<Missing> },
}

/// What a missing argument is.
pub(crate) enum Missing {
    /// `None`.
    None,
    /// This.
    Value(Expr),
}

impl Parameter {
    pub(crate) fn is_string(&self) -> bool {
        is_called(&self.ty, "String", false)
    }

    /// Its name on the wire.
    pub(crate) fn name(&self) -> String {
        use syn::ext::IdentExt;
        self.ident.unraw().to_string()
    }

    pub(crate) fn expected(&self) -> String {
        text_of(&self.ty)
    }
}

/// Reads the parameters, and takes our own attributes off them.
pub(crate) fn read<'a>(inputs: impl Iterator<Item = &'a mut FnArg>) -> Result<Vec<Parameter>> {
    let mut parameters = Vec::new();
    let mut errors: Option<Error> = None;
    for input in inputs {
        match read_one(input) {
            Ok(parameter) => parameters.push(parameter),
            Err(error) => match &mut errors {
                Some(all) => all.combine(error),
                None => errors = Some(error),
            },
        }
    }
    if let Some(error) = errors {
        return Err(error);
    }
    let mut arguments = parameters.iter().filter(|parameter| matches!(parameter.source, Source::Argument { .. }));
    match arguments.nth(MAX_ARGUMENTS) {
        Some(extra) => Err(Error::new(
            extra.ident.span(),
            format!("a task has at most {MAX_ARGUMENTS} arguments; put some of them in a struct"),
        )),
        None => Ok(parameters),
    }
}

fn read_one(input: &mut FnArg) -> Result<Parameter> {
    let input = match input {
        FnArg::Typed(input) => input,
        FnArg::Receiver(this) => {
            let text = "a task is a free function; write what the method needs as arguments, or as `State<…>`";
            return Err(Error::new(this.span(), text));
        }
    };
    let marks = Marks::take(&mut input.attrs)?;
    let ident = name_of(input)?;
    let ty = (*input.ty).clone();
    let source = source_of(&ty, marks)?;
    if let Source::Argument { .. } = source
        && let Some(error) = refuse(&ty)
    {
        return Err(error);
    }
    Ok(Parameter { ident, ty, source })
}

fn name_of(input: &PatType) -> Result<Ident> {
    match &*input.pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => Ok(name.ident.clone()),
        other => Err(Error::new(
            other.span(),
            "a task's parameter needs a name, which keyword arguments use; write `name: Type` and take it apart in the body",
        )),
    }
}

fn source_of(ty: &Type, marks: Marks) -> Result<Source> {
    let looks_extracted = is_called(ty, "State", true) || is_called(ty, "Context", false);
    let extracted = marks.extract.is_some() || (looks_extracted && marks.arg.is_none());
    if let (Some(span), Some(_)) = (marks.extract, marks.arg) {
        return Err(Error::new(span, "a parameter is either `#[extract]` or `#[arg]`"));
    }
    match (extracted, marks.default) {
        (true, Some((span, _))) => Err(Error::new(
            span,
            "an extractor comes from the worker and has no default; `#[arg]` makes it an argument",
        )),
        (true, None) => Ok(Source::Extract),
        (false, Some((_, value))) => Ok(Source::Argument { default: Some(Missing::Value(value)) }),
        (false, None) if is_called(ty, "Option", true) => Ok(Source::Argument { default: Some(Missing::None) }),
        (false, None) => Ok(Source::Argument { default: None }),
    }
}

/// Our attributes on one parameter.
#[derive(Default)]
struct Marks {
    extract: Option<Span>,
    arg: Option<Span>,
    default: Option<(Span, Expr)>,
}

impl Marks {
    fn take(attrs: &mut Vec<Attribute>) -> Result<Self> {
        let mut marks = Self::default();
        let mut others = Vec::new();
        for attr in std::mem::take(attrs) {
            let span = attr.span();
            if attr.path().is_ident("extract") {
                attr.meta.require_path_only()?;
                marks.extract = Some(span);
            } else if attr.path().is_ident("arg") {
                attr.meta.require_path_only()?;
                marks.arg = Some(span);
            } else if attr.path().is_ident("default") {
                marks.default = Some((span, default_of(&attr)?));
            } else {
                others.push(attr);
            }
        }
        *attrs = others;
        Ok(marks)
    }
}

fn default_of(attr: &Attribute) -> Result<Expr> {
    match &attr.meta {
        Meta::NameValue(pair) => Ok(pair.value.clone()),
        Meta::List(list) => list.parse_args(),
        Meta::Path(path) => Ok(parse_quote_spanned!(path.span()=> ::core::default::Default::default())),
    }
}
