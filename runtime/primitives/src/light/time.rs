//! What a verified header is worth now: checks of time and place.
//!
//! Pure: the caller's clock arrives as `now`.
//!
//! Source: spec/proofs.md §3, 23 to 28.

use crate::limits::CLOCK_AHEAD_MS_MAX;
use crate::types::{Height, TimeMs};

use super::{HeaderMark, LightError, VerifiedHeader};

/// Checks that the newest header verified is not older than the trusting period.
///
/// # Errors
/// [`LightError::TrustExpired`]: only a newer checkpoint helps.
pub fn check_trust_age(
    newest: &HeaderMark,
    now: TimeMs,
    trusting_period_ms: u64,
) -> Result<(), LightError> {
    let until = newest.time.plus_ms(trusting_period_ms);
    ensure!(now <= until, LightError::TrustExpired { until, now });
    Ok(())
}

/// Checks that the head is not from the future.
///
/// # Errors
/// [`LightError::HeadAhead`]: the node lies, or this clock is behind.
pub fn check_head_ahead(head: &VerifiedHeader, now: TimeMs) -> Result<(), LightError> {
    let time = head.time();
    let latest = now.plus_ms(CLOCK_AHEAD_MS_MAX);
    ensure!(time <= latest, LightError::HeadAhead { time, now });
    Ok(())
}

/// Checks that the head is young enough for an answer as of now.
///
/// # Errors
/// [`LightError::HeadStale`].
pub fn check_head_stale(
    head: &VerifiedHeader,
    now: TimeMs,
    staleness_ms_max: u64,
) -> Result<(), LightError> {
    let time = head.time();
    let until = time.plus_ms(staleness_ms_max);
    ensure!(now <= until, LightError::HeadStale { time, now });
    Ok(())
}

/// Checks that the head reaches `at_least`.
///
/// # Errors
/// [`LightError::HeadTooLow`].
pub fn check_head_too_low(head: &VerifiedHeader, at_least: Height) -> Result<(), LightError> {
    let actual = head.number();
    ensure!(
        actual >= at_least,
        LightError::HeadTooLow { at_least, actual }
    );
    Ok(())
}

/// Checks that the head is the block at `at`.
///
/// # Errors
/// [`LightError::HeadOther`].
pub fn check_head_other(head: &VerifiedHeader, at: Height) -> Result<(), LightError> {
    let actual = head.number();
    ensure!(actual == at, LightError::HeadOther { at, actual });
    Ok(())
}

/// Checks that the head is not below `answered`, the highest head of an answer as of now so far.
///
/// # Errors
/// [`LightError::HeadBack`].
pub fn check_head_back(head: &VerifiedHeader, answered: Height) -> Result<(), LightError> {
    let actual = head.number();
    ensure!(
        actual >= answered,
        LightError::HeadBack { answered, actual }
    );
    Ok(())
}
