//! One PostgreSQL cluster for a whole run, started by the tests themselves: threads of one process and processes of
//! one run share it. The first who needs it starts `goodword postgres --ephemeral` under a file lock and leaves the
//! address in a file; the cluster ends by itself when nobody is connected any more.
//!
//! `GOODWORD_TEST_DATABASE_URL` names another cluster instead, by a superuser's address such as
//! `postgres://postgres@localhost/postgres?host=/tmp/devpg`. The tests make and drop databases in it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

/// Names another cluster to work in.
const OVERRIDE: &str = "GOODWORD_TEST_DATABASE_URL";
/// How long a cluster may take to be made and to start.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How often it is looked whether it has started.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A cluster that is up, and the connection that keeps it so for as long as this process lives.
struct Cluster {
    options: PgConnectOptions,
    _tether: Mutex<PgConnection>,
}

/// The address of the cluster's maintenance database.
pub async fn options() -> PgConnectOptions {
    static CLUSTER: OnceCell<Result<Cluster, String>> = OnceCell::const_new();
    match CLUSTER.get_or_init(reach).await {
        Ok(cluster) => cluster.options.clone(),
        Err(fault) => panic!("no PostgreSQL to test with: {fault}"),
    }
}

/// A database of a test's own.
pub struct Database {
    pub options: PgConnectOptions,
    name: String,
}

impl Database {
    /// Makes a database: a copy of `template`, or an empty one.
    pub async fn create(template: Option<&str>) -> Self {
        let name = format!("gw_test_{}", uuid::Uuid::new_v4().simple());
        let options = options().await;
        let mut admin = options.connect().await.expect("the cluster answers");
        let create = format!("create database {name} template {}", template.unwrap_or("template0"));
        admin.execute(AssertSqlSafe(create)).await.expect("a database for the test");
        Self { options: options.database(&name), name }
    }

    /// Drops the database, whoever is still connected.
    pub async fn drop(self) {
        let mut admin = options().await.connect().await.expect("the cluster answers");
        let drop = format!("drop database {} with (force)", self.name);
        admin.execute(AssertSqlSafe(drop)).await.expect("the test's database can be dropped");
    }
}

async fn reach() -> Result<Cluster, String> {
    if let Ok(url) = std::env::var(OVERRIDE) {
        return attach(&url).await.map_err(|fault| format!("{OVERRIDE} leads nowhere: {fault}"));
    }
    let place = Place::find().map_err(|fault| format!("the directory of the test cluster: {fault}"))?;
    let lock = place.open("lock", false).map_err(|fault| format!("the lock of the test cluster: {fault}"))?;
    // Waits for a neighbour who is starting the cluster just now. The lock goes with the file, at the end of this.
    let _lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
        .await
        .map_err(|fault| fault.to_string())?
        .map_err(|fault| fault.to_string())?;
    if let Ok(url) = std::fs::read_to_string(place.path("url"))
        && let Ok(cluster) = attach(&url).await
    {
        return Ok(cluster);
    }
    let (url, cluster) = start(&place).await?;
    // Nobody else is in a cluster that has just started: what lies about was left by tests that failed.
    sweep(&cluster.options).await.map_err(|fault| format!("sweeping the test cluster: {fault}"))?;
    let mut file = place.open("url", true).map_err(|fault| fault.to_string())?;
    file.write_all(url.as_bytes()).map_err(|fault| fault.to_string())?;
    Ok(cluster)
}

async fn attach(url: &str) -> sqlx::Result<Cluster> {
    let options = PgConnectOptions::from_str(url)?;
    let mut tether = options.connect().await?;
    tether.ping().await?;
    Ok(Cluster { options, _tether: Mutex::new(tether) })
}

/// Starts the cluster and waits until it accepts a connection.
async fn start(place: &Place) -> Result<(String, Cluster), String> {
    let begun = Instant::now();
    let mut child = spawn(place).map_err(|fault| format!("goodword postgres cannot be started: {fault}"))?;
    loop {
        if let Some(url) = place.announced_url()
            && let Ok(cluster) = attach(&url).await
        {
            return Ok((url, cluster));
        }
        let ended = child.try_wait().map_err(|fault| fault.to_string())?;
        if begun.elapsed() > START_LIMIT || ended.is_some_and(|status| status.success()) {
            return Err(format!("goodword postgres did not get it up ({ended:?}):\n{}", place.log()));
        }
        if ended.is_some() {
            // The cluster of the run before may be on its way out, and own the directory until then.
            child = spawn(place).map_err(|fault| fault.to_string())?;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Starts the command in a group of its own, so that neither Ctrl-C nor the end of a test process takes it along.
fn spawn(place: &Place) -> std::io::Result<Child> {
    Command::new(env!("CARGO_BIN_EXE_goodword"))
        .args(["postgres", "--ephemeral", "--idle-exit-s", "10", "--data-dir"])
        .arg(place.path("data"))
        .env_remove("DATABASE_URL")
        .env_remove("GOODWORD_DATA_DIR")
        .env_remove("GOODWORD_PG_PORT")
        .current_dir(&place.0)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(place.open("stdout", true)?)
        .stderr(place.open("log", true)?)
        .spawn()
}

async fn sweep(options: &PgConnectOptions) -> sqlx::Result<()> {
    let mut admin = options.connect().await?;
    let left: Vec<String> = sqlx::query_scalar("select datname from pg_database where starts_with(datname, 'gw_')")
        .fetch_all(&mut admin)
        .await?;
    for name in left {
        admin.execute(AssertSqlSafe(format!("drop database {name} with (force)"))).await?;
    }
    Ok(())
}

/// The directory of the cluster: one for each user and checkout. PostgreSQL may run as another user (root cannot run
/// it), so others may pass through; what holds the password is for us alone.
struct Place(PathBuf);

impl Place {
    fn find() -> std::io::Result<Self> {
        let checkout = Sha256::digest(env!("CARGO_MANIFEST_DIR").as_bytes());
        let uid = nix::unistd::geteuid().as_raw();
        let name = format!(
            "goodword-tests-{uid}-{:02x}{:02x}{:02x}{:02x}",
            checkout[0], checkout[1], checkout[2], checkout[3]
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        // Anybody may make a directory of that name in a common place; one that is not ours could be a trap.
        if std::fs::symlink_metadata(&path)?.uid() != uid {
            return Err(std::io::Error::other(format!("{} belongs to somebody else", path.display())));
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(Self(path))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn open(&self, name: &str, empty: bool) -> std::io::Result<File> {
        let path: &Path = &self.path(name);
        let mut file = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path)?;
        if empty {
            file.set_len(0)?;
            file.rewind()?;
        }
        Ok(file)
    }

    fn announced_url(&self) -> Option<String> {
        let printed = std::fs::read_to_string(self.path("stdout")).ok()?;
        // Only a whole line: the rest may not have been written yet.
        let line =
            printed.split_inclusive('\n').find(|line| line.ends_with('\n') && line.starts_with("DATABASE_URL="))?;
        Some(line.trim_end().trim_start_matches("DATABASE_URL=").to_owned())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}
