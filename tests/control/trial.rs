//! One plan run three times at once: by the model, by the runtime, by a verifier of the log.

use std::collections::BTreeMap;

use allod_control_model::{
    Carrier, Context, Lane, OperationId, Retirement, Rules, State, Status, Submission, settled,
    step,
};
use allod_primitives::document::RetireReason;
use allod_primitives::log::{LogEntry, LogKind};
use allod_primitives::operation::{Lane as RealLane, SignedOperation};
use allod_primitives::record::{DidRecord, Status as RealStatus};
use allod_primitives::{H256, TimeMs};
use allod_runtime::did;

use super::base::{Base, incept};
use super::concrete::{Dictionary, bits, fragment, proposer};
use super::exported::Exported;
use super::ledger::{Ledger, Verdict};
use super::plan::{BEGIN, INCEPTION, Plan, Step};
use super::replay::Replay;
use super::verdict::{agree, label};

/// Steps from one block that is executed a second time to the next.
const EXECUTED_AGAIN_EVERY: usize = 8;

/// Where model, runtime and replay part.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// Position of the step in its plan.
    pub(crate) step: usize,
    /// What each says.
    pub(crate) text: String,
}

/// What a run met, by name, and how often.
pub(crate) type Met = BTreeMap<String, u64>;

/// Runs `plan`; `rules` are the model's.
pub(crate) fn run(
    base: &Base,
    plan: &Plan,
    rules: &Rules,
    met: &mut Met,
) -> Result<(), Difference> {
    let begin = |text: String| Difference { step: 0, text };
    let mut trial = Trial::begin(base, plan, rules).map_err(begin)?;
    for (index, step) in plan.steps.iter().enumerate() {
        let again = index % EXECUTED_AGAIN_EVERY == 0;
        let done = trial.step(step, again, met);
        done.map_err(|text| Difference { step: index, text })?;
    }
    let invariants = did::invariants::check(&trial.ledger.state);
    let invariants = invariants.map_err(|it| format!("an invariant of the state: {it}"));
    let (exported, did) = (trial.exported, &trial.dictionary.did);
    let checked = invariants.and_then(|()| exported.check(&trial.ledger, did));
    let end = plan.steps.len().saturating_sub(1);
    checked.map_err(|text| Difference { step: end, text })
}

struct Trial<'a> {
    rules: &'a Rules,
    others: &'a [(u8, State)],
    model: State,
    ledger: Ledger,
    dictionary: Dictionary,
    replay: Replay,
    exported: Exported,
    /// Operations as they were sent.
    sent: BTreeMap<OperationId, (Submission, SignedOperation)>,
}

impl<'a> Trial<'a> {
    fn begin(base: &'a Base, plan: &Plan, rules: &'a Rules) -> Result<Self, String> {
        let mut ledger = base.ledger.clone();
        let mut dictionary = base.dictionary.clone();
        let (policy, document) = (&plan.policy, &plan.document);
        let signers = policy.ranks[0].set.keys;
        let (hash, signed, entry) = incept(
            &mut ledger,
            &mut dictionary,
            BEGIN,
            policy,
            document,
            signers,
        );
        dictionary.learn(INCEPTION, hash);
        let replay = Replay::begin(&signed.operation, &entry)?;
        let mut exported = Exported::default();
        exported.extend(&[(entry, None)], &signed, None);
        let trial = Self {
            rules,
            others: &base.others,
            model: State::incepted(*policy, document.clone(), INCEPTION),
            ledger,
            dictionary,
            replay,
            exported,
            sent: BTreeMap::new(),
        };
        trial.compare(BEGIN)?;
        Ok(trial)
    }

    fn step(&mut self, it: &Step, again: bool, met: &mut Met) -> Result<(), String> {
        let now = it.now;
        // Readers see what time has brought about before any block says so.
        self.compare(now)?;
        let (submission, signed) = match it.again {
            Some(id) => match self.sent.get(&id) {
                Some(earlier) => earlier.clone(),
                None => return Ok(()),
            },
            None => self.made(it),
        };
        let id = submission.operation.id;
        self.sent.insert(id, (submission, signed.clone()));
        let in_batch = submission.carrier == Carrier::Batch;
        let (verdict, logged) =
            self.ledger
                .offer(now, &self.dictionary.did, &signed, in_batch, again);
        let entries: Vec<LogEntry> = logged.iter().map(|it| it.0).collect();
        let mut at = Context::new(self.rules, now);
        at.others = self.others;
        let before = settled(&self.model, self.rules, now);
        let expected = step(&self.model, &at, &submission);
        let judged = expected.as_ref().map(|it| it.result).map_err(|it| *it);
        *met.entry(label(judged)).or_default() += 1;
        if !agree(judged, &verdict) {
            return Err(format!("model: {judged:?}, runtime: {verdict:?}"));
        }
        let effects: Vec<H256> = before
            .effects
            .iter()
            .map(|it| self.dictionary.hash(it.0))
            .collect();
        if !effects.is_empty() {
            *met.entry("a change took effect".to_owned()).or_default() += 1;
        }
        let automatic = entries.iter().filter(|it| it.kind == LogKind::Automatic);
        let automatic: Vec<H256> = automatic.map(|it| it.operation_hash).collect();
        if effects != automatic {
            return Err(format!(
                "effects, model: {effects:?}, runtime: {automatic:?}"
            ));
        }
        // The ledger writes down what time has brought about, whatever becomes of the operation.
        self.model = expected.map_or(before.state, |it| it.state);
        let failure = match &verdict {
            Verdict::Taken(Err(name)) => Some(name.as_str()),
            _ => None,
        };
        self.exported.extend(&logged, &signed, failure);
        self.replay(&signed, &verdict, &entries)?;
        self.compare(now)
    }

    fn made(&mut self, it: &Step) -> (Submission, SignedOperation) {
        let submission = it.placed(&self.model, self.rules);
        let operation = self.dictionary.operation(&submission.operation);
        self.dictionary
            .learn(submission.operation.id, operation.hash());
        let guardians = settled(&self.model, self.rules, it.now)
            .state
            .policy
            .guardians;
        let signed = self
            .dictionary
            .signed(operation, &submission, guardians.as_ref());
        (submission, signed)
    }

    /// Lets the verifier follow the log, and compares its record with the ledger's.
    fn replay(
        &mut self,
        signed: &SignedOperation,
        verdict: &Verdict,
        entries: &[LogEntry],
    ) -> Result<(), String> {
        self.replay.export(signed);
        for entry in entries {
            let followed = self.replay.follow(entry);
            followed.map_err(|it| format!("replay: {it}"))?;
        }
        if let Verdict::Taken(outcome) = verdict {
            let found = self
                .replay
                .last
                .map_err(|it| format!("{:?}", did::Error::from(it)));
            if found != *outcome {
                return Err(format!("replay: {found:?}, runtime: {outcome:?}"));
            }
        }
        let record = did::record(&self.ledger.state, &self.dictionary.did);
        if record.as_ref() != Some(&self.replay.record) {
            let replayed = &self.replay.record;
            return Err(format!("replay: {replayed:#?}, runtime: {record:#?}"));
        }
        let retired = did::retired_methods(&self.ledger.state, &self.dictionary.did);
        let same = retired.len() == self.replay.retired.len()
            && retired
                .iter()
                .all(|it| self.replay.retired.get(&it.method.fragment) == Some(it));
        if same {
            Ok(())
        } else {
            Err("replay: other retired methods".to_owned())
        }
    }

    /// Compares the identity as model, runtime and replay see it at `now`.
    fn compare(&self, now: u64) -> Result<(), String> {
        let model = settled(&self.model, self.rules, now).state;
        let did = &self.dictionary.did;
        let record = did::effective_record(&self.ledger.state, did, TimeMs(now));
        let record = record.ok_or("the record is gone")?;
        if record != self.replay.at(now) {
            return Err("replay and runtime see other effects of time".to_owned());
        }
        same("status", &status(&model), &record.status)?;
        same(
            "policy",
            &self.dictionary.policy(&model.policy),
            &record.policy,
        )?;
        same(
            "pending",
            &self.dictionary.pending(&model),
            &record.pending.to_vec(),
        )?;
        same("not_before", &model.not_before, &record.not_before.0)?;
        same("epoch", &model.grant_epoch, &record.grant_epoch)?;
        let controllers = self.dictionary.controllers(model.document.controllers);
        same("controllers", &controllers, &record.document.controllers)?;
        if model.is_active() {
            same("cool-downs", &self.cool_downs(&model), &cool_downs(&record))?;
        }
        self.compare_lanes(&model, &record)?;
        self.compare_methods(&model, &record)?;
        self.compare_quota(&model, now)
    }

    fn cool_downs(&self, model: &State) -> Vec<(String, u64, u64)> {
        let rests = model.cool_downs.iter().enumerate();
        let resting = rests.filter(|(_, it)| it.count > 0);
        let next = |count: u8| self.rules.cool_down(count.saturating_add(1));
        let found = resting.map(|(slot, it)| (name(proposer(slot)), it.until, next(it.count)));
        found.collect()
    }

    fn compare_lanes(&self, model: &State, record: &DidRecord) -> Result<(), String> {
        for lane in LANES {
            let head = model.lanes[self.rules.lane_slot(lane)];
            let real = record.lanes.get(super::concrete::lane(lane));
            let real = real.ok_or("no such lane")?;
            let expected = (head.next_seq, self.dictionary.hash(head.last));
            same(&format!("{lane:?}"), &expected, &(real.next_seq, real.last))?;
        }
        Ok(())
    }

    fn compare_methods(&self, model: &State, record: &DidRecord) -> Result<(), String> {
        let active: Vec<_> = bits(model.document.methods).map(fragment).collect();
        let methods = record.document.methods.iter();
        let found: Vec<_> = methods.map(|it| it.method.fragment.clone()).collect();
        same("methods", &active, &found)?;
        let retired = &model.document.retired;
        same("retired", &retired.len(), &(record.retired_count as usize))?;
        if record.retired_count as usize != self.replay.retired.len() {
            // An effect that is not written down yet.
            return Ok(());
        }
        let reason = |it: Retirement| match it {
            Retirement::Routine => RetireReason::Routine,
            Retirement::CompromisedSince(at) => RetireReason::CompromisedSince(TimeMs(at)),
        };
        for (number, it) in retired {
            let found = self.replay.retired.get(&fragment(u32::from(*number)));
            same("reason", &Some(reason(*it)), &found.map(|it| it.reason))?;
        }
        Ok(())
    }

    fn compare_quota(&self, model: &State, now: u64) -> Result<(), String> {
        let used = did::quota_at(&self.ledger.state, &self.dictionary.did, TimeMs(now));
        let day = now / self.rules.day;
        for lane in LANES {
            let count = match super::concrete::lane(lane) {
                RealLane::Rank(index) => used.ranks[usize::from(index)],
                RealLane::Next(index) => used.next[usize::from(index)],
                RealLane::Guardians => used.guardians,
                RealLane::Documents => used.documents,
            };
            let expected = match model.quota.day == day {
                true => model.quota.used[self.rules.lane_slot(lane)],
                false => 0,
            };
            same(&format!("quota of {lane:?}"), &expected, &count)?;
        }
        if model.quota.day == day {
            same("lanes given back", &model.quota.renewed, &used.renewed)?;
        }
        Ok(())
    }
}

const LANES: [Lane; 10] = [
    Lane::Rank(0),
    Lane::Rank(1),
    Lane::Rank(2),
    Lane::Rank(3),
    Lane::Next(0),
    Lane::Next(1),
    Lane::Next(2),
    Lane::Next(3),
    Lane::Guardians,
    Lane::Documents,
];

fn status(model: &State) -> RealStatus {
    match model.status {
        Status::Active => RealStatus::Active,
        Status::Deactivated(at) => RealStatus::Deactivated { at: TimeMs(at) },
    }
}

fn cool_downs(record: &DidRecord) -> Vec<(String, u64, u64)> {
    let rests = record.cool_downs.iter();
    rests
        .map(|it| (name(it.proposer), it.until.0, it.next_ms))
        .collect()
}

fn name(it: impl std::fmt::Debug) -> String {
    format!("{it:?}")
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, model: &T, runtime: &T) -> Result<(), String> {
    if model == runtime {
        return Ok(());
    }
    Err(format!("{what}, model: {model:#?}, runtime: {runtime:#?}"))
}
