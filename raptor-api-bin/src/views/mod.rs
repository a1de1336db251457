//! Types of the wire that differ from the domain's; each says in what. All others are the domain's own (CONTRIBUTING.md, "Types on the
//! wire").

pub mod access;
pub mod account;
pub mod activity;
pub mod catalogue;
pub mod containers;
pub mod daemons;
pub mod files;
pub mod history;
pub mod images;
pub mod mail;
pub mod roles;
pub mod runtime;
pub mod template_imports;
pub mod templates;
pub mod users;

/// A named page type: one schema for each list, so that generated clients name it.
macro_rules! page {
    ($(#[$doc:meta])* $name:ident of $item:ty) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        pub struct $name {
            /// What is on this page.
            pub items: Vec<$item>,
            /// The next page's `cursor`; null on the last page.
            pub next: Option<String>,
            /// How many there are on all pages, where `with_total` asked for it.
            pub total: Option<i64>,
        }

        impl<T: Into<$item>> From<raptor_core::paging::Page<T>> for $name {
            fn from(page: raptor_core::paging::Page<T>) -> Self {
                Self { items: page.items.into_iter().map(Into::into).collect(), next: page.next, total: page.total }
            }
        }
    };
}
pub(crate) use page;
