//! The ledger as a beginner would write it: whole histories in plain lists, nothing derived is
//! kept. It knows neither storage keys nor overlays, and of the state machine under test nothing.

use std::collections::BTreeMap;

use allod_primitives::document::{ActiveMethod, Document, Method, RetireReason, RetiredMethod};
use allod_primitives::grant::{GrantAction, GrantEntry, GrantStatus, SignedGrantMessage};
use allod_primitives::log::{LogEntry, LogHead, LogKind};
use allod_primitives::operation::{Admission, Body, Lane, SignedOperation};
use allod_primitives::policy::{ControlPolicy, GuardianSet, Rank};
use allod_primitives::record::{DidRecord, LaneHead, Lanes, Pending, Proposer, Status};
use allod_primitives::token::{RevocationEntry, SignedTokenOperation};
use allod_primitives::{ChainId, DidId, H256, Height, PublicKey, TimeMs, domain_hash};
use parity_scale_codec::Encode;

/// Why something is refused or failed, by name. The state machine's errors have the same names.
pub(crate) type Name = &'static str;

/// A day in milliseconds.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// What a transaction asks for.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Submit(SignedOperation),
    Incept(SignedOperation, Admission),
    Batch(Vec<SignedOperation>),
    RevokeToken(SignedTokenOperation),
    RevokeTokens(Vec<SignedTokenOperation>),
    RevokeGrant(SignedGrantMessage),
    Anchor(Vec<SignedGrantMessage>),
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Not in a block.
    Refused(Name),
    /// Not in a block yet.
    Waits,
    /// In the block.
    Done(Done),
}

/// What a transaction did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Why the whole of it failed.
    pub(crate) failure: Option<Name>,
    /// Items of a batch that failed.
    pub(crate) items: Vec<(u32, Name)>,
    /// Entries of logs it wrote.
    pub(crate) logged: Vec<(DidId, LogEntry)>,
}

/// One identity.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) created: (u64, u64),
    pub(crate) updated: u64,
    /// Always four, some of them vacant.
    pub(crate) ranks: Vec<Rank>,
    pub(crate) guardians: Option<GuardianSet>,
    pub(crate) delay_ms: u64,
    /// What waits, the highest standing first.
    pub(crate) pending: Vec<Pending>,
    /// Whose changes were cancelled by somebody else and when, until it is forgotten.
    pub(crate) cancelled: Vec<(Proposer, u64)>,
    /// How many methods it may have had on its first day.
    pub(crate) allowance: usize,
    pub(crate) document: Document,
    pub(crate) retired: Vec<RetiredMethod>,
    /// Every operation taken, in order.
    pub(crate) taken: Vec<(Lane, H256)>,
    /// What was paid from the own quota: day, lane or `None` for tokens.
    pub(crate) paid: Vec<(u64, Option<Lane>)>,
    /// On which days which ranks' lanes were given back what was paid from them.
    pub(crate) renewed: Vec<(u64, usize)>,
    pub(crate) not_before: u64,
    pub(crate) epoch: u32,
    pub(crate) ended: Option<u64>,
    pub(crate) log: Vec<LogEntry>,
}

/// A registrar.
#[derive(Clone, Debug)]
pub(crate) struct Registrar {
    pub(crate) per_day: usize,
    /// The day of each item paid.
    pub(crate) paid: Vec<u64>,
    pub(crate) nonce: u32,
}

/// The whole ledger.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) chain: ChainId,
    pub(crate) height: u64,
    pub(crate) now: u64,
    pub(crate) identities: BTreeMap<DidId, Identity>,
    pub(crate) registrars: BTreeMap<PublicKey, Registrar>,
    pub(crate) vouchers: bool,
    pub(crate) work_bits: Option<u8>,
    pub(crate) tokens: Vec<(H256, RevocationEntry)>,
    pub(crate) grants: Vec<(H256, GrantEntry)>,
    /// How many pending changes took effect.
    pub(crate) effects: usize,
}

impl Identity {
    /// Returns how many operations the lane took, and the last.
    pub(crate) fn head(&self, lane: Lane) -> LaneHead {
        let of_lane = || self.taken.iter().filter(|it| it.0 == lane);
        LaneHead {
            next_seq: of_lane().count() as u64,
            last: of_lane().next_back().map_or(H256::ZERO, |it| it.1),
        }
    }

    /// Returns how often this was paid on `day`.
    pub(crate) fn paid_on(&self, day: u64, purpose: Option<Lane>) -> usize {
        let same = |it: &&(u64, Option<Lane>)| **it == (day, purpose);
        self.paid.iter().filter(same).count()
    }

    /// Forgets what was paid today from the lanes of ranks that have other keys than `before`, but
    /// of the rank that did it. Once a day each, unless `always`.
    pub(crate) fn give_back(
        &mut self,
        day: u64,
        before: &[Rank],
        own: Option<usize>,
        always: bool,
    ) {
        let keys = |rank: &Rank| -> Vec<_> { rank.keys.iter().map(|it| it.key.clone()).collect() };
        for index in (0..4).filter(|it| own != Some(*it)) {
            let new = keys(&self.ranks[index]);
            let from = (day, Some(Lane::Rank(index as u8)));
            let done = self.renewed.contains(&(day, index)) && !always;
            if !new.is_empty() && new != keys(&before[index]) && !done && self.paid.contains(&from)
            {
                self.paid.retain(|it| *it != from);
                self.renewed.push((day, index));
            }
        }
    }

    /// Returns the policy in force.
    pub(crate) fn policy(&self) -> ControlPolicy {
        let mut ranks = self.ranks.clone();
        while ranks.last().is_some_and(|it| it.keys.is_empty()) {
            ranks.pop();
        }
        ControlPolicy {
            ranks: ranks.try_into().expect("four at most"),
            guardians: self.guardians.clone(),
            delay_ms: self.delay_ms,
        }
    }

    /// Returns the record the ledger must hold.
    pub(crate) fn record(&self) -> DidRecord {
        let lane = |lane| self.head(lane);
        let mut log = LogHead::default();
        for entry in &self.log {
            log.head = domain_hash(
                "allod/log/v1",
                &[
                    &log.head.0,
                    &entry.n.to_le_bytes(),
                    &[entry.kind as u8],
                    &entry.operation_hash.0,
                    &entry.signatures_hash.0,
                    &entry.record_hash.0,
                    &entry.height.0.to_le_bytes(),
                    &entry.time.0.to_le_bytes(),
                ],
            );
            log.count += 1;
        }
        DidRecord {
            version: 1,
            status: match self.ended {
                None => Status::Active,
                Some(at) => Status::Deactivated { at: TimeMs(at) },
            },
            created_height: Height(self.created.0),
            created: TimeMs(self.created.1),
            updated: TimeMs(self.updated),
            policy: self.policy(),
            document: self.document.clone(),
            retired_count: self.retired.len() as u32,
            method_allowance: self.allowance as u32,
            lanes: Lanes {
                ranks: [0, 1, 2, 3].map(|index| lane(Lane::Rank(index))),
                guardians: lane(Lane::Guardians),
                documents: lane(Lane::Documents),
                next: [0, 1, 2, 3].map(|index| lane(Lane::Next(index))),
            },
            not_before: TimeMs(self.not_before),
            grant_epoch: self.epoch,
            pending: self.pending.clone().try_into().expect("one per proposer"),
            cool_downs: self.cool_downs().try_into().expect("one per proposer"),
            frozen: None,
            log,
        }
    }
}

impl Ledger {
    pub(crate) fn day(&self) -> u64 {
        self.now / DAY_MS
    }

    /// Begins a block: at most 256 dead tokens and 256 dead grants are forgotten, oldest first.
    /// Returns whether more were dead.
    pub(crate) fn begin_block(&mut self, now: u64) -> bool {
        self.height += 1;
        self.now = now;
        let seconds = now / 1000;
        self.tokens.sort_by_key(|(tag, entry)| (entry.exp, *tag));
        let dead = self
            .tokens
            .iter()
            .filter(|it| it.1.exp + 60 < seconds)
            .count();
        self.tokens.drain(..dead.min(256));
        let dead_tokens = dead;
        let today = self.day();
        self.grants
            .sort_by_key(|(gid, entry)| (entry.expiry_day, *gid));
        let is_dead = |it: &&(H256, GrantEntry)| u64::from(it.1.expiry_day) < today;
        let dead = self.grants.iter().filter(is_dead).count();
        self.grants.drain(..dead.min(256));
        self.take_effects();
        dead_tokens > 256 || dead > 256
    }

    /// Writes down what time has brought about, for all identities; there are too few of them for
    /// one block to leave any out.
    fn take_effects(&mut self) {
        let dids: Vec<DidId> = self.identities.keys().copied().collect();
        for did in dids {
            let mut identity = self.identities[&did].clone();
            while let Some((id, _)) = identity.take_effect(self.now) {
                let cause = (LogKind::Automatic, id, H256::ZERO);
                self.effects += 1;
                identity = self.log(did, cause, identity).0;
            }
        }
    }

    /// Judges a transaction and carries it out. `sender`: account and nonce if it is signed.
    pub(crate) fn offer(&mut self, sender: Option<(PublicKey, u32)>, action: &Action) -> Outcome {
        let turn = match self.judge(sender, action) {
            Err(name) => return Outcome::Refused(name),
            Ok(turn) => turn,
        };
        if !turn {
            return Outcome::Waits;
        }
        let mut done = Done::default();
        let account = sender.map(|(account, _)| account);
        if let Some(account) = account {
            self.registrars
                .entry(account)
                .and_modify(|it| it.nonce += 1);
        }
        match action {
            Action::Submit(signed) => {
                let operation = &signed.operation;
                self.pay_own(&operation.did, Some(operation.lane));
                done.failure = self.take(signed, &mut done.logged).err();
            }
            Action::Incept(signed, admission) => {
                if let Admission::Voucher(voucher) = admission {
                    self.pay(&voucher.registrar, 1);
                }
                self.create(signed, &mut done.logged);
            }
            Action::RevokeToken(signed) => {
                self.pay_own(&signed.operation.did, None);
                self.revoke_token(signed);
            }
            Action::RevokeGrant(signed) => self.revoke_grant(signed),
            Action::Batch(_) | Action::RevokeTokens(_) | Action::Anchor(_) => {
                let account = account.expect("a batch that is not refused has a sender");
                self.run_batch(&account, action, &mut done);
            }
        }
        Outcome::Done(done)
    }

    fn run_batch(&mut self, account: &PublicKey, action: &Action, done: &mut Done) {
        let payer = Some(*account);
        let mut names = Vec::new();
        match action {
            Action::Batch(items) => {
                self.pay(account, items.len());
                for item in items {
                    let logged = &mut done.logged;
                    names.push(match (&item.operation.body, payer) {
                        (Body::Incept(_), _) => self
                            .refuse_inception(item, None, payer)
                            .map(|()| self.create(item, logged)),
                        _ => match self.refuse_operation(item, payer) {
                            Ok(true) => self.take(item, logged),
                            Ok(false) => Err("Future"),
                            Err(name) => Err(name),
                        },
                    });
                }
            }
            Action::RevokeTokens(items) => {
                self.pay(account, items.len());
                for item in items {
                    let verdict = self.refuse_token(item, payer);
                    names.push(verdict.map(|()| self.revoke_token(item)));
                }
            }
            Action::Anchor(items) => {
                self.pay(account, items.len());
                for item in items {
                    names.push(self.refuse_anchor(item).map(|()| self.anchor(item)));
                }
            }
            _ => {}
        }
        let failed = (0u32..)
            .zip(names)
            .filter_map(|(index, it)| Some((index, it.err()?)));
        done.items = failed.collect();
    }

    fn pay(&mut self, account: &PublicKey, items: usize) {
        let day = self.day();
        let registrar = self.registrars.get_mut(account).expect("it was judged");
        registrar.paid.extend(std::iter::repeat_n(day, items));
    }

    fn pay_own(&mut self, did: &DidId, purpose: Option<Lane>) {
        let day = self.day();
        let identity = self.identities.get_mut(did).expect("it was judged");
        identity.paid.push((day, purpose));
    }

    fn create(&mut self, signed: &SignedOperation, logged: &mut Vec<(DidId, LogEntry)>) {
        let Body::Incept(inception) = &signed.operation.body else {
            panic!("judged to be an inception");
        };
        let first = &inception.document;
        let active = |method: &Method| ActiveMethod {
            method: method.clone(),
            since: TimeMs(self.now),
        };
        let methods: Vec<ActiveMethod> = first.methods.iter().map(active).collect();
        let identity = Identity {
            created: (self.height, self.now),
            updated: self.now,
            ranks: (0..4)
                .map(|index| inception.policy.ranks.get(index).cloned())
                .map(Option::unwrap_or_default)
                .collect(),
            guardians: inception.policy.guardians.clone(),
            delay_ms: inception.policy.delay_ms,
            pending: Vec::new(),
            cancelled: Vec::new(),
            allowance: 512,
            document: Document {
                methods: methods.try_into().expect("as many as before"),
                services: first.services.clone(),
                also_known_as: first.also_known_as.clone(),
                controllers: first.controllers.clone(),
            },
            retired: Vec::new(),
            taken: vec![(Lane::Rank(0), signed.operation.hash())],
            paid: Vec::new(),
            renewed: Vec::new(),
            not_before: 0,
            epoch: 0,
            ended: None,
            log: Vec::new(),
        };
        self.log_operation(signed, identity, logged);
    }

    /// Takes an operation that was judged to be in turn.
    fn take(
        &mut self,
        signed: &SignedOperation,
        logged: &mut Vec<(DidId, LogEntry)>,
    ) -> Result<(), Name> {
        let operation = &signed.operation;
        let mut identity = self.identities[&operation.did].clone();
        identity.taken.push((operation.lane, operation.hash()));
        let mut changed = identity.clone();
        let result = changed.change(self.now, operation, operation.hash());
        let own = match operation.lane {
            Lane::Rank(index) => Some(usize::from(index)),
            _ => None,
        };
        changed.give_back(self.day(), &identity.ranks, own, false);
        let after = if result.is_ok() { changed } else { identity };
        self.log_operation(signed, after, logged);
        result
    }

    fn log_operation(
        &mut self,
        signed: &SignedOperation,
        mut identity: Identity,
        logged: &mut Vec<(DidId, LogEntry)>,
    ) {
        let operation = &signed.operation;
        let signatures = domain_hash("allod/signatures/v1", &[&signed.signatures.encode()]);
        let cause = (LogKind::Operation, operation.hash(), signatures);
        identity.updated = self.now;
        let (_, entry) = self.log(operation.did, cause, identity);
        logged.push((operation.did, entry));
    }

    /// Writes an entry and keeps the identity.
    fn log(
        &mut self,
        did: DidId,
        cause: (LogKind, H256, H256),
        mut identity: Identity,
    ) -> (Identity, LogEntry) {
        let (kind, operation_hash, signatures_hash) = cause;
        let record = identity.record().encode();
        let content = &record[..record.len() - 40];
        let entry = LogEntry {
            n: identity.log.len() as u64,
            kind,
            operation_hash,
            signatures_hash,
            record_hash: domain_hash("allod/record/v1", &[content]),
            height: Height(self.height),
            time: TimeMs(self.now),
        };
        identity.log.push(entry);
        self.identities.insert(did, identity.clone());
        (identity, entry)
    }

    fn revoke_token(&mut self, signed: &SignedTokenOperation) {
        let entry = RevocationEntry {
            version: 1,
            exp: signed.operation.exp,
            revoked_at: TimeMs(self.now),
        };
        self.tokens.push((signed.operation.tag(), entry));
    }

    fn anchor(&mut self, signed: &SignedGrantMessage) {
        let GrantAction::Anchor {
            grant_key,
            expiry_day,
        } = signed.message.action
        else {
            panic!("judged to be an anchoring");
        };
        let entry = GrantEntry {
            version: 1,
            grant_key,
            expiry_day,
            anchored: TimeMs(self.now),
            status: GrantStatus::Active,
        };
        self.grants.push((signed.message.gid, entry));
    }

    fn revoke_grant(&mut self, signed: &SignedGrantMessage) {
        let at = TimeMs(self.now);
        for (_, entry) in self
            .grants
            .iter_mut()
            .filter(|it| it.0 == signed.message.gid)
        {
            entry.status = GrantStatus::Revoked { at };
        }
    }
}

/// Ends an active method.
pub(crate) fn ended(active: ActiveMethod, now: u64, reason: RetireReason) -> RetiredMethod {
    RetiredMethod {
        version: 1,
        method: active.method,
        since: active.since,
        until: TimeMs(now),
        reason,
        declared: TimeMs(now),
    }
}
