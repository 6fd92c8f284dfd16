//! The log of the program itself, as an operator reads it.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr};
use tokio::time::timeout;

use crate::harness::app::TestApp;
use crate::harness::client::{Answer, Shop};

/// Longest time that a line may take.
const LINE_LIMIT: Duration = Duration::from_secs(30);

/// What a server has written so far.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    /// Reads until the server is gone.
    async fn read(self, mut from: ChildStderr) {
        let mut bytes = vec![0; 8 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            self.0.lock().expect("no panics").push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    fn text(&self) -> String {
        self.0.lock().expect("no panics").clone()
    }

    /// What stands behind these words, once they are written.
    async fn after(&self, words: &str) -> String {
        let found = async {
            loop {
                if let Some((_, rest)) = self.text().split_once(words)
                    && let Some((line, _)) = rest.split_once('\n')
                {
                    return line.to_owned();
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(LINE_LIMIT, found).await.unwrap_or_else(|_elapsed| panic!("no {words:?} in: {}", self.text()))
    }
}

/// A server of its own on a story's database.
fn serve(app: &TestApp) -> Child {
    app.program(&["serve", "--listen", "127.0.0.1:0", "--database-connections-max", "6", "--allow-unsafe-database"])
        .env_remove("RUST_LOG")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a server")
}

fn id(answer: &Answer) -> String {
    answer.header("x-request-id").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_is_found_in_the_log_by_its_id_also_the_last_ones_before_the_end() {
    let app = TestApp::start().await;
    let mut server = serve(&app);
    let log = Log::default();
    let reading = tokio::spawn(log.clone().read(server.stderr.take().expect("a pipe")));
    let address = log.after("Goodword listens on http://").await;
    let address = address.split_whitespace().next().and_then(|address| address.parse().ok()).expect("an address");
    let shop = Shop::new(address, app.credentials.clone());
    for number in 0..5 {
        let answer = shop.order(&format!("alone {number}")).await.expect(201);
        let line = log.after(&id(&answer)).await;
        assert!(line.contains("http.status=201"), "{line}");
    }
    let orders = join_all((0..60).map(|number| shop.order(&format!("together {number}")).into_future())).await;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(server.id().expect("it runs")).expect("an id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("told to stop");
    assert!(server.wait().await.expect("it ends").success(), "{}", log.text());
    reading.await.expect("no panic");
    let text = log.text();
    for answer in orders {
        let id = id(&answer.expect(201));
        assert_eq!(text.lines().filter(|line| line.contains(&id)).count(), 1, "{id} in: {text}");
    }
    app.finish().await;
}
