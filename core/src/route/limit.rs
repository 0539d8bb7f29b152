//! Optional limits of admit: drop filters (cot.md 9.2), per-uid and per-address rates (9.6), duplicates (RULE-77).
//! All are off by default and then cost one comparison each.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use fts_plugin_api::cot::{Attr, Millis, Spans};
use parking_lot::Mutex;

use super::{Reason, Source};
use crate::config::CotKeys;

/// Memory of the limits; swept every few seconds.
#[derive(Debug, Default)]
pub struct Limits {
    /// (filter number, uid hash) -> when one was let through.
    passed: Mutex<HashMap<(u32, u64), Millis>>,
    /// address hash -> (window begin, events).
    addresses: Mutex<HashMap<u64, (Millis, u32)>>,
    hasher: RandomState,
}

/// Window of `per_ip_events`.
const ADDRESS_WINDOW_MS: i64 = 10_000;
/// Nothing here is older.
const LONGEST_MS: i64 = 3_600_000;
const READ: u32 = u32::MAX;
const SAME: u32 = u32::MAX - 1;
const DELIVERY: u32 = u32::MAX - 2;
const BIG: u32 = u32::MAX - 3;

impl Limits {
    /// True when one of this key was let through less than `every_ms` ago; else notes that one is let through now.
    fn too_soon(&self, key: (u32, u64), every_ms: i64, now: Millis) -> bool {
        let mut passed = self.passed.lock();
        let last = passed.entry(key).or_insert(i64::MIN);
        if *last != i64::MIN && now - *last < every_ms {
            return true;
        }
        *last = now;
        false
    }

    /// True when a position of this uid went to this connection less than `every` ago (cot.md 9.6).
    pub(super) fn delivered_lately(&self, conn: u64, uid_hash: u64, every: std::time::Duration, now: Millis) -> bool {
        self.too_soon((DELIVERY, uid_hash ^ conn.rotate_left(32)), every.as_millis() as i64, now)
    }

    /// True when nobody was warned of an oversized event of this uid within the last hour (RULE-12).
    pub(super) fn first_big(&self, uid_hash: u64, now: Millis) -> bool {
        !self.too_soon((BIG, uid_hash), LONGEST_MS, now)
    }

    /// Forgets what no limit can ask for any more.
    pub fn sweep(&self, now: Millis) {
        self.passed.lock().retain(|_, at| now - *at < LONGEST_MS);
        self.addresses.lock().retain(|_, (began, _)| now - *began < ADDRESS_WINDOW_MS);
    }
}

/// All optional limits for one event.
pub(super) fn check(
    limits: &Limits,
    cot: &CotKeys,
    source: &Source<'_>,
    text: &[u8],
    spans: &Spans,
    kind: &str,
    now: Millis,
) -> Result<(), Reason> {
    let hash = |what: &[u8]| limits.hasher.hash_one(what);
    let uid = spans.attrs[Attr::Uid as usize].of(text);
    for (number, filter) in cot.filters.drop.iter().enumerate() {
        let kind_fits = filter.kind.as_ref().is_none_or(|k| k == kind);
        let detail_fits = filter
            .detail
            .as_ref()
            .is_none_or(|d| memchr::memmem::find(spans.detail_inner.of(text), d.as_bytes()).is_some());
        if kind_fits && detail_fits {
            let Some(threshold) = filter.threshold else { return Err(Reason::Filtered) };
            if limits.too_soon((number as u32, hash(uid)), threshold.as_millis() as i64, now) {
                return Err(Reason::Filtered);
            }
        }
    }
    let conn = source.conn();
    if !cot.rate.per_uid_read.is_zero()
        && conn != 0
        && limits.too_soon((READ, hash(uid) ^ conn), cot.rate.per_uid_read.as_millis() as i64, now)
    {
        return Err(Reason::Rate);
    }
    if !cot.dedupe.is_zero() && limits.too_soon((SAME, hash(text) ^ conn), cot.dedupe.as_millis() as i64, now) {
        return Err(Reason::Duplicate);
    }
    if cot.rate.per_ip_events > 0 {
        let address = match source {
            Source::Client(client) => client.peer.ip(),
            Source::Datagram { peer, .. } => peer.ip(),
            Source::Server { .. } | Source::Plugin(_) => return Ok(()),
        };
        let mut addresses = limits.addresses.lock();
        let (began, events) = addresses.entry(limits.hasher.hash_one(address)).or_insert((now, 0));
        if now - *began >= ADDRESS_WINDOW_MS {
            (*began, *events) = (now, 0);
        }
        *events += 1;
        if *events > cot.rate.per_ip_events {
            return Err(Reason::Rate);
        }
    }
    Ok(())
}
