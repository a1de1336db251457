//! Responses that browsers save as files, complete or partial.

use crate::problem::{Answer, Problem};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use raptor_core::node::{
    FilePath,
    files::{FileContent, FileRead},
};

/// The read of a file, or of the range of it that was asked for.
pub(super) fn whole(path: FilePath, range: Option<Range>) -> FileRead {
    let Range { start, length } = range.unwrap_or(Range { start: 0, length: None });
    FileRead::File { path, start, length }
}

/// A part of a file that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// Where it begins, in bytes from the start of the file, or from its end where it is negative.
    start: i64,
    /// Its length in bytes; to the end of the file unless given.
    length: Option<u64>,
}

impl Range {
    /// One range of bytes (RFC 9110, 14.1.2); none where there is none, or several.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        // With `If-Range`, a range would be right only for that version, so the whole file is sent, which is always right.
        if headers.contains_key(header::IF_RANGE) {
            return None;
        }
        let (first, last) =
            headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
        if first.is_empty() {
            let length = last.parse::<i64>().ok().filter(|length| *length > 0)?;
            return Some(Self { start: -length, length: None });
        }
        let start = first.parse::<i64>().ok()?;
        match last {
            "" => Some(Self { start, length: None }),
            last => {
                let length = last.parse::<i64>().ok()?.checked_sub(start)?.checked_add(1)?;
                Some(Self { start, length: Some(u64::try_from(length).ok().filter(|length| *length > 0)?) })
            }
        }
    }
}

/// What makes a browser save an answer as `name` and never show it: content of users must not run on the panel's origin.
pub(super) fn saved_as(name: &str) -> HeaderMap {
    let fixed = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        (header::CACHE_CONTROL, "private, no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let mut headers: HeaderMap =
        fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{}", encoded(name))) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers
}

/// The answer with a file's content, or the part of it that was asked for.
///
/// # Errors
/// 416 `range` where that part is outside of the file.
pub(super) fn attachment(content: FileContent, name: &str, range: Option<Range>) -> Answer<Response> {
    let mut headers = saved_as(name);
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    let mut status = StatusCode::OK;
    if let Some(file) = &content.file {
        set(header::ETAG, format!("\"{}\"", file.etag));
        set(header::ACCEPT_RANGES, "bytes".into());
        if range.is_some() {
            let length = content.length.unwrap_or(0);
            if length == 0 {
                let detail = format!("The file has {} bytes.", file.size_bytes);
                return Err(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", detail));
            }
            status = StatusCode::PARTIAL_CONTENT;
            let last = content.start + length - 1;
            set(header::CONTENT_RANGE, format!("bytes {}-{last}/{}", content.start, file.size_bytes));
        }
    }
    if let Some(length) = content.length {
        set(header::CONTENT_LENGTH, length.to_string());
    }
    Ok((status, headers, Body::from_stream(content.body)).into_response())
}

/// As RFC 8187 wants names.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Option<Range> {
        Range::of(&HeaderMap::from_iter([(header::RANGE, text.parse().unwrap())]))
    }

    #[test]
    fn one_range_is_honoured_and_odd_ones_are_not() {
        assert_eq!(range("bytes=0-99"), Some(Range { start: 0, length: Some(100) }));
        assert_eq!(range("bytes=5-"), Some(Range { start: 5, length: None }));
        assert_eq!(range("bytes=-7"), Some(Range { start: -7, length: None }));
        for odd in ["bytes=9-3", "bytes=-0", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=-"] {
            assert_eq!(range(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_download_is_saved_and_never_shown() {
        let headers = saved_as("a b.html");
        assert_eq!(headers[header::CONTENT_TYPE], "application/octet-stream");
        assert_eq!(headers[header::CONTENT_DISPOSITION], "attachment; filename*=UTF-8''a%20b.html");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("sandbox"));
    }

    #[test]
    fn names_are_encoded_for_headers() {
        assert_eq!(encoded("a b\"\r\nü.txt"), "a%20b%22%0D%0A%C3%BC.txt");
    }
}
