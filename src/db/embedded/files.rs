//! What lies below the data directory: its layout, the lock, the password, the socket's directory.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::error::{EmbeddedError, While};
use super::user::ServerUser;

/// Longest path of the socket itself. Systems allow 107 (Linux) or 103 (macOS); the name is at most 15 of it.
const SOCKET_PATH_BYTES_MAX: usize = 100;
const SOCKET_NAME_BYTES: usize = "/.s.PGSQL.65535".len();

/// A longer log is put aside when the server starts.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The paths below the data directory.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The data directory itself, absolute and without symbolic links.
    pub base: PathBuf,
    pub cluster: PathBuf,
    pub log: PathBuf,
    pub password: PathBuf,
    lock: PathBuf,
    guests: PathBuf,
}

impl Layout {
    /// Makes the data directory when it is missing. For root it lets others pass, as the server's user must.
    pub fn make(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let root = nix::unistd::geteuid().is_root();
        let absolute = std::path::absolute(data_dir).while_doing("find", data_dir)?;
        make_dirs(&absolute, if root { 0o711 } else { 0o700 }, if root { 0o755 } else { 0o700 })?;
        let base = absolute.canonicalize().while_doing("find", &absolute)?;
        let at = |name| base.join(name);
        let (cluster, log, password) = (at("postgres"), at("postgres.log"), at("password"));
        Ok(Self { cluster, log, password, lock: at("lock"), guests: at("guests"), base })
    }

    /// Where the socket lies: `run`, or a short directory when that path would not fit or not be understood.
    pub fn socket_dir(&self) -> PathBuf {
        let run = self.base.join("run");
        let bytes = run.as_os_str().as_bytes();
        let fits = bytes.len() + SOCKET_NAME_BYTES <= SOCKET_PATH_BYTES_MAX;
        // The setting is a list: commas and quotes have a meaning in it.
        let plain = run.to_str().is_some() && !bytes.iter().any(|byte| matches!(byte, b',' | b'"'));
        if fits && plain {
            return run;
        }
        let digest = Sha256::digest(self.base.as_os_str().as_bytes());
        Path::new("/tmp").join(format!("goodword-{}", hex(digest.get(..8).unwrap_or_default())))
    }

    /// The cluster's major version; `None` when there is no cluster yet.
    pub fn major(&self) -> Result<Option<u32>, EmbeddedError> {
        let path = self.cluster.join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_| EmbeddedError::NotACluster(self.cluster.clone())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // An empty directory is somebody's mkdir, anything else somebody's data.
                let empty = fs::read_dir(&self.cluster).map_or(true, |mut entries| entries.next().is_none());
                if empty { Ok(None) } else { Err(EmbeddedError::NotACluster(self.cluster.clone())) }
            }
            Err(error) => Err(error).while_doing("read", &path),
        }
    }

    /// Opens the log to append to, for our own eyes only, and says how long it is.
    pub fn open_log(&self) -> Result<(File, u64), EmbeddedError> {
        if fs::metadata(&self.log).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
            fs::rename(&self.log, self.base.join("postgres.log.1")).while_doing("rename", &self.log)?;
        }
        let open = || OpenOptions::new().create(true).append(true).mode(0o600).open(&self.log);
        let file = open().while_doing("open", &self.log)?;
        let length = file.metadata().while_doing("read", &self.log)?.len();
        Ok((file, length))
    }

    /// What the server wrote since `offset`; at most the last lines of it.
    pub fn log_since(&self, offset: u64) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.log).and_then(|mut log| {
            log.seek(SeekFrom::Start(offset))?;
            log.take(LOG_BYTES_MAX).read_to_end(&mut bytes)
        });
        if read.is_err() {
            return String::new();
        }
        let text = String::from_utf8_lossy(&bytes);
        // The answers to our own impatience would bury the cause.
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.contains("the database system is starting up")).collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

/// Makes the directory of the socket, or accepts it when it is the server user's alone.
pub fn make_socket_dir(dir: &Path, user: &ServerUser) -> Result<(), EmbeddedError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => user.own(dir)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).while_doing("make", dir),
    }
    check_socket_dir(dir, user)
}

/// In /tmp anybody could have made it before us, so the owner is looked at, without following a link.
pub fn check_socket_dir(dir: &Path, user: &ServerUser) -> Result<(), EmbeddedError> {
    let found = fs::symlink_metadata(dir).while_doing("look at", dir)?;
    let ours = found.is_dir() && found.mode() & 0o7777 == 0o700 && found.uid() == user.uid;
    // Root may have been killed between making and giving away.
    if found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw() && !ours {
        user.own(dir)?;
        return fs::set_permissions(dir, Permissions::from_mode(0o700)).while_doing("change", dir);
    }
    if ours { Ok(()) } else { Err(EmbeddedError::ForeignSocketDir { dir: dir.to_owned(), user: user.name.clone() }) }
}

fn make_dirs(dir: &Path, mode: u32, parents_mode: u32) -> Result<(), EmbeddedError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dirs(parent, parents_mode, parents_mode)?;
    }
    match fs::create_dir(dir) {
        // Not left to the umask, which may be too strict for the server's user.
        Ok(()) => fs::set_permissions(dir, Permissions::from_mode(mode)).while_doing("change", dir),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(error).while_doing("make", dir),
    }
}

/// The password of the cluster. Made when there is neither cluster nor password.
pub fn password(layout: &Layout, cluster_exists: bool) -> Result<SecretString, EmbeddedError> {
    let path = &layout.password;
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().into()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).while_doing("read", path),
    }
    if cluster_exists {
        return Err(EmbeddedError::PasswordLost(path.clone()));
    }
    let random: [u8; 24] = rand::random();
    let text = hex(&random);
    // Renamed when whole: half a password would lock the cluster for ever.
    let draft = layout.base.join("password.new");
    write_private(&draft, text.as_bytes()).while_doing("write", &draft)?;
    fs::rename(&draft, path).while_doing("write", path)?;
    sync_dir(&layout.base)?;
    Ok(text.into())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| DIGITS[usize::from(half)]).collect()
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename in the directory last.
pub fn sync_dir(dir: &Path) -> Result<(), EmbeddedError> {
    File::open(dir).and_then(|dir| dir.sync_all()).while_doing("sync", dir)
}

/// Whether a name in the data directory is a cluster that was never finished.
pub fn is_unfinished(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"initdb-")
}

/// A held lock: ownership of the data directory, or a place among the guests of its server.
///
/// It ends with the value, or with the process however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Who has the lock.
pub enum Taken {
    Ours(Lock),
    Theirs { pid: Option<u32> },
}

impl Lock {
    /// Tries to take the lock and leaves our pid in it, for the message the next one gets.
    pub fn take(layout: &Layout) -> Result<Taken, EmbeddedError> {
        let path = &layout.lock;
        let mut file = open_to_lock(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text);
                return Ok(Taken::Theirs { pid: read.ok().and_then(|_| text.trim().parse().ok()) });
            }
            Err(TryLockError::Error(error)) => return Err(error).while_doing("lock", path),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.while_doing("write", path)?;
        Ok(Taken::Ours(Self { _file: file }))
    }

    /// Makes us a guest of another's server. `None`: it is about to stop.
    pub fn join_guests(layout: &Layout) -> Result<Option<Self>, EmbeddedError> {
        let file = open_to_lock(&layout.guests)?;
        let joined = file.try_lock_shared();
        Self::unless_busy(file, joined, &layout.guests)
    }

    /// Lets no more guests in. `None`: there still are some.
    pub fn close_to_guests(layout: &Layout) -> Result<Option<Self>, EmbeddedError> {
        let file = open_to_lock(&layout.guests)?;
        let closed = file.try_lock();
        Self::unless_busy(file, closed, &layout.guests)
    }

    fn unless_busy(file: File, locked: Result<(), TryLockError>, path: &Path) -> Result<Option<Self>, EmbeddedError> {
        match locked {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).while_doing("lock", path),
        }
    }
}

fn open_to_lock(path: &Path) -> Result<File, EmbeddedError> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    open().while_doing("open", path)
}
