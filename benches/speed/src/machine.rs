//! What the figures depend on: the machine and its disk.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::bail;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::Serialize;

/// Writes that are timed.
const SYNCS: usize = 200;

/// Processors that we may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Whether a process is there.
pub fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // One that waits for its parent to notice its end is gone.
    let ended = stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'));
    !ended && i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None).is_ok())
}

/// A directory for temporary files whose file system is on a disk: in memory, durability would cost nothing.
pub fn disk_for_scratch() -> anyhow::Result<PathBuf> {
    let candidates = [std::env::temp_dir(), PathBuf::from("/var/tmp")];
    match candidates.iter().find(|dir| dir.is_dir() && !matches!(file_system(dir).as_str(), "tmpfs" | "ramfs")) {
        Some(dir) => Ok(dir.clone()),
        None => bail!("the directories for temporary files lie in memory; name one on a disk with --scratch"),
    }
}

/// The kind of file system that a directory lies on, if the system tells.
pub fn file_system(dir: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let found = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(mount, _)| dir.starts_with(mount))
        .max_by_key(|(mount, _)| mount.len());
    found.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

/// The machine, for whoever reads the figures later.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Processors that we may use.
    pub cores: usize,
    pub processor: String,
    pub system: String,
    pub memory_mb: Option<u64>,
    pub file_system: String,
    /// Median of one small write brought to the disk.
    pub sync_us: u128,
}

impl Machine {
    /// Looks around, and times the disk below `dir`.
    pub fn look(dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            cores: cores(),
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            system: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| std::env::consts::OS.to_owned(), |release| format!("Linux {}", release.trim())),
            memory_mb: kilobytes("/proc/meminfo", "MemTotal").map(|size| size / 1024),
            file_system: file_system(dir),
            sync_us: time_sync(dir)?,
        })
    }
}

fn time_sync(dir: &Path) -> anyhow::Result<u128> {
    let path = dir.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[0x5a; 8192])?;
        file.sync_data()?;
        times.push(began.elapsed().as_micros());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}

/// Memory of a process in use now, and the most it ever used, in kilobytes. `None` where the system does not tell.
pub fn memory_kb(pid: u32) -> Option<(u64, u64)> {
    let status = format!("/proc/{pid}/status");
    Some((kilobytes(&status, "VmRSS")?, kilobytes(&status, "VmHWM")?))
}

fn kilobytes(path: &str, name: &str) -> Option<u64> {
    field(path, name)?.split(' ').next()?.parse().ok()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
