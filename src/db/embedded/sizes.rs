//! How much memory and room for its log the private PostgreSQL is given: a part of what the machine has, because
//! PostgreSQL's own defaults are for the smallest of machines. Nothing here bears on durability.

use std::fs;

use super::Durability;

const MIB: u64 = 1024 * 1024;

/// A machine below this gets PostgreSQL's own sizes.
const ROOMY_MIB: u64 = 2 * 1024;
/// Without a word about the machine it is taken for a small one.
const UNKNOWN_MIB: u64 = 512;

/// Settings of PostgreSQL that depend on the machine.
pub fn settings(durability: Durability) -> Vec<(&'static str, String)> {
    match durability {
        Durability::Durable => settings_for(memory_mib().unwrap_or(UNKNOWN_MIB)),
        // Whoever tests starts many of these beside other work.
        Durability::Ephemeral => settings_for(UNKNOWN_MIB),
    }
}

fn settings_for(memory_mib: u64) -> Vec<(&'static str, String)> {
    // A load into large indexes runs at the speed of memory only while they fit in here.
    let mut settings = vec![("shared_buffers", format!("{}MB", (memory_mib / 4).clamp(128, 1024)))];
    if memory_mib >= ROOMY_MIB {
        settings.extend([
            // After each checkpoint the first change of a page is logged with the whole page: a large load should meet
            // few of them. The price is room on disk, and a longer recovery after a crash.
            ("max_wal_size", "4GB".to_owned()),
            ("min_wal_size", "512MB".to_owned()),
            ("checkpoint_timeout", "15min".to_owned()),
            ("maintenance_work_mem", format!("{}MB", (memory_mib / 32).clamp(64, 256))),
        ]);
    }
    settings
}

/// What the machine has, or the container may use.
fn memory_mib() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_kib(&text)).map(|kib| kib / 1024)?;
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some(container.map_or(machine, |bytes: u64| machine.min(bytes / MIB)))
}

/// Reads "MemTotal:       24684400 kB".
fn total_kib(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read() {
        assert_eq!(total_kib("MemTotal:       24684400 kB\nMemFree:        20685012 kB\n"), Some(24_684_400));
        assert_eq!(total_kib("nothing of the kind"), None);
    }

    #[test]
    fn a_small_machine_is_not_filled_and_a_large_one_is_used() {
        let buffers = |memory| settings_for(memory).into_iter().find(|(name, _)| *name == "shared_buffers");
        let sized = |megabytes: u64| Some(("shared_buffers", format!("{megabytes}MB")));
        for (memory, megabytes) in [(256, 128), (512, 128), (1024, 256), (4096, 1024), (65_536, 1024)] {
            assert_eq!(buffers(memory), sized(megabytes), "{memory} MiB");
        }
        assert_eq!(settings_for(512).len(), 1, "a small machine has a small disk");
    }
}
