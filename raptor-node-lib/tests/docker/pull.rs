//! Images from a local registry that the test starts, from Debian's package.

use crate::world::{ECHO, PATIENCE, World, docker, docker_output, installed, served};
use futures_util::StreamExt;
use raptor_model::{
    containers::lifecycle::Phase,
    node::{
        Handler, LineKind, Node, NodeEvent, PowerAction, Progress, RegistryLogin,
        requests::{CleaningRequest, RegistryLogins},
    },
};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PROGRAM: &str = "/usr/bin/docker-registry";
const USER: &str = "raptor";
const PASSWORD: &str = "secret";
/// `PASSWORD` in htpasswd's format.
const ACCOUNT: &str = "raptor:$2y$05$c0Vboo4pkbLwgQJG.W3OCepK46nIo30AVxntYpxckufmxofQyVKqK";
/// Number of layers added to the base image, and bytes of each.
const LAYERS: u32 = 3;
const LAYER: usize = 32 << 20;

/// A registry that requires a login.
pub struct Registry {
    process: Child,
    pub host: String,
    folder: tempfile::TempDir,
}

impl Registry {
    /// `None` if the program is not installed, which is a failure in CI.
    pub fn start() -> Option<Self> {
        if !installed(PROGRAM) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::write(at("accounts"), format!("{ACCOUNT}\n")).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"{host}\"}}\nauth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            at("storage"),
            at("accounts"),
        );
        fs::write(at("config.yml"), config).unwrap();
        let mut program = Command::new(PROGRAM);
        program.args(["serve", &at("config.yml")]).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self { process: program.spawn().unwrap(), host, folder };
        served("the registry", || TcpStream::connect(&registry.host));
        Some(registry)
    }

    /// The login that it accepts.
    pub fn login(&self) -> RegistryLogin {
        RegistryLogin { host: self.host.clone(), username: USER.into(), password: PASSWORD.into() }
    }

    /// Builds an image of several layers, pushes it to the registry and removes it from this engine.
    fn publish(&self) -> String {
        let image = format!("{}/games/layers:1", self.host);
        let context = self.folder.path().join("context");
        fs::create_dir(&context).unwrap();
        let mut recipe = "FROM raptor-test/busybox:1\n".to_owned();
        for layer in 0..LAYERS {
            let mut content = vec![0; LAYER];
            std::io::Read::read_exact(&mut fs::File::open("/dev/urandom").unwrap(), &mut content).unwrap();
            fs::write(context.join(format!("layer{layer}")), content).unwrap();
            recipe.push_str(&format!("COPY layer{layer} /layer{layer}\n"));
        }
        fs::write(context.join("Dockerfile"), recipe).unwrap();
        self.docker(&["build", "--quiet", "--tag", &image, &context.display().to_string()]);
        self.docker(&["login", "--username", USER, "--password", PASSWORD, &self.host]);
        self.docker(&["push", "--quiet", &image]);
        self.docker(&["image", "rm", &image]);
        image
    }

    /// With the engine's old builder, which needs nothing else, and with separate logins.
    fn docker(&self, args: &[&str]) {
        let mut docker = Command::new("docker");
        docker.args(args).env("DOCKER_BUILDKIT", "0").env("DOCKER_CONFIG", self.folder.path());
        let output = docker.output().unwrap();
        assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn there(image: &str) -> bool {
    Command::new("docker").args(["image", "inspect", image]).output().unwrap().status.success()
}

/// Waits until the download has failed `times` times.
async fn refused(world: &World, times: usize) {
    let deadline = Instant::now() + PATIENCE;
    while world.transcript().await.matches("can't be downloaded").count() < times {
        assert!(Instant::now() < deadline, "{}", world.transcript().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.phase(Phase::Offline).await;
}

#[tokio::test]
async fn an_image_is_pulled_with_a_login_while_its_progress_is_told_and_cleaned_up_when_unused() {
    if !docker() {
        return;
    }
    let Some(registry) = Registry::start() else { return };
    let image = registry.publish();
    let world = World::new(ECHO, |spec| spec.image = image.clone()).await;

    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    refused(&world, 1).await;
    let login = |host: &str| RegistryLogin {
        host: host.to_owned(),
        username: USER.into(),
        password: PASSWORD.into(),
    };
    // What only begins like the registry is another one.
    world
        .host
        .handle((), RegistryLogins { items: vec![login(&format!("{}0", registry.host))] })
        .await
        .unwrap();
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    refused(&world, 2).await;
    assert!(!there(&image));

    world.host.handle((), RegistryLogins { items: vec![login(&registry.host)] }).await.unwrap();
    let mut events = world.host.events().await.unwrap();
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    let mut told = Vec::new();
    let pulled = async {
        while let Some(event) = events.next().await {
            let NodeEvent::Status { status } = event else { continue };
            match status.progress {
                Some(Progress::Pulling { current_bytes, total_bytes, layers_done, layers_total }) => {
                    told.push((current_bytes, total_bytes, layers_done, layers_total));
                }
                _ if status.phase == Phase::Running => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, pulled).await.unwrap();
    assert!(!told.is_empty(), "{}", world.transcript().await);
    assert!(told.is_sorted_by_key(|(.., done, _)| *done), "{told:?}");
    assert!(told.iter().all(|(current, total, done, layers)| current <= total && done <= layers), "{told:?}");
    let most = told.iter().map(|(_, total, ..)| *total).max().unwrap();
    assert!(most > LAYER as u64 / 2, "the layers' sizes are told: {told:?}");
    assert!(told.iter().any(|(.., layers)| *layers >= LAYERS), "{told:?}");
    assert!(world.texts(LineKind::Output).await.contains(&"hello ready".to_owned()));

    // What runs, and what would start, keeps its image.
    assert!(world.host.handle((), CleaningRequest { unused_s: 0 }).await.unwrap().images.is_empty());
    world.host.power(world.id, PowerAction::Kill, "").await.unwrap();
    world.phase(Phase::Offline).await;
    assert!(world.host.handle((), CleaningRequest { unused_s: 0 }).await.unwrap().images.is_empty());
    world.change(|spec| spec.image = "~raptor-test/busybox:1".into()).await;
    world.host.power(world.id, PowerAction::Start, "").await.unwrap();
    world.phase(Phase::Running).await;
    assert_eq!(
        world.host.handle((), CleaningRequest { unused_s: 0 }).await.unwrap().images,
        std::slice::from_ref(&image)
    );
    assert!(!there(&image) && there("raptor-test/busybox:1"), "only what Raptor pulled goes");
    assert_eq!(docker_output(&["images", "--quiet", &image]), "");
}
