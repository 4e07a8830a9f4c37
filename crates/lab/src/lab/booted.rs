//! A lab that is one whole host.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use super::Lab;
use crate::engine::api::Api;
use crate::engine::host::Started;
use crate::engine::network::NetworkPlan;
use crate::engine::process::ProcessId;
use crate::engine::tools;
use crate::progress::{Context, ProgressSink};
use crate::spec::Cancel;
use crate::systemd::files::RootFile;
use crate::systemd::gate::Gate;
use crate::systemd::machine::{Boot, Machine};
use crate::systemd::{root, units};
use crate::world::config::Log;
use crate::world::deploy::{self, WorldFiles};
use crate::world::images;
use crate::world::scene::Scene;
use crate::world::worlds;
use crate::{HostInfo, HostSpec, LabError, LabName, LabSpec, Router, RouterInfo, SystemState, World};

/// Time for a boot beyond that of its gate.
const BOOT: Duration = Duration::from_mins(3);

impl Lab {
    /// Checks that a whole host can be booted here.
    ///
    /// # Errors
    /// If [`Lab::available`] has one, or a program is missing that makes or boots a host.
    pub fn host_available() -> Result<(), LabError> {
        Self::available()?;
        root::check_system()
    }

    /// Boots a whole host and returns when nothing is left to start and, with a world, every task runs and every route
    /// answers as it should. A gate that hangs does so until its time is over; its unit has failed then, and what is ordered
    /// after it is started. Blocks for some 20 seconds, and the first time for the minutes that its root takes to make.
    ///
    /// # Errors
    /// If a step fails or `spec.cancel` is set. What was made before is taken down again.
    pub fn boot(mut spec: HostSpec, progress: ProgressSink<'_>) -> Result<Self, LabError> {
        Self::host_available()?;
        let context = Context::new(progress, &spec.cancel);
        let name = spec.name.take().unwrap_or_else(LabName::random);
        // From here on dropping `lab` takes down whatever exists of it.
        let mut lab = Self::claim_host(&spec, &name)?;
        let files = lab.begin(context, &spec)?;
        let state = lab.await_boot(context, spec.gate_limit)?;
        context.report(format!("the host is {state}"));
        if let Some((scene, files)) = files {
            let namespace = lab.namespace(0).to_owned();
            deploy::wait_world(context, &lab.host_api(), &namespace, &files, &scene)?;
        }
        lab.note_version()?;
        lab.state.ready = true;
        lab.state.save()?;
        Ok(lab)
    }

    /// Shuts the host down, makes it one that was just installed, with this gate of this limit, and boots it. Returns when
    /// systemd takes commands: what its units do is then under way, and [`Lab::booted`] waits for the end of it.
    ///
    /// # Errors
    /// If the lab is no whole host with a world, or the host does not go down or come up in time.
    pub fn install(&mut self, gate: Gate, gate_limit: Duration) -> Result<(), LabError> {
        let cancel = Cancel::default();
        let context = Context::new(&|_| {}, &cancel);
        let (machine, anchor) = (Machine::new(&self.dir), self.anchor()?);
        let (_, _, files) = self.world(gate, gate_limit)?;
        machine.power_off(context, anchor)?;
        machine.install(&self.state.info.name, &files)?;
        self.state.info.host = Some(HostInfo { gate: Some(gate), state: None });
        self.state.save()?;
        machine.wait_up(context, anchor)
    }

    /// Boots the host again as it is, its files, its engine's data and its journal among it. Returns when systemd takes
    /// commands, as [`Lab::install`] does.
    ///
    /// # Errors
    /// If the lab is no whole host, or the host does not go down or come up in time.
    pub fn reboot(&self) -> Result<(), LabError> {
        let cancel = Cancel::default();
        let context = Context::new(&|_| {}, &cancel);
        let (machine, anchor) = (Machine::new(&self.dir), self.anchor()?);
        machine.reboot(context, anchor)?;
        machine.wait_up(context, anchor)
    }

    /// Waits until nothing is left to start on the host.
    ///
    /// # Errors
    /// If the lab is no whole host, or it is still starting after `limit`.
    pub fn booted(&mut self, limit: Duration) -> Result<SystemState, LabError> {
        let cancel = Cancel::default();
        let state = Machine::wait_booted(Context::new(&|_| {}, &cancel), self.anchor()?, limit)?;
        self.note_state(state)
    }

    pub(super) fn command_in_host(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Machine::command(self.state.anchors.first().copied(), program);
        command.env("PVCHECK_LAB", self.state.info.name.as_str());
        command
    }

    /// What stops an engine of a lab would end a host.
    pub(super) fn must_be_of_engines(&self) -> Result<(), LabError> {
        if self.state.info.host.is_none() {
            return Ok(());
        }
        Err(LabError::io("use as a lab of engines", &self.dir)(std::io::ErrorKind::Unsupported.into()))
    }

    fn claim_host(spec: &HostSpec, name: &LabName) -> Result<Self, LabError> {
        let world = if spec.gate.is_some() { World::CcCi } else { World::Empty };
        let engines = LabSpec { world, ..LabSpec::default() };
        let mut lab = Self::claim(&engines, name, 1)?;
        let info = &mut lab.state.info;
        info.hosts = vec![format!("unix://{}", Machine::new(&lab.dir).socket().display())];
        info.log = Vec::new();
        info.host = Some(HostInfo { gate: spec.gate, state: None });
        info.engine.suite = Some(root::SUITE.to_string());
        lab.state.save()?;
        Ok(lab)
    }

    /// Makes what the host is booted with, and starts it.
    fn begin(
        &mut self,
        context: Context<'_>,
        spec: &HostSpec,
    ) -> Result<Option<(Scene, WorldFiles)>, LabError> {
        let name = self.state.info.name.clone();
        let tools = tools::find(context, None)?;
        let images = images::make(context, &tools)?;
        let root = root::find(context, &format!("{}/root", self.state.cgroup))?;
        let plan = NetworkPlan::new(&name, 1);
        plan.make(context)?;
        let machine = Machine::new(&self.dir);
        let (world, files) = match spec.gate {
            None => (None, units::swarm()),
            Some(gate) => {
                let (scene, world, files) = self.world(gate, spec.gate_limit)?;
                self.note_world(&scene, &world);
                (Some((scene, world)), files)
            }
        };
        let boot = Boot {
            name: &name,
            namespace: &plan.engines[0],
            cgroup: &self.state.cgroup,
            root: &root,
            images: images.busybox.parent().unwrap_or(&images.busybox),
            pvcheck: spec.pvcheck.as_deref(),
            busybox: &tools.busybox,
        };
        context.report("booting the host");
        let Started { watcher, anchor } = machine.start(context, boot, &files)?;
        // Saved at once: if this process is killed now, `lab down` knows the first process of all that runs.
        self.watchers.push(watcher);
        self.state.anchors.push(anchor);
        self.state.save()?;
        machine.wait_up(context, anchor)?;
        Ok(world)
    }

    /// The world with this gate, its files in the lab's folder, and those of the host's root.
    fn world(
        &self,
        gate: Gate,
        gate_limit: Duration,
    ) -> Result<(Scene, WorldFiles, Vec<RootFile>), LabError> {
        let none = || LabError::io("find a world for", &self.dir)(std::io::ErrorKind::NotFound.into());
        let scene = worlds::scene(World::CcCi, Router::Caddy, &self.state.info.addresses).ok_or_else(none)?;
        let shared = Machine::new(&self.dir).shared();
        std::fs::create_dir_all(&shared).map_err(LabError::io("make", &shared))?;
        let world = WorldFiles::write(&shared, Log::Unit("docker.service"), &scene, 1)?;
        let mut files = units::swarm();
        let certificates = &world.certificates;
        files.extend(units::stacks(units::Stacks { scene: &scene, certificates, gate, gate_limit })?);
        Ok((scene, world, files))
    }

    fn note_world(&mut self, scene: &Scene, files: &WorldFiles) {
        let info = &mut self.state.info;
        info.router = Some(RouterInfo { program: scene.router, version: None });
        info.ca = Some(files.ca.clone());
        info.config = Some(files.config.clone());
        info.routes = scene.routes();
    }

    fn await_boot(&mut self, context: Context<'_>, gate_limit: Duration) -> Result<SystemState, LabError> {
        let state = Machine::wait_booted(context, self.anchor()?, gate_limit + BOOT)?;
        self.note_state(state)
    }

    fn note_state(&mut self, state: SystemState) -> Result<SystemState, LabError> {
        if let Some(host) = &mut self.state.info.host {
            host.state = Some(state);
        }
        self.state.save()?;
        Ok(state)
    }

    fn note_version(&mut self) -> Result<(), LabError> {
        let (version, api) = self.host_api().version()?;
        self.state.info.engine.version = Some(version);
        self.state.info.engine.api = Some(api);
        Ok(())
    }

    fn host_api(&self) -> Api {
        Api::new(Machine::new(&self.dir).socket())
    }

    fn anchor(&self) -> Result<ProcessId, LabError> {
        let none = || LabError::io("find a host in", &self.dir)(std::io::ErrorKind::NotFound.into());
        let anchor = self.state.anchors.first().copied();
        anchor.filter(|_| self.state.info.host.is_some()).ok_or_else(none)
    }
}
