//! The container images of the tests, made from Debian packages: nothing is pulled from anywhere.

use crate::run::{Outcome, command, output, root, run, succeeds};

/// Image, the folder of its recipe.
const IMAGES: &[(&str, &str)] = &[
    ("raptor-test/busybox:1", "busybox"),
    ("raptor-test/openttd:1", "openttd"),
    ("raptor-test/freeciv:1", "freeciv"),
    ("raptor-test/debian:1", "debian"),
];

/// Makes the images that are missing or older than their recipes.
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
        println!("making {image}");
        run(command("bash", &[]).arg(&script).args([*image, &wanted]))?;
    }
    if succeeds(&mut command("docker", &["image", "inspect", IMAGES[0].0])) {
        return Ok(());
    }
    Err("the images are not there".into())
}
