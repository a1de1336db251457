//! The implementation of [`Engine`] for the scripted engine.

use super::{
    Call, Scripted, away, locked,
    process::{NewContainer, Order, Phase, ScriptedContainer},
};
use crate::runtime::{
    Attached, Ended, Engine, EngineContainer, Found, OurNetwork, OwnedContainer, Part, Pool, Pulled,
    RuntimeError, Sample, Shape, network_name,
};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use raptor_model::{
    containers::Limits,
    id::ContainerId,
    node::{ContainerSpec, RegistryLogin, Stats},
};
use std::{collections::HashSet, net::Ipv4Addr, path::Path, sync::Arc};
use uuid::Uuid;

const MIB: u64 = 1024 * 1024;
/// The host's address in each of its networks, which lead nowhere.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 216, 0, 1);

#[async_trait]
impl Engine for Scripted {
    fn for_daemon(&self, instance: Uuid) -> Arc<dyn Engine> {
        Arc::new(Self { shared: self.shared.clone(), instance })
    }

    fn makes_bridges(&self) -> bool {
        false
    }

    async fn version(&self) -> Result<String, RuntimeError> {
        self.answer(Call::Version, "", |_| Ok("scripted".into())).await
    }

    async fn mapped_users(&self) -> Result<Option<&'static str>, RuntimeError> {
        self.shared.present().map(|()| None)
    }

    fn set_logins(&self, _: Vec<RegistryLogin>) {}

    async fn create(&self, shape: Shape<'_>) -> Result<String, RuntimeError> {
        let (id, part, instance) = (shape.spec.id, shape.part(), self.instance);
        let name = part.name(id);
        let image = shape.install.map_or(&shape.spec.image, |install| &install.image);
        let made = NewContainer {
            engine_id: self.shared.next_id(),
            name: name.clone(),
            id,
            part,
            instance,
            title: shape.spec.name.clone(),
            image: image.trim_start_matches('~').to_owned(),
            data: shape.data.to_owned(),
            ports: shape.spec.ports.clone(),
            stop: shape.spec.stop.clone(),
            limits: shape.spec.limits.clone(),
        };
        let (engine, called) = (self.clone(), name.clone());
        let create = async move {
            let work = move |shared: &super::Shared| {
                let left: Vec<Arc<ScriptedContainer>> = locked(&shared.kept).clone();
                for kept in left.into_iter().filter(|kept| kept.id == id && kept.part == part) {
                    if kept.runs() && (part == Part::Server || kept.instance != instance) {
                        return Err(RuntimeError::Refused(format!("{} runs already", kept.name)));
                    }
                    shared.discard(&kept.engine_id);
                }
                let engine_id = made.engine_id.clone();
                locked(&shared.kept).push(Arc::new(ScriptedContainer::new(made)));
                Ok(engine_id)
            };
            engine.answer(Call::Create, &called, work).await
        };
        self.shared.in_flight.complete(&name, create).await
    }

    async fn attach(&self, name: &str) -> Result<Attached, RuntimeError> {
        let kept = self.kept(Call::Attach, name).await?;
        Ok(kept.attached(0, self.shared.presence.connect()))
    }

    async fn rejoin(&self, name: &str, consumed: u64) -> Result<Attached, RuntimeError> {
        let kept = self.kept(Call::Rejoin, name).await?;
        if !kept.runs() {
            return Err(RuntimeError::Refused("its process has ended".into()));
        }
        Ok(kept.attached(bytes(consumed), self.shared.presence.connect()))
    }

    async fn replay(&self, name: &str, consumed: u64) -> Result<BoxStream<'static, Bytes>, RuntimeError> {
        let kept = self.kept(Call::Rejoin, name).await?;
        Ok(kept.output(bytes(consumed), self.shared.presence.connect()))
    }

    async fn start(&self, name: &str) -> Result<(), RuntimeError> {
        let own = name.to_owned();
        self.answer(Call::Start, name, move |shared| shared.start(&own)).await
    }

    async fn limit(&self, name: &str, limits: &Limits, _: &Limits) -> Result<(), RuntimeError> {
        let kept = self.kept(Call::Limit, name).await?;
        *locked(&kept.limits) = limits.clone();
        Ok(())
    }

    async fn signal(&self, name: &str, signal: &str) -> Result<(), RuntimeError> {
        let killed = Ended { code: 137, out_of_memory: false };
        self.tell_to_end(name, if signal == "SIGKILL" { Order::End(killed) } else { Order::AskedToStop })
            .await
    }

    async fn stop(&self, name: &str) -> Result<(), RuntimeError> {
        self.tell_to_end(name, Order::AskedToStop).await
    }

    async fn wait(&self, name: &str) -> Result<(), RuntimeError> {
        let kept = self.kept(Call::Wait, name).await?;
        let mut link = self.shared.presence.connect();
        tokio::select! {
            biased;
            () = link.cut() => Err(away()),
            () = kept.ended() => Ok(()),
        }
    }

    async fn inspect(&self, name: &str) -> Result<Found, RuntimeError> {
        match self.kept(Call::Inspect, name).await {
            Ok(kept) => Ok(match kept.life() {
                Phase::Created => Found::Created,
                Phase::Running => Found::Running,
                Phase::Ended(ended) => Found::Ended(ended),
                Phase::Removed => Found::Missing,
            }),
            Err(RuntimeError::NotFound) => Ok(Found::Missing),
            Err(other) => Err(other),
        }
    }

    async fn started_at(&self, name: &str) -> Option<DateTime<Utc>> {
        self.shared.present().ok()?;
        self.shared.kept(name).ok()?.state.borrow().started_at
    }

    async fn ended_by_hand(&self, name: &str, _: DateTime<Utc>) -> bool {
        let told = |kept: Arc<ScriptedContainer>| kept.state.borrow().told_to_end;
        self.shared.present().is_ok()
            && (self.shared.kept(name).is_ok_and(told) || locked(&self.shared.removed).contains(name))
    }

    async fn written(&self, name: &str) -> Result<u64, RuntimeError> {
        self.shared.present()?;
        self.shared.kept(name).map(|_| 0)
    }

    async fn sample(&self, name: &str, before: Option<&Sample>) -> Result<Sample, RuntimeError> {
        let kept = self.kept(Call::Sample, name).await?;
        if !kept.runs() {
            return Err(RuntimeError::NotFound);
        }
        let memory_bytes = locked(&kept.limits).memory_mib * MIB / 4;
        let received = before.map_or(0, |before| before.stats.network_rx_bytes);
        let sent = before.map_or(0, |before| before.stats.network_tx_bytes);
        Ok(Sample::of(Stats {
            cpu_percent: 20.0,
            memory_bytes,
            network_rx_bytes: received + 2_000,
            network_tx_bytes: sent + 8_000,
            pids: 1,
            ..Stats::default()
        }))
    }

    /// Does nothing, since all files belong to this process already.
    async fn chown(
        &self,
        _: ContainerId,
        _: &str,
        _: &str,
        _: &Path,
        _: (u32, u32),
    ) -> Result<(), RuntimeError> {
        self.shared.present()
    }

    async fn found(&self, id: ContainerId) -> Result<Vec<EngineContainer>, RuntimeError> {
        let instance = self.instance;
        let found = move |kept: &&Arc<ScriptedContainer>| kept.id == id;
        self.answer(Call::Found, "", move |shared| {
            Ok(locked(&shared.kept).iter().filter(found).map(|kept| kept.tell(instance)).collect())
        })
        .await
    }

    async fn ours(&self) -> Result<Vec<EngineContainer>, RuntimeError> {
        let instance = self.instance;
        let ours = move |kept: &&Arc<ScriptedContainer>| kept.instance == instance;
        self.answer(Call::Ours, "", move |shared| {
            Ok(locked(&shared.kept).iter().filter(ours).map(|kept| kept.tell(instance)).collect())
        })
        .await
    }

    async fn made_for(&self, base: &Path) -> Result<Vec<OwnedContainer>, RuntimeError> {
        self.shared.present()?;
        let kept = locked(&self.shared.kept);
        let here = kept.iter().filter(|kept| kept.data == base.join(kept.id.to_string()));
        Ok(here.map(|kept| OwnedContainer { id: kept.id, instance: kept.instance }).collect())
    }

    async fn remove(&self, id: ContainerId, part: Part) -> Result<(), RuntimeError> {
        let name = part.name(id);
        let _turn = self.shared.in_flight.lock(&name).await;
        let instance = self.instance;
        let gone = move |kept: &&Arc<ScriptedContainer>| {
            kept.id == id && kept.part == part && kept.instance == instance
        };
        self.answer(Call::Remove, &name, move |shared| {
            let gone: Vec<_> = locked(&shared.kept).iter().filter(gone).cloned().collect();
            gone.iter().for_each(|kept| shared.discard(&kept.engine_id));
            Ok(())
        })
        .await
    }

    async fn discard(&self, name: &str) -> Result<(), RuntimeError> {
        let own = name.to_owned();
        self.answer(Call::Remove, name, move |shared| {
            shared.discard(&own);
            Ok(())
        })
        .await
    }

    async fn image_id(&self, image: &str) -> Result<Option<String>, RuntimeError> {
        let image = image.to_owned();
        self.answer(Call::Image, "", move |shared| {
            let there = !locked(&shared.lacking).contains(&image);
            Ok(there.then(|| format!("sha256:{image}")))
        })
        .await
    }

    fn pull(&self, image: &str) -> BoxStream<'static, Result<Pulled, RuntimeError>> {
        let (engine, image) = (self.clone(), image.to_owned());
        let pulled = async move {
            let work = move |shared: &super::Shared| {
                locked(&shared.lacking).remove(&image);
                Ok(Pulled { layers_done: 1, layers_total: 1, ..Pulled::default() })
            };
            engine.answer(Call::Pull, "", work).await
        };
        stream::once(pulled.boxed()).boxed()
    }

    async fn remove_image(&self, image: &str) -> Result<u64, RuntimeError> {
        self.shared.present()?;
        let lacked = !locked(&self.shared.lacking).insert(image.to_owned());
        if lacked { Err(RuntimeError::NotFound) } else { Ok(MIB) }
    }

    async fn used_images(&self) -> Result<HashSet<String>, RuntimeError> {
        self.shared.present()?;
        Ok(locked(&self.shared.kept).iter().map(|kept| kept.image.clone()).collect())
    }

    async fn network(&self, spec: &ContainerSpec, _: Pool) -> Result<String, RuntimeError> {
        let (engine, instance, name) = (self.clone(), self.instance, network_name(self.instance, spec));
        let own = (name == format!("raptor-{}", spec.id)).then_some(spec.id);
        let made = name.clone();
        let make = async move {
            let work = move |shared: &super::Shared| {
                locked(&shared.networks).insert(made.clone(), (instance, own));
                Ok(made)
            };
            engine.answer(Call::Network, "", work).await
        };
        self.shared.in_flight.complete(&name, make).await
    }

    async fn our_networks(&self) -> Result<Vec<OurNetwork>, RuntimeError> {
        self.shared.present()?;
        let networks = locked(&self.shared.networks);
        let ours = networks.iter().filter(|(_, (instance, _))| *instance == self.instance);
        let tell = |(name, (_, id)): (&String, &(Uuid, Option<ContainerId>))| OurNetwork {
            name: name.clone(),
            id: *id,
            gateway: Some(GATEWAY),
        };
        Ok(ours.map(tell).collect())
    }

    async fn gateway(&self, network: &str) -> Option<String> {
        self.shared.present().ok()?;
        locked(&self.shared.networks).contains_key(network).then(|| GATEWAY.to_string())
    }

    async fn remove_network(&self, name: &str) -> Result<(), RuntimeError> {
        let _turn = self.shared.in_flight.lock(name).await;
        let own = name.to_owned();
        self.answer(Call::RemoveNetwork, "", move |shared| {
            locked(&shared.networks).remove(&own);
            Ok(())
        })
        .await
    }
}

impl Scripted {
    /// The container that a call is about.
    async fn kept(&self, call: Call, name: &str) -> Result<Arc<ScriptedContainer>, RuntimeError> {
        let own = name.to_owned();
        self.answer(call, name, move |shared| shared.kept(&own)).await
    }

    /// Tells a process to end. As with Docker, the engine remembers that it was told so.
    async fn tell_to_end(&self, name: &str, order: Order) -> Result<(), RuntimeError> {
        let own = name.to_owned();
        self.answer(Call::Signal, name, move |shared| {
            let kept = shared.kept(&own)?;
            if !kept.runs() {
                return Err(RuntimeError::Refused("the container is not running".into()));
            }
            kept.state.send_modify(|state| state.told_to_end = true);
            kept.order(order);
            Ok(())
        })
        .await
    }
}

fn bytes(consumed: u64) -> usize {
    usize::try_from(consumed).unwrap_or(usize::MAX)
}
