//! Makes a new cluster: aside first, and in its place only when it is whole.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::binaries::Binaries;
use super::error::{EmbeddedError, While};
use super::files::{self, Layout};
use super::user::ServerUser;
use super::{Durability, NAME};

/// Runs `initdb` and puts the finished cluster in its place.
pub async fn make_cluster(
    layout: &Layout,
    binaries: &Binaries,
    user: &ServerUser,
    password: &SecretString,
    durability: Durability,
) -> Result<(), EmbeddedError> {
    remove_unfinished(layout);
    // A new name each time: the initdb of a killed owner may still be writing under the old one.
    let aside = layout.base.join(format!("initdb-{:016x}", rand::random::<u64>()));
    DirBuilder::new().mode(0o700).create(&aside).while_doing("make", &aside)?;
    user.own(&aside)?;
    let password_file = aside.join("password");
    files::write_private(&password_file, password.expose_secret().as_bytes()).while_doing("write", &password_file)?;
    user.own(&password_file)?;

    let made = aside.join("cluster");
    run(binaries, user, &aside, durability).await?;
    fs::rename(&made, &layout.cluster).while_doing("move a new cluster to", &layout.cluster)?;
    files::sync_dir(&layout.base)?;
    remove_unfinished(layout);
    Ok(())
}

async fn run(
    binaries: &Binaries,
    user: &ServerUser,
    aside: &Path,
    durability: Durability,
) -> Result<(), EmbeddedError> {
    let mut command = user.command(&binaries.initdb, aside);
    command.args(["--pgdata=cluster", "--pwfile=password", "--auth=scram-sha-256", "--encoding=UTF8"]);
    command.args(["--locale=C", "--data-checksums"]).arg(format!("--username={NAME}"));
    if durability == Durability::Ephemeral {
        command.arg("--no-sync");
    }
    let output = command.kill_on_drop(true).output().await.while_doing("run", &binaries.initdb)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(EmbeddedError::Initdb { status: output.status.to_string(), output: said })
}

/// Best effort: what cannot be removed now only takes space until the next time.
fn remove_unfinished(layout: &Layout) {
    let entries = fs::read_dir(&layout.base).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| files::is_unfinished(&entry.file_name())) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "an unfinished cluster could not be removed");
        }
    }
}
