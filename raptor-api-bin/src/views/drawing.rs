//! Drawings on the wire: of templates and of what the catalogue lists.

use raptor_core::templates::drawing;
use serde::Serialize;
use utoipa::ToSchema;

/// A drawing on a colour.
#[derive(Debug, Serialize, ToSchema)]
pub struct Drawing {
    /// The colour behind it, as `#rrggbb`.
    pub colour: String,
    /// The `d` of each path, on a grid of 24 × 24, drawn with a round white stroke of 2 and no fill.
    pub paths: Vec<String>,
}

impl From<drawing::Drawing> for Drawing {
    fn from(drawing: drawing::Drawing) -> Self {
        Self { colour: drawing.colour, paths: drawing.paths }
    }
}
