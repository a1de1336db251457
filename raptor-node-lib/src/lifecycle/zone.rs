//! Providing a container's time zone to images that contain no time zone data.

use super::HostContext;
use crate::runtime::Zone;
use raptor_model::{containers::timezone_rules, node::ContainerSpec};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The file with the container's time zone; `None` if it needs none. If it can't be written, the container runs in UTC.
pub(super) async fn of(context: &Arc<HostContext>, spec: &ContainerSpec) -> Option<Zone> {
    let name = spec.timezone.clone().unwrap_or_else(|| context.timezone.clone());
    if name == "UTC" {
        return None;
    }
    let (base, zone) = (context.base.clone(), name.clone());
    let file = tokio::task::spawn_blocking(move || file(&base, &zone)).await.ok()?;
    let file = file.inspect_err(|error| tracing::error!(%error, "writing time zone data failed"));
    Some(Zone { file: file.ok()??, name })
}

/// Writes the file if it doesn't exist or has another version.
fn file(base: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let Some(rules) = timezone_rules(name) else { return Ok(None) };
    let path = base.join(".raptor/zoneinfo").join(name);
    if fs::read(&path).is_ok_and(|present| present == rules) {
        return Ok(Some(path));
    }
    let folder = path.parent().unwrap_or(base);
    fs::create_dir_all(folder)?;
    // Two containers may start at the same time.
    let beside = folder.join(format!(".{}", uuid::Uuid::now_v7()));
    let mut written = fs::File::create(&beside)?;
    written.write_all(rules)?;
    written.set_permissions(fs::Permissions::from_mode(0o644))?;
    fs::rename(beside, &path)?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_written_once_and_for_zones_only() {
        let base = tempfile::tempdir().unwrap();
        let path = file(base.path(), "Asia/Tokyo").unwrap().unwrap();
        assert!(path.ends_with(".raptor/zoneinfo/Asia/Tokyo"));
        let rules = fs::read(&path).unwrap();
        assert!(rules.starts_with(b"TZif") && rules.ends_with(b"\nJST-9\n"));
        assert_eq!(file(base.path(), "Asia/Tokyo").unwrap(), Some(path));
        assert_eq!(file(base.path(), "../x").unwrap(), None);
        assert_eq!(fs::read_dir(base.path().join(".raptor/zoneinfo/Asia")).unwrap().count(), 1);
    }
}
