//! `goodword demo`: a server with made-up data, a shop to click through, and four calls that are ready to paste.
//!
//! The secret cannot be read again from the database, so what was printed is also kept in `demo.json` in the data
//! directory, readable by its owner alone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::database::{Database, data_dir};
use super::demo_data::{self, BANK_ID, CAMPAIGN_ID, Made, PERSONAL_BANK_ID};
use super::demo_shop::Shop;
use super::exit::Failure;
use super::output;
use super::serve::{Service, with_owned};
use crate::config::{DatabaseArgs, ServeArgs};

const FILE: &str = "demo.json";

/// The credentials of the demo's account.
#[derive(Clone, Deserialize)]
pub struct Pair {
    pub access_key: String,
    pub secret_key: String,
}

/// What is printed, for scripts and for the next run.
#[derive(Serialize)]
struct Card {
    url: String,
    shop_url: String,
    access_key: String,
    secret_key: String,
    campaign_id: i64,
    coupon_bank_id: i64,
    personal_bank_id: i64,
    commands: [String; 4],
}

/// `goodword demo`
pub async fn run(args: &DatabaseArgs, serve: &ServeArgs) -> Result<(), Failure> {
    with_owned(args, async |database, stop| {
        let file = data_dir(args).join(FILE);
        let ready = stop.run_until_cancelled(make_ready(database, args, &file)).await;
        let Some(made) = ready.transpose()? else { return Ok(()) };
        let service = Service::bind(database, serve)?;
        let shop = Shop::bind(service.bound)?;
        let site = demo_data::open_shop(&database.pool, &shop.url).await?;
        let card = Card::new(service.local_url.clone(), shop.url.clone(), &made.pair);
        let closing = CancellationToken::new();
        let selling = shop.serve(database.pool.clone(), site, service.public_url.clone(), &closing);
        let serving = async {
            let started = || {
                keep(&file, &card)?;
                output::print(&card.text(&made, &file))
            };
            let served = service.run(&stop, started).await;
            closing.cancel();
            served
        };
        let (served, sold) = tokio::join!(serving, selling);
        served.and(sold)
    })
    .await
}

async fn make_ready(database: &Database, args: &DatabaseArgs, file: &Path) -> Result<Made, Failure> {
    database.check_safety(args).await?;
    database.migrate().await?;
    demo_data::make(&database.pool, read(file)).await
}

/// The pair of an earlier run. A file that cannot be read is as good as none: a new key is made then.
fn read(file: &Path) -> Option<Pair> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Writes the card whole or not at all.
fn keep(file: &Path, card: &Card) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    if let Some(dir) = file.parent() {
        // With a DATABASE_URL nobody else has made it.
        DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(cannot)?;
    }
    let draft = PathBuf::from(format!("{}.new", file.display()));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(cannot),
        _ => {}
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).with_context(cannot)?;
    serde_json::to_writer_pretty(&mut out, card)?;
    out.write_all(b"\n").and_then(|()| out.sync_all()).and_then(|()| fs::rename(&draft, file)).with_context(cannot)
}

impl Card {
    fn new(url: String, shop_url: String, pair: &Pair) -> Self {
        let commands = commands(&url, pair);
        let Pair { access_key, secret_key } = pair.clone();
        Self {
            url,
            shop_url,
            access_key,
            secret_key,
            campaign_id: CAMPAIGN_ID.0,
            coupon_bank_id: BANK_ID.0,
            personal_bank_id: PERSONAL_BANK_ID.0,
            commands,
        }
    }

    /// What is printed. Each command is one line that begins with `curl`, so that a script can cut it out.
    fn text(&self, made: &Made, file: &Path) -> String {
        let Self { url, shop_url, access_key, secret_key, commands, .. } = self;
        let [from_bank, personal, online, in_store] = commands;
        let new_key = if made.key_is_new { "   (a new key; " } else { "   (" };
        format!(
            "\
Goodword runs at {url}   (reference: {url}/docs)
A shop with it   {shop_url}   (get a link, follow it, buy, and see who is thanked)

  access key   {access_key}
  secret key   {secret_key}{new_key}kept in {file})
  campaign     {CAMPAIGN_ID}   Spring referrals
  coupon bank  {BANK_ID}    Spring codes: {spring_left} unused
  coupon bank  {PERSONAL_BANK_ID}    Personal codes: {personal_left} unused

1. A random code of the bank becomes Jaylene's:
{from_bank}

2. A code of his own for Georgie:
{personal}

3. A friend uses it in the web shop; the answer names Georgie:
{online}

4. Another friend says it at the till:
{in_store}

Ctrl-C stops it. Running it again goes on with the same data.",
            file = file.display(),
            spring_left = made.spring_left,
            personal_left = made.personal_left,
        )
    }
}

fn commands(url: &str, pair: &Pair) -> [String; 4] {
    let Pair { access_key, secret_key } = pair;
    // Bodies hold no single quote, so single quotes keep them whole. They are written out for the order of their
    // fields, and because an amount is to look like one.
    let post = |path: &str, body: String| {
        format!(
            "curl -sS -w '\\n' -u {access_key}:{secret_key} -H 'Content-Type: application/json' {url}/v1/{path} -d '{body}'"
        )
    };
    let claim = |customer: &str, wish: String| {
        post("referral_codes", format!(r#"{{"campaign":{{"id":{CAMPAIGN_ID}}},"customer":{customer},{wish}}}"#))
    };
    let order = |body: &str| post("purchases", body.to_owned());
    [
        claim(
            r#"{"id":"C9911","email":"jzheng@example.mil","first_name":"Jaylene","last_name":"Zheng"}"#,
            format!(r#""coupon_bank_id":{BANK_ID}"#),
        ),
        claim(
            r#"{"id":"C9912","email":"cloondog@example.mil","first_name":"Georgie","last_name":"Clooney"}"#,
            r#""coupon_code":"Clooney1""#.to_owned(),
        ),
        order(r#"{"order":{"id":"281","amount":795.00,"email":"amal@example.com"},"coupon_code":"Clooney1"}"#),
        order(r#"{"source":"store-12","order":{"id":"0042","amount":64.50},"coupon_code":"clooney1"}"#),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_a_shell() {
        let pair = Pair { access_key: "gwk_live_a".to_owned(), secret_key: "gws_live_b".to_owned() };
        for command in commands("http://127.0.0.1:8080", &pair) {
            assert!(command.starts_with("curl ") && !command.contains('\n'), "{command}");
            let body =
                command.split(" -d '").nth(1).and_then(|rest| rest.strip_suffix('\'')).expect("a body at the end");
            assert!(!body.contains('\''), "{command}");
            serde_json::from_str::<serde_json::Value>(body).expect("JSON");
        }
    }
}
