//! Changing files' owner with a container: a daemon without root can't do it, and its installers leave files owned by root.

use super::{
    Docker, RuntimeError,
    containers::Found,
    docker::{CONTAINER, INSTANCE, error},
};
use bollard::{
    models::{ContainerCreateBody, HostConfig},
    query_parameters::CreateContainerOptionsBuilder,
};
use raptor_model::id::ContainerId;
use std::{collections::HashMap, path::Path};

impl Docker {
    /// Makes `uid`:`gid` the owner of everything in `folder`, with `chown` of `image` run as root in a container named `name`
    /// without a network. Links themselves are changed, not their targets.
    ///
    /// # Errors
    /// If the engine refuses or does not answer, if the image has no `chown`, or if that fails.
    pub async fn chown(
        &self,
        id: ContainerId,
        name: &str,
        image: &str,
        folder: &Path,
        (uid, gid): (u32, u32),
    ) -> Result<(), RuntimeError> {
        self.discard(name).await?;
        let labels = HashMap::from([
            (CONTAINER.to_owned(), id.to_string()),
            (INSTANCE.to_owned(), self.instance.to_string()),
        ]);
        let arguments = ["-R", "-h", &format!("{uid}:{gid}"), "/mnt/server"].map(str::to_owned);
        let body = ContainerCreateBody {
            image: Some(image.trim_start_matches('~').to_owned()),
            user: Some("0:0".into()),
            entrypoint: Some(vec!["chown".into()]),
            cmd: Some(arguments.to_vec()),
            labels: Some(labels),
            host_config: Some(HostConfig {
                binds: Some(vec![format!("{}:/mnt/server:rw", folder.display())]),
                network_mode: Some("none".into()),
                readonly_rootfs: Some(true),
                cap_drop: Some(vec!["ALL".into()]),
                cap_add: Some(["CHOWN", "DAC_OVERRIDE"].map(str::to_owned).to_vec()),
                security_opt: Some(vec!["no-new-privileges".into()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let client = self.client()?;
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let create =
            async move { client.create_container(Some(options), body).await.map(drop).map_err(error) };
        self.in_flight.complete(name, create).await?;
        let ended = async {
            self.start(name).await?;
            self.wait(name).await?;
            self.inspect(name).await
        };
        let ended = ended.await;
        self.discard(name).await?;
        match ended? {
            Found::Ended(end) if end.code == 0 => Ok(()),
            found => {
                Err(RuntimeError::Refused(format!("chown of the image {image} did not do it ({found:?})")))
            }
        }
    }
}
