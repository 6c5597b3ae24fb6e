//! Times and durations as people write them.

use std::str::FromStr;
use std::time::Duration;

use allod_identity_client::hex;
use allod_primitives::log::LogHead;
use allod_primitives::{H256, TimeMs};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where a log ends: `<entries>-<head>`, as the `versionId` of a document says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEnd(pub LogHead);

impl FromStr for LogEnd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, head) = text.split_once('-').ok_or("write COUNT-HEAD")?;
        let digits = head.strip_prefix("0x").unwrap_or(head);
        let head = hex::decode_array(&format!("0x{digits}"));
        Ok(Self(LogHead {
            count: count.parse().map_err(|_| "COUNT is a number")?,
            head: H256(head.map_err(|_| "HEAD is 64 hexadecimal digits")?),
        }))
    }
}

/// A duration in whole seconds: `90`, `90s`, `15m`, `12h`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub u64);

impl Seconds {
    /// Returns it for timers.
    pub(crate) const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Returns milliseconds; saturates.
    pub(crate) const fn ms(self) -> u64 {
        self.0.saturating_mul(1000)
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err("units are s, m, h and d".into()),
        };
        let number: u64 = digits.parse().map_err(|_| "write 90s, 15m, 12h or 30d")?;
        match number.checked_mul(unit) {
            Some(seconds) if seconds > 0 => Ok(Self(seconds)),
            _ => Err("it must be more than nothing and less than for ever".into()),
        }
    }
}

/// A point in time: `now`, seconds since 1970, or RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Whatever the time is when it is used.
    Now,
    /// This time.
    At(TimeMs),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Now);
        }
        if let Ok(seconds) = text.parse::<u64>() {
            return Ok(Self::At(TimeMs(seconds.saturating_mul(1000))));
        }
        let parsed = OffsetDateTime::parse(text, &Rfc3339);
        let nanoseconds = parsed
            .map_err(|_| "write now, seconds since 1970, or 2026-01-31T12:00:00Z")?
            .unix_timestamp_nanos();
        let ms = u64::try_from(nanoseconds / 1_000_000).map_err(|_| "it is before 1970")?;
        Ok(Self::At(TimeMs(ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_are_more_than_nothing() {
        let read = |text: &str| text.parse::<Seconds>().ok().map(|it| it.0);
        assert_eq!(read("90"), Some(90));
        assert_eq!(read("90s"), Some(90));
        assert_eq!(read("15m"), Some(900));
        assert_eq!(read("12h"), Some(43_200));
        assert_eq!(read("30d"), Some(2_592_000));
        for text in [
            "",
            "s",
            "0",
            "1y",
            "-1",
            "1.5h",
            "1h30m",
            "99999999999999999d",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn moments_are_now_seconds_or_rfc_3339() {
        let read = |text: &str| text.parse::<Moment>().ok();
        assert_eq!(read("now"), Some(Moment::Now));
        assert_eq!(read("7"), Some(Moment::At(TimeMs(7000))));
        let date = read("1970-01-02T01:00:00+01:00");
        assert_eq!(date, Some(Moment::At(TimeMs(86_400_000))));
        assert_eq!(read("yesterday"), None);
        assert_eq!(read("1969-12-31T00:00:00Z"), None);
    }
}
