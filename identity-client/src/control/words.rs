//! Names and times in words.

use allod_primitives::TimeMs;
use allod_primitives::control::Party;
use allod_primitives::policy::ControlKey;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::hex;

/// Returns a party's name, such as `the recovery sheet (next keys of rank 0)`.
pub fn party_name(party: Party) -> String {
    match party {
        Party::Next(0) => "the recovery sheet (next keys of rank 0)".into(),
        Party::Next(rank) => format!("the next keys of rank {rank}"),
        Party::Rank(rank) => format!("rank {rank}"),
        Party::Guardians => "the guardians".into(),
    }
}

/// Returns a key as its type and its bytes, such as `ed25519:0x…`.
pub fn key_name(key: &ControlKey) -> String {
    match key {
        ControlKey::Ed25519(key) => format!("ed25519:{key}"),
        ControlKey::P256(key) => format!("p256:{}", hex::encode(key)),
        ControlKey::Secp256k1(key) => format!("secp256k1:{}", hex::encode(key)),
        ControlKey::WebAuthn(key) => {
            let origin = key.origin.as_str();
            format!("passkey:{} of {origin}", hex::encode(key.public_key))
        }
    }
}

/// Returns a time as RFC 3339 in UTC, to the second; times beyond its range as milliseconds.
pub fn date(time: TimeMs) -> String {
    let seconds = i64::try_from(time.seconds()).ok();
    let date = seconds.and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok());
    let text = date.and_then(|it| it.format(&Rfc3339).ok());
    text.unwrap_or_else(|| format!("{} ms", time.0))
}

/// Returns a duration in the largest unit that fits, such as `3 days`.
pub fn span(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1_000, "second"),
    ];
    let fits = |(unit, _): &&(u64, &str)| ms >= *unit && ms.is_multiple_of(*unit);
    let Some((unit, name)) = UNITS.iter().find(fits) else {
        return format!("{ms} ms");
    };
    let count = ms / unit;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}
