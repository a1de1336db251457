//! Where a file lies inside a container's folder.

use super::names::{escape, unescape};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{borrow::Cow, ffi::OsStr, fmt, os::unix::ffi::OsStrExt, path::Path};

/// The longest path, in bytes (`PATH_MAX` without its NUL).
const MAX_PATH: usize = 4_095;
/// The longest name, in bytes (`NAME_MAX`).
const MAX_NAME: usize = 255;

/// Why a text is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// `..` above the container's folder.
    #[error("The path leads out of the container's folder.")]
    Outside,
    /// It holds a NUL.
    #[error("A path can't hold the character NUL.")]
    Nul,
    /// It, or a name in it, is longer than Linux takes.
    #[error("The path is too long: a name has up to 255 bytes, a path up to 4,095.")]
    TooLong,
}

/// A path below a container's folder: normalised, without a leading slash, empty for the folder itself. `.` and `..` are
/// resolved by their letters, as browsers and SFTP clients mean them; links are the kernel's business.
///
/// Its text is that of [`names`](super::names): bytes that are no UTF-8 are written `\xE9`, and the text of a path is unique.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

impl FilePath {
    /// The container's folder itself.
    pub const ROOT: Self = Self(String::new());

    /// Reads `/a/b`, `a/b`, `./a//b/` and the like.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Self::read(text, false)
    }

    /// As [`FilePath::parse`], but `..` in the container's folder stays there, as in a file system's root.
    ///
    /// # Errors
    /// [`PathError::Nul`] and [`PathError::TooLong`].
    pub fn parse_chrooted(text: &str) -> Result<Self, PathError> {
        Self::read(text, true)
    }

    fn read(text: &str, chrooted: bool) -> Result<Self, PathError> {
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        // Written in the one way, whatever was escaped in it without need.
        let text = match unescape(text) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(escape(&bytes).into_owned()),
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() && !chrooted {
                        return Err(PathError::Outside);
                    }
                }
                name if unescape(name).len() > MAX_NAME => return Err(PathError::TooLong),
                name => parts.push(name),
            }
        }
        let path = parts.join("/");
        if unescape(&path).len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        Ok(Self(path))
    }

    /// The path that these bytes are to Linux.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        Self::parse(&escape(bytes))
    }

    /// What lies at `below`, seen from here.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn join(&self, below: &str) -> Result<Self, PathError> {
        // `below` is read by itself first: it can't climb out of this folder.
        let below = Self::parse(below)?;
        Self::parse(&format!("{}/{}", self.0, below.0))
    }

    /// Whether it is the container's folder itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Without a leading slash; empty for the container's folder.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For the kernel, which takes the folder itself as `.`.
    #[must_use]
    pub fn as_path(&self) -> Cow<'_, Path> {
        match unescape(if self.0.is_empty() { "." } else { &self.0 }) {
            Cow::Borrowed(bytes) => Cow::Borrowed(Path::new(OsStr::from_bytes(bytes))),
            Cow::Owned(bytes) => Cow::Owned(Path::new(OsStr::from_bytes(&bytes)).to_owned()),
        }
    }

    /// The last name; none for the container's folder.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        (!self.is_root()).then(|| self.0.rsplit('/').next().unwrap_or_default())
    }

    /// The folder it lies in; none for the container's folder.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        (!self.is_root()).then(|| Self(self.0.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned()))
    }

    /// Whether it is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root() || Path::new(&self.0).starts_with(&other.0)
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(feature = "openapi")]
mod schema {
    use utoipa::{
        PartialSchema, ToSchema,
        openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
    };

    impl PartialSchema for super::FilePath {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some(
                    "A path inside the container's folder, such as `/config/server.properties`. A byte of a name that is no UTF-8 is \
                     written `\\xE9`, and a backslash of a name that could be taken for that `\\x5C`.",
                ))
                .into()
        }
    }

    impl ToSchema for super::FilePath {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_and_never_leave() {
        for (text, path) in
            [("/", "/"), ("", "/"), ("a//b/./c/", "/a/b/c"), ("/a/../b", "/b"), ("...", "/...")]
        {
            assert_eq!(FilePath::parse(text).unwrap().to_string(), path);
        }
        assert_eq!(FilePath::parse("../x"), Err(PathError::Outside));
        assert_eq!(FilePath::parse("a/../../x"), Err(PathError::Outside));
        assert_eq!(FilePath::parse_chrooted("/../../x").unwrap().as_str(), "x");
        assert_eq!(FilePath::parse("a\0b"), Err(PathError::Nul));
        assert_eq!(FilePath::parse(&"n".repeat(256)), Err(PathError::TooLong));
        assert_eq!(FilePath::parse("a").unwrap().join("../b"), Err(PathError::Outside));
    }

    #[test]
    fn names_that_are_no_utf8_have_one_text() {
        let path = FilePath::from_bytes(b"caf\xe9/a\\b").unwrap();
        assert_eq!(path.as_str(), r"caf\xE9/a\b");
        assert_eq!(path.as_path().as_os_str().as_bytes(), b"caf\xe9/a\\b");
        assert_eq!(FilePath::parse(path.as_str()).unwrap(), path);
        assert_eq!(FilePath::parse(r"caf\xC3\xA9").unwrap().as_str(), "café");
        assert_eq!(FilePath::parse(r"a/\x2E\x2E/\x2F").unwrap().as_str(), r"a/\x2E\x2E/\x2F", "no escapes");
        assert!(FilePath::from_bytes(&[0xff; 255]).is_ok());
        assert_eq!(FilePath::from_bytes(&[0xff; 256]), Err(PathError::TooLong));
    }

    #[test]
    fn a_folder_holds_itself_and_no_namesake() {
        let path = |text| FilePath::parse(text).unwrap();
        assert!(path("a/b").is_within(&path("a")) && path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")), "compared by names, not by letters");
        assert_eq!((path("a/b").name(), path("a/b").parent()), (Some("b"), Some(path("a"))));
        assert_eq!((path("a").parent(), path("").parent()), (Some(FilePath::ROOT), None));
    }
}
