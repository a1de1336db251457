//! JSON bodies.

use crate::problem::Problem;
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use raptor_model::{Error, nul};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

/// U+0000 as JSON writes it.
const NUL_ESCAPED: &[u8] = br"\u0000";

/// A JSON body sent by a client. Unknown fields are rejected, since they were meant to do something, and so is the character
/// U+0000 in any string.
pub struct Json<T>(pub T);

/// A JSON body that one of Raptor's programs sends to another. Unknown fields are ignored: the sender may be newer.
pub struct TolerantJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = json_of(request, state).await?;
        // JSON can contain U+0000 only as an escape. If the match is something else, the check below finds nothing.
        if body.windows(NUL_ESCAPED.len()).any(|bytes| bytes == NUL_ESCAPED) {
            let field = match serde_json::from_slice(&body) {
                Ok(value) => nul::field(&value),
                // An unknown field may hold what can't be parsed, such as a thousand nested arrays.
                Err(_) => Some("body".to_owned()),
            };
            if let Some(field) = field {
                return Err(nul::refusal(&field).into());
            }
        }
        Ok(Self(read(&body)?))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for TolerantJson<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = json_of(request, state).await?;
        Ok(Self(parsed(&body, |_| ())?))
    }
}

impl<T: Serialize> IntoResponse for TolerantJson<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The body of a request, if its content type is JSON.
async fn json_of<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    if !is_json(request.headers()) {
        let detail = "Send JSON, with the header `Content-Type: application/json`.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    Ok(Bytes::from_request(request, state).await?)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.strip_prefix("application/").is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // serde would accept an array as the values of a struct's fields in order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Error::invalid("body", "Send a JSON object: names and values in curly braces.").into());
    }
    let mut unknown = None;
    let value = parsed(body, |path| {
        unknown.get_or_insert(path);
    })?;
    match unknown {
        None => Ok(value),
        Some(field) => {
            let field = field.replace(".?", "");
            let why = format!(
                "There is no field `{field}` here. Remove it, or check its name in the API reference."
            );
            Err(Error::invalid(field, why).into())
        }
    }
}

/// Parses `body`, and calls `unknown` with each field that `T` does not have.
fn parsed<T: DeserializeOwned>(body: &[u8], mut unknown: impl FnMut(String)) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let mut note = |path: serde_ignored::Path<'_>| unknown(path.to_string());
    let noted = serde_ignored::Deserializer::new(tracked, &mut note);
    let value = T::deserialize(noted)
        .map_err(|error: serde_json::Error| refusal(&error, &track.path().to_string()))?;
    json.end().map_err(|error| refusal(&error, "."))?;
    Ok(value)
}

/// The problem for a body that can't be parsed, worded for the author of the request.
fn refusal(error: &serde_json::Error, path: &str) -> Problem {
    let place = || format!("line {}, column {}", error.line(), error.column());
    if matches!(error.classify(), Category::Syntax | Category::Eof | Category::Io) {
        let detail = format!("The body is not valid JSON: check {}.", place());
        return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
    }
    let (field, why) = words(&error.to_string(), path);
    Error::invalid(field, why).into()
}

/// The field that serde's message is about, and the message in plain words.
pub(super) fn words(message: &str, path: &str) -> (String, String) {
    let message = message.split(" at line ").next().unwrap_or(message);
    let here = if path == "." { "body".to_owned() } else { path.to_owned() };
    let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    if message.starts_with("missing field") {
        let name = quoted(message);
        let field = if path == "." { name } else { format!("{path}.{name}") };
        return (field, "This field is required.".into());
    }
    if message.starts_with("unknown variant") {
        let allowed = message.split_once("expected ").map_or("", |(_, allowed)| allowed);
        let allowed = allowed.trim_start_matches("one of ").replace('`', "");
        return (here, format!("`{}` is not allowed here. Use one of: {allowed}.", quoted(message)));
    }
    for begin in ["invalid type: ", "invalid value: "] {
        if let Some((found, wanted)) =
            message.strip_prefix(begin).and_then(|rest| rest.split_once(", expected "))
        {
            return (here, format!("Use {}, not {}.", plain(wanted), plain(found)));
        }
    }
    // Numbers parsed from text, as in a query.
    let number = match message {
        "number too large to fit in target type" => Some("This number is too large."),
        "number too small to fit in target type" => Some("This number is too small."),
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            Some("Use a whole number in the allowed range.")
        }
        "provided string was not `true` or `false`" => Some("Use true or false."),
        _ => None,
    };
    if let Some(why) = number {
        return (here, why.into());
    }
    if let Some(name) = message.strip_prefix("duplicate field ") {
        return (here, format!("{name} is given twice."));
    }
    (here, format!("{}.", message.trim_end_matches('.')))
}

/// The plain name of a JSON type.
fn plain(name: &str) -> String {
    let known = match name.split_whitespace().next().unwrap_or_default() {
        "string" | "str" | "borrowed" => "a string",
        "a" if name == "a string" || name == "a borrowed string" => "a string",
        "integer" => return format!("the number {}", quoted_or_rest(name)),
        "floating" => return format!("the number {}", quoted_or_rest(name)),
        "boolean" => return quoted_or_rest(name),
        "a" if name == "a boolean" => "true or false",
        "null" | "unit" => "null",
        "map" | "struct" | "a" if name == "a map" || name == "map" || name.starts_with("struct") => {
            "an object"
        }
        "sequence" => "a list",
        "a" if name == "a sequence" => "a list",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number of 0 or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        _ => return name.to_owned(),
    };
    known.to_owned()
}

fn quoted_or_rest(name: &str) -> String {
    name.split('`').nth(1).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
        DarkBlue,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read from JSON")]
    struct Inner {
        port: u16,
        on: Option<bool>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read from JSON")]
    struct Outer {
        name: String,
        colour: Option<Colour>,
        inner: Option<Inner>,
    }

    #[test]
    fn between_programs_an_unknown_field_is_ignored_and_a_wrong_one_is_not() {
        let outer: Outer =
            parsed(br#"{"name":"a","newer":[1],"inner":{"port":1,"prot":2}}"#, |_| ()).ok().unwrap();
        assert_eq!(outer.name, "a");
        assert!(parsed::<Outer>(br#"{"name":1}"#, |_| ()).is_err());
    }

    fn refused(body: &str) -> (Option<Box<str>>, Box<str>) {
        let problem = read::<Outer>(body.as_bytes()).err().unwrap();
        (problem.field, problem.detail)
    }

    #[test]
    fn an_unknown_field_is_refused_by_its_place() {
        let (field, why) = refused(r#"{"name":"a","inner":{"port":1,"prot":2}}"#);
        assert_eq!(field.as_deref(), Some("inner.prot"));
        assert!(why.contains("no field `inner.prot`"), "{why}");
    }

    #[test]
    fn what_is_wrong_is_said_in_plain_words_at_its_field() {
        for (body, field, words) in [
            ("{}", Some("name"), "required"),
            (r#"{"name":1}"#, Some("name"), "Use a string, not the number 1."),
            (r#"{"name":"a","inner":{"port":70000}}"#, Some("inner.port"), "from 0 to 65535"),
            (r#"{"name":"a","inner":{"port":1,"on":"yes"}}"#, Some("inner.on"), "true or false"),
            (r#"{"name":"a","colour":"green"}"#, Some("colour"), "Use one of: red or dark_blue."),
            (r#"{"name":"a""#, None, "not valid JSON"),
            (r#"{"name":"a"} x"#, None, "not valid JSON"),
            ("[]", Some("body"), "JSON object"),
            (r#" ["a"]"#, Some("body"), "JSON object"),
        ] {
            let (found, why) = refused(body);
            assert_eq!(found.as_deref(), field, "{body}: {why}");
            assert!(why.contains(words), "{body}: {why}");
            for leaked in ["u16", "struct", "expected", "variant", "line 1 column"] {
                assert!(!why.contains(leaked), "{why}");
            }
        }
    }
}
