//! Requests to addresses that somebody typed. Only HTTP and HTTPS, and never to an address that only this machine or its
//! network can reach, to this machine itself or to a daemon; redirects are checked the same way. Administrators are no
//! exception: they open addresses for everybody with `OUTBOUND_ALLOW`. Not meant for what they set up themselves (daemons, the
//! mail server, registries, the database).

mod address;
mod guard;
#[cfg(test)]
mod tests;

pub use address::is_public;

use guard::{Gate, Guard};
use ipnet::IpNet;
use raptor_model::templates::SourceVersion;
use reqwest::{
    Client, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION},
    redirect::Policy,
};
use std::{
    error::Error as StdError,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// How many redirects are followed.
const MAX_HOPS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the other server may send nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a fetch failed. The messages are for people.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("This is not a valid web address: {0}.")]
    InvalidAddress(String),
    /// Neither HTTP nor HTTPS.
    #[error("The address must begin with http:// or https://.")]
    Scheme,
    /// The address is private, this machine's own or a daemon's.
    #[error(
        "Raptor fetches from public addresses only; this one is private, local, or that of a Raptor host. The administrator of this Raptor can allow it with OUTBOUND_ALLOW."
    )]
    Private,
    /// A redirect without a valid address.
    #[error("The server redirects to an invalid address.")]
    BadRedirect,
    #[error("The address redirects more than {MAX_HOPS} times.")]
    Redirects,
    /// Any status other than success.
    #[error("The other server answered {0}.")]
    Status(StatusCode),
    #[error("The file at this address is larger than {} KiB.", .limit / 1024)]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    #[error("The other server took longer than {} seconds.", .0.as_secs())]
    TooSlow(Duration),
    /// The other server can't be reached, or the connection broke.
    #[error("The address can't be fetched: {0}.")]
    Failed(String),
    /// The name can't be resolved. The resolver's message is in the log.
    #[error(
        "The name {0} can't be resolved. Check the spelling, and whether this machine can resolve names."
    )]
    Unresolved(String),
}

/// The headers that identify the version of the file (`ETag`, `Last-Modified`).
fn version_of(answer: &Response) -> SourceVersion {
    let text = |name| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
    SourceVersion { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
}

/// The conditional headers for fetching the file only if it differs from `known`.
fn conditions(known: &SourceVersion) -> HeaderMap {
    let pairs = [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)];
    let pairs = pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value.as_deref()?).ok()?)));
    pairs.collect()
}

/// Resolves names to addresses.
#[async_trait::async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of `name`.
    ///
    /// # Errors
    /// If the name can't be resolved.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
struct SystemResolver;

#[async_trait::async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A client for addresses that people enter.
#[derive(Clone)]
pub struct Outbound {
    guard: Guard,
    resolver: Arc<dyn Resolver>,
}

impl Default for Outbound {
    fn default() -> Self {
        Self { guard: Guard::default(), resolver: Arc::new(SystemResolver) }
    }
}

impl Outbound {
    /// Overrides which addresses may be fetched from; by default public ones that are not this machine's own.
    #[must_use]
    pub fn allowed(mut self, allowed: fn(IpAddr) -> bool) -> Self {
        self.guard.rule = allowed;
        self
    }

    /// Networks that may be fetched from although they are not public; none by default.
    #[must_use]
    pub fn open(mut self, networks: Vec<IpNet>) -> Self {
        self.guard.open = networks.into();
        self
    }

    /// Replaces the hosts (names or addresses) to which requests are refused. This applies to all clones of this value.
    pub fn close(&self, hosts: Vec<String>) {
        self.guard.close(hosts);
    }

    /// Overrides how names are resolved; by default by the operating system.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Requests `url` and follows redirects. The body of the response has not been read yet.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub async fn get(&self, url: &str) -> Result<Response, OutboundError> {
        self.ask(url, HeaderMap::new()).await
    }

    /// Requests with these headers, so `304 Not Modified` may be a valid response.
    async fn ask(&self, url: &str, headers: HeaderMap) -> Result<Response, OutboundError> {
        // Fails if a provider is already installed, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let gate = Arc::new(self.guard.gate(&*self.resolver).await);
        let checked = Checked { gate: gate.clone(), resolver: self.resolver.clone() };
        let client = Client::builder()
            .dns_resolver(Arc::new(checked))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("raptor/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failed(&error))?;
        let mut url =
            Url::parse(url.trim()).map_err(|error| OutboundError::InvalidAddress(error.to_string()))?;
        for _ in 0..=MAX_HOPS {
            check(&gate, &url)?;
            let asked = client.get(url.clone()).headers(headers.clone());
            let answer = asked.send().await.map_err(|error| failed(&error))?;
            let status = answer.status();
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                let next = answer.headers().get(LOCATION).and_then(|next| next.to_str().ok());
                let next = next.ok_or(OutboundError::BadRedirect)?;
                url = url.join(next).map_err(|_| OutboundError::BadRedirect)?;
                continue;
            }
            let unchanged = status == StatusCode::NOT_MODIFIED && !headers.is_empty();
            return if status.is_success() || unchanged {
                Ok(answer)
            } else {
                Err(OutboundError::Status(status))
            };
        }
        Err(OutboundError::Redirects)
    }

    /// Fetches `url`: at most `limit` bytes, within `patience`.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub async fn read(&self, url: &str, limit: usize, patience: Duration) -> Result<Vec<u8>, OutboundError> {
        let read = async { whole(self.get(url).await?, limit).await };
        tokio::time::timeout(patience, read).await.unwrap_or(Err(OutboundError::TooSlow(patience)))
    }

    /// Like [`Self::read`], but returns `None` if the file is still the `known` version, and otherwise the new version with it.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub async fn read_newer(
        &self,
        url: &str,
        limit: usize,
        patience: Duration,
        known: &SourceVersion,
    ) -> Result<Option<(Vec<u8>, SourceVersion)>, OutboundError> {
        let read = async {
            let answer = self.ask(url, conditions(known)).await?;
            if answer.status() == StatusCode::NOT_MODIFIED {
                return Ok(None);
            }
            let version = version_of(&answer);
            Ok(Some((whole(answer, limit).await?, version)))
        };
        tokio::time::timeout(patience, read).await.unwrap_or(Err(OutboundError::TooSlow(patience)))
    }
}

/// The body of a response: at most `limit` bytes.
async fn whole(mut answer: Response, limit: usize) -> Result<Vec<u8>, OutboundError> {
    let too_large = |length: u64| length > u64::try_from(limit).unwrap_or(u64::MAX);
    if answer.content_length().is_some_and(too_large) {
        return Err(OutboundError::TooLarge { limit });
    }
    let mut whole = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| failed(&error))? {
        if whole.len() + piece.len() > limit {
            return Err(OutboundError::TooLarge { limit });
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// Checks literal IP addresses, which never reach the resolver.
fn check(gate: &Gate, url: &Url) -> Result<(), OutboundError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(OutboundError::Scheme);
    }
    let allowed = match url.host() {
        None => false,
        Some(url::Host::Domain(_)) => true,
        Some(url::Host::Ipv4(address)) => gate.allows(address.into()),
        Some(url::Host::Ipv6(address)) => gate.allows(address.into()),
    };
    if allowed { Ok(()) } else { Err(OutboundError::Private) }
}

/// Resolves names to allowed addresses only. The connection uses exactly the addresses that were checked, so there is no second
/// lookup that could differ.
struct Checked {
    gate: Arc<Gate>,
    resolver: Arc<dyn Resolver>,
}

#[derive(Debug, thiserror::Error)]
#[error("its address is private")]
struct Refused;

#[derive(Debug, thiserror::Error)]
#[error("the name {0} can't be resolved")]
struct Unknown(String);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (gate, resolver) = (self.gate.clone(), self.resolver.clone());
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str()).await.map_err(|error| {
                tracing::debug!(name = name.as_str(), %error, "a name can't be resolved");
                Unknown(name.as_str().to_owned())
            })?;
            // One address that is not allowed is enough to refuse the name: an honest one has none.
            if addresses.is_empty() || !addresses.iter().all(|address| gate.allows(*address)) {
                return Err(Refused.into());
            }
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// A plain description of a failed connection; `None` for rare errors.
const fn plain(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "the other server refuses connections on this port",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            "the other server closed the connection"
        }
        io::ErrorKind::TimedOut => "the other server does not respond",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no route from this machine to the other server"
        }
        _ => return None,
    })
}

/// The innermost cause, which is the informative one.
fn failed(error: &(dyn StdError + 'static)) -> OutboundError {
    let mut inmost = error;
    loop {
        if inmost.is::<Refused>() {
            return OutboundError::Private;
        }
        if let Some(Unknown(name)) = inmost.downcast_ref() {
            return OutboundError::Unresolved(name.clone());
        }
        if let Some(error) = inmost.downcast_ref::<io::Error>()
            && let Some(words) = plain(error.kind())
        {
            return OutboundError::Failed(words.to_owned());
        }
        match inmost.source() {
            Some(inner) => inmost = inner,
            None => return OutboundError::Failed(inmost.to_string()),
        }
    }
}
