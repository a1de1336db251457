//! The host on a real Docker Engine. Needs the image that `cargo xtask images` builds; `cargo xtask test` does both.
#![expect(clippy::unwrap_used, reason = "tests")]

mod away;
mod disk;
mod faults;
mod hand;
mod history;
mod host;
mod install;
mod life;
mod near;
mod old;
mod outgoing;
mod podman;
mod ports;
mod pull;
mod servers;
mod tenants;
mod world;
