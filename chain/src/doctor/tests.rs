use super::*;

/// Method: a gibibyte of a million blocks, a thousand of which took a hundred minutes.
#[test]
fn growth_is_forecast_from_the_databases_own_history() {
    let growth = forecast(1 << 30, 1_000_000, 1000, 6_000_000, 10 << 30).unwrap();
    assert_eq!(growth.block_bytes, 1073);
    assert_eq!(growth.day_bytes, 14_400 * 1073);
    assert_eq!(growth.days_left, (10 << 30) / (14_400 * 1073));
    assert_eq!(forecast(1 << 30, 0, 0, 1, 1), None);
    assert_eq!(forecast(1 << 30, 10, 5, 0, 1), None);
    let still = forecast(1 << 30, 10, 0, 1000, 1).unwrap();
    assert_eq!(still.days_left, u64::MAX);
}

/// Method: no configuration, one that is wrong, and one without its files: each says so, and the
/// rest is still looked at.
#[test]
fn what_is_missing_is_told_and_the_rest_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let look = || examine(&file, Executive::default(), 0);
    assert_eq!(look().len(), 1);
    assert_eq!(look()[0].level, Level::Fail);

    std::fs::write(&file, "nmae = 1").unwrap();
    assert_eq!(look()[0].todo.as_deref(), Some("did you mean `name`?"));

    std::fs::write(&file, "").unwrap();
    let found = look();
    let levels = |check: &str| -> Vec<Level> {
        let of = found.iter().filter(|it| it.check == check);
        of.map(|it| it.level).collect()
    };
    assert_eq!(levels("config"), [Level::Warn; 2]);
    assert_eq!(levels("keys"), [Level::Fail]);
    assert_eq!(levels("chain"), [Level::Fail]);
    assert_eq!(levels("ports").len(), 3);
    assert_eq!(levels("disk").len(), 1);
    assert!(
        found
            .iter()
            .all(|it| (it.level == Level::Ok) == it.todo.is_none())
    );
}
