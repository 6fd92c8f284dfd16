//! The scratch directory, and the server under test in it: started as anybody starts it, and taken down with its
//! PostgreSQL whatever happened.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use nix::sys::signal::Signal;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::machine;
use crate::process::{command, last_of, output, send};

/// How long the server may take to listen; the first time it makes a cluster.
const START_LIMIT: Duration = Duration::from_mins(2);
/// How long it may take to stop by itself.
const STOP_LIMIT: Duration = Duration::from_secs(45);
/// Where the log says the address.
const LISTENS: &str = "Goodword listens on http://";

/// Builds the program as it is shipped, and gives its path.
pub async fn build() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2).context("this program lies in no target directory")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let mut build = tokio::process::Command::new(cargo);
    build.args(["build", "--release", "--quiet", "--package", "goodword", "--bin", "goodword", "--manifest-path"]);
    build.arg(manifest).arg("--target-dir").arg(target).kill_on_drop(true);
    let status = build.status().await.context("cargo could not be run")?;
    if !status.success() {
        bail!("the program could not be built ({status})");
    }
    Ok(target.join("release").join("goodword"))
}

/// Where everything runs.
#[derive(Debug)]
pub struct Site {
    scratch: TempDir,
    program: PathBuf,
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    pid: Option<u32>,
    ended: watch::Receiver<Option<ExitStatus>>,
    address: String,
}

/// The server stands still as long as this lives.
#[derive(Debug)]
pub struct Paused(Option<u32>);

impl Drop for Paused {
    fn drop(&mut self) {
        send(self.0, Signal::SIGCONT);
    }
}

impl Site {
    /// Makes the scratch directory.
    pub fn new(program: &Path, parent: Option<&Path>) -> anyhow::Result<Self> {
        let parent = parent.map_or_else(machine::disk_for_scratch, |dir| Ok(dir.to_owned()))?;
        let mut builder = tempfile::Builder::new();
        // PostgreSQL runs as another user when we are root: he must be able to enter.
        builder.prefix("goodword-speed-").permissions(Permissions::from_mode(0o755));
        let scratch = builder.tempdir_in(&parent).with_context(|| parent.display().to_string())?;
        Ok(Self { scratch, program: program.to_owned(), server: None })
    }

    /// A path in the scratch directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The server's data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    /// Starts the server and returns when it listens.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let log = File::create(self.path("server.log"))?;
        let mut serve = command(&self.program);
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(self.data_dir());
        // A group of its own: we decide when it stops, not the terminal.
        serve.stdout(log.try_clone()?).stderr(log).process_group(0).kill_on_drop(false);
        let mut child = serve.spawn().with_context(|| self.program.display().to_string())?;
        let (tell, ended) = watch::channel(None);
        let pid = child.id();
        tokio::spawn(async move { tell.send(child.wait().await.ok()) });
        self.server = Some(Server { pid, ended, address: String::new() });
        let give_up = Instant::now() + START_LIMIT;
        loop {
            let said = self.log();
            if let Some((address, _)) = said.split(LISTENS).nth(1).and_then(|rest| rest.split_once(char::is_whitespace))
                && let Some(server) = &mut self.server
            {
                address.clone_into(&mut server.address);
                return Ok(());
            }
            if self.server.as_ref().is_none_or(|server| server.ended.borrow().is_some()) {
                bail!("the server did not start: {}", last_of(said.trim(), 1_500));
            }
            if Instant::now() > give_up {
                bail!("the server does not listen after {START_LIMIT:?}: {}", last_of(said.trim(), 1_500));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What ends a run early: the server went away.
    pub fn server_lost(&self) -> impl Future<Output = anyhow::Error> + use<> {
        let ended = self.server.as_ref().map(|server| server.ended.clone());
        let log = self.path("server.log");
        async move {
            let Some(mut ended) = ended else { return anyhow!("the server was never started") };
            ended.wait_for(Option::is_some).await.ok();
            let status = ended.borrow().map_or_else(|| "an unknown status".to_owned(), |status| status.to_string());
            let said = fs::read_to_string(log).unwrap_or_default();
            anyhow!("the server ended during the run with {status}: {}", last_of(said.trim(), 800))
        }
    }

    /// `host:port` of the server.
    pub fn address(&self) -> &str {
        self.server.as_ref().map_or("", |server| server.address.as_str())
    }

    /// The process under test.
    pub fn server_pid(&self) -> Option<u32> {
        self.server.as_ref().and_then(|server| server.pid)
    }

    /// Stops the server where it is.
    pub fn pause(&self) -> Paused {
        send(self.server_pid(), Signal::SIGSTOP);
        Paused(self.server_pid())
    }

    /// The end of the server's log.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.path("server.log")).unwrap_or_default();
        let start = bytes.len().saturating_sub(20_000);
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    /// Runs a command of the program on the running server's data.
    pub async fn goodword(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut run = command(&self.program);
        run.args(arguments).arg("--data-dir").arg(self.data_dir());
        output(&mut run).await.with_context(|| format!("goodword {}", arguments.join(" ")))
    }

    /// The same, with the answer read as JSON.
    pub async fn goodword_json<T: DeserializeOwned>(&self, arguments: &[&str]) -> anyhow::Result<T> {
        let said = self.goodword(arguments).await?;
        serde_json::from_str(&said).with_context(|| format!("goodword {} answered {said:?}", arguments.join(" ")))
    }

    /// Stops the server and its PostgreSQL, and removes the directory. Nothing may be left.
    pub async fn take_down(self) -> anyhow::Result<()> {
        if let Some(mut server) = self.server {
            let data = self.scratch.path().join("data");
            let lost = server.ended.borrow().is_some();
            for signal in [Signal::SIGTERM, Signal::SIGKILL] {
                if server.ended.borrow().is_none() {
                    send(server.pid, signal);
                    timeout(STOP_LIMIT, server.ended.wait_for(Option::is_some)).await.ok();
                }
            }
            stop_postgres(&data, lost).await?;
        }
        let path = self.scratch.path().to_owned();
        self.scratch.close().with_context(|| format!("{} could not be removed", path.display()))
    }
}

/// Stops the PostgreSQL of a server that was killed. Normally there is none any more.
async fn stop_postgres(data: &Path, server_was_lost: bool) -> anyhow::Result<()> {
    let pid_file = data.join("postgres").join("postmaster.pid");
    let postmaster = || fs::read_to_string(&pid_file).ok()?.lines().next()?.trim().parse::<u32>().ok();
    let Some(pid) = postmaster() else { return Ok(()) };
    if !server_was_lost {
        eprintln!("the server left its PostgreSQL behind (process {pid}); it is stopped");
    }
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGKILL] {
        send(Some(pid), signal);
        let give_up = Instant::now() + Duration::from_secs(20);
        while Instant::now() < give_up {
            if postmaster().is_none() || !machine::is_running(pid) {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
    bail!("the PostgreSQL with process id {pid} could not be stopped")
}
