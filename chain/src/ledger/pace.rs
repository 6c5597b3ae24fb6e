//! How much fits into a block: by the time that the last ones took.

use std::time::Duration;

use allod_primitives::limits::{BATCH_ITEMS_MAX, BLOCK_ITEMS_MAX};

use crate::limits::{BLOCK_ITEMS_FIRST, BLOCK_ITEMS_MEASURED_MIN, BLOCK_WORK_MAX};

/// Keeps the time to build or execute a block within bounds, by the time that the last ones took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Items that fit into [`BLOCK_WORK_MAX`].
    pub(super) items: u32,
    /// Microseconds per item, averaged over the last blocks; at least 1.
    item_us: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            items: BLOCK_ITEMS_FIRST,
            item_us: 1,
        }
    }
}

impl Pace {
    /// Takes note that `items` took so long. Measure by a monotonic clock: one jump of the wall
    /// clock would keep the next hundred blocks small.
    pub(super) fn measured(&mut self, items: u32, took: Duration) {
        if items < BLOCK_ITEMS_MEASURED_MIN {
            return;
        }
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX) / u64::from(items);
        self.item_us = ((self.item_us.saturating_mul(3).saturating_add(us)) / 4).max(1);
        let max = u64::try_from(BLOCK_WORK_MAX.as_micros()).unwrap_or(u64::MAX);
        let fit = u32::try_from(max / self.item_us).unwrap_or(u32::MAX);
        // One full batch must always fit, beside the time's inherent.
        self.items = fit.clamp(BATCH_ITEMS_MAX + 1, BLOCK_ITEMS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(item_us: u64, blocks: usize) -> u32 {
        let mut pace = Pace::default();
        for _ in 0..blocks {
            let took = Duration::from_micros(u64::from(pace.items) * item_us);
            pace.measured(pace.items, took);
        }
        pace.items
    }

    #[test]
    fn blocks_grow_and_shrink_towards_their_time() {
        assert_eq!(after(10, 20), BLOCK_ITEMS_MAX, "a fast node fills blocks");
        let items = after(100, 40);
        assert!(
            (2300..2700).contains(&items),
            "{items} items of 100 us are about 250 ms"
        );
        assert_eq!(
            after(5000, 40),
            BATCH_ITEMS_MAX + 1,
            "one batch fits on the slowest node"
        );
    }

    #[test]
    fn small_blocks_say_nothing() {
        let mut pace = Pace::default();
        pace.measured(5, Duration::from_secs(1));
        assert_eq!(pace.items, BLOCK_ITEMS_FIRST);
    }
}
