//! Where links lead, remembered for a few seconds, so that a link that everybody clicks asks the database hardly ever, and for an hour
//! where the database is slow or away: a friend is led on by what was true then.
//!
//! Only codes that somebody has are remembered, so strangers cannot fill the memory, and each address may have only so many unknown
//! codes looked up.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::budgets::Budgets;
use super::store;
use super::target::Target;
use crate::telemetry::Counters;
use crate::types::codes::CodeKey;
use crate::types::visit::VisitKey;
use crate::web::error::ApiError;

/// How many links are remembered.
const LINKS_MAX: usize = 50_000;
/// For how long nobody asks again.
const FRESH: time::Duration = time::Duration::seconds(5);
/// For how long a link is led on by that the database cannot be asked about.
const STALE_MAX: time::Duration = time::Duration::hours(1);
/// How long the database may take where something is remembered.
const PATIENCE: Duration = Duration::from_millis(100);
/// For how long it is left alone when it took longer.
const REST_MS: u64 = 1_000;

static LOOKUPS: Counters = Counters::new("goodword_link_lookups_total", "from");

/// What a link turned out to be.
#[derive(Clone, Debug)]
pub enum Link {
    Known(Arc<Target>),
    /// Nobody has the code. Where it leads all the same, if anywhere.
    Unknown(Option<String>),
}

/// The keys of all servers.
pub struct Keys {
    pub visits: VisitKey,
    pub addresses: [u8; 32],
}

/// Finds where links lead. Cheap to clone.
#[derive(Clone)]
pub struct Links(Arc<Shared>);

struct Shared {
    pool: PgPool,
    budgets: Budgets,
    memory: Cache<(Box<str>, CodeKey), Entry>,
    keys: OnceLock<Keys>,
    /// The database is left alone until then, in milliseconds since `begun`.
    rests_until: AtomicU64,
    begun: Instant,
}

#[derive(Clone)]
struct Entry {
    target: Arc<Target>,
    read_at: OffsetDateTime,
    /// When it was last tried to read it again.
    tried_at: OffsetDateTime,
}

impl Links {
    /// Remembers nothing yet.
    pub fn new(pool: PgPool, budgets: Budgets) -> Self {
        Self(Arc::new(Shared {
            pool,
            budgets,
            memory: Cache::new(LINKS_MAX),
            keys: OnceLock::new(),
            rests_until: AtomicU64::new(0),
            begun: Instant::now(),
        }))
    }

    /// The keys of all servers, once anything was read.
    pub fn keys(&self) -> Option<&Keys> {
        self.0.keys.get()
    }

    /// Finds where the link of this alias and code leads somebody at this address.
    pub async fn find(
        &self,
        alias: &str,
        key: CodeKey,
        visitor: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Link, ApiError> {
        let name = (Box::<str>::from(alias), key);
        let remembered = self.0.memory.get(&name).filter(|entry| now - entry.read_at < STALE_MAX);
        match remembered {
            Some(entry) if now - entry.tried_at < FRESH || self.rests() => {
                LOOKUPS.count("memory");
                Ok(Link::Known(entry.target))
            }
            Some(entry) => {
                // Those who come meanwhile do not ask too.
                self.0.memory.insert(name.clone(), Entry { tried_at: now, ..entry.clone() });
                match tokio::time::timeout(PATIENCE, self.read(&name, now)).await {
                    Ok(Ok(link)) => Ok(link),
                    Ok(Err(_)) | Err(_) => {
                        self.rest();
                        LOOKUPS.count("stale");
                        Ok(Link::Known(entry.target))
                    }
                }
            }
            None if !self.0.budgets.may_look_up(visitor) => {
                LOOKUPS.count("over_budget");
                Ok(Link::Unknown(None))
            }
            None => {
                let link = self.read(&name, now).await?;
                if matches!(link, Link::Unknown(_)) {
                    self.0.budgets.take_unknown_code(visitor);
                }
                Ok(link)
            }
        }
    }

    async fn read(&self, name: &(Box<str>, CodeKey), now: OffsetDateTime) -> sqlx::Result<Link> {
        LOOKUPS.count("database");
        let mut conn = self.0.pool.acquire().await?;
        if self.0.keys.get().is_none() {
            let visits = VisitKey(store::find_secret(&mut conn, "visits").await?);
            let addresses = store::find_secret(&mut conn, "addresses").await?;
            // Who came first has set the same.
            let _ = self.0.keys.set(Keys { visits, addresses });
        }
        let found = store::find_link(&mut conn, &name.0, &name.1).await?;
        let fallback_url = found.as_ref().and_then(|found| found.account_fallback_url.clone());
        let Some(target) = found.and_then(Target::of).map(Arc::new) else {
            // What was remembered of it is not true any more.
            self.0.memory.remove(name);
            return Ok(Link::Unknown(fallback_url));
        };
        self.0.memory.insert(name.clone(), Entry { target: target.clone(), read_at: now, tried_at: now });
        Ok(Link::Known(target))
    }

    fn rests(&self) -> bool {
        self.elapsed_ms() < self.0.rests_until.load(Ordering::Relaxed)
    }

    fn rest(&self) {
        self.0.rests_until.store(self.elapsed_ms() + REST_MS, Ordering::Relaxed);
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
