//! A way to PostgreSQL that can be taken away, and cut at a commit: a unix socket in front of the cluster's own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// By this name the sessions that come through the proxy are known to the database.
pub const APPLICATION: &str = "behind_the_proxy";
/// Where PostgreSQL's clients look in a directory.
const PORT: u16 = 5432;

/// What happens to the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The connection breaks before the server sees it.
    BeforeTheServer,
    /// The server answers it, and the answer is lost.
    BeforeTheAnswer,
    /// The connection breaks while the server is at it.
    Meanwhile,
}

/// What is arranged for the next transaction.
enum Plan {
    Cut { how: Cut, for_good: bool },
    Hold { arrived: oneshot::Sender<()>, go_on: oneshot::Receiver<()> },
}

/// The proxy. It ends, and its connections break, when it is dropped.
pub struct Proxy(Arc<Way>);

struct Way {
    directory: PathBuf,
    target: PgConnectOptions,
    plan: Mutex<Option<Plan>>,
    open: Mutex<JoinSet<()>>,
    commits: AtomicUsize,
}

impl Proxy {
    /// A way to the database that `target` leads to.
    pub fn start(target: &PgConnectOptions) -> Self {
        let directory = std::env::temp_dir().join(format!("gwp-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&directory).expect("a directory");
        let way = Way {
            directory,
            target: target.clone(),
            plan: Mutex::default(),
            open: Mutex::default(),
            commits: AtomicUsize::new(0),
        };
        let proxy = Self(Arc::new(way));
        proxy.come_back();
        proxy
    }

    /// How to connect through it.
    pub fn options(&self) -> PgConnectOptions {
        let target = self.0.target.clone().application_name(APPLICATION).ssl_mode(PgSslMode::Disable);
        target.socket(&self.0.directory).port(PORT)
    }

    /// Breaks all connections and takes no more, as a server that was stopped.
    pub async fn go_away(&self) {
        self.0.close().shutdown().await;
    }

    /// Breaks all connections and refuses new ones, as a server that was killed: its socket is left.
    pub async fn crash(&self) {
        self.go_away().await;
        drop(std::os::unix::net::UnixListener::bind(self.0.socket()).expect("a socket"));
    }

    /// Takes connections again.
    pub fn come_back(&self) {
        let _ = std::fs::remove_file(self.0.socket());
        let listener = UnixListener::bind(self.0.socket()).expect("a socket");
        let way = Arc::downgrade(&self.0);
        self.0.open.lock().expect("no panics").spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(way) = way.upgrade() else { return };
                let open = &mut *way.open.lock().expect("no panics");
                open.spawn(carry(Arc::downgrade(&way), client));
            }
        });
    }

    /// Cuts the connection of the next commit; if `for_good`, all others with it, and takes no more.
    pub fn cut_next_commit(&self, how: Cut, for_good: bool) {
        *self.0.plan.lock().expect("no panics") = Some(Plan::Cut { how, for_good });
    }

    /// Holds the next transaction back at its beginning. Tells when it has come; it goes on when it is told to.
    pub fn hold_next_transaction(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((arrived, has_arrived), (tell, go_on)) = (oneshot::channel(), oneshot::channel());
        *self.0.plan.lock().expect("no panics") = Some(Plan::Hold { arrived, go_on });
        (has_arrived, tell)
    }

    /// How many commits came by so far.
    pub fn commits(&self) -> usize {
        self.0.commits.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.0.close());
        let _ = std::fs::remove_dir_all(&self.0.directory);
    }
}

impl Way {
    fn socket(&self) -> PathBuf {
        self.directory.join(format!(".s.PGSQL.{PORT}"))
    }

    /// Closes the door, and gives all that is still going on behind it.
    fn close(&self) -> JoinSet<()> {
        let _ = std::fs::remove_file(self.socket());
        std::mem::take(&mut *self.open.lock().expect("no panics"))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn connect(target: &PgConnectOptions) -> std::io::Result<Box<dyn Stream>> {
    let port = target.get_port();
    Ok(match target.get_socket() {
        Some(directory) => Box::new(UnixStream::connect(directory.join(format!(".s.PGSQL.{port}"))).await?),
        None => Box::new(TcpStream::connect((target.get_host(), port)).await?),
    })
}

/// Carries one connection until either side ends it, or the plan does.
async fn carry(way: Weak<Way>, client: UnixStream) {
    let Some(target) = way.upgrade().map(|way| way.target.clone()) else { return };
    let Ok(server) = connect(&target).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let forth = async {
        // The first message has no type.
        let mut message = read_message(&mut from_client, false).await?;
        loop {
            let plan = statement(&message).and_then(|statement| next_plan(&way, statement));
            match plan {
                None => {}
                Some(Plan::Hold { arrived, go_on }) => {
                    let _ = arrived.send(());
                    let _ = go_on.await;
                }
                Some(Plan::Cut { how, for_good }) => return Ok((how, for_good, message)),
            }
            to_server.write_all(&message).await?;
            message = read_message(&mut from_client, true).await?;
        }
    };
    let cut: Option<std::io::Result<(Cut, bool, Vec<u8>)>> = tokio::select! {
        cut = forth => Some(cut),
        _ = copy(&mut from_server, &mut to_client) => None,
    };
    let Some(Ok((how, for_good, commit))) = cut else { return };
    if how != Cut::BeforeTheServer {
        let _ = to_server.write_all(&commit).await;
    }
    if how == Cut::BeforeTheAnswer {
        // Something comes back only after it is done.
        let _ = from_server.read_u8().await;
    }
    if for_good && let Some(way) = way.upgrade() {
        let mut all = way.close();
        // The client hears of the cut when all other ways are shut too. This one is among them, so another task waits.
        tokio::spawn(async move {
            all.shutdown().await;
            drop((from_client, to_client));
        });
    }
}

/// The text of a message that is a plain statement, as those that begin and end a transaction are.
fn statement(message: &[u8]) -> Option<&str> {
    let text = message.strip_prefix(b"Q")?.get(4..)?.strip_suffix(b"\0")?;
    str::from_utf8(text).ok()
}

/// What is arranged for this statement.
fn next_plan(way: &Weak<Way>, statement: &str) -> Option<Plan> {
    let way = way.upgrade()?;
    if statement == "COMMIT" {
        way.commits.fetch_add(1, Ordering::SeqCst);
    }
    let mut plan = way.plan.lock().expect("no panics");
    let is_due = match &*plan {
        Some(Plan::Cut { .. }) => statement == "COMMIT",
        Some(Plan::Hold { .. }) => statement == "BEGIN",
        None => false,
    };
    if is_due { plan.take() } else { None }
}

async fn read_message(from: &mut (impl AsyncRead + Unpin), has_type: bool) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; if has_type { 5 } else { 4 }];
    from.read_exact(&mut message).await?;
    let (head, length) = message.split_at(message.len() - 4);
    let rest = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize - 4;
    let begun = head.len() + 4;
    message.resize(begun + rest, 0);
    from.read_exact(&mut message[begun..]).await?;
    Ok(message)
}
