//! Finds the PostgreSQL programs of the machine, of the major version that the data wants.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::error::{EmbeddedError, While};
use super::user::ServerUser;

/// A directory with `postgres` and `initdb`.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub postgres: PathBuf,
    pub initdb: PathBuf,
}

impl Binaries {
    /// Takes the first that fits `major` (any when `None`): the named directory alone, else the usual places in order.
    pub async fn find(
        named: Option<&Path>,
        major: Option<u32>,
        cluster: &Path,
        user: &ServerUser,
    ) -> Result<Self, EmbeddedError> {
        let candidates = match named {
            Some(dir) => vec![Self::in_dir(dir).ok_or_else(|| EmbeddedError::NotABinDir(dir.to_owned()))?],
            None => usual_places().iter().filter_map(|dir| Self::in_dir(dir)).collect(),
        };
        let mut found = Vec::new();
        for binaries in candidates {
            let version = match binaries.major(user).await {
                Ok(version) => version,
                Err(error @ EmbeddedError::CannotBecome { .. }) => return Err(error),
                // A broken one among the usual places must not hide a good one behind it.
                Err(error) if named.is_some() => return Err(error),
                Err(_) => None,
            };
            match (version, major) {
                (Some(version), Some(wanted)) if version != wanted => {
                    found.push(format!("{version} ({})", binaries.postgres.display()));
                }
                (Some(_), _) => return Ok(binaries),
                (None, _) if named.is_some() => return Err(EmbeddedError::NotABinDir(parent(&binaries.postgres))),
                (None, _) => {}
            }
        }
        match major {
            Some(wanted) if !found.is_empty() => {
                Err(EmbeddedError::OtherMajor { dir: cluster.to_owned(), wanted, found: found.join(", ") })
            }
            _ => Err(EmbeddedError::NoBinaries),
        }
    }

    fn in_dir(dir: &Path) -> Option<Self> {
        // Absolute, because the server starts in another directory.
        let dir = dir.canonicalize().ok()?;
        let binaries = Self { postgres: dir.join("postgres"), initdb: dir.join("initdb") };
        (binaries.postgres.is_file() && binaries.initdb.is_file()).then_some(binaries)
    }

    /// Asks the program itself, as the user who shall run it. `None` when the answer makes no sense.
    async fn major(&self, user: &ServerUser) -> Result<Option<u32>, EmbeddedError> {
        match user.command(&self.postgres, Path::new("/")).arg("--version").output().await {
            Ok(output) => Ok(major_in(&String::from_utf8_lossy(&output.stdout))),
            Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => {
                Err(EmbeddedError::CannotBecome { user: user.name.clone() })
            }
            Err(error) => Err(error).while_doing("run", &self.postgres),
        }
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

/// Reads "postgres (PostgreSQL) 15.14 (Debian ...)", also "17beta1" and "18devel".
fn major_in(answer: &str) -> Option<u32> {
    let version = answer.split("(PostgreSQL) ").nth(1)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn usual_places() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect();
    dirs.extend(versioned("/usr/lib/postgresql", "", "bin"));
    dirs.extend(versioned("/usr", "pgsql-", "bin"));
    // Alpine keeps them in a place of its own.
    dirs.extend(versioned("/usr/libexec", "postgresql", ""));
    for brew in ["/opt/homebrew/opt", "/usr/local/opt"] {
        dirs.extend(versioned(brew, "postgresql@", "bin"));
        dirs.push(Path::new(brew).join("postgresql/bin"));
    }
    dirs.extend(versioned("/Applications/Postgres.app/Contents/Versions", "", "bin"));
    dirs
}

/// `<base>/<prefix><number>/<tail>`, the highest number first.
fn versioned(base: &str, prefix: &str, tail: &str) -> Vec<PathBuf> {
    let mut numbered: Vec<(u32, PathBuf)> = std::fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix(prefix)?.split('.').next()?.parse().ok()?;
            Some((number, entry.path().join(tail)))
        })
        .collect();
    numbered.sort_by(|left, right| right.cmp(left));
    numbered.into_iter().map(|(_, dir)| dir).collect()
}

#[cfg(test)]
mod tests {
    use super::major_in;

    #[test]
    fn the_major_version_is_read_from_the_programs_answer() {
        assert_eq!(major_in("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major_in("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_in("something else 7"), None);
    }
}
