//! Goal: three days pass at once, and nothing else changes.

use std::time::Duration;

use allod_tests::devnet::Devnet;

use crate::support::wait_height;

const DAYS_3: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// Method: the clocks go forward twice; every node has blocks of the time asked for, and offsets
/// that make no sense are refused with what to write instead.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_go_forward_by_what_is_asked_and_offsets_add_up() {
    let net = Devnet::start(2, &[]).await.unwrap();
    let client = net.client(0).unwrap();
    let before = client.context().await.unwrap();
    let head = net.advance(DAYS_3).await;
    assert!(head >= before_plus(before.node_time, DAYS_3));
    net.advance(Duration::from_secs(90)).await;
    for node in 0..2 {
        let client = net.client(node).unwrap();
        let context = client.context().await.unwrap();
        let expected = before_plus(before.node_time, DAYS_3 + Duration::from_secs(90));
        assert!(context.time >= expected.0 && context.time < expected.0 + 60_000);
        assert!(context.node_time.abs_diff(net.now().unwrap().0) < 1000);
        wait_height(&client, context.height, Duration::from_secs(10)).await;
    }
    for (by, why) in [
        ("-5m", "forward only"),
        ("0s", "no time at all"),
        ("0", "write 90s"),
        ("1000000d", "at most 3650d"),
        ("3649d", "3d 1m 30s ahead"),
    ] {
        let refused = net.control(&["advance", by]).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{by}: {refused}");
    }
    assert!(net.now().unwrap().0 < head.0 + 600_000, "nothing was set");
    net.stop().await.unwrap();
}

fn before_plus(time: u64, by: Duration) -> allod_primitives::TimeMs {
    allod_primitives::TimeMs(time).plus_ms(u64::try_from(by.as_millis()).unwrap())
}
