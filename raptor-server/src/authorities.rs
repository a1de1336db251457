//! The certificate authority files named by the environment.

use std::{ffi::OsString, fs, io, path::PathBuf};

/// A warning for each of `SSL_CERT_FILE` and `SSL_CERT_DIR` that points to something unreadable: no certificate is trusted
/// then, so every HTTPS request fails with a misleading error.
pub(crate) fn problems(environment: impl Fn(&str) -> Option<OsString>) -> Vec<String> {
    let set = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let file = set("SSL_CERT_FILE").and_then(|path| Some(("SSL_CERT_FILE", fs::read(&path).err()?, path)));
    let folder =
        set("SSL_CERT_DIR").and_then(|path| Some(("SSL_CERT_DIR", fs::read_dir(&path).err()?, path)));
    let told = |(name, error, path): (&str, io::Error, PathBuf)| {
        format!("{name} is {path:?}, which can't be read: {error}. Certificates can't be checked against it.")
    };
    file.into_iter().chain(folder).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_that_is_not_there_is_warned_of() {
        let told = problems(|name| (name == "SSL_CERT_FILE").then(|| "/nowhere/ca.crt".into()));
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("SSL_CERT_FILE is \"/nowhere/ca.crt\""), "{}", told[0]);
        let told = problems(|name| (name == "SSL_CERT_DIR").then(|| "/nowhere".into()));
        assert!(told[0].contains("SSL_CERT_DIR"), "{}", told[0]);
        let program = std::env::current_exe().unwrap();
        assert!(problems(|name| (name == "SSL_CERT_FILE").then(|| program.clone().into())).is_empty());
        assert!(problems(|_| None).is_empty() && problems(|_| Some(OsString::new())).is_empty());
    }
}
