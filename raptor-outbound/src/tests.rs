use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A web server at `address` that always gives this response, and the number of requests it got.
async fn server(address: &str, answer: impl Into<String>) -> (u16, Arc<AtomicUsize>) {
    let (answer, asked) = (answer.into(), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), asked.clone());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 2_048]).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            });
        }
    });
    (port, asked)
}

fn page(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len())
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// A resolver with a different answer for each query; the last one is repeated.
struct ChangingResolver {
    answers: Vec<&'static str>,
    asked: AtomicUsize,
}

impl ChangingResolver {
    fn new(answers: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { answers: answers.to_vec(), asked: AtomicUsize::new(0) })
    }
}

#[async_trait::async_trait]
impl Resolver for ChangingResolver {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Ok(self.answers[turn].split(' ').map(|address| address.parse().unwrap()).collect())
    }
}

/// A client for which 127.0.0.1 counts as public and all other addresses of this machine as private.
fn outbound() -> Outbound {
    Outbound::default().allowed(|address| address == IpAddr::from([127, 0, 0, 1]))
}

async fn text(outbound: &Outbound, url: &str) -> Result<String, OutboundError> {
    let read = outbound.read(url, 1_000, Duration::from_secs(5)).await?;
    Ok(String::from_utf8(read).unwrap())
}

#[tokio::test]
async fn what_is_public_is_fetched_through_redirects() {
    let (port, _) = server("127.0.0.1", page("hello")).await;
    let (first, _) = server("127.0.0.1", redirect(&format!("http://127.0.0.1:{port}/b"))).await;
    assert_eq!(text(&outbound(), &format!(" http://127.0.0.1:{first}/a ")).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_connected_to_where_it_was_checked() {
    let (port, asked) = server("127.0.0.1", page("public")).await;
    let resolver = ChangingResolver::new(&["127.0.0.1", "127.0.0.2"]);
    let outbound = outbound().resolver(resolver.clone());
    assert_eq!(text(&outbound, &format!("http://flips.test:{port}/")).await.unwrap(), "public");
    assert_eq!((resolver.asked.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (1, 1));
    // Now the name resolves to a private address: refused, without a connection.
    let refused = text(&outbound, &format!("http://flips.test:{port}/")).await;
    assert!(matches!(refused, Err(OutboundError::Private)), "{refused:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_name_with_one_private_address_among_public_ones_is_refused() {
    let (port, asked) = server("127.0.0.1", page("public")).await;
    let outbound = outbound().resolver(ChangingResolver::new(&["127.0.0.1 127.0.0.2"]));
    let refused = text(&outbound, &format!("http://both.test:{port}/")).await;
    assert!(matches!(refused, Err(OutboundError::Private)), "{refused:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn every_redirect_is_checked_like_the_first_address() {
    let (inner, reached) = server("127.0.0.2", page("secret")).await;
    let targets = [
        format!("http://127.0.0.2:{inner}/"),
        format!("http://localhost:{inner}/"),
        format!("http://[::ffff:127.0.0.2]:{inner}/"),
        format!("//2130706434:{inner}/"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://[fe80::1]/".into(),
        "file:///etc/passwd".into(),
    ];
    for target in targets {
        let (first, _) = server("127.0.0.1", redirect(&target)).await;
        let outbound = outbound().resolver(ChangingResolver::new(&["127.0.0.2"]));
        let refused = text(&outbound, &format!("http://127.0.0.1:{first}/")).await;
        assert!(
            matches!(refused, Err(OutboundError::Private | OutboundError::Scheme)),
            "{target}: {refused:?}"
        );
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_redirect_to_the_same_name_is_resolved_and_checked_anew() {
    let (port, asked) = server("127.0.0.1", redirect("/again")).await;
    let outbound = outbound().resolver(ChangingResolver::new(&["127.0.0.1", "10.0.0.1"]));
    let refused = text(&outbound, &format!("http://flips.test:{port}/")).await;
    assert!(matches!(refused, Err(OutboundError::Private)), "{refused:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn this_machine_is_refused_however_it_is_written() {
    let (port, asked) = server("127.0.0.1", page("secret")).await;
    for host in
        ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0", "017700000001"]
    {
        let refused = text(&Outbound::default(), &format!("http://{host}:{port}/")).await;
        assert!(matches!(refused, Err(OutboundError::Private)), "{host}: {refused:?}");
    }
    for url in ["file:///etc/passwd", "ftp://example.com/x", "gopher://127.0.0.1/", "data:text/plain,x"] {
        assert!(matches!(text(&Outbound::default(), url).await, Err(OutboundError::Scheme)), "{url}");
    }
    assert!(matches!(text(&Outbound::default(), "nonsense").await, Err(OutboundError::InvalidAddress(_))));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn size_time_and_redirects_have_an_end() {
    let (said, _) = server("127.0.0.1", "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n").await;
    let (unsaid, _) =
        server("127.0.0.1", format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(9_000)))
            .await;
    for port in [said, unsaid] {
        let refused = text(&outbound(), &format!("http://127.0.0.1:{port}/")).await;
        assert!(matches!(refused, Err(OutboundError::TooLarge { limit: 1_000 })), "{refused:?}");
    }
    let (silent, _) = server("127.0.0.1", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
    let slow = outbound().read(&format!("http://127.0.0.1:{silent}/"), 10, Duration::from_millis(200)).await;
    assert!(matches!(slow, Err(OutboundError::TooSlow(_) | OutboundError::Failed(_))), "{slow:?}");
    let (round, asked) = server("127.0.0.1", redirect("/")).await;
    let refused = text(&outbound(), &format!("http://127.0.0.1:{round}/")).await;
    assert!(matches!(refused, Err(OutboundError::Redirects)), "{refused:?}");
    assert_eq!(asked.load(Ordering::SeqCst), MAX_HOPS + 1);
    let (missing, _) = server("127.0.0.1", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let refused = text(&outbound(), &format!("http://127.0.0.1:{missing}/")).await;
    assert_eq!(refused.unwrap_err().to_string(), "The other server answered 404 Not Found.");
}

#[test]
fn addresses_of_this_machine_are_known_as_such() {
    for own in ["127.0.0.1", "::1"] {
        assert!(guard::is_own(own.parse().unwrap()), "{own}");
    }
    for other in ["192.0.2.1", "1.1.1.1", "2001:db8::1", "2606:4700::1111"] {
        assert!(!guard::is_own(other.parse().unwrap()), "{other}");
    }
}

/// The public address that the machine has in the test below.
const PUBLIC: &str = "93.184.216.34";

/// Runs in a network namespace in which the machine has a public address.
#[tokio::test]
#[ignore = "the next test runs it in a network of its own"]
async fn inside_a_machine_with_a_public_address() {
    let (port, asked) = server("0.0.0.0", page("INTERNAL-METRICS")).await;
    let resolver = ChangingResolver::new(&[PUBLIC]);
    for host in [PUBLIC, "1572395042", "[::ffff:93.184.216.34]", "named.test"] {
        let outbound = Outbound::default().resolver(resolver.clone());
        let refused = text(&outbound, &format!("http://{host}:{port}/metrics")).await;
        assert!(matches!(refused, Err(OutboundError::Private)), "{host}: {refused:?}");
    }
    let (first, _) = server("127.0.0.1", redirect(&format!("http://{PUBLIC}:{port}/metrics"))).await;
    let opened = Outbound::default().open(vec!["127.0.0.0/8".parse().unwrap()]);
    let refused = text(&opened, &format!("http://127.0.0.1:{first}/")).await;
    assert!(matches!(refused, Err(OutboundError::Private)), "by a redirect: {refused:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let opened = Outbound::default().open(vec![format!("{PUBLIC}/32").parse().unwrap()]);
    assert_eq!(text(&opened, &format!("http://{PUBLIC}:{port}/")).await.unwrap(), "INTERNAL-METRICS");
}

#[test]
fn the_machines_own_public_address_is_refused_like_a_private_one() {
    let set_up = format!("ip link set lo up && ip addr add {PUBLIC}/32 dev lo");
    in_a_network_of_its_own(&set_up, "tests::inside_a_machine_with_a_public_address");
}

/// An address of the private network in the test below, of another machine.
const NEIGHBOUR: &str = "10.66.0.9";

/// Whether somebody has tried to reach it: the kernel has asked the network who has the address.
fn was_sought() -> bool {
    let sought = std::fs::read_to_string("/proc/net/arp").unwrap();
    sought.lines().any(|line| line.split_whitespace().next() == Some(NEIGHBOUR))
}

/// Runs in a network namespace in which the machine has a private network with other machines.
#[tokio::test]
#[ignore = "the next test runs it in a network of its own"]
async fn inside_a_machine_with_a_private_network() {
    let resolver = ChangingResolver::new(&[NEIGHBOUR]);
    for host in [NEIGHBOUR, "171048969", "[::ffff:10.66.0.9]", "named.test"] {
        let outbound = Outbound::default().resolver(resolver.clone());
        let refused = text(&outbound, &format!("http://{host}/")).await;
        assert!(matches!(refused, Err(OutboundError::Private)), "{host}: {refused:?}");
    }
    let (first, _) = server("127.0.0.1", redirect(&format!("http://{NEIGHBOUR}/"))).await;
    let opened = Outbound::default().open(vec!["127.0.0.0/8".parse().unwrap()]);
    let refused = text(&opened, &format!("http://127.0.0.1:{first}/")).await;
    assert!(matches!(refused, Err(OutboundError::Private)), "by a redirect: {refused:?}");
    assert!(!was_sought(), "nothing was sent to it");

    let opened = Outbound::default().open(vec![format!("{NEIGHBOUR}/32").parse().unwrap()]);
    let nobody = opened.read(&format!("http://{NEIGHBOUR}/"), 10, Duration::from_millis(500)).await;
    assert!(!matches!(nobody, Err(OutboundError::Private)), "{nobody:?}");
    assert!(was_sought(), "an administrator has opened it");
}

#[test]
fn another_machine_of_the_private_network_is_refused_and_nothing_is_sent_to_it() {
    let set_up = "ip link set lo up && ip link add near type veth peer name far && ip addr add 10.66.0.1/24 dev near \
                  && ip link set near up && ip link set far up";
    in_a_network_of_its_own(set_up, "tests::inside_a_machine_with_a_private_network");
}

/// Runs an ignored test of this program in a network namespace of its own, after these commands.
fn in_a_network_of_its_own(set_up: &str, inside: &str) {
    let program = std::env::current_exe().unwrap();
    let script = format!("{set_up} && exec '{}' --exact {inside} --ignored --nocapture", program.display());
    let ran = std::process::Command::new("unshare").args(["--net", "sh", "-c", &script]).output();
    let ran = match ran {
        Ok(ran) if !String::from_utf8_lossy(&ran.stderr).contains("unshare") => ran,
        told => {
            assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "CI needs unshare: {told:?}");
            println!("SKIP: a network of its own needs root: {told:?}");
            return;
        }
    };
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[tokio::test]
async fn closed_hosts_are_refused_by_name_and_address_and_an_administrator_opens_single_ones() {
    let (port, asked) = server("127.0.0.1", page("daemon")).await;
    // Both names resolve to the address that stands for a public one.
    let names = ChangingResolver::new(&["127.0.0.1"]);
    let outbound = outbound().resolver(names);
    let fetch =
        async |outbound: &Outbound, host: &str| text(outbound, &format!("http://{host}:{port}/")).await;
    fetch(&outbound, "127.0.0.1").await.unwrap();
    for hosts in [vec!["127.0.0.1".into()], vec!["[::ffff:127.0.0.1]".into()], vec!["node1.test".into()]] {
        // A clone, as the operations of each container have one.
        outbound.clone().close(hosts);
        for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "other.test"] {
            let refused = fetch(&outbound, host).await;
            assert!(matches!(refused, Err(OutboundError::Private)), "{host}: {refused:?}");
        }
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let opened = outbound.clone().open(vec!["127.0.0.1/32".parse().unwrap()]);
    fetch(&opened, "127.0.0.1").await.unwrap();
    outbound.close(Vec::new());
    fetch(&outbound, "other.test").await.unwrap();
}

#[tokio::test]
async fn a_closed_name_that_can_no_longer_be_found_stays_closed() {
    struct Fails(AtomicUsize);
    #[async_trait::async_trait]
    impl Resolver for Fails {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(vec![[127, 0, 0, 1].into()]),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }
    let (port, _) = server("127.0.0.1", page("daemon")).await;
    let outbound = outbound().resolver(Arc::new(Fails(AtomicUsize::new(0))));
    outbound.close(vec!["node1.test".into()]);
    for _ in 0..2 {
        let refused = text(&outbound, &format!("http://127.0.0.1:{port}/")).await;
        assert!(matches!(refused, Err(OutboundError::Private)), "{refused:?}");
    }
}

struct Nothing;

#[async_trait::async_trait]
impl Resolver for Nothing {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::Error::other("failed to lookup address information: Name or service not known"))
    }
}

/// People read these messages: they contain neither the resolver's text nor errno numbers.
#[tokio::test]
async fn a_name_that_is_not_found_and_a_closed_port_are_said_plainly() {
    let unknown = text(&outbound().resolver(Arc::new(Nothing)), "http://nosuch.example/x").await.unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "The name nosuch.example can't be resolved. Check the spelling, and whether this machine can resolve names."
    );
    let port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let closed = text(&outbound(), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert_eq!(
        closed.to_string(),
        "The address can't be fetched: the other server refuses connections on this port."
    );
}
