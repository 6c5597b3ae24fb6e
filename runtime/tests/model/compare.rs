//! Model and state, compared in full.

use std::collections::BTreeMap;

use allod_primitives::document::RetiredMethod;
use allod_primitives::keys;
use allod_primitives::operation::Lane;
use allod_primitives::record::QuotaUse;
use allod_runtime::{authority, did, grant, revocation, system};

use super::chain::Chain;
use super::ledger::{Identity, Ledger};

/// Asserts that the state holds what the model says, and nothing else of identities.
pub(crate) fn compare(model: &Ledger, chain: &Chain) {
    let state = &chain.state;
    let mut retired = 0;
    let mut waiting = 0;
    let mut paying = 0;
    for (did, identity) in &model.identities {
        let record = did::record(state, did);
        assert_eq!(
            record,
            Some(identity.record()),
            "model and runtime disagree: record"
        );
        let fragment = |it: &RetiredMethod| it.method.fragment.clone();
        let by_fragment = |list: Vec<RetiredMethod>| -> BTreeMap<_, _> {
            list.into_iter().map(|it| (fragment(&it), it)).collect()
        };
        let listed = by_fragment(did::retired_methods(state, did));
        let expected = by_fragment(identity.retired.clone());
        assert_eq!(
            listed, expected,
            "model and runtime disagree: retired methods"
        );
        retired += identity.retired.len();
        waiting += usize::from(!identity.pending.is_empty());
        let today = |it: &(u64, Option<Lane>)| it.0 == model.day();
        let renewed = identity.renewed.iter().any(|it| it.0 == model.day());
        paying += usize::from(renewed || identity.paid.iter().any(today));
        let used = did::quota(state, did).unwrap_or_default();
        compare_quota(model.day(), identity, &used);
    }
    compare_others(model, chain);
    let sizes = [
        ("Did", "Records", model.identities.len()),
        ("Did", "Retired", retired),
        ("Did", "RetiredKeys", retired),
        ("Did", "Due", waiting),
        ("Did", "Quotas", paying),
        ("Did", "QuotaDays", paying),
        ("Revocation", "Tags", model.tokens.len()),
        ("Revocation", "Expiries", model.tokens.len()),
        ("Grant", "Grants", model.grants.len()),
        ("Grant", "Expiries", model.grants.len()),
    ];
    for (pallet, item, size) in sizes {
        let prefix = keys::item(pallet, item);
        let found = state.keys().filter(|key| key.starts_with(&prefix)).count();
        assert_eq!(
            found, size,
            "model and runtime disagree: size of {pallet}.{item}"
        );
    }
}

/// Tokens, grants and registrars.
fn compare_others(model: &Ledger, chain: &Chain) {
    let state = &chain.state;
    for (tag, entry) in &model.tokens {
        let found = revocation::revocation(state, tag);
        assert_eq!(
            found.as_ref(),
            Some(entry),
            "model and runtime disagree: token"
        );
    }
    for (gid, entry) in &model.grants {
        let found = grant::grant(state, gid);
        assert_eq!(
            found.as_ref(),
            Some(entry),
            "model and runtime disagree: grant"
        );
    }
    for (account, registrar) in &model.registrars {
        let today = model.day();
        let paid = registrar.paid.iter().filter(|day| **day == today).count();
        let left = authority::remaining_budget(state, account, today as u32);
        assert_eq!(
            left as usize,
            registrar.per_day - paid,
            "model and runtime disagree: budget"
        );
        let nonce = system::nonce(state, account);
        assert_eq!(nonce, registrar.nonce, "model and runtime disagree: nonce");
    }
}

/// Yesterday's use says nothing about today.
fn compare_quota(today: u64, identity: &Identity, used: &QuotaUse) {
    let on = |lane| identity.paid_on(today, Some(lane));
    let mut paid: Vec<usize> = (0..4).map(|index| on(Lane::Rank(index))).collect();
    paid.extend((0..4).map(|index| on(Lane::Next(index))));
    paid.extend([Lane::Guardians, Lane::Documents].map(on));
    paid.push(identity.paid_on(today, None));
    let others = [used.guardians, used.documents, used.tokens];
    let counts = used.ranks.iter().chain(&used.next).chain(&others);
    let found: Vec<usize> = counts.map(|it| usize::from(*it)).collect();
    if u64::from(used.day) == today {
        assert_eq!(found, paid, "model and runtime disagree: quota");
        let renewed = |index: &usize| identity.renewed.contains(&(today, *index));
        let bits = (0..4)
            .filter(renewed)
            .fold(0, |bits, index| bits | 1 << index);
        assert_eq!(used.renewed, bits, "model and runtime disagree: quota");
    } else {
        let nothing = paid.iter().all(|it| *it == 0);
        assert!(nothing, "model and runtime disagree: quota");
    }
}
