//! Files are fetched from web addresses, never from one that only this host can reach.

use super::{Workspace, address::is_public, kept, operations::Progress};
use crate::files::{FileError, FilePath, FileResult, Open};
use futures_util::StreamExt;
use reqwest::{
    Client, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_DISPOSITION, LOCATION},
    redirect::Policy,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

const MAX_HOPS: usize = 5;
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a sender may say nothing.
const READ_PATIENCE: Duration = Duration::from_secs(30);
/// The largest file that is fetched, in bytes.
const MAX_SIZE: u64 = 64 * 1024 * 1024 * 1024;

/// Which addresses are fetched from.
type Allowed = fn(IpAddr) -> bool;

/// Resolves names to addresses that are allowed only. The connection goes to the very addresses that were checked: nobody is
/// asked a second time.
struct Checked(Allowed);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.collect();
            // One address that is not public is enough to refuse the name: it is not what an honest one has.
            if addresses.is_empty() || !addresses.iter().all(|address| allowed(address.ip())) {
                return Err("its address is private".into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl Workspace {
    pub(super) fn pull(
        &self,
        url: &str,
        into: &FilePath,
        name: Option<&str>,
        progress: &Progress,
    ) -> FileResult<()> {
        let runtime = tokio::runtime::Handle::current();
        let work = self.fetch(url, into, name, progress, is_public);
        let cancelled = progress.cancel.clone();
        runtime.block_on(async {
            tokio::select! {
                () = cancelled.cancelled() => Err(FileError::Cancelled),
                done = work => done,
            }
        })
    }

    pub(super) async fn fetch(
        &self,
        url: &str,
        into: &FilePath,
        name: Option<&str>,
        progress: &Progress,
        allowed: Allowed,
    ) -> FileResult<()> {
        let answer = follow(url, allowed).await?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => name_of(&answer).ok_or_else(|| {
                FileError::Invalid("The address does not say what the file is called. Give it a name.".into())
            })?,
        };
        let target = into.join(&name)?;
        if target.parent().as_ref() != Some(into) {
            return Err(FileError::Invalid("The name may not hold a slash.".into()));
        }
        if self.root.lstat(&target).is_ok() {
            return Err(FileError::Exists);
        }
        if let Some(length) = answer.content_length() {
            progress.total(length);
            if length > MAX_SIZE || self.root.usage().free().is_some_and(|free| length > free) {
                return Err(FileError::OverLimit { limit: self.root.usage().limit() });
            }
        }
        let id = Uuid::now_v7();
        let beside = kept("uploads", id, "")?;
        let fetched = self.receive(answer, &beside, progress).await;
        let placed = fetched.and_then(|()| {
            self.root.create_dir_all(into)?;
            self.kept.rename_into(&beside, &self.root, &target, false)
        });
        if placed.is_err() {
            let _ = self.kept.remove_file(&beside);
        }
        placed?;
        progress.file()
    }

    async fn receive(&self, answer: Response, to: &FilePath, progress: &Progress) -> FileResult<()> {
        let file = Arc::new(self.kept.open_file(to, Open::NEW)?);
        let mut body = answer.bytes_stream();
        let mut offset = 0;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| failed(&error))?;
            let (file, length) = (file.clone(), piece.len() as u64);
            let written = tokio::task::spawn_blocking(move || file.write_at(&piece, offset)).await;
            written.map_err(|error| FileError::Io(error.into()))??;
            offset += length;
            progress.bytes(length)?;
            if offset > MAX_SIZE {
                return Err(FileError::TooMuch("The file is larger than 64 GiB.".into()));
            }
        }
        Ok(())
    }
}

/// Asks for `url` and follows its redirects, each one checked like the first.
async fn follow(url: &str, allowed: Allowed) -> FileResult<Response> {
    // Fails when it is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .dns_resolver(Arc::new(Checked(allowed)))
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_PATIENCE)
        .read_timeout(READ_PATIENCE)
        .user_agent(concat!("raptor/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| failed(&error))?;
    let mut url = parse(url)?;
    for _ in 0..=MAX_HOPS {
        check(&url, allowed)?;
        let answer = client.get(url.clone()).send().await.map_err(|error| failed(&error))?;
        if answer.status().is_redirection() && answer.status() != StatusCode::NOT_MODIFIED {
            let next = answer.headers().get(LOCATION).and_then(|next| next.to_str().ok()).unwrap_or_default();
            url = url.join(next).map_err(|_| FileError::Invalid("The redirect leads nowhere.".into()))?;
            continue;
        }
        if !answer.status().is_success() {
            return Err(FileError::Invalid(format!("The other server answered {}.", answer.status())));
        }
        return Ok(answer);
    }
    Err(FileError::Invalid(format!("The address redirects more than {MAX_HOPS} times.")))
}

fn parse(url: &str) -> FileResult<Url> {
    Url::parse(url.trim()).map_err(|error| FileError::Invalid(format!("This is no web address: {error}.")))
}

/// What the resolver never sees: addresses that are written out.
fn check(url: &Url, allowed: Allowed) -> FileResult<()> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FileError::Invalid("The address has to begin with http:// or https://.".into()));
    }
    let private = match url.host() {
        None => true,
        Some(url::Host::Domain(_)) => false,
        Some(url::Host::Ipv4(address)) => !allowed(address.into()),
        Some(url::Host::Ipv6(address)) => !allowed(address.into()),
    };
    if private { Err(private_address()) } else { Ok(()) }
}

fn private_address() -> FileError {
    FileError::Invalid("Raptor fetches from public addresses only; this one is private or local.".into())
}

fn failed(error: &dyn std::error::Error) -> FileError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        reason = inner.to_string();
        cause = inner.source();
    }
    if reason.contains("its address is private") {
        return private_address();
    }
    FileError::Invalid(format!("The file can't be fetched: {reason}."))
}

/// The name that the sender gives, or the last one in the address.
fn name_of(answer: &Response) -> Option<String> {
    let given = answer.headers().get(CONTENT_DISPOSITION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| {
        let name = value.split(';').find_map(|part| part.trim().strip_prefix("filename="))?;
        Some(name.trim_matches('"').rsplit(['/', '\\']).next().unwrap_or_default().to_owned())
    });
    let last = || answer.url().path_segments()?.next_back().map(str::to_owned);
    given.or_else(last).filter(|name| !name.is_empty() && name != "." && name != "..")
}
