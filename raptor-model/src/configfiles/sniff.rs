//! Detecting the encoding of a configuration file when its format says more than its bytes.

use crate::{
    templates::ConfigParser,
    text::{Charset, Encoding, charset_of},
};

/// The XML declaration must end within this many bytes.
const DECLARATION: usize = 256;

/// The encoding of a file of this format.
pub(super) fn charset(bytes: &[u8], parser: ConfigParser) -> Charset {
    let declared = (parser == ConfigParser::Xml).then(|| declared(bytes)).flatten();
    // Java reads properties that aren't UTF-8 as ISO-8859-1; otherwise the encoding is guessed from the letters.
    let fallback = (parser == ConfigParser::Properties).then_some(Charset::Latin1);
    charset_of(bytes, declared, fallback)
}

/// The encoding that an XML file declares. If it declares UTF-16 and can be read up to here, it is in another encoding.
fn declared(bytes: &[u8]) -> Option<Charset> {
    let head = bytes.get(..DECLARATION).unwrap_or(bytes).strip_prefix(b"<?xml")?;
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let (head, _) = head.split_once("?>")?;
    let (_, value) = head.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let name = value.get(1..)?.split(quote).next()?.trim().to_ascii_lowercase();
    match name.as_str() {
        // ISO-2022-JP uses ASCII bytes for other characters after an escape sequence, so only ASCII is written.
        "us-ascii" | "ascii" | "iso-2022-jp" => Some(Charset::Ascii),
        "iso-8859-1" | "latin1" | "iso_8859-1" => Some(Charset::Latin1),
        name => Encoding::named(name).filter(|encoding| !encoding.is_utf16()).map(Charset::Standard),
    }
}
