//! `allod gov propose … --dry-run`: what a proposal would do and take, before anybody signs it.
//!
//! Said on the node's word and as of now: the ledger judges when the last vote is cast. What it is
//! sure to refuse of a change of validators is said as the ledger would say it.
//!
//! Source: spec/governance.md §3 and §4.

use allod_identity_client::rpc::Membership;
use allod_primitives::certificate::Validator;
use allod_primitives::governance::{
    self, Action, Actions, GOVERNANCE_VERSION, Requirement, Rule, Trustees,
};
use allod_primitives::limits::VALIDATORS_KEPT_MIN;
use allod_primitives::{BoundedVec, PublicKey, TimeMs};
use allod_rpc_api::authority::RulesResponse;
use serde_json::{Value, json};

use super::actions::{say, shown, when};
use crate::console::Report;
use crate::failure::{Exit, Failure};
use crate::session::{Network, Session};

/// Why the ledger would refuse a change of validators.
type Refused = (&'static str, String);

pub(super) async fn preview(
    session: &Session,
    network: &Network,
    actions: &[Action],
) -> Result<Report, Failure> {
    let rules = session.rules().await?;
    let takes = requirement(&rules, actions)?;
    let (votes, delay_ms) = (takes.votes, takes.delay_ms);
    let mut lines: Vec<String> = actions
        .iter()
        .map(|it| format!("action     {}", say(network, it)))
        .collect();
    let takes = match delay_ms {
        0 => "at once".to_owned(),
        ms => format!("then waits {} s", ms / 1000),
    };
    let trustees = rules.trustees.len();
    lines.push(format!(
        "takes      {votes} of {trustees} trustees' votes, {takes}"
    ));
    let mut fields = json!({
        "dryRun": true,
        "actions": actions.iter().map(|it| shown(network, it)).collect::<Vec<Value>>(),
        "votesNeeded": votes,
        "delayMs": delay_ms,
    });
    for action in actions {
        let Action::ReplaceValidator { remove, add } = action else {
            continue;
        };
        let at = network.context.block_hash.to_string();
        let members = session.client.membership(&at).await?;
        let now = members.next.set.validators();
        let then = changed(
            now,
            remove.as_ref(),
            add.as_ref().map(|it| (it.public_key, it.power)),
        );
        lines.push(format!("now        {}", summary(now)));
        lines.push(format!(
            "then       {}, from the second block after its approval on",
            summary(&then)
        ));
        fields["now"] = set_json(now);
        fields["then"] = set_json(&then);
        let period = rules.parameters.validator_change_period_ms;
        refused(
            &members,
            remove.as_ref(),
            add.as_ref().map(|it| &it.public_key),
        )?;
        turnover(&members, now, &then, network.now(), period)?;
    }
    Ok(Report::new(lines.join("\n"), fields).note("nothing was sent"))
}

/// Returns what the actions take, as the ledger finds it. A node that does not say what a kind takes
/// is believed nothing.
fn requirement(rules: &RulesResponse, actions: &[Action]) -> Result<Requirement, Failure> {
    let actions = Actions::try_from(actions.to_vec()).map_err(|_| {
        Failure::usage(
            "more actions than a proposal can have",
            "propose less at once",
        )
    })?;
    let accounts = rules.trustees.iter().map(|it| PublicKey(it.0.0));
    let trustees = Trustees {
        version: GOVERNANCE_VERSION,
        accounts: BoundedVec::try_from(accounts.collect::<Vec<_>>())
            .map_err(|_| untold("trustees"))?,
        threshold: rules.threshold,
    };
    governance::requirement(Some(&trustees), &actions, |kind| {
        let entry = rules.rules.iter().find(|it| it.kind == kind.name());
        let entry = entry.ok_or_else(|| untold(kind.name()))?;
        Ok(Rule {
            votes: (!entry.by_threshold).then_some(entry.votes),
            delay_ms: entry.delay_ms,
        })
    })
}

fn untold(what: &str) -> Failure {
    let told = format!("the node does not say what the ledger's rule for {what} is");
    Failure::new(
        Exit::Unavailable,
        "client.answer",
        told,
        "ask another node (--url)",
    )
}

fn changed(
    now: &[Validator],
    remove: Option<&PublicKey>,
    add: Option<(PublicKey, u64)>,
) -> Vec<Validator> {
    let stay = now.iter().filter(|it| Some(&it.public_key) != remove);
    let mut then: Vec<Validator> = stay.cloned().collect();
    then.extend(add.map(|(public_key, power)| Validator { public_key, power }));
    then
}

fn power(set: &[Validator]) -> u64 {
    set.iter().fold(0, |sum, it| sum.saturating_add(it.power))
}

/// Returns the least power that certifies a block: more than two thirds.
fn quorum(set: &[Validator]) -> u128 {
    u128::from(power(set)) * 2 / 3 + 1
}

/// Returns how many validators may be away, whichever they are.
fn may_be_away(set: &[Validator]) -> usize {
    let mut powers: Vec<u64> = set.iter().map(|it| it.power).collect();
    powers.sort_unstable();
    let mut left = u128::from(power(set));
    let needed = quorum(set);
    let mut away = 0;
    while let Some(strongest) = powers.pop() {
        left = left.saturating_sub(strongest.into());
        if left < needed {
            break;
        }
        away += 1;
    }
    away
}

fn summary(set: &[Validator]) -> String {
    format!(
        "{} validators of power {}, {} certify, any {} may be away",
        set.len(),
        power(set),
        quorum(set),
        may_be_away(set)
    )
}

fn set_json(set: &[Validator]) -> Value {
    let validators = set
        .iter()
        .map(|it| json!({ "publicKey": it.public_key.to_string(), "power": it.power }));
    json!({
        "validators": validators.collect::<Vec<_>>(),
        "power": power(set),
        "quorum": u64::try_from(quorum(set)).unwrap_or(u64::MAX),
        "mayBeAway": may_be_away(set),
    })
}

/// Refuses who is not there, or is there already.
fn refused(
    members: &Membership,
    remove: Option<&PublicKey>,
    add: Option<&PublicKey>,
) -> Result<(), Failure> {
    let set = &members.next.set;
    let hint = "`allod chain validators` says who is in the set";
    if let Some(key) = remove.filter(|key| set.position(key).is_none()) {
        let told = format!("{key} is no validator");
        return Err(Failure::negative(
            "authority.validator_not_found",
            told,
            hint,
        ));
    }
    if let Some(key) = add.filter(|key| set.position(key).is_some() && remove != Some(*key)) {
        let told = format!("{key} is a validator already");
        let slug = "authority.validator_already_exists";
        return Err(Failure::negative(slug, told, hint));
    }
    Ok(())
}

/// Refuses what is more than may change in one period.
fn turnover(
    members: &Membership,
    now: &[Validator],
    then: &[Validator],
    time: TimeMs,
    period_ms: u64,
) -> Result<(), Failure> {
    if let Some((slug, told)) = too_small(now, then) {
        let hint = "add another validator first, or replace this one by the new one";
        return Err(Failure::negative(slug, told, hint));
    }
    let recent = members
        .recent
        .iter()
        .filter(|it| it.plus_ms(period_ms) > time);
    let recent: Vec<&TimeMs> = recent.collect();
    let before = match (recent.len() == members.recent.len(), members.members_before) {
        (true, Some(before)) => before as usize,
        _ => now.len(),
    };
    let max = (before.saturating_sub(1) / 3).max(1);
    let Some(oldest) = recent.first().filter(|_| recent.len() >= max) else {
        return Ok(());
    };
    let told = format!(
        "{} of at most {max} validators have changed in {} s",
        recent.len(),
        period_ms / 1000
    );
    let again = oldest.plus_ms(period_ms).0.saturating_add(1000);
    let hint = format!("cast the last vote after {}", when(again));
    Err(Failure::negative("authority.too_many_changes", told, hint))
}

fn too_small(now: &[Validator], then: &[Validator]) -> Option<Refused> {
    let told = if then.is_empty() {
        "the last validator cannot leave".to_owned()
    } else if then.len() < now.len() && now.len() == VALIDATORS_KEPT_MIN {
        format!("{VALIDATORS_KEPT_MIN} validators never become fewer")
    } else {
        return None;
    };
    Some(("authority.set_too_small", told))
}

#[cfg(test)]
mod tests {
    use allod_primitives::governance::ActionKind;

    use super::*;

    fn set(powers: &[u64]) -> Vec<Validator> {
        let of = |(index, power): (usize, &u64)| Validator {
            public_key: PublicKey([u8::try_from(index).unwrap_or(0); 32]),
            power: *power,
        };
        powers.iter().enumerate().map(of).collect()
    }

    #[test]
    fn a_set_bears_the_loss_of_its_strongest_while_two_thirds_remain() {
        let away = |powers: &[u64]| may_be_away(&set(powers));
        assert_eq!(
            [
                &[1][..],
                &[1, 1, 1],
                &[3, 3, 2],
                &[1; 4],
                &[1; 7],
                &[5, 1, 1, 1]
            ]
            .map(away),
            [0, 0, 0, 1, 2, 0]
        );
        assert_eq!(quorum(&set(&[3, 3, 2])), 6);
        assert_eq!(quorum(&set(&[1; 4])), 3);
    }

    /// Method: rules as a node says them, with one that was left out.
    #[test]
    fn a_proposal_takes_what_its_rules_say_and_nothing_is_guessed() {
        let mut rules: RulesResponse = serde_json::from_value(json!({
            "trustees": [format!("0x{}", "11".repeat(32)), format!("0x{}", "22".repeat(32))],
            "threshold": 2,
            "rules": [
                { "kind": "setParameters", "votes": 2, "byThreshold": true, "delayMs": 9000 },
                { "kind": "setRule", "votes": 1, "byThreshold": false, "delayMs": 7000 },
            ],
            "parameters": {
                "blockSpacingMs": 1, "heartbeatMsMin": 1, "heartbeatMsMax": 1,
                "validatorChangePeriodMs": 1, "controlDelayMsMin": 1, "controlDelayMsMax": 1,
            },
            "height": 1, "blockHash": format!("0x{}", "33".repeat(32)), "time": 1,
        }))
        .unwrap();
        let amends = [Action::SetRule {
            kind: ActionKind::SetParameters,
            rule: Rule::default_of(ActionKind::SetParameters),
        }];
        let takes = requirement(&rules, &amends).unwrap();
        assert_eq!((takes.votes, takes.delay_ms), (2, 9000), "the most of both");
        rules.rules.remove(0);
        let refused = requirement(&rules, &amends).unwrap_err();
        assert!(refused.message.contains("setParameters"), "{refused:?}");
        assert_eq!(refused.exit, Exit::Unavailable);
    }

    #[test]
    fn a_change_is_shown_as_the_ledger_would_make_it() {
        let now = set(&[3, 3, 2]);
        let keys = |of: &[Validator]| of.iter().map(|it| it.public_key.0[0]).collect::<Vec<_>>();
        let new = (PublicKey([9; 32]), 2);
        assert_eq!(keys(&changed(&now, None, Some(new))), [0, 1, 2, 9]);
        let gone = PublicKey([1; 32]);
        assert_eq!(keys(&changed(&now, Some(&gone), Some(new))), [0, 2, 9]);
        assert_eq!(power(&changed(&now, Some(&gone), None)), 5);
        assert!(too_small(&set(&[1; 4]), &set(&[1; 3])).is_some());
        assert!(too_small(&set(&[1; 3]), &set(&[1; 2])).is_none());
        assert!(too_small(&set(&[1]), &[]).is_some());
    }
}
