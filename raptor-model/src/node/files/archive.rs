//! Archives: their formats, and what happens when one is unpacked.

use serde::{Deserialize, Serialize};

/// The format of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ArchiveFormat {
    /// ZIP, compressed; the format that every system opens.
    #[serde(rename = "zip")]
    Zip,
    /// tar without compression: the fastest, and as large as its files.
    #[serde(rename = "tar")]
    Tar,
    /// tar compressed with gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// tar compressed with xz: small and slow.
    #[serde(rename = "tar.xz")]
    TarXz,
    /// tar compressed with bzip2.
    #[serde(rename = "tar.bz2")]
    TarBz2,
    /// tar compressed with Zstandard: smaller than gzip, and faster.
    #[serde(rename = "tar.zst")]
    TarZst,
}

impl ArchiveFormat {
    /// By the end of a file's name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        Some(match () {
            () if ends(&[".zip", ".jar", ".mcpack", ".mcworld", ".mrpack"]) => Self::Zip,
            () if ends(&[".tar"]) => Self::Tar,
            () if ends(&[".tar.gz", ".tgz"]) => Self::TarGz,
            () if ends(&[".tar.xz", ".txz"]) => Self::TarXz,
            () if ends(&[".tar.bz2", ".tbz2", ".tbz"]) => Self::TarBz2,
            () if ends(&[".tar.zst", ".tzst"]) => Self::TarZst,
            () => return None,
        })
    }

    /// How a file of it ends.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::TarGz => "tar.gz",
            Self::TarXz => "tar.xz",
            Self::TarBz2 => "tar.bz2",
            Self::TarZst => "tar.zst",
        }
    }
}

/// What is done with a file from an archive where there is one of its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// It is left out.
    #[default]
    Skip,
    /// It takes the other one's place.
    Replace,
    /// It gets a name that is free: `world (1).dat`.
    KeepBoth,
}

/// Something in an archive that was not unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeftOut {
    /// Its name in the archive.
    pub name: String,
    /// Why, as a sentence.
    pub why: String,
}
