//! Pulling, finding and removing images.

use super::{Docker, RuntimeError, docker::error};
use bollard::{
    auth::DockerCredentials,
    query_parameters::{CreateImageOptionsBuilder, ListContainersOptionsBuilder},
};
use futures_util::{Stream, StreamExt, TryStreamExt};
use raptor_model::{images::registry_of, node::RegistryLogin};
use std::{
    collections::{HashMap, HashSet},
    sync::PoisonError,
};

/// The progress of a pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Bytes downloaded so far, over the layers whose size is known.
    pub current_bytes: u64,
    /// Total bytes, over the layers whose size is known.
    pub total_bytes: u64,
    /// Layers that are complete.
    pub layers_done: u32,
    /// Layers in total, as far as known.
    pub layers_total: u32,
}

/// The error of a failed pull. A registry's "not found" is its message, not [`RuntimeError::NotFound`].
fn refused(why: bollard::errors::Error) -> RuntimeError {
    match why {
        bollard::errors::Error::DockerResponseServerError { status_code: 404, message } => {
            RuntimeError::Refused(message)
        }
        other => error(other),
    }
}

impl Docker {
    /// Replaces the logins for image registries.
    pub fn set_logins(&self, logins: Vec<RegistryLogin>) {
        *self.logins.write().unwrap_or_else(PoisonError::into_inner) = logins;
    }

    /// Pulls an image and reports the progress layer by layer.
    pub fn pull(&self, image: &str) -> impl Stream<Item = Result<Pulled, RuntimeError>> + Send + use<> {
        // Without a tag, the engine would pull all tags.
        let last = image.rsplit('/').next().unwrap_or(image);
        let tag = if last.contains([':', '@']) { "" } else { "latest" };
        let options = CreateImageOptionsBuilder::default().from_image(image).tag(tag).build();
        let items = match self.client() {
            Ok(client) => {
                client.create_image(Some(options), None, self.login(image)).map_err(refused).boxed()
            }
            Err(away) => futures_util::stream::once(std::future::ready(Err(away))).boxed(),
        };
        let mut layers: HashMap<String, (u64, u64, bool)> = HashMap::new();
        items.map_ok(move |info| {
            let status = info.status.unwrap_or_default();
            // The first line is about the tag, the last ones about the digest; the others are about one layer each.
            if let Some(id) = info.id.filter(|_| !status.starts_with("Pulling from")) {
                let layer = layers.entry(id).or_default();
                layer.2 = matches!(status.as_str(), "Pull complete" | "Already exists");
                if let Some(progress) = info.progress_detail.filter(|_| status == "Downloading") {
                    let bytes = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
                    if let (Some(current), Some(total)) = (bytes(progress.current), bytes(progress.total)) {
                        (layer.0, layer.1) = (current, total);
                    }
                }
                if layer.2 || matches!(status.as_str(), "Download complete" | "Extracting") {
                    layer.0 = layer.1;
                }
            }
            layers.values().fold(Pulled::default(), |sum, layer| Pulled {
                current_bytes: sum.current_bytes + layer.0,
                total_bytes: sum.total_bytes + layer.1,
                layers_done: sum.layers_done + u32::from(layer.2),
                layers_total: sum.layers_total + 1,
            })
        })
    }

    /// The login for the image's registry, whose host must match exactly.
    fn login(&self, image: &str) -> Option<DockerCredentials> {
        let registry = registry_of(image);
        let logins = self.logins.read().unwrap_or_else(PoisonError::into_inner);
        let login = logins.iter().find(|login| login.host.eq_ignore_ascii_case(&registry))?;
        Some(DockerCredentials {
            username: Some(login.username.clone()),
            password: Some(login.password.clone()),
            serveraddress: Some(login.host.clone()),
            ..DockerCredentials::default()
        })
    }

    /// The id of an image; `None` if it is not on this host.
    ///
    /// # Errors
    /// If the engine does not answer: then it is unknown.
    pub async fn image_id(&self, image: &str) -> Result<Option<String>, RuntimeError> {
        match self.client()?.inspect_image(image).await.map_err(error) {
            Ok(found) => Ok(found.id),
            Err(away @ RuntimeError::Away(_)) => Err(away),
            Err(_) => Ok(None),
        }
    }

    /// Removes an image unless a container uses it, and returns the bytes freed.
    ///
    /// # Errors
    /// If the engine refuses or does not answer.
    pub async fn remove_image(&self, image: &str) -> Result<u64, RuntimeError> {
        let client = self.client()?;
        let size = client.inspect_image(image).await.map_err(error)?.size.unwrap_or(0);
        client
            .remove_image(image, None::<bollard::query_parameters::RemoveImageOptions>, None)
            .await
            .map_err(error)?;
        Ok(u64::try_from(size).unwrap_or(0))
    }

    /// The references and ids of all images in use by any container of the engine, including those that Raptor did not create.
    ///
    /// # Errors
    /// If the engine does not answer.
    pub async fn used_images(&self) -> Result<HashSet<String>, RuntimeError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let found = self.client()?.list_containers(Some(options)).await.map_err(error)?;
        Ok(found.into_iter().flat_map(|found| [found.image, found.image_id]).flatten().collect())
    }
}
