//! Reading what a newer version says: what only that one knows is left out, and the rest is understood.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// A value; none where it is not understood.
pub(super) fn known<'de, T: DeserializeOwned, D: Deserializer<'de>>(input: D) -> Result<Option<T>, D::Error> {
    let said = Option::<Value>::deserialize(input)?;
    Ok(said.and_then(|said| serde_json::from_value(said).ok()))
}

/// A value, or its type's default where it is not understood.
pub(super) fn known_or_default<'de, T: DeserializeOwned + Default, D: Deserializer<'de>>(
    input: D,
) -> Result<T, D::Error> {
    Ok(known(input)?.unwrap_or_default())
}

/// Those items of a list that are understood.
pub(super) fn items<'de, T: DeserializeOwned, D: Deserializer<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    let said = Vec::<Value>::deserialize(input)?;
    Ok(said.into_iter().filter_map(|said| serde_json::from_value(said).ok()).collect())
}

#[cfg(test)]
mod tests {
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
}
