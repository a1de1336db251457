//! Containers apart from the host: what they may not reach through their bridge.
//!
//! The engine keeps its networks apart from each other, but each of them leads to the host itself: its services on every
//! address that it has, and whatever its own network holds. Chains of our own in the engine's set of tables close that. They
//! match the names of this daemon's bridges, so they hold for a network before it exists, and every rule of others stays.

mod nat;
mod near;
mod outgoing;
mod reach;
mod resolvers;
mod rules;

pub(crate) use near::{Near, Net, between, is_near};
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

/// Seconds to wait for others who change the tables.
const WAIT: &str = "5";

/// The rules of one daemon.
pub(crate) struct Firewall {
    on: bool,
    names: Names,
    reach: Vec<Reach>,
    /// Of its own: whoever asks must not wait for the programs that change the tables.
    isolation: Mutex<Isolation>,
    /// Why the outgoing addresses of containers are not in force; none where they are.
    unsent: Mutex<Option<String>>,
    state: Mutex<State>,
}

/// What the rules should say.
pub(crate) struct DesiredRules {
    /// Ports that containers publish.
    pub(crate) ports: Vec<PortBinding>,
    /// The networks with an address of their own towards the outside.
    pub(crate) outgoing: Vec<Outgoing>,
    /// Ports on the loopback, for the containers of the same owner.
    pub(crate) near: Vec<Near>,
}

struct State {
    /// Whether the engine's bridges are not on this host, where no rule of ours meets them.
    elsewhere: bool,
    /// The chains as they were put in last, by family.
    chains: [String; 2],
    /// Whether there may be rules of ours in the table `nat`.
    nat: bool,
}

impl Firewall {
    /// The rules of the daemon `instance`. Nothing is changed yet.
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

    /// How containers are kept from the host, as it was found last.
    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether connections from behind `bridge` come from `ip`, as was found last. Blocking.
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
                "This host does not have the outgoing address {ip}. Choose one that it has, or give it to the host."
            ));
        }
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }

    /// Puts the rules in force where they are not, and takes away those that no network needs. `bridge`: one that the engine
    /// was told to make, and whether something runs behind it, so that it has to be there. Blocking.
    pub(crate) fn keep(&self, wanted: &DesiredRules, bridge: Option<(&str, bool)>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((bridge, runs)) = bridge
            && (runs || is_here(bridge))
        {
            state.elsewhere = !is_here(bridge);
        }
        // Without our rules, nothing lets them pass.
        let near: &[Near] = if self.on { &wanted.near } else { &[] };
        let sent = self.send(&wanted.outgoing, near, &mut state);
        *self.unsent.lock().unwrap_or_else(PoisonError::into_inner) = sent.err();
        let isolation = match self.apply(&mut state.chains, &wanted.ports, near, bridge.is_some()) {
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

    /// Has connections come from the addresses that were chosen, and go where they are meant to. The error is a sentence for
    /// people.
    fn send(&self, outgoing: &[Outgoing], near: &[Near], state: &mut State) -> Result<(), String> {
        if outgoing.is_empty() && near.is_empty() && !state.nat {
            return Ok(());
        }
        let bridges = bridges();
        let used = |mark: &str| bridges.iter().any(|bridge| bridge.starts_with(&Names::of(mark).bridges));
        let set = || {
            let saved = save(Family::V4, "nat")?;
            let change = nat::change(&saved, &self.names, &self.chains(outgoing, near)?, used);
            if change.is_empty() { Ok(()) } else { restore(Family::V4, "nat", &change) }
        };
        set().map_err(|error| format!("The outgoing address can't be set: {}.", why(&error)))?;
        state.nat = !outgoing.is_empty() || !near.is_empty();
        Ok(())
    }

    /// What the table `nat` should have of ours.
    fn chains(&self, outgoing: &[Outgoing], near: &[Near]) -> io::Result<[Chain; 3]> {
        let Names { bridges, from, near: there, back, .. } = &self.names;
        let chain = |name: &String, entrance: String, rules| Chain { name: name.clone(), entrance, rules };
        Ok([
            chain(from, "POSTROUTING".into(), outgoing::from(&self.names, outgoing, &Interfaces::read()?)),
            chain(there, format!("PREROUTING -i {bridges}+"), near::there(&self.names, near)),
            chain(back, format!("POSTROUTING -o {bridges}+"), near::back(&self.names, near)),
        ])
    }

    fn apply(
        &self,
        applied: &mut [String; 2],
        ports: &[PortBinding],
        near: &[Near],
        due: bool,
    ) -> io::Result<()> {
        let bridges = bridges();
        let wanted = self.on && (due || bridges.iter().any(|bridge| bridge.starts_with(&self.names.bridges)));
        let resolvers = resolvers::of_the_engine();
        let open = Open { reach: &self.reach, resolvers: &resolvers, ports, near };
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

/// Takes away the rules of all daemons of this host, as when Raptor is removed from it. Gives how many sets of chains there
/// were. Daemons that run put theirs back. Blocking.
///
/// # Errors
/// When the tables can't be read or changed.
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

/// What the names of this daemon's bridges begin with. The kernel allows 15 characters in all.
pub(crate) fn bridge_prefix(instance: Uuid) -> String {
    Names::of(&mark(instance)).bridges
}

/// Whether an interface of this name is the bridge of a container's network, of this daemon's or another's.
pub(crate) fn is_bridge_name(name: &str) -> bool {
    name.len() == 15
        && name.strip_prefix("rp").is_some_and(|rest| rest.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn mark(instance: Uuid) -> String {
    // The end of the id is the random part.
    instance.simple().to_string().split_off(27)
}

const KEPT: &str = "Containers can't reach services of this host or private addresses, but for what CONTAINER_REACH names. Ports that containers publish are open to all; those on 127.0.0.1 to the containers of the same owner alone.";
const NOT_BEFORE: &str = "The outgoing address can't be set: it needs a Docker Engine that root runs. Rootless Docker and Podman make the container's network elsewhere, or only when it starts.";
const OFF: &str = "CONTAINER_FIREWALL is off: containers can reach the services of this host and of its private network, and an allocation on 127.0.0.1 can't be reached by its owner's other containers.";

const ELSEWHERE: &str = "Whether containers can reach the services of this host is not known: Docker keeps its networks in a network namespace of its own. Keep them apart by a firewall there.";

fn problem(error: &io::Error) -> String {
    format!(
        "Containers can reach the services of this host and of its private network: {}, or keep them apart by a firewall of your own.",
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
    // All of it or nothing, and without touching what it does not name.
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
