//! The compression methods of a block in a 7z archive, and how much memory they need.

use super::header::{Bytes, damaged};
use crate::files::{FileError, FileResult};

/// The most memory for one block. 7-Zip uses 32 MiB by default, and 256 MiB for its best compression.
const MAX_MEMORY: u64 = 288 * 1024 * 1024;
/// Most compression methods and filters per block.
const MAX_CODERS: u64 = 8;

/// One step of a block's compression.
pub(super) struct Coder {
    pub(super) method: Method,
    /// Bytes of memory for its dictionary or model.
    pub(super) memory: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Copy,
    /// With the byte that encodes `lc`, `lp` and `pb`.
    Lzma(u8),
    Lzma2,
    /// Another compression method: its output may be far larger than its input.
    Packer,
    /// Its output is as long as its input.
    Filter,
    /// A filter with four input streams.
    Bcj2,
}

pub(super) struct Coders(pub(super) Vec<Coder>);

impl Coders {
    /// The steps of one block, and the index of the one whose output is the files' content.
    pub(super) fn read(bytes: &mut Bytes<'_>) -> FileResult<(Self, usize)> {
        let count = bytes.number()?;
        if !(1..=MAX_CODERS).contains(&count) {
            return Err(unknown("a chain of methods"));
        }
        let (mut coders, mut readers) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (coder, inputs) = Coder::read(bytes)?;
            readers.extend((0..inputs).map(|_| coder.method));
            coders.push(coder);
        }
        let mut outputs: Vec<_> = (0..count).collect();
        for _ in 1..count {
            let (input, output) = (bytes.number()?, bytes.number()?);
            let reader = usize::try_from(input).ok().and_then(|input| readers.get(input));
            // With two compression methods in a row, the intermediate data could be of any size.
            if !matches!(reader.ok_or_else(damaged)?, Method::Copy | Method::Filter | Method::Bcj2) {
                return Err(unknown("a chain of methods"));
            }
            outputs.retain(|left| *left != output);
        }
        let packed = (readers.len() + 1).checked_sub(coders.len()).ok_or_else(damaged)?;
        for _ in 0..if packed > 1 { packed } else { 0 } {
            bytes.number()?;
        }
        let [output] = *outputs else { return Err(damaged()) };
        let coders = Self(coders);
        if coders.memory() > MAX_MEMORY {
            return Err(too_large(coders.memory()));
        }
        Ok((coders, usize::try_from(output).map_err(|_| damaged())?))
    }

    /// Bytes of memory of all steps.
    pub(super) fn memory(&self) -> u64 {
        self.0.iter().fold(0, |sum, coder| sum.saturating_add(coder.memory))
    }
}

impl Coder {
    /// A step, and the number of its input streams.
    fn read(bytes: &mut Bytes<'_>) -> FileResult<(Self, u64)> {
        let flags = bytes.byte()?;
        let id = bytes.take(u64::from(flags & 0x0F))?;
        let (inputs, outputs) = if flags & 0x10 == 0 { (1, 1) } else { (bytes.number()?, bytes.number()?) };
        let properties = if flags & 0x20 == 0 {
            &[]
        } else {
            let length = bytes.number()?;
            bytes.take(length)?
        };
        let (method, memory) = method(id, properties)?;
        let expected = if method == Method::Bcj2 { 4 } else { 1 };
        if flags & 0xC0 != 0 || outputs != 1 || inputs != expected {
            return Err(damaged());
        }
        Ok((Self { method, memory }, inputs))
    }
}

/// The method with this id, as in `Methods.txt` of the LZMA SDK, and its memory in bytes.
fn method(id: &[u8], properties: &[u8]) -> FileResult<(Method, u64)> {
    let size = || properties.get(1..5).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes);
    let size = || size().map(u64::from).ok_or_else(damaged);
    Ok(match id {
        [0x00] => (Method::Copy, 0),
        [0x21] => (Method::Lzma2, dictionary(*properties.first().ok_or_else(damaged)?)?),
        [0x03, 0x01, 0x01] => (Method::Lzma(*properties.first().ok_or_else(damaged)?), size()?),
        [0x03, 0x04, 0x01] => (Method::Packer, size()?),
        [0x04, 0x01, 0x08] | [0x04, 0x02, 0x02] => (Method::Packer, 0),
        // Delta, and branch filters for x86, PowerPC, IA-64, ARM, Thumb, SPARC, ARM64 and RISC-V.
        [0x03 | 0x0A | 0x0B] | [0x03, 0x03, 0x01, 0x03] | [0x03, 0x03, 0x02 | 0x08, 0x05] => {
            (Method::Filter, 0)
        }
        [0x03, 0x03, 0x04 | 0x05 | 0x07, 0x01] => (Method::Filter, 0),
        [0x03, 0x03, 0x01, 0x1B] => (Method::Bcj2, 0),
        [0x06, ..] => {
            return Err(FileError::Invalid(
                "The archive is encrypted. Unpack it on your own machine, and upload its files as a zip."
                    .into(),
            ));
        }
        [0x04, 0x01, 0x09] => return Err(unknown("Deflate64")),
        [0x04, 0xF7, 0x11, 0x01] => return Err(unknown("Zstandard")),
        [0x04, 0xF7, 0x11, 0x02] => return Err(unknown("Brotli")),
        [0x04, 0xF7, 0x11, 0x04] => return Err(unknown("LZ4")),
        other => return Err(unknown(&format!("method {other:02X?}"))),
    })
}

/// The dictionary size of LZMA2, in bytes.
fn dictionary(bits: u8) -> FileResult<u64> {
    match bits {
        0..40 => Ok(u64::from(2 | (bits & 1)) << (bits / 2 + 11)),
        40 => Ok(u64::from(u32::MAX)),
        _ => Err(damaged()),
    }
}

fn unknown(what: &str) -> FileError {
    FileError::Invalid(format!(
        "The archive is compressed with {what}, which Raptor can't unpack. Create it with LZMA2, 7-Zip's default, or as a zip."
    ))
}

pub(super) fn too_large(memory: u64) -> FileError {
    FileError::TooMuch(format!(
        "Unpacking the archive takes a dictionary of {} MiB; Raptor allows 256 MiB. Create it with a smaller one, or as a zip.",
        memory / 1_048_576
    ))
}
