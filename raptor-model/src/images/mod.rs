//! Images: references, and which images containers may use.
//!
//! A container may use an image if its template offers it, if the list of allowed images matches it, or if somebody who manages
//! all containers chose it for this container. Any other image is refused before the start.

mod pattern;
mod reference;

pub use pattern::Pattern;
pub use reference::{Reference, check_image, registry_of};

use crate::{Error, Result, templates::Template};
use serde::{Deserialize, Serialize};

/// Most patterns in the list.
const MAX_PATTERNS: usize = 500;

/// Which images containers may use beside those of their templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImagePolicy {
    /// Patterns such as `ghcr.io/pterodactyl/yolks:*`. A `*` at the end stands for anything, elsewhere for anything without `/`,
    /// `:` and `@`; a pattern without a tag means every version. Images that are on the host already match only patterns that
    /// begin with `~`.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub patterns: Vec<Pattern>,
    /// Whether people who may change a container's image, but don't manage all containers, may choose from the list as well.
    pub for_owners: bool,
    /// Grows by one with each change.
    pub revision: i64,
}

/// Why a container may use its image, or that it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImageStanding {
    /// Its template names it.
    Template,
    /// The list of allowed images matches it.
    Listed,
    /// Somebody who manages all containers chose it for this container.
    Chosen,
    /// None of these: the container is not started with it.
    Refused,
}

/// Who chooses an image.
#[derive(Clone, Copy, Debug)]
pub struct Chooser<'a> {
    /// Their name, recorded if they choose an image that only they may.
    pub name: &'a str,
    pub manages: bool,
}

impl ImagePolicy {
    /// Validates a list of patterns.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `patterns` or `patterns.N`.
    pub fn checked(patterns: &[String], for_owners: bool, revision: i64) -> Result<Self> {
        if patterns.len() > MAX_PATTERNS {
            return Err(Error::invalid("patterns", format!("Use at most {MAX_PATTERNS} patterns."))
                .because("too_many")
                .with("max", MAX_PATTERNS));
        }
        let mut read: Vec<Pattern> = Vec::new();
        for (place, pattern) in patterns.iter().enumerate() {
            let pattern = Pattern::parse(pattern, &format!("patterns.{place}"))?;
            if !read.contains(&pattern) {
                read.push(pattern);
            }
        }
        Ok(Self { patterns: read, for_owners, revision })
    }

    /// Whether the list matches this image. An invalid reference matches nothing.
    #[must_use]
    pub fn lists(&self, image: &str) -> bool {
        Reference::parse(image).is_ok_and(|image| self.patterns.iter().any(|pattern| pattern.matches(&image)))
    }

    /// Why a container of `template` may use `image`. `chosen`: whether somebody who manages all containers chose it.
    #[must_use]
    pub fn standing(&self, image: &str, chosen: bool, template: &Template) -> ImageStanding {
        if template.images.iter().any(|offer| offer.image == image) {
            ImageStanding::Template
        } else if chosen {
            ImageStanding::Chosen
        } else if self.lists(image) {
            ImageStanding::Listed
        } else {
            ImageStanding::Refused
        }
    }

    /// The image as stored, and whom to record as having allowed it, if `who` chooses `image` for a container of `template`.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `image`: it is malformed, or not theirs to choose.
    pub fn choose(&self, image: &str, template: &Template, who: Chooser<'_>) -> Result<ChosenImage> {
        let image = check_image(image)?;
        match self.standing(&image, false, template) {
            ImageStanding::Template => Ok(ChosenImage { image, allowed_by: None }),
            // Theirs stays allowed, however the list is changed later.
            _ if who.manages => Ok(ChosenImage { image, allowed_by: Some(who.name.to_owned()) }),
            ImageStanding::Listed if self.for_owners => Ok(ChosenImage { image, allowed_by: None }),
            _ if self.for_owners && !self.patterns.is_empty() => Err(Error::invalid(
                "image",
                "Use one of the template's images, or one from the list of allowed images.",
            )
            .because("image_listed")),
            _ => {
                Err(Error::invalid("image", "Use one of the template's images.").because("image_of_template"))
            }
        }
    }
}

/// An image that somebody may choose for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenImage {
    /// The image's reference, after validation.
    pub image: String,
    /// The user name of the person who allowed it; `None` if nobody had to.
    pub allowed_by: Option<String>,
}

/// Why a container is not started with this image, and how to fix it.
#[must_use]
pub fn refusal(image: &str) -> String {
    format!(
        "The image {image} is neither one of the template's images nor on the list of allowed images. Choose another image on the Startup page, or ask an administrator to allow this one."
    )
}
