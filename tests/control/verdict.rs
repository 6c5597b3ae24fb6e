//! The table of refusals: the model's beside the runtime's.

use allod_control_model::Refusal;

use super::ledger::Verdict;

/// What the model says of an operation, by name.
pub(crate) fn label(judged: Result<Result<(), Refusal>, Refusal>) -> String {
    match judged {
        Ok(Ok(())) => "done".to_owned(),
        Ok(Err(refusal)) => format!("taken, {refusal:?}"),
        Err(refusal) => format!("{refusal:?}"),
    }
}

/// Returns whether both say the same of an operation: taken or not, done or not, and why.
pub(crate) fn agree(judged: Result<Result<(), Refusal>, Refusal>, verdict: &Verdict) -> bool {
    match (judged, verdict) {
        (Ok(Ok(())), Verdict::Taken(Ok(()))) => true,
        (Ok(Err(refusal)), Verdict::Taken(Err(name))) => named(refusal).contains(&name.as_str()),
        // What is ahead of its turn is looked at by the runtime like what is in turn, since a
        // mempool may keep it.
        (Err(Refusal::Future), Verdict::Waits) => true,
        (Err(Refusal::Future), Verdict::Refused(name)) => {
            ["Future", "OverQuota", "BadProof"].contains(&name.as_str())
        }
        (Err(refusal), Verdict::Refused(name)) => named(refusal).contains(&name.as_str()),
        _ => false,
    }
}

fn named(refusal: Refusal) -> &'static [&'static str] {
    match refusal {
        Refusal::WrongNetwork => &["WrongNetwork"],
        Refusal::WrongFork => &["WrongFork"],
        Refusal::Expired => &["Expired"],
        Refusal::ValidTooLong => &["ValidTooLong"],
        Refusal::WrongPayer => &["WrongPayer"],
        // The lane is part of an operation's form.
        Refusal::Malformed | Refusal::WrongLane => &["Malformed"],
        Refusal::NotFound => &["NotFound"],
        Refusal::Deactivated => &["Deactivated"],
        Refusal::Stale => &["Stale"],
        Refusal::Future => &["Future"],
        Refusal::ForkedLane => &["ForkedLane"],
        Refusal::OverQuota => &["OverQuota"],
        Refusal::BadProof => &["BadProof"],
        Refusal::NotController => &["NotController"],
        Refusal::NotAbove => &["NotAbove"],
        Refusal::RevealRequired => &["RevealRequired"],
        Refusal::MustWait => &["MustWait"],
        Refusal::NoCapability => &["NoCapability"],
        Refusal::KeyInTwoRanks => &["KeyInTwoRanks"],
        Refusal::NoSuchPending => &["NoSuchPending"],
        Refusal::SlotTaken => &["SlotTaken"],
        Refusal::HigherPending => &["HigherPending"],
        Refusal::CoolingDown => &["CoolingDown"],
        Refusal::NoSuchMethod => &["NoSuchMethod"],
        // The model's methods are fragment and key in one.
        Refusal::MethodUsed => &["FragmentUsed", "KeyUsed"],
        Refusal::NotMonotone => &["NotMonotone"],
        Refusal::InFuture => &["InFuture"],
    }
}
