//! Archives with mutated bytes. A target for `cargo bolero test`, and a short test.

use super::{
    seven::{checksum, lzma2, one_file, stored, zeros},
    *,
};
use crate::fuzz::briefly;

/// A small archive of each format, with the suffix of its name.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let world = World::new();
    world.put("w/a.txt", b"one");
    world.put("w/b/c", &[7; 5_000]);
    world.workspace.root.symlink("a.txt", &path("w/link")).unwrap();
    use ArchiveFormat as F;
    let mut seeds: Vec<_> = [F::Zip, F::Tar, F::TarGz, F::TarXz, F::TarBz2, F::TarZst]
        .map(|format| {
            let mut packed = Vec::new();
            world.workspace.pack(&[path("w")], format, &mut packed, &Progress::default()).unwrap();
            (format.extension(), packed)
        })
        .into();
    let files = [("a", 0, &b"one"[..]), ("b/c", 0xA1FF_8000, b"../a"), ("d", 0x8180_8000, b"three")];
    seeds.push(("7z", stored(&files)));
    seeds.push(("7z", one_file(&lzma2(18), &[1 << 20], &zeros(1))));
    seeds
}

/// Corrects the checksums of a 7z archive, so that mutations are not rejected right away.
fn mend(archive: &mut [u8]) {
    let field = |archive: &[u8], at: usize| {
        archive.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    let begin = usize::try_from(field(archive, 12).saturating_add(32)).unwrap();
    let end = begin.saturating_add(usize::try_from(field(archive, 20)).unwrap());
    if let Some(sum) = archive.get(begin..end).map(checksum) {
        archive[28..32].copy_from_slice(&sum);
    }
    if let Some(sum) = archive.get(12..32).map(checksum) {
        archive[8..12].copy_from_slice(&sum);
    }
}

#[test]
fn whatever_an_archive_holds_it_stays_in_the_folder_and_below_the_limit() {
    let seeds = seeds();
    briefly(bolero::check!()).with_max_len(4_096).for_each(|bytes: &[u8]| {
        let [kind, whole, changes @ ..] = bytes else { return };
        let (end, seed) = &seeds[usize::from(*kind) % seeds.len()];
        let mut archive = seed.clone();
        if *whole < 32 {
            archive = changes.to_vec();
        } else {
            for change in changes.chunks_exact(3).take(usize::from(*whole) / 8) {
                let at = usize::from(change[0]) << 8 | usize::from(change[1]);
                let length = archive.len();
                archive[at % length] = change[2];
            }
        }
        if *end == "7z" && whole % 4 > 0 {
            mend(&mut archive);
        }
        let folder = tempfile::tempdir().unwrap();
        let usage = Arc::new(crate::files::Usage::new(4 << 20));
        let root = Root::with_usage(&folder.path().join("data"), 0, 0, usage).unwrap();
        let workspace = Workspace::open(root, &folder.path().join("kept"), Clock::System, Arc::default());
        let world = World { folder, workspace };
        let name = format!("a.{end}");
        world.put(&name, &archive);
        let _ = world.extract(&name);
        assert!(world.workspace.root.size() <= 4 << 20);
        assert_eq!(
            std::fs::read_dir(world.folder.path()).unwrap().count(),
            2,
            "nothing was made beside the folder"
        );
    });
}
