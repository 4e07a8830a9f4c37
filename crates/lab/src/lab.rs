//! The lab itself.

use std::mem;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::engine::host::{Host, Started, search_path};
use crate::engine::network::{self, NetworkPlan, namespace_file};
use crate::engine::process::ProcessId;
use crate::engine::tools::Tools;
use crate::engine::{privilege, swarm, tools, traefik};
use crate::parallel::side_by_side;
use crate::progress::{Context, ProgressSink};
use crate::spec::Cancel;
use crate::state::{self, State};
use crate::world::config::Log;
use crate::world::deploy::{self, WorldFiles};
use crate::world::images::{self, Images};
use crate::world::probe::Prober;
use crate::world::scene::Scene;
use crate::world::worlds;
use crate::{
    EngineInfo, LabError, LabInfo, LabName, LabSpec, LabStatus, RouteInfo, Router, RouterInfo, World,
    teardown,
};

mod booted;

/// A proxy listens within milliseconds; a busy machine takes longer.
const PROXY_STARTS: Duration = Duration::from_secs(10);

/// Private engines that form a Swarm. Dropping it takes it down, also while unwinding from a panic; what a
/// killed process left behind is taken down by [`Lab::down_stale`].
#[derive(Debug)]
pub struct Lab {
    state: State,
    dir: PathBuf,
    /// Our children, one per engine; empty when attached.
    watchers: Vec<Child>,
    /// True iff dropping takes it down.
    owned: bool,
}

impl Lab {
    /// Checks that a lab can be made here.
    ///
    /// # Errors
    /// If root, a helper of the system, or a way to an engine is missing; the error says which. A test that
    /// needs a lab prints it and counts as not run.
    pub fn available() -> Result<(), LabError> {
        if !rustix::process::geteuid().is_root() {
            return Err(LabError::NotRoot);
        }
        // Not readable: an unusual /proc is no reason not to try.
        let own = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(capability) = privilege::missing(&own) {
            return Err(LabError::NotPrivileged { capability });
        }
        // Checked before anything is downloaded: a folder that cannot hold sockets would fail only when the
        // engine starts.
        state::labs_dir()?;
        tools::check_system()
    }

    /// True iff PATH has a whole engine, so that no package is needed.
    pub fn has_engine_on_path() -> bool {
        tools::missing_engine_programs().is_empty()
    }

    /// Makes a lab and returns when every engine is up and, with a world, every task runs and every route
    /// answers as it should. Blocks for 3 to 20 seconds, and for a download at the first time; `progress` is
    /// called from several threads.
    ///
    /// # Errors
    /// If a step fails or `spec.cancel` is set. What was made before is taken down again.
    pub fn up(mut spec: LabSpec, progress: ProgressSink<'_>) -> Result<Self, LabError> {
        Self::available()?;
        let engines = spec.engines()?;
        let context = Context::new(progress, &spec.cancel);
        let name = spec.name.take().unwrap_or_else(LabName::random);
        // From here on dropping `lab` takes down whatever exists of it.
        let mut lab = Self::claim(&spec, &name, engines)?;
        lab.build(context, &spec)?;
        lab.state.ready = true;
        lab.state.save()?;
        Ok(lab)
    }

    /// The lab of this name, made by this or another process. Dropping it leaves it as it is.
    ///
    /// # Errors
    /// If there is no lab of this name, or its state file cannot be read.
    pub fn attach(name: &LabName) -> Result<Self, LabError> {
        let state = State::load(name)?;
        Ok(Self { dir: state.dir()?, state, watchers: Vec::new(), owned: false })
    }

    /// Every lab on this machine, by name.
    ///
    /// # Errors
    /// If the folder of labs cannot be listed.
    pub fn list() -> Result<Vec<LabStatus>, LabError> {
        Ok(state::names()?.into_iter().map(|name| LabStatus::of(&name)).collect())
    }

    /// Takes down every lab whose owner is gone and did not keep it, and those whose engines are gone. Returns
    /// their names.
    ///
    /// # Errors
    /// If one of them cannot be taken down completely: the first such failure. The others are taken down all
    /// the same.
    pub fn down_stale() -> Result<Vec<LabName>, LabError> {
        let mut names = Vec::new();
        let mut first = None;
        for status in Self::list()?.into_iter().filter(|status| status.stale) {
            match Self::down_named(&status.name) {
                Ok(()) => names.push(status.name),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(names), Err)
    }

    /// Takes down the lab of this name, also one of another process or one that is not up yet.
    ///
    /// # Errors
    /// If there is no such lab, or something of it is left.
    pub fn down_named(name: &LabName) -> Result<(), LabError> {
        match State::load(name) {
            Ok(state) => teardown::remove(&state),
            // Killed before the state was written, or a file that cannot be understood: without a list of what
            // exists, the names of the largest lab are tried.
            Err(LabError::NotFound { .. } | LabError::State { .. }) if state::names()?.contains(name) => {
                teardown::remove(&Self::blank(&LabSpec::default(), name, crate::spec::MAX_ENGINES)?)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the lab down.
    ///
    /// # Errors
    /// If something of it is left; the error names it.
    pub fn down(mut self) -> Result<(), LabError> {
        self.take_down()
    }

    /// Keeps the lab up beyond the end of this process; `attach` and `down_named` find it by its name.
    ///
    /// # Errors
    /// If the state file cannot be written; the lab is then taken down.
    pub fn keep(mut self) -> Result<LabInfo, LabError> {
        // Saved before this process lets go of it: were it killed in between, the lab would still be found as
        // its own.
        self.state.kept = true;
        self.state.save()?;
        self.owned = false;
        Ok(self.state.info.clone())
    }

    /// Facts about the lab.
    pub fn info(&self) -> &LabInfo {
        &self.state.info
    }

    /// A command that will run in the first manager's network namespace, with DOCKER_HOST set and the engine's
    /// programs and this program's own folder first on PATH; in a lab that is a whole host, inside of that host, with its
    /// programs. The process is the program itself: nsenter replaces itself with it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.command_on(0, program)
    }

    /// As [`Lab::command`], for manager `manager`, counted from 0; spares follow after the managers. An index
    /// beyond means the last engine.
    pub fn command_on(&self, manager: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let info = &self.state.info;
        if info.host.is_some() {
            return self.command_in_host(program);
        }
        // Through a proxy, where there is one in front of the engine.
        let spares = info.spares.iter().map(|spare| &spare.host);
        let host = info.hosts.iter().chain(spares).nth(manager.min(self.engines().saturating_sub(1)));
        // Only the network namespace is entered: files and programs are those of the host.
        let mut net = std::ffi::OsString::from("--net=");
        net.push(namespace_file(self.namespace(manager)));
        let mut command = Command::new("nsenter");
        command.arg(net).arg("--").arg(program);
        command
            .env("DOCKER_HOST", host.map_or("", String::as_str))
            .env("PATH", search_path(&self.state.programs));
        command.env("PVCHECK_LAB", self.state.info.name.as_str());
        // Any of these variables could send the client to another engine than the lab's.
        for other in
            ["DOCKER_API_VERSION", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY"]
        {
            command.env_remove(other);
        }
        command
    }

    /// Runs `work` on a thread of its own in the network namespace of a manager: sockets that it opens are in
    /// there. An async runtime for it is to be made inside.
    ///
    /// # Errors
    /// If the namespace is gone.
    fn inside<T: Send>(&self, manager: usize, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        network::in_namespace(self.namespace(manager), work)
    }

    /// Requests a route of the world once, verifying the router's certificate, and returns the HTTP status.
    /// Takes at most some seconds.
    ///
    /// # Errors
    /// If there is no answer, or the lab has no world.
    pub fn route_status(&self, route: &RouteInfo) -> Result<u16, LabError> {
        let none = || LabError::io("ask", &route.url);
        let ca =
            self.state.info.ca.as_ref().ok_or_else(|| none()(std::io::ErrorKind::NotConnected.into()))?;
        let prober = Prober::new(&std::fs::read_to_string(ca).map_err(LabError::io("read", ca))?)?;
        self.inside(0, || prober.status(route))?.map_err(none())
    }

    /// Stops a manager's engine and its containers, as a service manager would, and leaves it down.
    ///
    /// # Errors
    /// If it does not stop within a minute, or the lab is a whole host, where `systemctl stop docker` does that.
    pub fn stop_engine(&self, manager: usize) -> Result<(), LabError> {
        self.must_be_of_engines()?;
        let host = self.host(manager);
        let anchor = self.state.anchors.get(host.index).copied();
        let gone = || LabError::EngineEnded {
            manager: host.index,
            log_tail: "its first process is gone".to_owned(),
        };
        host.halt(Context::new(&|_| {}, &Cancel::default()), anchor.ok_or_else(gone)?)
    }

    /// Starts a stopped engine again and returns when it answers.
    ///
    /// # Errors
    /// If it ends at once or does not answer within a minute, or the lab is a whole host.
    pub fn start_engine(&self, manager: usize) -> Result<(), LabError> {
        self.must_be_of_engines()?;
        self.host(manager).resume(Context::new(&|_| {}, &Cancel::default()))
    }

    /// Puts a process in front of the first manager: `proxy` makes its command from the socket that it is to listen on
    /// and that of the engine. From then on [`LabInfo::hosts`] and [`Lab::command`] lead to the proxy, and it goes with
    /// the lab. Returns when it listens.
    ///
    /// # Errors
    /// If it cannot be started, or ends at once, or does not listen within ten seconds.
    pub fn put_in_front(&mut self, proxy: impl FnOnce(&Path, &Path) -> Command) -> Result<(), LabError> {
        let socket = self.dir.join("proxy.sock");
        let mut command = proxy(&socket, &self.host(0).socket());
        // A group of its own: Ctrl-C in the terminal that started the lab must not end it.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().map_err(LabError::io("start the proxy on", &socket))?;
        self.state.proxy = ProcessId::of(child.id());
        self.state.save()?;
        let since = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            let ended = child.try_wait().map_err(LabError::io("wait for the proxy on", &socket))?;
            if ended.is_some() || PROXY_STARTS < since.elapsed() {
                return Err(LabError::io("listen on", &socket)(std::io::ErrorKind::TimedOut.into()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(host) = self.state.info.hosts.first_mut() {
            *host = format!("unix://{}", socket.display());
        }
        self.state.save()
    }

    fn host(&self, index: usize) -> Host {
        Host::new(&self.dir, index.min(self.engines().saturating_sub(1)))
    }

    fn engines(&self) -> usize {
        self.state.info.hosts.len() + self.state.info.spares.len()
    }

    /// Namespaces are in the order of the engines; the bridge's comes last.
    fn namespace(&self, index: usize) -> &str {
        let index = index.min(self.engines().saturating_sub(1));
        self.state.namespaces.get(index).map_or("", String::as_str)
    }

    /// The folder and the state file, before anything else exists.
    fn claim(spec: &LabSpec, name: &LabName, engines: usize) -> Result<Self, LabError> {
        let dir = state::claim(name)?;
        let state = Self::blank(spec, name, engines)?;
        let lab = Self { state, dir, watchers: Vec::new(), owned: true };
        lab.state.save()?;
        Ok(lab)
    }

    fn blank(spec: &LabSpec, name: &LabName, engines: usize) -> Result<State, LabError> {
        let dir = state::labs_dir()?.join(name.as_str());
        let plan = NetworkPlan::new(name, engines);
        let hosts: Vec<Host> = (0..engines).map(|index| Host::new(&dir, index)).collect();
        let managers = &hosts[..spec.managers.min(engines)];
        let spare = |host: &Host| crate::Spare {
            host: host.url(),
            namespace: plan.engines[host.index].clone(),
            address: plan.address(host.index),
            log: host.log(),
        };
        let info = LabInfo {
            name: name.clone(),
            hosts: managers.iter().map(Host::url).collect(),
            namespaces: plan.engines[..managers.len()].to_vec(),
            addresses: managers.iter().map(|host| plan.address(host.index)).collect(),
            spares: hosts[managers.len()..].iter().map(spare).collect(),
            bridge: plan.bridge.clone(),
            engine: EngineInfo::default(),
            world: spec.world,
            router: None,
            ca: None,
            config: None,
            routes: Vec::new(),
            log: managers.iter().map(Host::log).collect(),
            host: None,
            created: Timestamp::now(),
        };
        Ok(State {
            cgroup: format!("/pvcheck-lab/{name}"),
            namespaces: plan.all(),
            info,
            owner: ProcessId::own(),
            kept: false,
            ready: false,
            anchors: Vec::new(),
            proxy: None,
            programs: Vec::new(),
        })
    }

    fn build(&mut self, context: Context<'_>, spec: &LabSpec) -> Result<(), LabError> {
        let tools = tools::find(context, spec.suite)?;
        let mut images = images::make(context, &tools)?;
        if spec.world != World::Empty {
            self.state.info.router = Some(router(context, spec.router, &tools, &mut images)?);
        }
        self.state.programs.clone_from(&tools.programs);
        self.state.info.engine.suite.clone_from(&tools.suite);

        let plan = NetworkPlan::new(&self.state.info.name, self.engines());
        plan.make(context)?;
        let hosts: Vec<Host> = (0..self.engines()).map(|index| self.host(index)).collect();
        context.report(format!("starting {} engine(s)", hosts.len()));
        for host in &hosts {
            let namespace = &plan.engines[host.index];
            let Started { watcher, anchor } =
                host.start(context, &self.state.info.name, namespace, &tools, &self.state.cgroup)?;
            // Saved per engine: if this process is killed now, `lab down` knows the first processes of all that
            // run.
            self.watchers.push(watcher);
            self.state.anchors.push(anchor);
            self.state.save()?;
        }
        side_by_side(&hosts, |host| host.wait_up(context))?;
        let (version, api) = hosts[0].api().version()?;
        context.report(format!("engine {version} is up (API {api})"));
        self.state.info.engine.version = Some(version);
        self.state.info.engine.api = Some(api);
        self.populate(context, spec, &hosts, &plan, &images)
    }

    /// Forms the Swarm while the images are imported, then starts the world.
    fn populate(
        &mut self,
        context: Context<'_>,
        spec: &LabSpec,
        hosts: &[Host],
        plan: &NetworkPlan,
        images: &Images,
    ) -> Result<(), LabError> {
        let scene = worlds::scene(spec.world, spec.router, &self.state.info.addresses);
        let managers = &hosts[..spec.managers];
        let node = std::thread::scope(|scope| {
            // Images are imported while the Swarm forms; both take seconds, and neither needs the other.
            let import =
                scope.spawn(|| side_by_side(hosts, |host| import_images(host, images, scene.as_ref())));
            let node = swarm::form_swarm(context, managers, plan);
            import.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            node
        })?;
        context.report(format!("{} manager(s) ready, images imported", managers.len()));
        let Some(scene) = scene else { return Ok(()) };
        let files = WorldFiles::write(&self.dir, Log::File(&hosts[0].log()), &scene, managers.len() as u64)?;
        deploy::start_world(context, &hosts[0].api(), &node, &plan.engines[0], &files, &scene)?;
        self.state.info.ca = Some(files.ca);
        self.state.info.config = Some(files.config);
        self.state.info.routes = scene.routes();
        Ok(())
    }

    fn take_down(&mut self) -> Result<(), LabError> {
        self.owned = false;
        let mut watchers = mem::take(&mut self.watchers);
        for watcher in &mut watchers {
            // An error means that it has ended already.
            let _ = watcher.kill();
        }
        for watcher in &mut watchers {
            let _ = watcher.wait();
        }
        teardown::remove(&self.state)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.owned {
            // There is no caller to report to; what is left is found again by its state file.
            let _ = self.take_down();
        }
    }
}

/// The router of a world. Its image is made where it is none of every lab's.
fn router(
    context: Context<'_>,
    program: Router,
    tools: &Tools,
    images: &mut Images,
) -> Result<RouterInfo, LabError> {
    let version = match program {
        Router::Caddy => None,
        Router::Traefik => {
            let found = traefik::find(context)?;
            context.report(format!("the router is Traefik {}", found.version));
            images.traefik = Some(images::make_traefik(context, tools, &found)?);
            Some(found.version)
        }
    };
    Ok(RouterInfo { program, version })
}

fn import_images(host: &Host, images: &Images, scene: Option<&Scene>) -> Result<(), LabError> {
    let api = host.api();
    api.import(&images.busybox, "pvcheck-lab/busybox", "1")?;
    // Only nodes that run the router need its image.
    let routes = scene.filter(|scene| host.index == 0 || scene.is_everywhere());
    match (routes.map(|scene| scene.router), &images.traefik) {
        (None, _) => Ok(()),
        (Some(Router::Traefik), Some(traefik)) => api.import(traefik, "pvcheck-lab/traefik", "1"),
        (Some(_), _) => api.import(&images.caddy, "pvcheck-lab/caddy", "1"),
    }
}
