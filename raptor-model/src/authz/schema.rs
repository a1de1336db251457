//! Permissions and sets of them in OpenAPI documents. A set is an array of its members' names.

use super::permission::{ContainerPermission, Permission, SystemPermission};
use std::borrow::Cow;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// A member of a [`SystemSet`](super::SystemSet) that may hold everything: a permission or `*`. Stands for it in schemas alone.
pub enum SystemGrant {}
/// The same of a [`ContainerSet`](super::ContainerSet).
pub enum ContainerGrant {}

fn names<P: Permission>() -> impl Iterator<Item = &'static str> {
    P::ALL.iter().map(|permission| permission.name())
}

fn one_of(description: &str, names: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(names))
        .into()
}

macro_rules! schemas {
    ($($type:ident = $names:expr, $description:literal;)*) => { $(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                one_of($description, $names)
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                stringify!($type).into()
            }
        }
    )* };
}

schemas! {
    SystemPermission = names::<SystemPermission>(),
        "A permission over the whole installation, which a role may hold. `list_permissions` says what each of them allows. Later versions may have more.";
    ContainerPermission = names::<ContainerPermission>(),
        "A permission over one container, which access to it may hold. `list_permissions` says what each of them allows. Later versions may have more.";
    SystemGrant = std::iter::once("*").chain(names::<SystemPermission>()),
        "A permission over the whole installation, or `*` for all of them, those that later versions add included.";
    ContainerGrant = std::iter::once("*").chain(names::<ContainerPermission>()),
        "A permission over one container, or `*` for all of them, those that later versions add included.";
}
