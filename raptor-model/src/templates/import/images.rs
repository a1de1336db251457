//! The images of an egg.

use super::{Reader, plain, strings};
use crate::{images::check_image, templates::document::TemplateImage};
use serde_json::Value;

impl Reader {
    pub(super) fn images(&mut self, source: &Value) -> Vec<TemplateImage> {
        let pair = |text: &String| match text.split_once('|') {
            Some((label, image)) => (label.to_owned(), image.to_owned()),
            None => (text.trim().to_owned(), text.clone()),
        };
        let (at, found): (_, Vec<(String, String)>) =
            match (source.get("docker_images"), source.get("images"), source.get("image")) {
                (Some(Value::Object(map)), _, _) => (
                    "docker_images",
                    map.iter().map(|(label, image)| (label.clone(), plain(image))).collect(),
                ),
                (list @ Some(Value::Array(_)), _, _) => {
                    self.warn("docker_images", "The images have no labels; their names are shown instead.");
                    ("docker_images", strings(list).iter().map(pair).collect())
                }
                (_, list @ Some(Value::Array(_)), _) => ("images", strings(list).iter().map(pair).collect()),
                (_, _, Some(Value::String(text))) if !text.starts_with("data:") => {
                    ("image", vec![pair(text)])
                }
                _ => ("docker_images", Vec::new()),
            };
        let mut images: Vec<TemplateImage> = Vec::new();
        for (label, image) in found {
            if image != image.trim() {
                self.warn(at, format!("Spaces around {:?} were removed.", image.trim()));
            }
            match check_image(&image) {
                Err(_) => self.warn(at, format!("{image:?} is not an image reference and was left out.")),
                Ok(image) => {
                    let label = Some(label.trim().to_owned()).filter(|label| !label.is_empty());
                    let label = label.unwrap_or_else(|| image.clone());
                    let taken = images.iter().any(|other| other.label == label);
                    images.push(TemplateImage { label: if taken { image.clone() } else { label }, image });
                }
            }
        }
        images
    }
}
