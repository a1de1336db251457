//! The `Authorization` header.

use axum::http::{HeaderMap, header};

/// The credentials after `scheme` in the `Authorization` header. The scheme's case does not matter (RFC 9110, section 11.1).
#[must_use]
pub fn token<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let (shown, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    shown.eq_ignore_ascii_case(scheme).then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_of_the_scheme_does_not_matter() {
        for shown in ["Bearer key", "bearer key", "BEARER  key"] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, shown.parse().unwrap());
            assert_eq!(token(&headers, "bearer"), Some("key"), "{shown}");
            assert_eq!(token(&headers, "basic"), None);
        }
    }
}
