//! Who holds which API key, and whose pages carry which site key, remembered for a few seconds, so that a busy caller's requests
//! do not each ask the database.
//!
//! What is remembered counts only while [`super::changes`] listens for changes of keys, and only until the next one: a
//! key that is revoked anywhere is forgotten here. Who has a key is remembered, never whether a secret is right, and
//! never that a key is unknown: a new key works at once, and strangers cannot fill the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::Counter;
use quick_cache::sync::Cache;
use sqlx::PgPool;

use super::changes::{self, Listening};
use super::sites::Site;
use super::store::{self, KeyHolder};

/// How many keys of each kind are remembered.
const KEYS_MAX: usize = 10_000;
/// For how long a key is remembered. No change is overlooked for longer, should a notification ever be lost.
const AGE_MAX: Duration = Duration::from_secs(10);

/// Finds the holders of keys. Cheap to clone.
#[derive(Clone)]
pub struct KeyCache(Arc<Shared>);

struct Shared {
    pool: PgPool,
    keys: Memory<KeyHolder>,
    sites: Memory<Site>,
    from_cache: Counter,
    from_database: Counter,
}

impl KeyCache {
    /// Starts to listen for changes on a connection beside the pool's, until [`Listening`] is stopped. While the
    /// database is away, and until it is heard, every look-up asks the pool.
    pub fn start(pool: &PgPool) -> (Self, Listening) {
        let epoch = Arc::new(Epoch::default());
        let listening = changes::listen(pool, epoch.clone());
        let (keys, sites) = (Memory::within(&epoch), Memory::within(&epoch));
        let count = |from: &'static str| metrics::counter!("goodword_key_lookups_total", "from" => from);
        let (from_cache, from_database) = (count("cache"), count("database"));
        (Self(Arc::new(Shared { pool: pool.clone(), keys, sites, from_cache, from_database })), listening)
    }

    /// Finds the account behind an access key that is not revoked.
    pub async fn find(&self, access_key: &str) -> sqlx::Result<Option<Arc<KeyHolder>>> {
        let Shared { keys, from_cache, .. } = &*self.0;
        let now = Instant::now();
        if let Some(holder) = keys.recall(access_key, now) {
            from_cache.increment(1);
            return Ok(Some(holder));
        }
        // Rare, and a large future: in every request's it would be copied along with it.
        Box::pin(self.look_up(access_key, now)).await
    }

    async fn look_up(&self, access_key: &str, now: Instant) -> sqlx::Result<Option<Arc<KeyHolder>>> {
        let Shared { pool, keys, from_database, .. } = &*self.0;
        // Taken before the read: what changes meanwhile makes what was read count for this request only.
        let epoch = keys.epoch.current();
        let mut conn = pool.acquire().await?;
        let found = store::find_key_holder(&mut conn, access_key).await?.map(Arc::new);
        from_database.increment(1);
        keys.note(access_key, found.as_ref(), epoch, now);
        Ok(found)
    }

    /// Finds the site behind a site key.
    pub async fn find_site(&self, site_key: &str) -> sqlx::Result<Option<Arc<Site>>> {
        let Shared { pool, sites, .. } = &*self.0;
        let now = Instant::now();
        if let Some(site) = sites.recall(site_key, now) {
            return Ok(Some(site));
        }
        let epoch = sites.epoch.current();
        let mut conn = pool.acquire().await?;
        let found = store::find_site(&mut conn, site_key).await?.map(Arc::new);
        sites.note(site_key, found.as_ref(), epoch, now);
        Ok(found)
    }
}

/// Since when what was read counts. Odd while changes are heard. Every change that is heard, and every loss and return of
/// hearing, begins another epoch, and what was read in an earlier one counts no more.
#[derive(Default)]
pub(super) struct Epoch(AtomicU64);

impl Epoch {
    /// Begins to hear. Only one may hear at a time; it ends when what this gives is dropped.
    pub(super) fn hear(&self) -> Hearing<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Hearing(self)
    }

    fn current(&self) -> Option<u64> {
        let epoch = self.0.load(Ordering::SeqCst);
        (epoch % 2 == 1).then_some(epoch)
    }
}

/// What is remembered.
struct Memory<T> {
    entries: Cache<Box<str>, Entry<T>>,
    epoch: Arc<Epoch>,
}

struct Entry<T> {
    found: Arc<T>,
    epoch: u64,
    read_at: Instant,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { found: self.found.clone(), ..*self }
    }
}

impl<T> Memory<T> {
    fn within(epoch: &Arc<Epoch>) -> Self {
        Self { entries: Cache::new(KEYS_MAX), epoch: epoch.clone() }
    }

    fn recall(&self, key: &str, now: Instant) -> Option<Arc<T>> {
        let epoch = self.epoch.current()?;
        let entry = self.entries.get(key)?;
        let counts = entry.epoch == epoch && now.saturating_duration_since(entry.read_at) < AGE_MAX;
        counts.then_some(entry.found)
    }

    fn remember(&self, key: &str, entry: Entry<T>) {
        self.entries.insert(key.into(), entry);
    }

    /// Remembers what was found, if changes were heard when the look-up began.
    fn note(&self, key: &str, found: Option<&Arc<T>>, epoch: Option<u64>, read_at: Instant) {
        if let (Some(found), Some(epoch)) = (found, epoch) {
            self.remember(key, Entry { found: found.clone(), epoch, read_at });
        }
    }
}

/// Changes are heard for as long as this lives.
pub(super) struct Hearing<'a>(&'a Epoch);

impl Hearing<'_> {
    /// Something changed: all that was read before is forgotten.
    pub(super) fn forget(&self) {
        self.0.0.fetch_add(2, Ordering::SeqCst);
    }
}

impl Drop for Hearing<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::accounts::{Account, Alias};
    use crate::types::date::Zone;
    use crate::types::ids::AccountId;
    use crate::types::money::Currency;

    fn read(memory: &Memory<KeyHolder>, read_at: Instant) -> Entry<KeyHolder> {
        let account = Account {
            id: AccountId(1),
            name: "Acme".to_owned(),
            alias: Alias::try_from("acme").unwrap(),
            currency: Currency::try_from("USD").unwrap(),
            zone: Zone::named("UTC").unwrap(),
            created_at: OffsetDateTime::UNIX_EPOCH,
        };
        let holder = KeyHolder { secret_sha256: vec![0; 32], account: Arc::new(account) };
        Entry { found: Arc::new(holder), epoch: memory.epoch.current().unwrap(), read_at }
    }

    #[test]
    fn a_key_is_remembered_for_ten_seconds_and_no_longer() {
        let (memory, now) = (Memory::within(&Arc::default()), Instant::now());
        let _hearing = memory.epoch.hear();
        memory.remember("key", read(&memory, now));
        assert!(memory.recall("key", now).is_some());
        assert!(memory.recall("key", now + Duration::from_millis(9_999)).is_some());
        assert!(memory.recall("key", now + Duration::from_secs(10)).is_none());
        assert!(memory.recall("another", now).is_none());
    }

    #[test]
    fn what_was_read_before_a_change_does_not_count_however_late_it_is_put_down() {
        let (memory, now) = (Memory::within(&Arc::default()), Instant::now());
        let hearing = memory.epoch.hear();
        let (early, late) = (read(&memory, now), read(&memory, now));
        memory.remember("early", early);
        hearing.forget();
        memory.remember("late", late);
        assert!(memory.recall("early", now).is_none());
        assert!(memory.recall("late", now).is_none());
        memory.remember("early", read(&memory, now));
        assert!(memory.recall("early", now).is_some());
    }

    #[test]
    fn nothing_counts_while_changes_are_not_heard_nor_what_is_from_before() {
        let (memory, now) = (Memory::within(&Arc::default()), Instant::now());
        assert!(memory.epoch.current().is_none());
        let hearing = memory.epoch.hear();
        let entry = read(&memory, now);
        memory.remember("key", entry.clone());
        drop(hearing);
        assert!(memory.epoch.current().is_none());
        assert!(memory.recall("key", now).is_none());
        let _hearing = memory.epoch.hear();
        memory.remember("late", entry);
        assert!(memory.recall("key", now).is_none());
        assert!(memory.recall("late", now).is_none());
    }

    #[test]
    fn the_memory_is_bounded() {
        let (memory, now) = (Memory::within(&Arc::default()), Instant::now());
        let _hearing = memory.epoch.hear();
        let entry = read(&memory, now);
        for number in 0..3 * KEYS_MAX {
            memory.remember(&number.to_string(), entry.clone());
        }
        let remembered = (0..3 * KEYS_MAX).filter(|number| memory.recall(&number.to_string(), now).is_some()).count();
        assert!((KEYS_MAX / 2..=KEYS_MAX).contains(&remembered), "{remembered}");
    }
}
