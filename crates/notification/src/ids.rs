//! Ids that this service mints.
//!
//! Role: UUIDv7 from the service's own clock, so that they sort by the time they were made; those of one batch sort in
//! its order. Failure story: none.

use jiff::Timestamp;
use uuid::Builder;

/// Ids of one millisecond that keep their order: the twelve bits after the time.
const PER_MILLISECOND: u64 = 4096;

/// One id.
pub fn one(now: Timestamp) -> String {
    nth(now, 0)
}

/// The id number `index` of a batch: later ones sort after earlier ones.
pub fn nth(now: Timestamp, index: usize) -> String {
    let index = index as u64;
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0) + index / PER_MILLISECOND;
    let mut tail = service_kit::random::bytes::<10>();
    let [high, low] = ((index % PER_MILLISECOND) as u16).to_be_bytes();
    tail[0] = high;
    tail[1] = low;
    Builder::from_unix_timestamp_millis(millis, &tail)
        .into_uuid()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_batch_sort_in_its_order() {
        let ids: Vec<String> = (0..10_000).map(|n| nth(Timestamp::UNIX_EPOCH, n)).collect();
        assert!(ids.is_sorted());
        assert!(
            ids.iter()
                .all(|id| id.len() == 36 && id.as_bytes()[14] == b'7')
        );
    }
}
