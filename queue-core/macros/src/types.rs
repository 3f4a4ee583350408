//! What the way a type is written says.

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Error, GenericArgument, PathArguments, PathSegment, ReturnType, Type};

/// The last segment of a path: `String` in `std::string::String`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

/// Whether the type is written with this name and has parameters, or has none.
pub(crate) fn is_called(ty: &Type, name: &str, with_parameters: bool) -> bool {
    last_segment(ty).is_some_and(|last| last.ident == name && last.arguments.is_empty() != with_parameters)
}

/// Whether a return type is taken as a `Result`.
pub(crate) fn is_result(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else { return false };
    last_segment(ty).is_some_and(|last| {
        let name = last.ident.to_string();
        name == "Result" || name == "TaskResult" || (name.ends_with("Result") && !last.arguments.is_empty())
    })
}

/// The type as people write it, for error messages.
pub(crate) fn text_of(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    let text = text.replace(' ', "");
    text.replace(',', ", ").replace(';', "; ").replace(", >", ">").replace(", )", ",)")
}

/// The first thing in an argument's type that a message cannot carry.
pub(crate) fn refuse(ty: &Type) -> Option<Error> {
    match ty {
        Type::Reference(reference) => Some(borrowed(reference)),
        Type::ImplTrait(_) => Some(Error::new(
            ty.span(),
            "a task's argument has one type, which the worker reads from the message; write that type instead of `impl …`",
        )),
        Type::TraitObject(_) | Type::BareFn(_) | Type::Ptr(_) | Type::Never(_) | Type::Infer(_) => {
            Some(Error::new(ty.span(), "a task's argument must be a type that serde can read and write"))
        }
        Type::Group(group) => refuse(&group.elem),
        Type::Paren(paren) => refuse(&paren.elem),
        Type::Array(array) => refuse(&array.elem),
        Type::Slice(slice) => refuse(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(refuse),
        Type::Path(path) => path.path.segments.iter().find_map(|segment| refuse_arguments(&segment.arguments)),
        _ => None,
    }
}

fn refuse_arguments(arguments: &PathArguments) -> Option<Error> {
    let PathArguments::AngleBracketed(list) = arguments else { return None };
    list.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => refuse(ty),
        _ => None,
    })
}

fn borrowed(reference: &syn::TypeReference) -> Error {
    let instead = match &*reference.elem {
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        Type::Slice(slice) => format!("Vec<{}>", text_of(&slice.elem)),
        other => text_of(other),
    };
    let text = format!("a task owns its arguments, since they come out of a message; write `{instead}`");
    Error::new(reference.span(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_as_written() {
        let text = |text: &str| text_of(&syn::parse_str(text).unwrap());
        assert_eq!(text("Option < std :: string :: String >"), "Option<std::string::String>");
        assert_eq!(text("HashMap<String, (u8, [u8; 4])>"), "HashMap<String, (u8, [u8; 4])>");
    }

    #[test]
    fn results_are_known_by_name() {
        let is = |text: &str| is_result(&syn::parse_str(text).unwrap());
        assert!(
            is("-> Result<u8, E>") && is("-> std::io::Result<u8>") && is("-> TaskResult") && is("-> ShopResult<u8>")
        );
        assert!(!is("-> SearchResult") && !is("-> Option<Result<u8, E>>") && !is(""));
    }
}
