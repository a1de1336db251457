use super::*;
use crate::templates::StopRule;
use serde_json::json;

fn egg(change: impl FnOnce(&mut Value)) -> Result<Imported> {
    let mut egg = json!({
        "meta": { "version": "PTDL_v2", "update_url": null }, "name": "Game", "author": "a@b", "description": "x\r\ny",
        "docker_images": { "Java 21": " ghcr.io/x/java:21" }, "startup": "java -jar {{JAR}}",
        "config": { "files": "{\"a.properties\":{\"parser\":\"properties\",\"find\":{\"port\":\"{{server.build.default.port}}\"}}}",
                    "startup": "{\"done\": \"Done (\"}", "logs": "{}", "stop": "^^C" },
        "scripts": { "installation": { "script": "#!/bin/sh\r\ntrue", "container": "alpine", "entrypoint": "ash" } },
        "variables": [{ "name": "Jar", "env_variable": "JAR", "default_value": 1, "user_viewable": 1, "user_editable": true,
                        "rules": ["required", "string"] }],
    });
    change(&mut egg);
    import(egg.to_string().as_bytes())
}

#[test]
fn an_egg_is_read_with_all_it_says() {
    let imported = egg(|_| {}).unwrap();
    let template = imported.template;
    assert_eq!(template.images[0].image, "ghcr.io/x/java:21");
    assert_eq!(template.done, ["Done ("]);
    assert_eq!(template.stop, StopRule::Signal { signal: "SIGINT".into() });
    assert_eq!(template.config_files[0].edits[0].key, "port");
    assert_eq!(
        (template.variables[0].default_value.as_str(), template.variables[0].rules.as_str()),
        ("1", "required|string")
    );
    assert!(template.variables[0].user_viewable);
    assert_eq!(template.install.unwrap().mended(), "#!/bin/sh\ntrue");
    let said: Vec<_> = imported.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(said, ["docker_images"], "the blank before the image");
}

#[test]
fn protected_files_are_read_from_a_list_and_from_a_text() {
    for (written, read) in [
        (json!("a.txt\nb/*"), vec!["a.txt", "b/*"]),
        (json!("a.txt\r\n\r\n b/* \r\n"), vec!["a.txt", "b/*"]),
        (json!(["a.txt", "b/*"]), vec!["a.txt", "b/*"]),
        (json!(""), vec![]),
        (json!({}), vec![]),
    ] {
        assert_eq!(egg(|egg| egg["file_denylist"] = written).unwrap().template.denylist, read);
    }
}

#[test]
fn what_is_odd_is_said() {
    let imported = egg(|egg| {
        egg["docker_images"] = json!(null);
        egg["startup"] = json!(null);
        egg["config"]["files"] =
            json!("{\"../x\":{\"parser\":\"ini\",\"find\":{}},\"a\":{\"parser\":\"xml\",\"find\":{}}}");
        egg["variables"] =
            json!([{ "env_variable": "A" }, { "env_variable": "A" }, { "env_variable": "A B" }]);
    })
    .unwrap();
    let paths: Vec<_> = imported.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(
        paths,
        ["config.files.../x", "variables.0", "variables.1", "variables.2", "images", "startup"]
    );
}

#[test]
fn what_is_no_egg_is_refused_with_the_reason() {
    for (bytes, why) in
        [(&b"{"[..], "JSON"), (b"{}", "PTDL_v2"), (b"\xff", "UTF-8"), (b"a: [", "YAML"), (b"x", "PLCN")]
    {
        assert!(import(bytes).unwrap_err().to_string().contains(why));
    }
}
