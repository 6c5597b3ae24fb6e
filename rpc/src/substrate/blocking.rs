//! Reads that may wait for the disk, a bounded number at a time.

use tokio::sync::Semaphore;

/// Reads under way at once; the others wait for their turn.
pub(crate) const READERS_MAX: usize = 32;

static READERS: Semaphore = Semaphore::const_new(READERS_MAX);

/// Reads where waiting is allowed; `None` if the node ends meanwhile.
pub(super) async fn read<T: Send + 'static>(
    read: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let turn = READERS.acquire().await.ok()?;
    let task = tokio::task::spawn_blocking(move || {
        // Held until the read is done, even if nobody waits for it any more.
        let _turn = turn;
        read()
    });
    task.await.ok()
}
