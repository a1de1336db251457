//! The panel's files compressed with gzip. Each is compressed once per process, not per visitor.

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};
use flate2::{Compression, write::GzEncoder};
use rust_embed::EmbeddedFile;
use std::{
    collections::HashMap,
    io::{self, Write},
    sync::{LazyLock, PoisonError, RwLock},
};

/// Compressed files by the SHA-256 of their content. Bounded, since the files are part of the program.
static PACKED: LazyLock<RwLock<HashMap<[u8; 32], Bytes>>> = LazyLock::new(RwLock::default);

/// Whether a request accepts gzip unconditionally.
pub fn accepted(asked: &HeaderMap) -> bool {
    let codings = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("gzip"))
}

/// The compressed file, cached after its first use.
///
/// # Errors
/// If the thread that compresses it panics.
pub async fn once(file: EmbeddedFile) -> io::Result<Bytes> {
    let hash = file.metadata.sha256_hash();
    let known = PACKED.read().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
    if let Some(bytes) = known {
        return Ok(bytes);
    }
    let bytes = tokio::task::spawn_blocking(move || pack(&file.data)).await.map_err(io::Error::other)??;
    PACKED.write().unwrap_or_else(PoisonError::into_inner).insert(hash, bytes.clone());
    Ok(bytes)
}

fn pack(data: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(data.len() / 2), Compression::best());
    encoder.write_all(data)?;
    Ok(encoder.finish()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use flate2::read::GzDecoder;
    use rust_embed::Metadata;
    use std::io::Read;

    fn asked(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_sent_only_where_it_is_named_without_conditions() {
        assert!(accepted(&asked("gzip, deflate, br, zstd")));
        assert!(accepted(&asked("br;q=1.0, GZIP")));
        for other in ["identity", "gzip;q=0", "x-gzip", "br", ""] {
            assert!(!accepted(&asked(other)), "{other}");
        }
        assert!(!accepted(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_file_is_compressed_once_and_stays_what_it_is() {
        let text = "the terminal of the console\n".repeat(1_000);
        let file = || EmbeddedFile {
            data: text.clone().into_bytes().into(),
            metadata: Metadata::__rust_embed_new([7; 32], None, None, "text/javascript"),
        };
        let first = once(file()).await.unwrap();
        let mut plain = String::new();
        GzDecoder::new(&first[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, text);
        assert!(first.len() < text.len() / 10);
        let second = once(file()).await.unwrap();
        assert_eq!(first.as_ptr(), second.as_ptr(), "it comes from memory");
    }
}
