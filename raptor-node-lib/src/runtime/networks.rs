//! Networks: one per container, so that containers can't reach each other, or one per owner who asked for it.

use super::{
    Docker, RuntimeError,
    docker::{CONTAINER, INSTANCE, error},
};
use bollard::{
    models::{Ipam, IpamConfig, NetworkCreateRequest},
    query_parameters::ListNetworksOptionsBuilder,
};
use raptor_model::{containers::Network, id::ContainerId, node::ContainerSpec};
use std::{collections::HashMap, net::Ipv4Addr};
use uuid::Uuid;

/// The option that names a network's bridge.
const BRIDGE: &str = "com.docker.network.bridge.name";
/// The option that makes the engine translate outgoing addresses (masquerading).
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
/// How many subnets are tried before giving up: others may use part of the range.
const TRIES: u32 = 256;
/// Host bits of a container's subnet: for the container, its installer and the host.
const ALONE_BITS: u32 = 3;
/// Host bits of an owner's subnet.
const OWNER_BITS: u32 = 8;

/// The range from which containers' networks are allocated, as address and prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    pub first: Ipv4Addr,
    /// The prefix length, 8 to 22.
    pub prefix: u32,
}

impl Default for Pool {
    /// A private range that few networks use, with space for 32,768 containers.
    fn default() -> Self {
        Self { first: Ipv4Addr::new(10, 216, 0, 0), prefix: 14 }
    }
}

impl Pool {
    /// The subnet with index `at` among those with `bits` host bits, and the host's address in it.
    fn subnet(self, at: u32, bits: u32) -> (String, String) {
        let count = 1_u32 << (32 - self.prefix - bits);
        let first = u32::from(self.first) + ((at % count) << bits);
        let (subnet, gateway) = (Ipv4Addr::from(first), Ipv4Addr::from(first + 1));
        (format!("{subnet}/{}", 32 - bits), gateway.to_string())
    }
}

/// A network that this daemon created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurNetwork {
    pub name: String,
    /// The container that it belongs to; `None` for an owner's network.
    pub id: Option<ContainerId>,
    /// The host's address in it; `None` if the engine does not say.
    pub gateway: Option<Ipv4Addr>,
}

/// The engine's name of the container's network.
pub(crate) fn network_name(instance: Uuid, spec: &ContainerSpec) -> String {
    match (spec.network, spec.owner) {
        (Network::Owner, Some(owner)) => {
            // The end of the id is the random part.
            let mut short = instance.simple().to_string();
            short.drain(..20);
            format!("raptor-{short}-owner-{owner}")
        }
        _ => format!("raptor-{}", spec.id),
    }
}

/// The name of a network's bridge on the host. Firewall rules match its prefix.
pub(crate) fn bridge_name(instance: Uuid, network: &str) -> String {
    // FNV-1a with 32 bits fits into the rest of the kernel's 15 characters.
    let hash = network
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{}{hash:08x}", crate::firewall::bridge_prefix(instance))
}

impl Docker {
    /// Creates the container's network if it doesn't exist, and returns its name. Completes even if the caller is cancelled.
    ///
    /// # Errors
    /// If the engine refuses or does not answer.
    pub async fn network(&self, spec: &ContainerSpec, pool: Pool) -> Result<String, RuntimeError> {
        let (docker, spec, name) = (self.clone(), spec.clone(), network_name(self.instance, spec));
        let make = async move { docker.make_network(&spec, pool).await };
        self.in_flight.complete(&name, make).await
    }

    async fn make_network(&self, spec: &ContainerSpec, pool: Pool) -> Result<String, RuntimeError> {
        let name = network_name(self.instance, spec);
        let client = self.client()?;
        let bridge = bridge_name(self.instance, &name);
        let mut options = HashMap::from([(BRIDGE.to_owned(), bridge.clone())]);
        if spec.outgoing_ip.is_some() {
            // The firewall translates them, to the chosen address.
            options.insert(MASQUERADE.into(), "false".into());
        }
        match client.inspect_network(&name, None).await.map_err(error) {
            Ok(found) => {
                let made = found.options.unwrap_or_default();
                let translated =
                    made.get(MASQUERADE).map(String::as_str) != options.get(MASQUERADE).map(String::as_str);
                // The bridge of a network created by an earlier version matches no firewall rule. It is replaced, unless others
                // use it.
                if !translated && made.get(BRIDGE) == Some(&bridge) {
                    return Ok(name);
                }
                match client.remove_network(&name).await.map_err(error) {
                    Err(why) if translated => return Err(why),
                    Err(_) => return Ok(name),
                    Ok(()) => {}
                }
            }
            Err(RuntimeError::NotFound) => {}
            Err(other) => return Err(other),
        }
        let own = name == format!("raptor-{}", spec.id);
        let bits = if own { ALONE_BITS } else { OWNER_BITS };
        let mut labels = HashMap::from([(INSTANCE.to_owned(), self.instance.to_string())]);
        if own {
            labels.insert(CONTAINER.into(), spec.id.to_string());
        }
        // The search starts at a different index for each network, so that most find a free subnet at once.
        let begin =
            name.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
        let mut refused = String::new();
        for step in 0..TRIES {
            let (subnet, gateway) = pool.subnet(begin.wrapping_add(step), bits);
            let config = IpamConfig { subnet: Some(subnet), gateway: Some(gateway), ..IpamConfig::default() };
            let request = NetworkCreateRequest {
                name: name.clone(),
                driver: Some("bridge".into()),
                ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
                labels: Some(labels.clone()),
                options: Some(options.clone()),
                ..NetworkCreateRequest::default()
            };
            match client.create_network(request).await.map_err(error) {
                Ok(_) => return Ok(name),
                // Another start of the same owner was faster.
                Err(RuntimeError::Refused(why)) if why.contains("already exists") => return Ok(name),
                Err(RuntimeError::Refused(why)) if why.contains("verlap") => refused = why,
                Err(other) => return Err(other),
            }
        }
        Err(RuntimeError::Refused(format!("no network address is free ({refused}); set CONTAINER_SUBNETS")))
    }

    /// All networks that this daemon created.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub async fn our_networks(&self) -> Result<Vec<OurNetwork>, RuntimeError> {
        let filters = HashMap::from([("label", vec![format!("{INSTANCE}={}", self.instance)])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let found = self.client()?.list_networks(Some(options)).await.map_err(error)?;
        let ours = found.into_iter().filter_map(|network| {
            let id = network.labels.and_then(|labels| labels.get(CONTAINER)?.parse().ok());
            let configs = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
            let gateway = configs.into_iter().find_map(|config| config.gateway?.parse().ok());
            Some(OurNetwork { name: network.name?, id, gateway })
        });
        Ok(ours.collect())
    }

    /// Removes a network. Succeeds if it doesn't exist, or is still used by a container.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub async fn remove_network(&self, name: &str) -> Result<(), RuntimeError> {
        let _turn = self.in_flight.lock(name).await;
        match self.client()?.remove_network(name).await.map_err(error) {
            Ok(()) | Err(RuntimeError::NotFound | RuntimeError::Refused(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// The host's address in a network.
    pub async fn gateway(&self, network: &str) -> Option<String> {
        let network = self.client().ok()?.inspect_network(network, None).await.ok()?;
        network.ipam?.config?.into_iter().find_map(|config| config.gateway)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_lie_in_the_range_and_do_not_overlap() {
        let pool = Pool { first: Ipv4Addr::new(10, 0, 0, 0), prefix: 22 };
        let subnets: std::collections::BTreeSet<_> = (0..128).map(|at| pool.subnet(at, ALONE_BITS)).collect();
        assert_eq!(subnets.len(), 128);
        assert_eq!(pool.subnet(127, ALONE_BITS), ("10.0.3.248/29".into(), "10.0.3.249".into()));
        assert_eq!(pool.subnet(128, ALONE_BITS), pool.subnet(0, ALONE_BITS));
        assert_eq!(pool.subnet(1, OWNER_BITS).0, "10.0.1.0/24");
    }
}
