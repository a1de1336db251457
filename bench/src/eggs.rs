//! Importing and rendering published eggs, compared with only parsing the same files.

use crate::{
    Setting,
    report::{Report, Row, Target},
};
use anyhow::Context as _;
use raptor_core::templates::{Template, import::import, placeholders::Context};
use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

struct Egg {
    text: String,
    is_json: bool,
}

/// Measures the eggs in the folder `RAPTOR_TEST_EGGS`, or those of the tests.
pub fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../raptor-core/tests/fixtures/eggs");
    let folder = std::env::var_os("RAPTOR_TEST_EGGS").map_or(fixtures, PathBuf::from);
    let mut eggs = Vec::new();
    read(&folder, &mut eggs).with_context(|| format!("reading {}", folder.display()))?;
    anyhow::ensure!(!eggs.is_empty(), "there is no egg in {}", folder.display());
    let templates: Vec<Template> = eggs.iter().filter_map(template).collect();
    anyhow::ensure!(templates.len() == eggs.len(), "{} eggs are refused", eggs.len() - templates.len());
    let (mut ours, mut theirs, mut rendered) = (Vec::new(), Vec::new(), Vec::new());
    // The first round is a warm-up and does not count.
    for round in 0..=setting.rounds {
        let times = (
            time(|| eggs.iter().for_each(|egg| drop(black_box(template(egg))))),
            time(|| eggs.iter().for_each(parse)),
            time(|| templates.iter().for_each(render)),
        );
        if round > 0 {
            ours.push(times.0);
            theirs.push(times.1);
            rendered.push(times.2);
        }
    }
    let each = |times: Vec<Duration>| per_egg(times, eggs.len());
    let (parsed, reference) = (each(ours), each(theirs));
    report.add(Row {
        what: format!("read an egg, of {}", eggs.len()),
        unit: "µs",
        ours: parsed,
        reference: Some((reference, "parsing alone: serde_json, serde_yaml_ng")),
        target: Target::Known,
    });
    report.add(Row {
        what: "render an egg for a container".into(),
        unit: "µs",
        ours: each(rendered),
        reference: Some((reference, "parsing alone: serde_json, serde_yaml_ng")),
        target: Target::Known,
    });
    Ok(())
}

fn read(folder: &Path, found: &mut Vec<Egg>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        if path.is_dir() {
            read(&path, found)?;
        } else if ["json", "yaml", "yml"].contains(&end) {
            found.push(Egg { is_json: end == "json", text: fs::read_to_string(&path)? });
        }
    }
    Ok(())
}

fn template(egg: &Egg) -> Option<Template> {
    import(egg.text.as_bytes()).ok().map(|read| read.template)
}

/// What any reader of these files has to do at least.
fn parse(egg: &Egg) {
    if egg.is_json {
        let _ = black_box(serde_json::from_str::<serde_json::Value>(&egg.text));
    } else {
        let _ = black_box(serde_yaml_ng::from_str::<serde_json::Value>(&egg.text));
    }
}

/// What is done for each start of a container.
fn render(template: &Template) {
    let values =
        template.variables.iter().map(|variable| (variable.env.clone(), variable.default_value.clone()));
    let context = Context {
        environment: values.collect(),
        ip: "192.0.2.1".into(),
        port: "25565".into(),
        memory: "1024".into(),
        uuid: "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0123".into(),
    };
    black_box((context.startup(&template.startup), context.files(template)));
}

fn time(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// The median in microseconds per egg.
fn per_egg(mut times: Vec<Duration>, eggs: usize) -> f64 {
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    median.as_secs_f64() * 1e6 / eggs as f64
}
