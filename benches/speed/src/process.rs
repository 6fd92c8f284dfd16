//! Child processes, which end with their handle.

use std::process::Stdio;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A command without anything in its environment that configures PostgreSQL's programs or Goodword.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PG") || text.starts_with("GOODWORD_") || text == "DATABASE_URL" || text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs to the end and gives the standard output. A failure carries what was said on standard error.
pub async fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.output().await.with_context(|| format!("{name} could not be run; is it installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name} ended with {}: {}", output.status, said.trim().chars().take(1_000).collect::<String>());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The end of a text.
pub fn last_of(text: &str, bytes: usize) -> &str {
    let start = text.len().saturating_sub(bytes);
    text.char_indices().map(|(at, _)| at).find(|at| *at >= start).map_or("", |at| &text[at..])
}

/// Sends a signal to a process, which may be gone already.
pub fn send(pid: Option<u32>, signal: Signal) {
    if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
        // Gone is what is wanted.
        kill(Pid::from_raw(pid), signal).ok();
    }
}

/// A yardstick server: another process of this program, which says where it listens.
#[derive(Debug)]
pub struct YardstickServer {
    child: Child,
    /// Kept open: the server writes to it.
    _said: Lines<BufReader<ChildStdout>>,
    /// `host:port`
    pub address: String,
}

impl YardstickServer {
    /// Starts it, and returns when it listens.
    pub async fn start(arguments: &[String], database_url: &str) -> anyhow::Result<Self> {
        let mut command = command(std::env::current_exe()?);
        command.args(arguments).env("DATABASE_URL", database_url).stdout(Stdio::piped());
        let mut child = command.spawn().context("a yardstick server could not be started")?;
        let stdout = child.stdout.take().context("a yardstick server has no output")?;
        let mut said = BufReader::new(stdout).lines();
        let address = said.next_line().await?.context("a yardstick server ended before it listened")?;
        Ok(Self { child, _said: said, address })
    }

    /// Ends it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("a yardstick server ended by itself")
    }
}
