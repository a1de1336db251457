//! Requests to addresses that somebody typed: over HTTP and HTTPS only, and never to one that only this machine or its network can
//! reach, to this machine itself or to a daemon, each redirect checked like the first address. It holds for administrators too:
//! they open addresses for everybody with `OUTBOUND_ALLOW`. What they set up (daemons, the mail server, registries, the
//! database) is no such request.

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
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long the other server may say nothing.
const READ_PATIENCE: Duration = Duration::from_secs(30);

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// It is no address.
    #[error("This is no web address: {0}.")]
    NoAddress(String),
    /// It is an address of something else.
    #[error("The address has to begin with http:// or https://.")]
    Scheme,
    /// It leads to where only this machine or its network can go.
    #[error(
        "Raptor fetches from public addresses only; this one is private, local, or that of a Raptor host. The administrator of this Raptor can allow it with OUTBOUND_ALLOW."
    )]
    Private,
    /// It redirects to what is no address.
    #[error("The redirect leads nowhere.")]
    Nowhere,
    /// It redirects too often.
    #[error("The address redirects more than {MAX_HOPS} times.")]
    Redirects,
    /// The other server refuses.
    #[error("The other server answered {0}.")]
    Status(StatusCode),
    /// What is there is too large.
    #[error("What is at this address is larger than {} KiB.", .limit / 1024)]
    TooLarge {
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// It takes too long.
    #[error("The other server took longer than {} seconds.", .0.as_secs())]
    TooSlow(Duration),
    /// The other server can't be reached, or breaks off.
    #[error("The address can't be fetched: {0}.")]
    Failed(String),
    /// Its name leads to no address, as far as this machine's resolver knows; what that said is in the log.
    #[error(
        "No server is found under the name {0}. Check its spelling, and whether this machine can look up names."
    )]
    Unresolved(String),
}

/// By what the other server recognises the file that it answered with.
fn version_of(answer: &Response) -> SourceVersion {
    let text = |name| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
    SourceVersion { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
}

/// What asks for the file only where it differs from `known`.
fn conditions(known: &SourceVersion) -> HeaderMap {
    let pairs = [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)];
    let pairs = pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value.as_deref()?).ok()?)));
    pairs.collect()
}

/// Finds the addresses of a name.
#[async_trait::async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of `name`.
    ///
    /// # Errors
    /// When they can't be found.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own resolver.
struct Machine;

#[async_trait::async_trait]
impl Resolver for Machine {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Fetches from addresses that people give.
#[derive(Clone)]
pub struct Outbound {
    guard: Guard,
    resolver: Arc<dyn Resolver>,
}

impl Default for Outbound {
    fn default() -> Self {
        Self { guard: Guard::default(), resolver: Arc::new(Machine) }
    }
}

impl Outbound {
    /// Which addresses may be fetched from where nothing else says so; public ones that are not this machine's own unless given.
    #[must_use]
    pub fn allowed(mut self, allowed: fn(IpAddr) -> bool) -> Self {
        self.guard.rule = allowed;
        self
    }

    /// Addresses that may be fetched from whatever they are; none unless given.
    #[must_use]
    pub fn open(mut self, networks: Vec<IpNet>) -> Self {
        self.guard.open = networks.into();
        self
    }

    /// Replaces the hosts (names or addresses) to which requests are refused. This applies to all clones of this value.
    pub fn close(&self, hosts: Vec<String>) {
        self.guard.close(hosts);
    }

    /// What finds the addresses of names; the machine's resolver unless given.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Asks for `url` and follows its redirects. What the answer holds is still to be read.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub async fn get(&self, url: &str) -> Result<Response, OutboundError> {
        self.ask(url, HeaderMap::new()).await
    }

    /// Asks with these headers, which may make `304 Not Modified` an answer.
    async fn ask(&self, url: &str, headers: HeaderMap) -> Result<Response, OutboundError> {
        // Fails when it is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let gate = Arc::new(self.guard.gate(&*self.resolver).await);
        let checked = Checked { gate: gate.clone(), resolver: self.resolver.clone() };
        let client = Client::builder()
            .dns_resolver(Arc::new(checked))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_PATIENCE)
            .read_timeout(READ_PATIENCE)
            .user_agent(concat!("raptor/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failed(&error))?;
        let mut url = Url::parse(url.trim()).map_err(|error| OutboundError::NoAddress(error.to_string()))?;
        for _ in 0..=MAX_HOPS {
            check(&gate, &url)?;
            let asked = client.get(url.clone()).headers(headers.clone());
            let answer = asked.send().await.map_err(|error| failed(&error))?;
            let status = answer.status();
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                let next = answer.headers().get(LOCATION).and_then(|next| next.to_str().ok());
                let next = next.ok_or(OutboundError::Nowhere)?;
                url = url.join(next).map_err(|_| OutboundError::Nowhere)?;
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

    /// All of what is at `url`: at most `limit` bytes, within `patience`.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub async fn read(&self, url: &str, limit: usize, patience: Duration) -> Result<Vec<u8>, OutboundError> {
        let read = async { whole(self.get(url).await?, limit).await };
        tokio::time::timeout(patience, read).await.unwrap_or(Err(OutboundError::TooSlow(patience)))
    }

    /// The same where the file is another one than the `known` one, with by what it is recognised; none where it is that one.
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

/// What an answer holds: at most `limit` bytes.
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

/// What the resolver never sees: addresses that are written out.
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

/// Resolves names to addresses that are allowed only. The connection goes to the very addresses that were checked: nobody is
/// asked a second time.
struct Checked {
    gate: Arc<Gate>,
    resolver: Arc<dyn Resolver>,
}

/// A name leads to where nobody may go.
#[derive(Debug, thiserror::Error)]
#[error("its address is private")]
struct Refused;

/// A name leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("no server is found under the name {0}")]
struct Unknown(String);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (gate, resolver) = (self.gate.clone(), self.resolver.clone());
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str()).await.map_err(|error| {
                tracing::debug!(name = name.as_str(), %error, "a name was not found");
                Unknown(name.as_str().to_owned())
            })?;
            // One address that is not allowed is enough to refuse the name: it is not what an honest one has.
            if addresses.is_empty() || !addresses.iter().all(|address| gate.allows(*address)) {
                return Err(Refused.into());
            }
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// What a connection that failed means, in words for people; none for what is rare.
const fn plain(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "the other server accepts no connections at this port",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => "the other server broke off",
        io::ErrorKind::TimedOut => "the other server does not answer",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no way from this machine to the other server"
        }
        _ => return None,
    })
}

/// The innermost reason, which is the one that says something.
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
