//! The firewall that isolates containers from the host's services and private network.
//!
//! The engine isolates its networks from each other, but each of them leads to the host: to its services on all its addresses,
//! and to its private network. Chains of our own in the engine's iptables backend close that. They match the names of this
//! daemon's bridges, so they apply to a network before it exists, and never touch other programs' rules.

mod loopback;
mod nat;
mod outgoing;
mod reach;
mod resolvers;
mod rules;

pub(crate) use loopback::{LoopbackForward, Net, has_loopback_port, loopback_forwards};
pub(crate) use outgoing::Outgoing;
pub use reach::Reach;

use nat::Chain;
use outgoing::Interfaces;
use raptor_model::node::{Isolation, PortBinding};
use rules::{Family, Names, Open, Table};
use std::{
    fs,
    io::{self, Write},
    net::Ipv4Addr,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Mutex, PoisonError},
};
use uuid::Uuid;

/// Seconds to wait for the lock on the tables.
const WAIT: &str = "5";

/// The firewall rules of one daemon.
pub(crate) struct Firewall {
    on: bool,
    names: Names,
    reach: Vec<Reach>,
    /// Has a lock of its own, so that readers don't wait for the iptables programs.
    isolation: Mutex<Isolation>,
    /// Why the containers' outgoing addresses are not in effect; `None` if they are.
    unsent: Mutex<Option<String>>,
    state: Mutex<State>,
}

/// The desired content of the rules.
pub(crate) struct DesiredRules {
    /// Ports that containers publish.
    pub(crate) ports: Vec<PortBinding>,
    /// Networks with an outgoing address of their own.
    pub(crate) outgoing: Vec<Outgoing>,
    /// Ports on the loopback address, for other containers of the same owner.
    pub(crate) loopback: Vec<LoopbackForward>,
}

struct State {
    /// Whether the engine's bridges are not on this host, so that our rules can't match.
    elsewhere: bool,
    /// The chains as last applied, per family.
    chains: [String; 2],
    /// Whether the table `nat` may contain rules of ours.
    nat: bool,
}

impl Firewall {
    /// The rules of the daemon `instance`. Nothing is applied yet.
    pub(crate) fn new(instance: Uuid, on: bool, reach: Vec<Reach>) -> Self {
        let isolation = if on {
            Isolation { kept: true, note: KEPT.into() }
        } else {
            Isolation { kept: false, note: OFF.into() }
        };
        let state = State { elsewhere: false, chains: [String::new(), String::new()], nat: true };
        Self {
            on,
            names: Names::of(&mark(instance)),
            reach,
            isolation: Mutex::new(isolation),
            unsent: Mutex::new(None),
            state: Mutex::new(state),
        }
    }

    /// Whether containers are isolated from the host, as last determined.
    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks that connections from behind `bridge` come from `ip`, as last determined. Blocking.
    ///
    /// # Errors
    /// A sentence for people.
    pub(crate) fn check_outgoing(&self, ip: Ipv4Addr, bridge: &str) -> Result<(), String> {
        if !is_here(bridge) {
            return Err(NOT_BEFORE.into());
        }
        let interfaces =
            Interfaces::read().map_err(|error| format!("The outgoing address can't be checked: {error}"))?;
        if !interfaces.has(ip) {
            return Err(format!(
                "This host does not have the outgoing address {ip}. Choose one of its addresses, or add this one to the host."
            ));
        }
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }

    /// Applies the rules if they are not in effect, and removes those that no network needs. `bridge`: a bridge that the engine
    /// was told to create, and whether something runs behind it, in which case it must exist. Blocking.
    pub(crate) fn keep(&self, wanted: &DesiredRules, bridge: Option<(&str, bool)>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((bridge, runs)) = bridge
            && (runs || is_here(bridge))
        {
            state.elsewhere = !is_here(bridge);
        }
        // Without the rest of our rules nothing would let them pass.
        let loopback: &[LoopbackForward] = if self.on { &wanted.loopback } else { &[] };
        let sent = self.send(&wanted.outgoing, loopback, &mut state);
        *self.unsent.lock().unwrap_or_else(PoisonError::into_inner) = sent.err();
        let isolation = match self.apply(&mut state.chains, &wanted.ports, loopback, bridge.is_some()) {
            Ok(()) if state.elsewhere => Isolation { kept: false, note: ELSEWHERE.into() },
            _ if !self.on => Isolation { kept: false, note: OFF.into() },
            Ok(()) => Isolation { kept: true, note: KEPT.into() },
            Err(error) => Isolation { kept: false, note: problem(&error) },
        };
        let mut told = self.isolation.lock().unwrap_or_else(PoisonError::into_inner);
        if isolation != *told {
            if isolation.kept {
                tracing::info!("{}", isolation.note);
            } else {
                tracing::warn!("{}", isolation.note);
            }
            *told = isolation;
        }
    }

    /// Applies the rules for outgoing addresses and loopback ports. The error is a sentence for people.
    fn send(
        &self,
        outgoing: &[Outgoing],
        loopback: &[LoopbackForward],
        state: &mut State,
    ) -> Result<(), String> {
        if outgoing.is_empty() && loopback.is_empty() && !state.nat {
            return Ok(());
        }
        let bridges = bridges();
        let used = |mark: &str| bridges.iter().any(|bridge| bridge.starts_with(&Names::of(mark).bridges));
        let set = || {
            let saved = save(Family::V4, "nat")?;
            let change = nat::change(&saved, &self.names, &self.chains(outgoing, loopback)?, used);
            if change.is_empty() { Ok(()) } else { restore(Family::V4, "nat", &change) }
        };
        set().map_err(|error| format!("The outgoing address can't be set: {}.", why(&error)))?;
        state.nat = !outgoing.is_empty() || !loopback.is_empty();
        Ok(())
    }

    /// The desired content of our chains in the table `nat`.
    fn chains(&self, outgoing: &[Outgoing], loopback: &[LoopbackForward]) -> io::Result<[Chain; 3]> {
        let Names { bridges, from, loopback: forward, back, .. } = &self.names;
        let chain = |name: &String, entrance: String, rules| Chain { name: name.clone(), entrance, rules };
        Ok([
            chain(from, "POSTROUTING".into(), outgoing::from(&self.names, outgoing, &Interfaces::read()?)),
            chain(
                forward,
                format!("PREROUTING -i {bridges}+"),
                loopback::forward_rules(&self.names, loopback),
            ),
            chain(back, format!("POSTROUTING -o {bridges}+"), loopback::return_rules(&self.names, loopback)),
        ])
    }

    fn apply(
        &self,
        applied: &mut [String; 2],
        ports: &[PortBinding],
        loopback: &[LoopbackForward],
        due: bool,
    ) -> io::Result<()> {
        let bridges = bridges();
        let wanted = self.on && (due || bridges.iter().any(|bridge| bridge.starts_with(&self.names.bridges)));
        let resolvers = resolvers::of_the_engine();
        let open = Open { reach: &self.reach, resolvers: &resolvers, ports, loopback };
        let own = self.names.host.trim_start_matches("RAPTOR-HOST-");
        for (family, applied) in [Family::V4, Family::V6].into_iter().zip(applied) {
            if family == Family::V6 && !Path::new("/proc/net/if_inet6").exists() {
                continue;
            }
            let saved = save(family, "filter")?;
            let table = Table::new(&saved);
            let mut change = String::new();
            for mark in table.marks() {
                let names = Names::of(&mark);
                let used = bridges.iter().any(|bridge| bridge.starts_with(&names.bridges));
                if if mark == own { !wanted } else { !used } {
                    change.push_str(&table.removal(&names));
                }
            }
            let chains = rules::chains(&self.names, family, &open);
            if wanted && (*applied != chains || !table.is_complete(&self.names, &chains)) {
                change.push_str(&chains);
                change.push_str(&table.missing(&self.names));
            }
            if !change.is_empty() {
                restore(family, "filter", &change)?;
            }
            *applied = if wanted { chains } else { String::new() };
        }
        Ok(())
    }
}

/// Removes the rules of all daemons on this host, for uninstalling Raptor. Returns the number of chain sets removed. Running
/// daemons restore theirs. Blocking.
///
/// # Errors
/// If the tables can't be read or changed.
pub fn remove_rules() -> io::Result<usize> {
    let mut removed = 0;
    for family in [Family::V4, Family::V6] {
        if family == Family::V6 && !Path::new("/proc/net/if_inet6").exists() {
            continue;
        }
        let saved = save(family, "filter")?;
        let table = Table::new(&saved);
        let marks = table.marks();
        let change: String = marks.iter().map(|mark| table.removal(&Names::of(mark))).collect();
        if !change.is_empty() {
            restore(family, "filter", &change)?;
        }
        removed = removed.max(marks.len());
    }
    let change = nat::removal_of_all(&save(Family::V4, "nat")?);
    if !change.is_empty() {
        restore(Family::V4, "nat", &change)?;
    }
    Ok(removed)
}

/// The prefix of this daemon's bridge names. The kernel allows 15 characters in total.
pub(crate) fn bridge_prefix(instance: Uuid) -> String {
    Names::of(&mark(instance)).bridges
}

/// Whether an interface is the bridge of a container's network, of this or another daemon.
pub(crate) fn is_bridge_name(name: &str) -> bool {
    name.len() == 15
        && name.strip_prefix("rp").is_some_and(|rest| rest.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn mark(instance: Uuid) -> String {
    // The end of the id is the random part.
    instance.simple().to_string().split_off(27)
}

const KEPT: &str = "Containers can't reach services of this host or private addresses, except for those in CONTAINER_REACH. Ports that containers publish are open to everybody; those on 127.0.0.1 only to containers of the same owner.";
const NOT_BEFORE: &str = "The outgoing address can't be set: it needs a Docker Engine that root runs. Rootless Docker and Podman make the container's network elsewhere, or only when it starts.";
const OFF: &str = "CONTAINER_FIREWALL is off: containers can reach the services of this host and of its private network, and an allocation on 127.0.0.1 can't be reached by its owner's other containers.";

const ELSEWHERE: &str = "Whether containers can reach the services of this host is not known: Docker keeps its networks in a network namespace of its own. Isolate them with a firewall there.";

fn problem(error: &io::Error) -> String {
    format!(
        "Containers can reach the services of this host and of its private network: {}, or isolate them with a firewall of your own.",
        why(error)
    )
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no iptables. Install the package iptables".to_owned(),
        io::ErrorKind::PermissionDenied => "only root may set the rules. Run the daemon as root".to_owned(),
        _ => format!("the rules can't be set ({error})"),
    }
}

/// Whether a bridge is among this host's interfaces.
pub(crate) fn is_here(bridge: &str) -> bool {
    Path::new("/sys/class/net").join(bridge).exists()
}

fn bridges() -> Vec<String> {
    let interfaces = fs::read_dir("/sys/class/net").into_iter().flatten();
    interfaces.filter_map(|interface| interface.ok()?.file_name().into_string().ok()).collect()
}

fn program(family: Family, what: &str) -> String {
    match family {
        Family::V4 => format!("iptables-{what}"),
        Family::V6 => format!("ip6tables-{what}"),
    }
}

fn save(family: Family, table: &str) -> io::Result<String> {
    let output = Command::new(program(family, "save")).args(["-t", table]).output()?;
    checked(&output)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn restore(family: Family, table: &str, lines: &str) -> io::Result<()> {
    // Atomic, and without touching chains that it does not mention.
    let mut command = Command::new(program(family, "restore"));
    command.args(["--noflush", "--wait", WAIT]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(format!("*{table}\n{lines}COMMIT\n").as_bytes())?;
    }
    checked(&child.wait_with_output()?)
}

fn checked(output: &Output) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or_default().to_owned();
    let refused = ["ermission denied", "not permitted", "you must be root"];
    let kind = if refused.iter().any(|refused| said.contains(refused)) {
        io::ErrorKind::PermissionDenied
    } else {
        io::ErrorKind::Other
    };
    Err(io::Error::new(kind, said))
}
