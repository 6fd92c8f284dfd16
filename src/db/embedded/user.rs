//! As whom the server runs: PostgreSQL refuses root, so root hands it to a lesser user.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::unistd::{Uid, User};
use tokio::process::Command;

use super::error::{EmbeddedError, While};

/// The user of the server's processes and files.
#[derive(Clone, Debug)]
pub struct ServerUser {
    pub name: String,
    pub uid: u32,
    gid: u32,
    /// We are root and become this user for the server.
    drop: bool,
}

impl ServerUser {
    /// Ourselves, or for root the owner of the existing cluster, else `postgres`, `_postgres` or `nobody`.
    pub fn choose(cluster: &Path) -> Result<Self, EmbeddedError> {
        let uid = nix::unistd::geteuid();
        if !uid.is_root() {
            let (uid, gid) = (uid.as_raw(), nix::unistd::getegid().as_raw());
            return Ok(Self { name: name_of(uid), uid, gid, drop: false });
        }
        if let Ok(owner) = std::fs::metadata(cluster)
            && owner.uid() != 0
        {
            return Ok(Self { name: name_of(owner.uid()), uid: owner.uid(), gid: owner.gid(), drop: true });
        }
        let known =
            ["postgres", "_postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = known.ok_or(EmbeddedError::NoUser)?;
        Ok(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), drop: true })
    }

    /// A command that runs as this user, with nothing of our environment.
    pub fn command(&self, program: &Path, current_dir: &Path) -> Command {
        let mut command = Command::new(program);
        // LC_ALL keeps messages in English, which we read, and lets macOS start at all.
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C");
        // A group of its own: Ctrl-C must reach us first.
        command.current_dir(current_dir).stdin(Stdio::null()).process_group(0);
        if self.drop {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a path to this user.
    pub fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        if self.drop { chown(path, Some(self.uid), Some(self.gid)).while_doing("give away", path) } else { Ok(()) }
    }

    /// Refuses a directory this user cannot enter, by trying, and names the outermost closed one.
    pub async fn check_can_enter(&self, dir: &Path, program: &Path) -> Result<(), EmbeddedError> {
        if !self.drop {
            return Ok(());
        }
        if self.can_enter(dir, program).await? {
            return Ok(());
        }
        let mut inward: Vec<&Path> = dir.ancestors().collect();
        inward.reverse();
        for closed in inward {
            if !self.can_enter(closed, program).await? {
                return Err(EmbeddedError::Closed { user: self.name.clone(), closed: closed.to_owned() });
            }
        }
        Ok(())
    }

    async fn can_enter(&self, dir: &Path, program: &Path) -> Result<bool, EmbeddedError> {
        match self.command(program, dir).arg("--version").output().await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            Err(error) => Err(error).while_doing("enter", dir),
        }
    }
}

/// The home directory in the password file of the machine.
pub fn home() -> Option<PathBuf> {
    User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir)
}

fn name_of(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}
