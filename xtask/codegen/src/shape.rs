//! Adjusts the generated code: constructors for request bodies, a struct where an operation has many optional parameters, and
//! `Copy` for ids.

use quote::{ToTokens, format_ident, quote};
use serde_json::Value;
use std::collections::BTreeMap;
use syn::{
    Expr, Fields, File, FnArg, Ident, ImplItem, ImplItemFn, Item, ItemStruct, Pat, PatType, Type, parse_quote,
};

/// Up to this many optional parameters are arguments of their own; more become a struct.
const POSITIONAL: usize = 2;

/// Adjusts a generated client. `document` is the one that it was generated from, with the order of required fields and the
/// descriptions of parameters, which the generator drops.
pub fn shape(file: &mut File, document: &Value) {
    let mut queries = Vec::new();
    let mut bodies = Vec::new();
    for item in &mut file.items {
        let Item::Impl(block) = item else { continue };
        for item in &mut block.items {
            let ImplItem::Fn(function) = item else { continue };
            bodies.extend(body_of(function));
            queries.extend(gather(function, document));
        }
    }
    bodies.sort();
    bodies.dedup();
    for item in &mut file.items {
        if let Item::Mod(module) = item
            && module.ident == "types"
            && let Some((_, items)) = &mut module.content
        {
            items.iter_mut().for_each(copied);
            construct(items, &bodies, document);
        }
    }
    if !queries.is_empty() {
        file.items.push(parse_quote! {
            /// Optional parameters of operations that have many: `query::ListUsers { search: Some("steve"), ..Default::default() }`.
            pub mod query {
                use super::types;
                #(#queries)*
            }
        });
    }
}

fn named(argument: &FnArg) -> Option<(&Ident, &PatType)> {
    let FnArg::Typed(typed) = argument else { return None };
    let Pat::Ident(name) = &*typed.pat else { return None };
    Some((&name.ident, typed))
}

/// The name of the schema that an operation takes as its body.
fn body_of(function: &ImplItemFn) -> Option<String> {
    let (_, typed) = function.sig.inputs.iter().filter_map(named).find(|(name, _)| *name == "body")?;
    let Type::Reference(reference) = &*typed.ty else { return None };
    let Type::Path(path) = &*reference.elem else { return None };
    path.path.segments.last().map(|last| last.ident.to_string())
}

fn is_optional(argument: &FnArg) -> bool {
    let Some((_, typed)) = named(argument) else { return false };
    let Type::Path(path) = &*typed.ty else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "Option")
}

/// Replaces more than [`POSITIONAL`] optional parameters of a function with one struct, which stands before the body, and returns
/// that struct.
fn gather(function: &mut ImplItemFn, document: &Value) -> Option<ItemStruct> {
    if function.sig.inputs.iter().filter(|argument| is_optional(argument)).count() <= POSITIONAL {
        return None;
    }
    let operation = function.sig.ident.to_string();
    let descriptions = parameters(document, &operation);
    let inputs = std::mem::take(&mut function.sig.inputs);
    let (optional, mut rest): (Vec<FnArg>, Vec<FnArg>) = inputs.into_iter().partition(is_optional);
    let optional: Vec<(&Ident, &PatType)> = optional.iter().filter_map(named).collect();
    let name = format_ident!("{}", pascal(&operation));
    let borrows = optional.iter().any(|(_, typed)| typed.ty.to_token_stream().to_string().contains("'a"));
    let lifetime = borrows.then(|| quote!(<'a>));
    let has_body = rest.last().and_then(named).is_some_and(|(name, _)| name == "body");
    rest.insert(rest.len() - usize::from(has_body), parse_quote!(query: query::#name #lifetime));
    function.sig.inputs = rest.into_iter().collect();
    let names: Vec<&Ident> = optional.iter().map(|(name, _)| *name).collect();
    function.block.stmts.insert(0, parse_quote!(let query::#name { #(#names),* } = query;));
    let fields = optional.iter().map(|(name, typed)| {
        let doc = descriptions.get(&name.to_string()).map(|text| quote!(#[doc = #text]));
        let kind = &typed.ty;
        quote!(#doc pub #name: #kind,)
    });
    let doc = format!(" Optional parameters of `{operation}`.");
    Some(parse_quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug, Default)]
        pub struct #name #lifetime { #(#fields)* }
    })
}

/// The descriptions of an operation's parameters, by name.
fn parameters(document: &Value, operation: &str) -> BTreeMap<String, String> {
    let items = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    let found = items.filter_map(Value::as_object).flat_map(|item| item.values());
    let found = found.filter(|found| found["operationId"] == operation);
    let parameters = found.filter_map(|found| found["parameters"].as_array()).flatten();
    let described = |parameter: &Value| {
        let text = format!(" {}", parameter["description"].as_str()?);
        Some((parameter["name"].as_str()?.to_owned(), text))
    };
    parameters.filter_map(described).collect()
}

/// `list_users` as `ListUsers`.
fn pascal(name: &str) -> String {
    name.split('_')
        .map(|word| word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default())
        .collect()
}

/// Lets ids be copied, compared, ordered and used as keys.
fn copied(item: &mut Item) {
    let Item::Struct(item) = item else { return };
    let Fields::Unnamed(fields) = &item.fields else { return };
    let inner = fields.unnamed.iter().map(|field| field.ty.to_token_stream().to_string());
    if inner.eq([":: uuid :: Uuid"]) {
        item.attrs.push(parse_quote!(#[derive(Copy, Eq, Hash, Ord, PartialOrd)]));
    }
}

/// Adds `new` to each body that has both required and optional fields. It takes the required ones in the document's order, so that
/// code that uses it still compiles when a later version adds an optional field.
fn construct(items: &mut Vec<Item>, bodies: &[String], document: &Value) {
    let structs =
        items.iter().filter_map(|item| if let Item::Struct(item) = item { Some(item) } else { None });
    let made: Vec<Item> = structs
        .filter(|item| bodies.contains(&item.ident.to_string()))
        .filter_map(|item| constructor(item, document))
        .collect();
    items.extend(made);
}

fn constructor(item: &ItemStruct, document: &Value) -> Option<Item> {
    let Fields::Named(fields) = &item.fields else { return None };
    let types: BTreeMap<String, &Type> = fields
        .named
        .iter()
        .filter_map(|field| Some((field.ident.as_ref()?.to_string(), &field.ty)))
        .collect();
    let required = document["components"]["schemas"][item.ident.to_string()]["required"].as_array()?;
    let required: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
    if required.is_empty() || required.len() == types.len() {
        return None;
    }
    let (mut arguments, mut values): (Vec<FnArg>, Vec<Expr>) = Default::default();
    for name in &required {
        let (kind, name) = (types.get(*name)?, format_ident!("{name}"));
        let is_text = kind.to_token_stream().to_string().ends_with(":: String");
        arguments.push(if is_text {
            parse_quote!(#name: impl ::std::convert::Into<#kind>)
        } else {
            parse_quote!(#name: #kind)
        });
        values.push(if is_text { parse_quote!(#name.into()) } else { parse_quote!(#name) });
    }
    let given: Vec<Ident> = required.iter().map(|name| format_ident!("{name}")).collect();
    let left = types.keys().filter(|name| !required.contains(&name.as_str()));
    let left: Vec<Ident> = left.map(|name| format_ident!("{name}")).collect();
    let name = &item.ident;
    Some(parse_quote! {
        impl #name {
            /// Creates the body with its required fields. The others are left out, and the server uses their defaults.
            pub fn new(#(#arguments),*) -> Self {
                Self {
                    #(#given: #values,)*
                    #(#left: ::std::default::Default::default(),)*
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shaped(code: &str, document: &Value) -> String {
        let mut file = syn::parse_file(code).unwrap();
        shape(&mut file, document);
        prettyplease::unparse(&file)
    }

    #[test]
    fn a_body_is_made_from_what_it_requires_in_the_documents_order() {
        let code = "pub mod types { pub struct NewUser { pub email: ::std::string::String, pub name: Option<String>, pub role: RoleId, pub username: ::std::string::String } }
            impl Client { pub async fn create_user<'a>(&'a self, body: &'a types::NewUser) {} }";
        let document = json!({ "components": { "schemas": { "NewUser": { "required": ["username", "email", "role"] } } } });
        let shaped = shaped(code, &document);
        let flat = shaped.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            flat.contains("pub fn new( username: impl ::std::convert::Into<::std::string::String>, email: impl ::std::convert::Into<::std::string::String>, role: RoleId, ) -> Self"),
            "{shaped}"
        );
        assert!(flat.contains("name: ::std::default::Default::default(),"), "{shaped}");
    }

    #[test]
    fn ids_are_copied_and_other_texts_are_not() {
        let code = "pub mod types { pub struct UserId(pub ::uuid::Uuid); pub struct FilePath(pub ::std::string::String); }";
        let shaped = shaped(code, &json!({}));
        assert!(shaped.contains("PartialOrd)]\n    pub struct UserId"), "{shaped}");
        assert_eq!(shaped.matches("derive").count(), 1, "{shaped}");
    }

    #[test]
    fn many_optional_parameters_become_one_struct_that_stands_before_the_body() {
        let code = "impl Client {
            pub async fn few<'a>(&'a self, a: Option<bool>, b: Option<u32>) {}
            pub async fn read_all<'a>(&'a self, id: &'a str, a: Option<bool>, b: Option<&'a str>, c: &'a str, d: Option<u32>, body: B) { send(a, b, d) }
        }";
        let document = json!({ "paths": { "/x": { "get": { "operationId": "read_all", "parameters": [{ "name": "a", "description": "Whether." }] } } } });
        let shaped = shaped(code, &document);
        let flat = shaped.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("few<'a>(&'a self, a: Option<bool>, b: Option<u32>)"), "{shaped}");
        assert!(
            flat.contains("&'a self, id: &'a str, c: &'a str, query: query::ReadAll<'a>, body: B,"),
            "{shaped}"
        );
        assert!(flat.contains("let query::ReadAll { a, b, d } = query; send(a, b, d)"), "{shaped}");
        assert!(flat.contains("/// Whether. pub a: Option<bool>, pub b: Option<&'a str>"), "{shaped}");
    }
}
