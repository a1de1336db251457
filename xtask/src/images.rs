//! The tests' container images, built from Debian packages without pulling anything.

use crate::run::{Outcome, command, is_root, output, root, run, succeeds};

/// Images and the folders of their recipes.
const IMAGES: &[(&str, &str)] = &[
    ("raptor-test/busybox:1", "busybox"),
    ("raptor-test/openttd:1", "openttd"),
    ("raptor-test/freeciv:1", "freeciv"),
    (DEBIAN, "debian"),
];

/// The base of the Compose tests' images, which only root can build.
const DEBIAN: &str = "raptor-test/debian:1";

/// Builds images that are missing or older than their recipes.
pub fn make() -> Outcome {
    for (image, recipe) in IMAGES {
        let recipes = root().join("e2e/images");
        let script = recipes.join(recipe).join("make.sh");
        let sums = output(command("sha256sum", &[]).arg(&script).arg(recipes.join("image.sh")))?;
        let sums: Vec<&str> = sums.lines().filter_map(|line| line.split_whitespace().next()).collect();
        let wanted = sums.join("-");
        let label = r#"{{ index .Config.Labels "raptor.recipe" }}"#;
        let present = output(&mut command("docker", &["image", "inspect", "--format", label, image]));
        if present.is_ok_and(|present| present.trim() == wanted) {
            continue;
        }
        if *image == DEBIAN && !is_root() {
            println!("{image} is not made: it takes root. The tests of Compose are skipped without it.");
            continue;
        }
        println!("making {image}");
        run(command("bash", &[]).arg(&script).args([*image, &wanted]))?;
    }
    if succeeds(&mut command("docker", &["image", "inspect", IMAGES[0].0])) {
        return Ok(());
    }
    Err("the images are not there".into())
}
