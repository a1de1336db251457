//! Reading what a newer version says: what only that one knows is left out, and the rest is understood.
//!
//! [`read`] tells what was left out, for a log: this crate has none. [`Noticed`] says which of it is new.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, error::Category};
use std::{
    any::type_name,
    cell::RefCell,
    collections::HashSet,
    fmt,
    sync::{Mutex, PoisonError},
};

/// The longest name of the other version's that is repeated, in characters.
const MAX_NAME: usize = 60;
/// How many kinds are told apart: what is left out is chosen by the other side, and must not fill this one's memory.
const MAX_NOTICED: usize = 100;

thread_local! {
    /// What [`read`] has left out so far, while it runs: deserializing is synchronous.
    static LEFT_OUT: RefCell<Option<Vec<UnknownPart>>> = const { RefCell::new(None) };
}

/// Something that the other side said and this version does not understand. Its `Display` has names, and never values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnknownPart {
    /// The type that was expected, e.g. `ContainerStatus`.
    pub what: &'static str,
    /// The `id` of the item, if it has one, e.g. the container's.
    pub id: Option<String>,
    /// What is not understood, e.g. ``unknown variant `hibernating` ``.
    pub reason: String,
}

impl UnknownPart {
    /// All of a message that is no `T`.
    #[must_use]
    pub fn message<T>(error: &serde_json::Error) -> Self {
        Self { what: name_of::<T>(), id: None, reason: reason(error) }
    }

    fn item<T>(said: &Value, error: &serde_json::Error) -> Self {
        let id = said.get("id").and_then(Value::as_str).map(shortened);
        Self { id, ..Self::message::<T>(error) }
    }
}

impl fmt::Display for UnknownPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if let Some(id) = &self.id {
            write!(f, " {id}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// The name of a type without its path and what it is boxed in.
fn name_of<T>() -> &'static str {
    let name = type_name::<T>();
    name.rsplit("::").next().unwrap_or(name).trim_end_matches('>')
}

/// Which name is unknown or missing. Other messages of serde show the value, which may be a secret.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let named = ["unknown variant `", "missing field `"].into_iter().find_map(|kind| {
        let name = text.strip_prefix(kind)?.split('`').next()?;
        Some(format!("{kind}{}`", shortened(name)))
    });
    named.unwrap_or_else(|| match error.classify() {
        Category::Data => "another kind of value is expected".to_owned(),
        Category::Syntax | Category::Eof | Category::Io => "it is not JSON".to_owned(),
    })
}

/// The beginning of a name, fit for a log.
fn shortened(name: &str) -> String {
    let shown = |character: char| if character.is_ascii_graphic() { character } else { '?' };
    name.chars().take(MAX_NAME).map(shown).collect()
}

/// A value, and what was left out of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Understood<T> {
    /// What the text says, without what only a newer version understands.
    ///
    /// # Errors
    /// If it is no `T` even without what may be left out.
    pub value: serde_json::Result<T>,
    /// What only a newer version understands, in the order of the text.
    pub left_out: Vec<UnknownPart>,
}

/// Reads JSON from another version of Raptor.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Understood<T> {
    LEFT_OUT.set(Some(Vec::new()));
    let value = serde_json::from_slice(json);
    Understood { value, left_out: LEFT_OUT.take().unwrap_or_default() }
}

/// Deserializes a part that may be left out; `None` where it is not understood.
fn part<T: DeserializeOwned>(said: Value) -> Option<T> {
    T::deserialize(&said)
        .inspect_err(|error| {
            LEFT_OUT.with_borrow_mut(|left_out| {
                if let Some(left_out) = left_out {
                    left_out.push(UnknownPart::item::<T>(&said, error));
                }
            });
        })
        .ok()
}

/// What has been left out so far, so that each kind is logged once and not with every message.
#[derive(Debug, Default)]
pub struct Noticed(Mutex<HashSet<UnknownPart>>);

impl Noticed {
    /// Whether this is left out for the first time. After 100 different ones no more are told apart, and none is new.
    pub fn is_new(&self, left_out: &UnknownPart) -> bool {
        let mut noticed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noticed.len() < MAX_NOTICED && noticed.insert(left_out.clone())
    }
}

/// A value; none where it is not understood.
pub(super) fn known<'de, T: DeserializeOwned, D: Deserializer<'de>>(input: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Value>::deserialize(input)?.and_then(part))
}

/// A value, or its type's default where it is not understood.
pub(super) fn known_or_default<'de, T: DeserializeOwned + Default, D: Deserializer<'de>>(
    input: D,
) -> Result<T, D::Error> {
    Ok(known(input)?.unwrap_or_default())
}

/// Those items of a list that are understood.
pub(super) fn items<'de, T: DeserializeOwned, D: Deserializer<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    Ok(Vec::<Value>::deserialize(input)?.into_iter().filter_map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::{MAX_NOTICED, Noticed, Understood, UnknownPart, read};
    use crate::node::{ContainerStatus, LineKind, LiveFrame, NodeEvent, SystemInfo};
    use serde_json::{Value, json};

    fn status() -> Value {
        json!({
            "id": "01a2f3c4-0d5e-7f60-8a1b-2c3d4e5f6071", "revision": 1, "phase": "running",
            "since": "2026-11-30T07:26:13Z", "started_at": null, "last_exit": null, "problem": null,
            "progress": null, "hold": null, "installed": 0, "crashes": null, "pending": null,
        })
    }

    fn with(mut value: Value, field: &str, to: Value) -> Value {
        value[field] = to;
        value
    }

    #[test]
    fn a_status_of_a_newer_daemon_is_understood_but_for_what_only_that_one_knows() {
        let newer = with(status(), "mood", json!("sunny"));
        let newer = with(newer, "progress", json!({ "step": "defragmenting", "percent": 12 }));
        let newer = with(newer, "hold", json!("audited"));
        let newer = with(newer, "fault", json!({ "code": "moon_phase" }));
        let read: ContainerStatus = serde_json::from_value(newer).unwrap();
        assert_eq!(read, serde_json::from_value(status()).unwrap());
        let known = with(status(), "hold", json!("installing"));
        assert!(serde_json::from_value::<ContainerStatus>(known).unwrap().hold.is_some());
    }

    #[test]
    fn a_snapshot_of_a_newer_daemon_holds_the_containers_that_are_understood() {
        let system = json!({
            "protocol": 4, "newest_protocol": 5, "version": "2.0.0", "time": "2026-11-30T07:26:13Z", "hostname": "h",
            "os": "o", "kernel": "k", "architecture": "a", "cpu_count": 1, "cpu_percent": 0.0, "memory_total_bytes": 1,
            "memory_used_bytes": 1, "disk_total_bytes": 1, "disk_used_bytes": 1, "uptime_seconds": 1,
            "docker_version": null, "docker_problem": null, "ips": [], "allowed_mounts": [],
            "disk_limits": { "by_kernel": false, "file_system": "f", "note": "n" }, "gpus": 3,
        });
        let strange = with(status(), "phase", json!("hibernating"));
        let snapshot =
            json!({ "type": "snapshot", "system": system, "containers": [status(), strange], "held": [{}] });
        let NodeEvent::Snapshot { system, containers, held } = serde_json::from_value(snapshot).unwrap()
        else {
            panic!("no snapshot")
        };
        assert_eq!((containers.len(), held.len()), (1, 0));
        assert_eq!(system.spoken().unwrap(), 4);
    }

    #[test]
    fn a_line_of_a_kind_that_only_a_newer_daemon_knows_is_shown_as_output() {
        let line = json!({ "seq": 1, "at": "2026-11-30T07:26:13Z", "kind": "oracle", "text": "soon" });
        let frame = json!({ "type": "lines", "lines": [line] });
        let LiveFrame::Lines { lines } = serde_json::from_value(frame).unwrap() else { panic!("no lines") };
        assert_eq!(lines[0].kind, LineKind::Output);
    }

    #[test]
    fn two_programs_speak_the_newest_version_that_both_know() {
        let spoken = |oldest: u32, newest: Option<u32>| {
            let system = json!({
                "protocol": oldest, "newest_protocol": newest, "version": "v", "time": "2026-11-30T07:26:13Z",
                "hostname": "h", "os": "o", "kernel": "k", "architecture": "a", "cpu_count": 1, "cpu_percent": 0.0,
                "memory_total_bytes": 1, "memory_used_bytes": 1, "disk_total_bytes": 1, "disk_used_bytes": 1,
                "uptime_seconds": 1, "docker_version": null, "docker_problem": null, "ips": [], "allowed_mounts": [],
                "disk_limits": { "by_kernel": false, "file_system": "f", "note": "n" },
            });
            serde_json::from_value::<SystemInfo>(system).unwrap().spoken().ok()
        };
        assert_eq!(spoken(3, None), Some(3), "a daemon of the version before");
        assert_eq!(spoken(3, Some(4)), Some(4), "one like this program");
        assert_eq!(spoken(4, Some(5)), Some(4), "one of the next version");
        assert_eq!(spoken(5, Some(6)), None, "one that no longer speaks ours");
        assert_eq!(spoken(2, None), None, "one that is too old");
    }

    fn told<T: serde::de::DeserializeOwned>(value: &Value) -> (Understood<T>, Vec<String>) {
        let understood = read::<T>(value.to_string().as_bytes());
        let left_out = understood.left_out.iter().map(UnknownPart::to_string).collect();
        (understood, left_out)
    }

    #[test]
    fn what_is_left_out_is_told_with_its_kind_its_name_and_its_container_and_no_value() {
        let newer = with(status(), "progress", json!({ "step": "defragmenting", "percent": 12 }));
        let newer = with(newer, "hold", json!("audited"));
        let newer = with(newer, "fault", json!({ "type": "moon_phase" }));
        let (understood, mut left_out) = told::<ContainerStatus>(&newer);
        understood.value.unwrap();
        left_out.sort();
        assert_eq!(
            left_out,
            [
                "Fault: unknown variant `moon_phase`",
                "Hold: unknown variant `audited`",
                "Progress: unknown variant `defragmenting`",
            ]
        );
        let items = json!({ "items": [status(), with(status(), "phase", json!("hibernating")), "hunter22"] });
        let (understood, left_out) = told::<crate::node::requests::ContainerList>(&items);
        assert_eq!(understood.value.unwrap().items.len(), 1);
        assert_eq!(
            left_out,
            [
                "ContainerStatus 01a2f3c4-0d5e-7f60-8a1b-2c3d4e5f6071: unknown variant `hibernating`",
                "ContainerStatus: another kind of value is expected",
            ]
        );
        assert!(told::<ContainerStatus>(&status()).1.is_empty(), "nothing is left of the one before");
    }

    #[test]
    fn a_whole_message_that_is_not_understood_is_told_by_its_name() {
        let frame =
            |json: Value| UnknownPart::message::<LiveFrame>(&told::<LiveFrame>(&json).0.value.unwrap_err());
        assert_eq!(frame(json!({ "type": "hologram" })).to_string(), "LiveFrame: unknown variant `hologram`");
        let long = frame(json!({ "type": format!("a\nb{}", "c".repeat(100)) })).to_string();
        assert_eq!(long, format!("LiveFrame: unknown variant `a?b{}`", "c".repeat(57)));
        let error = read::<LiveFrame>(b"secret").value.unwrap_err();
        assert_eq!(UnknownPart::message::<LiveFrame>(&error).reason, "it is not JSON");
    }

    #[test]
    fn each_kind_is_new_once_and_there_is_an_end_to_it() {
        let noticed = Noticed::default();
        let kind = |number: usize| UnknownPart { what: "Hold", id: None, reason: number.to_string() };
        assert!(noticed.is_new(&kind(0)) && !noticed.is_new(&kind(0)) && noticed.is_new(&kind(1)));
        assert_eq!((0..1_000).filter(|number| noticed.is_new(&kind(*number))).count(), MAX_NOTICED - 2);
    }
}
