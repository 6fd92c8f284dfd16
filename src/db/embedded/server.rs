//! One server process: our child, or the leftover of a killed owner. Watched, and ended in steps.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::error::{EmbeddedError, While};

/// A fast shutdown writes a checkpoint, which takes a while on a slow disk.
const FAST_SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);
const IMMEDIATE_SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// How often a process that is not our child is looked at.
const LEFTOVER_POLL: Duration = Duration::from_millis(100);

/// A postmaster. Dropped while alive, it is told to shut down.
#[derive(Debug)]
pub struct Server {
    process: Process,
    cluster: PathBuf,
    /// Where in the log its lines begin.
    pub log_offset: u64,
}

#[derive(Debug)]
enum Process {
    Child(Child),
    Leftover(i32),
}

impl Server {
    /// Starts the prepared command as our child.
    pub fn spawn(mut command: Command, cluster: &Path, log_offset: u64) -> Result<Self, EmbeddedError> {
        let child = command.spawn().while_doing("start PostgreSQL in", cluster)?;
        Ok(Self { process: Process::Child(child), cluster: cluster.to_owned(), log_offset })
    }

    /// The server that runs on this cluster without being our child, if there is one.
    pub fn leftover(cluster: &Path, log_offset: u64) -> Option<Self> {
        let pid = PidFile::read(cluster)?.pid;
        let alive = is_postmaster(pid, cluster);
        alive.then(|| Self { process: Process::Leftover(pid), cluster: cluster.to_owned(), log_offset })
    }

    /// False when it was found running.
    pub fn is_child(&self) -> bool {
        matches!(self.process, Process::Child(_))
    }

    /// The process id; `None` once it is gone.
    pub fn pid(&self) -> Option<i32> {
        match &self.process {
            Process::Child(child) => child.id().and_then(|pid| i32::try_from(pid).ok()),
            Process::Leftover(pid) => is_postmaster(*pid, &self.cluster).then_some(*pid),
        }
    }

    /// Returns when the process is gone (and reaped, if it is our child). Can be cancelled and called again.
    pub async fn wait(&mut self) -> String {
        match &mut self.process {
            Process::Child(child) => match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            },
            Process::Leftover(pid) => {
                while is_postmaster(*pid, &self.cluster) {
                    sleep(LEFTOVER_POLL).await;
                }
                "no longer running".to_owned()
            }
        }
    }

    /// Fast shutdown, then after a while an immediate one. Returns when it is gone.
    pub async fn stop(&mut self) -> Result<(), EmbeddedError> {
        let steps = [(Signal::SIGINT, FAST_SHUTDOWN_LIMIT), (Signal::SIGQUIT, IMMEDIATE_SHUTDOWN_LIMIT)];
        for (signal, limit) in steps {
            self.send(signal);
            if timeout(limit, self.wait()).await.is_ok() {
                return Ok(());
            }
            tracing::warn!(signal = signal.as_str(), "PostgreSQL did not stop in time");
        }
        self.pid().map_or(Ok(()), |pid| Err(EmbeddedError::StillRunning { pid }))
    }

    fn send(&self, signal: Signal) {
        // A process that has just gone is what we want anyway.
        if let Some(pid) = self.pid()
            && let Err(error) = kill(Pid::from_raw(pid), signal)
        {
            tracing::debug!(pid, %error, "PostgreSQL could not be signalled");
        }
    }

    /// Whether it was started with the same arguments as `command` would be.
    pub fn runs_as(&self, command: &Command) -> bool {
        // PostgreSQL writes: <program> "-D" "/path" "-c" ...
        let wanted = command.as_std().get_args().map(|arg| {
            let mut quoted = OsString::from(" \"");
            quoted.push(arg);
            quoted.push("\"");
            quoted
        });
        let wanted: Vec<u8> = wanted.flat_map(|arg| arg.as_bytes().to_vec()).collect();
        let written = fs::read(self.cluster.join("postmaster.opts")).unwrap_or_default();
        written.trim_ascii_end().ends_with(&wanted)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.send(Signal::SIGINT);
    }
}

/// What a server says about itself in `postmaster.pid`.
#[derive(Debug)]
pub struct PidFile {
    pub pid: i32,
    pub port: u16,
}

impl PidFile {
    /// `None` when no server runs, or it has not got far enough to say.
    pub fn read(cluster: &Path) -> Option<Self> {
        let bytes = fs::read(cluster.join("postmaster.pid")).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        // The second line is the data directory, the third the start time, the fourth the port.
        let pid = lines.next()?.trim().parse().ok().filter(|pid| *pid > 1)?;
        let port = lines.nth(2).and_then(|port| port.trim().parse().ok()).unwrap_or(0);
        Some(Self { pid, port })
    }
}

/// Removes what a dead server left behind and would stop the next one: its pid may be a stranger's by now, or a zombie's.
///
/// Only for the owner of the directory, and only when no postmaster runs in it. Orphaned backends are still noticed:
/// PostgreSQL finds their shared memory by the data directory itself.
pub fn clear_stale_files(cluster: &Path, socket_dir: &Path) {
    let Some(stale) = PidFile::read(cluster) else { return };
    if kill(Pid::from_raw(stale.pid), None).is_err() {
        return; // PostgreSQL sees by itself that nobody has this pid.
    }
    tracing::info!(pid = stale.pid, "removing the pid file of a dead PostgreSQL");
    let lock = socket_dir.join(format!(".s.PGSQL.{}.lock", stale.port));
    for path in [lock, cluster.join("postmaster.pid")] {
        if let Err(error) = fs::remove_file(&path) {
            tracing::debug!(path = %path.display(), %error, "a stale file could not be removed");
        }
    }
}

/// Whether this process is a living postmaster that we or a predecessor started on this cluster.
#[cfg(target_os = "linux")]
fn is_postmaster(pid: i32, cluster: &Path) -> bool {
    // The command line is readable by everyone, unlike `exe` and `cwd`; backends have another, zombies none.
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut args = line.split(|byte| *byte == 0);
    let program = args.next().unwrap_or_default();
    program.ends_with(b"/postgres") && args.next() == Some(b"-D") && args.next() == Some(cluster.as_os_str().as_bytes())
}

/// Whether this process is a living postmaster that we or a predecessor started on this cluster.
#[cfg(not(target_os = "linux"))]
fn is_postmaster(pid: i32, cluster: &Path) -> bool {
    let listed = std::process::Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
    let line = listed.map(|output| output.stdout).unwrap_or_default();
    let mut wanted = b"/postgres -D ".to_vec();
    wanted.extend_from_slice(cluster.as_os_str().as_bytes());
    wanted.extend_from_slice(b" -c ");
    line.windows(wanted.len()).any(|window| window == wanted)
}
