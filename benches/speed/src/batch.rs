//! The NDJSON batch: rows are streamed by curl, which reads the answers meanwhile.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::database::Rows;
use crate::figures::Figures;
use crate::process::{command, output};
use crate::scenarios::Bench;
use crate::seed;

const PATH: &str = "/v1/purchases/batch";

/// Sends distinct orders, half of them attributed, as several streams at once, and counts the answers.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
pub async fn run(bench: &mut Bench<'_>, streams: u64) -> anyhow::Result<Figures> {
    let url = format!("http://{}{PATH}", bench.site.address());
    let mut files = Vec::new();
    let rows = bench.sizes.batch / streams;
    for _ in 0..streams {
        bench.batches += 1;
        let file = bench.site.path(&format!("batch-{}.ndjson", bench.batches));
        write_orders(&file, bench.batches, rows, bench.held())?;
        files.push(file);
    }
    if !is_there(&url, &bench.authorization).await? {
        return Ok(Figures { missing: Some("not there (404)".to_owned()), ..Figures::default() });
    }
    bench.database.settle().await?;
    let before = bench.database.moment().await?;
    let began = Instant::now();
    let mut sending = JoinSet::new();
    for file in &files {
        sending.spawn(send(url.clone(), bench.authorization.clone(), file.clone()));
    }
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    let seconds = began.elapsed().as_secs_f64();
    for file in files {
        check_answers(&answers_of(&file), rows)?;
        tokio::fs::remove_file(answers_of(&file)).await?;
        tokio::fs::remove_file(file).await?;
    }
    let (stored, attributed) = bench.database.count_since(Rows::Purchases, &before).await?;
    if stored != rows * streams || attributed * 2 != stored {
        bail!("of {} rows {stored} were stored, {attributed} of them attributed", rows * streams);
    }
    Ok(Figures { rate: stored as f64 / seconds, ..Figures::default() })
}

/// Every second order comes with a code, as in the other scenarios.
fn write_orders(path: &Path, batch: u64, rows: u64, held: (i64, i64)) -> anyhow::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    let mut rng = rand::rng();
    for row in 0..rows {
        let name = format!("b-{batch}-{row}");
        write!(file, r#"{{"order":{{"id":"{name}","amount":49.90,"email":"{name}@example.com","new_customer":true}}"#)?;
        if row % 2 == 0 {
            let code = seed::code(rand::RngExt::random_range(&mut rng, held.0..=held.1));
            write!(file, r#","coupon_code":"{code}""#)?;
        }
        file.write_all(b"}\n")?;
    }
    Ok(file.flush()?)
}

fn answers_of(rows: &Path) -> PathBuf {
    rows.with_extension("answers")
}

/// Whether the server has the route. An empty batch is no order.
async fn is_there(url: &str, authorization: &str) -> anyhow::Result<bool> {
    let mut probe = curl(url, authorization);
    probe.args(["--data-binary", "", "--output", "/dev/null", "--write-out", "%{http_code}"]);
    let status = output(&mut probe).await?;
    Ok(!matches!(status.trim(), "404" | "405"))
}

/// One stream, in pieces whose number the server does not know beforehand.
async fn send(url: String, authorization: String, rows: PathBuf) -> anyhow::Result<()> {
    let mut send = curl(&url, &authorization);
    send.args(["--request", "POST", "--upload-file", "-", "--write-out", "%{http_code}", "--output"]);
    send.arg(answers_of(&rows)).stdin(Stdio::from(std::fs::File::open(&rows)?));
    let status = output(&mut send).await?;
    if status.trim() != "200" {
        let said = tokio::fs::read_to_string(answers_of(&rows)).await.unwrap_or_default();
        bail!("the batch was answered with {status}: {}", said.chars().take(500).collect::<String>());
    }
    Ok(())
}

fn curl(url: &str, authorization: &str) -> tokio::process::Command {
    let mut curl = command("curl");
    curl.args(["--silent", "--show-error", "--no-buffer", "--max-time", "600", "--header", "Expect:", "--header"]);
    curl.arg(format!("Authorization: {authorization}"));
    curl.args(["--header", "Content-Type: application/x-ndjson", url]);
    curl
}

#[derive(Deserialize)]
struct Answer {
    status: u16,
}

fn check_answers(path: &Path, rows: u64) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path)?;
    let mut count = 0;
    for line in text.lines() {
        let answer: Answer = serde_json::from_str(line).with_context(|| format!("an answer is {line:?}"))?;
        if answer.status != 201 {
            bail!("a row was not recorded: {line}");
        }
        count += 1;
    }
    if count != rows {
        bail!("{rows} rows got {count} answers");
    }
    Ok(())
}
