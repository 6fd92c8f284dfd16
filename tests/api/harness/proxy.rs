//! A way to PostgreSQL that can be taken away, cut at a commit, and held up: a unix socket in front of the cluster's own.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// By this name the sessions that come through the proxy are known to the database.
pub const APPLICATION: &str = "behind_the_proxy";
/// Words of the statement that draws numbers for rows.
const NUMBERS: &str = "nextval(sequence)";
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

/// What is arranged for the next transaction, or the next statement about something.
enum Plan {
    Cut { how: Cut, for_good: bool },
    Hold(Pause),
    HoldAnswer { about: String, pause: Pause },
}

/// A halt: tells when it has come to it, and goes on when it is told to.
struct Pause {
    arrived: oneshot::Sender<()>,
    go_on: oneshot::Receiver<()>,
}

impl Pause {
    fn new() -> (Self, oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((arrived, has_arrived), (tell, go_on)) = (oneshot::channel(), oneshot::channel());
        (Self { arrived, go_on }, has_arrived, tell)
    }

    async fn wait(self) {
        let _ = self.arrived.send(());
        let _ = self.go_on.await;
    }
}

/// The proxy. It ends, and its connections break, when it is dropped.
pub struct Proxy(Arc<Way>);

struct Way {
    directory: PathBuf,
    target: PgConnectOptions,
    plan: Mutex<Option<Plan>>,
    open: Mutex<JoinSet<()>>,
    commits: AtomicUsize,
    statements: AtomicUsize,
    draws: AtomicUsize,
    is_silent: AtomicBool,
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
            statements: AtomicUsize::new(0),
            draws: AtomicUsize::new(0),
            is_silent: AtomicBool::new(false),
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

    /// Holds the next transaction back at its beginning, or a statement that stores by itself at its end. Tells when it
    /// has come; it goes on when it is told to.
    pub fn hold_next_transaction(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (pause, has_arrived, tell) = Pause::new();
        *self.0.plan.lock().expect("no panics") = Some(Plan::Hold(pause));
        (has_arrived, tell)
    }

    /// Holds back the answer to the next statement that has `about` among its values or in its text. Tells when the database
    /// has answered; the answer goes on when it is told to.
    pub fn hold_answer_about(&self, about: &str) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (pause, has_arrived, tell) = Pause::new();
        *self.0.plan.lock().expect("no panics") = Some(Plan::HoldAnswer { about: about.to_owned(), pause });
        (has_arrived, tell)
    }

    /// From now on carries nothing for whoever listens for notifications, and does not tell him: a cut network.
    pub fn silence_listeners(&self) {
        self.0.is_silent.store(true, Ordering::SeqCst);
    }

    /// How many commits came by so far.
    pub fn commits(&self) -> usize {
        self.0.commits.load(Ordering::SeqCst)
    }

    /// How many statements with values, or prepared for them, came by so far; but for those that draw numbers ahead of need.
    pub fn statements(&self) -> usize {
        self.0.statements.load(Ordering::SeqCst)
    }

    /// How many statements of those that draw numbers ahead of need came by so far.
    pub fn draws(&self) -> usize {
        self.0.draws.load(Ordering::SeqCst)
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
    let (listens, held) = (&AtomicBool::new(false), &Mutex::new(None::<Pause>));
    let mut course = Course::default();
    let forth = async {
        // The first message has no type.
        let mut message = read_message(&mut from_client, false).await?;
        loop {
            if statement(&message).is_some_and(|statement| statement.starts_with("LISTEN")) {
                listens.store(true, Ordering::SeqCst);
            }
            unless_silent(&way, listens).await;
            let moment = course.follow(&message);
            match next_plan(&way, &message, moment, course.called(&message)) {
                None => {}
                Some(Plan::Hold(pause)) => pause.wait().await,
                Some(Plan::HoldAnswer { pause, .. }) => *held.lock().expect("no panics") = Some(pause),
                Some(Plan::Cut { how, for_good }) => return Ok((how, for_good, message)),
            }
            to_server.write_all(&message).await?;
            message = read_message(&mut from_client, true).await?;
        }
    };
    let back = async {
        let mut bytes = vec![0; 8 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            let pause = held.lock().expect("no panics").take();
            if let Some(pause) = pause {
                pause.wait().await;
            }
            unless_silent(&way, listens).await;
            if to_client.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    let cut: Option<std::io::Result<(Cut, bool, Vec<u8>)>> = tokio::select! {
        cut = forth => Some(cut),
        () = back => None,
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

/// Returns at once, or never for one who listens when listeners are cut off.
async fn unless_silent(way: &Weak<Way>, listens: &AtomicBool) {
    let is_silent = way.upgrade().is_some_and(|way| way.is_silent.load(Ordering::SeqCst));
    if is_silent && listens.load(Ordering::SeqCst) {
        std::future::pending().await
    }
}

/// The text of a message that is a plain statement, as those that begin and end a transaction are.
fn statement(message: &[u8]) -> Option<&str> {
    let text = message.strip_prefix(b"Q")?.get(4..)?.strip_suffix(b"\0")?;
    str::from_utf8(text).ok()
}

/// What a message is to the transactions of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Begins,
    /// What was stored is committed by it: a plain commit, or the end of a statement that stores by itself.
    Commits,
    Other,
}

/// How far a connection has come.
#[derive(Default)]
struct Course {
    is_in_transaction: bool,
    /// The texts of prepared statements, by their names, and the names of those that store something.
    prepared: HashMap<Vec<u8>, Vec<u8>>,
    storing: HashSet<Vec<u8>>,
    /// One of them was called outside of a transaction.
    is_storing: bool,
}

impl Course {
    fn follow(&mut self, message: &[u8]) -> Moment {
        match statement(message) {
            Some("BEGIN") => {
                self.is_in_transaction = true;
                return Moment::Begins;
            }
            Some(end @ ("COMMIT" | "ROLLBACK")) => {
                self.is_in_transaction = false;
                return if end == "COMMIT" { Moment::Commits } else { Moment::Other };
            }
            _ => {}
        }
        let texts: Vec<&[u8]> = message.get(5..).unwrap_or_default().split(|byte| *byte == 0).collect();
        match (message.first(), texts.as_slice()) {
            // To parse a text under a name, and to call it by its name.
            (Some(b'P'), [name, text, ..]) => {
                self.prepared.insert(name.to_vec(), text.to_vec());
                if holds(text, "insert into") {
                    self.storing.insert(name.to_vec());
                }
            }
            (Some(b'B'), [_portal, name, ..]) if !self.is_in_transaction && self.storing.contains(*name) => {
                self.is_storing = true;
            }
            (Some(b'S'), _) if std::mem::take(&mut self.is_storing) => return Moment::Commits,
            _ => {}
        }
        Moment::Other
    }

    /// The text of the prepared statement that a message calls, if it calls one.
    fn called(&self, message: &[u8]) -> &[u8] {
        let mut texts = message.get(5..).unwrap_or_default().split(|byte| *byte == 0);
        let name = (message.first() == Some(&b'B')).then(|| texts.nth(1)).flatten();
        name.and_then(|name| self.prepared.get(name)).map_or(&[], Vec::as_slice)
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// What is arranged for this message, which calls a statement of that text.
fn next_plan(way: &Weak<Way>, message: &[u8], moment: Moment, called: &[u8]) -> Option<Plan> {
    let way = way.upgrade()?;
    if moment == Moment::Commits {
        way.commits.fetch_add(1, Ordering::SeqCst);
    }
    // To parse a text, or to bind values.
    if matches!(message.first(), Some(b'P' | b'B')) {
        let draws = holds(message, NUMBERS) || holds(called, NUMBERS);
        if draws { &way.draws } else { &way.statements }.fetch_add(1, Ordering::SeqCst);
    }
    let mut plan = way.plan.lock().expect("no panics");
    let is_due = match &*plan {
        Some(Plan::Cut { .. }) => moment == Moment::Commits,
        // What needs no transaction begins and ends with its statement.
        Some(Plan::Hold(_)) => moment != Moment::Other,
        Some(Plan::HoldAnswer { about, .. }) => {
            message.first() == Some(&b'B') && (holds(message, about) || holds(called, about))
        }
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
