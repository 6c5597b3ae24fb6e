//! What trustees decide agrees with a naive model.
//!
//! Method: a seeded world of trustees proposes, votes (also for what was not proposed), vetoes and
//! withdraws, most of it sensibly; time passes in steps and in leaps. After every block verdicts,
//! proposals, trustees, rules, parameters, admission, registrars and the validator set must be the
//! model's, what was due and failed must have failed for the same reason, and the pallet's
//! invariants hold.

mod model;

use std::collections::{BTreeMap, BTreeSet};

use allod_primitives::extrinsic::{Era, RawExtrinsic, SignedPart, SigningContext};
use allod_primitives::{ForkId, H256, Header, PublicKey, Signature, Text, TimeMs};
use allod_runtime::authority::types::{Action, ActionKind, Parameters, Rule, ValidatorInfo};
use allod_runtime::authority::{self, Event};
use allod_runtime::executive::{self, BuildLimits};
use allod_runtime::frame::{Direct, DispatchError};
use allod_runtime::genesis::GenesisConfig;
use allod_runtime::{RuntimeCall, RuntimeEvent, system};
use ed25519_dalek::{Signer, SigningKey};
use parity_scale_codec::{Decode, Encode};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use model::{DAY_MS, HOUR_MS, Model};

/// Calls of one run.
const STEPS: usize = 1_500;
const START: u64 = 20_000 * DAY_MS;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey(key(seed).verifying_key().to_bytes())
}

fn member(seed: u8, power: u64) -> ValidatorInfo {
    ValidatorInfo {
        public_key: public(seed),
        power,
        peer_id: vec![seed; 8].try_into().expect("it fits"),
        address: Text::new(format!("/memory/{seed}")).expect("it fits"),
    }
}

fn config() -> GenesisConfig {
    GenesisConfig {
        spec_version: 1,
        time: TimeMs(START),
        origin: None,
        fork_id: ForkId(0),
        trustees: (0..4).map(public).collect(),
        trustee_threshold: 2,
        registrars: Vec::new(),
        validators: (100..107).map(|seed| member(seed, 3)).collect(),
        observers: Vec::new(),
        admission_vouchers: true,
        admission_work_bits: None,
        parameters: Parameters::default(),
        rules: vec![(
            ActionKind::SetRegistrar,
            Rule {
                votes: Some(1),
                delay_ms: HOUR_MS / 2,
            },
        )],
    }
}

/// What a trustee asks for.
#[derive(Clone, Debug)]
enum Ask {
    Propose(Vec<Action>, u64),
    /// Number, and whether the hash is the right one.
    Vote(u32, bool),
    Veto(u32),
    Withdraw(u32),
}

struct World {
    rng: ChaCha8Rng,
    model: Model,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    head: Header,
    genesis_hash: H256,
    /// Names of errors that were met.
    met: BTreeSet<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = config();
        let executed = executive::genesis(&config).expect("a good configuration");
        let head = executive::genesis_header(&executed, H256::ZERO);
        let changes = executed.changes.into_iter();
        let state = changes.filter_map(|(key, value)| Some((key, value?)));
        let model = Model {
            now: START,
            trustees: config.trustees.iter().copied().collect(),
            threshold: 2,
            rules: [(ActionKind::SetRegistrar as usize, (Some(1), HOUR_MS / 2))].into(),
            next: 0,
            proposals: BTreeMap::new(),
            admission: (true, None),
            parameters: config.parameters,
            current: model::Set::new(),
            set: config
                .validators
                .iter()
                .map(|it| (it.public_key, it.power))
                .collect(),
            changes: Vec::new(),
            registrars: BTreeMap::new(),
            failed: Vec::new(),
        };
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            model,
            state: state.collect(),
            genesis_hash: head.hash(),
            head,
            met: BTreeSet::new(),
        }
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.rng.gen_ratio(1, one_in)
    }

    fn action(&mut self) -> Action {
        let rng = &mut self.rng;
        match rng.gen_range(0..12) {
            0..3 => Action::SetAdmission {
                vouchers: rng.r#gen(),
                work_bits: rng.gen_bool(0.5).then(|| rng.gen_range(0..35)),
            },
            3..5 => Action::SetRegistrar {
                account: public(rng.gen_range(50..53)),
                items_per_day: rng.gen_range(0..3),
            },
            5 => {
                let count = rng.gen_range(2..6);
                let mut accounts: Vec<PublicKey> = (0..count).map(public).collect();
                accounts.sort_unstable();
                if rng.gen_ratio(1, 8) {
                    accounts.reverse();
                }
                Action::SetTrustees {
                    accounts: accounts.try_into().expect("few"),
                    threshold: rng.gen_range(0..4),
                }
            }
            6 => Action::SetRule {
                kind: ActionKind::ALL[rng.gen_range(0..ActionKind::ALL.len())],
                rule: Rule {
                    votes: rng.gen_bool(0.5).then(|| rng.gen_range(0..5)),
                    delay_ms: match rng.gen_range(0..4) {
                        0 => 0,
                        1 => rng.gen_range(0..HOUR_MS),
                        2 => rng.gen_range(HOUR_MS..DAY_MS),
                        _ => rng.gen_range(29 * DAY_MS..31 * DAY_MS),
                    },
                },
            },
            7 => {
                let mut parameters = Parameters {
                    block_spacing_ms: rng.gen_range(45..2_000),
                    validator_change_period_ms: rng.gen_range(50_000..DAY_MS),
                    ..Parameters::default()
                };
                parameters.control.delay_ms_min = rng.gen_range(HOUR_MS / 2..DAY_MS);
                Action::SetParameters { parameters }
            }
            _ => Action::ReplaceValidator {
                remove: rng.gen_bool(0.6).then(|| public(rng.gen_range(100..112))),
                add: rng.gen_bool(0.6).then(|| {
                    let (seed, power) = (rng.gen_range(100..112), rng.gen_range(1..7));
                    member(seed, power)
                }),
            },
        }
    }

    /// Somebody who may decide, and what it asks for.
    fn ask(&mut self) -> (u8, Ask) {
        let open: Vec<u32> = self.model.proposals.keys().copied().collect();
        let trustees: Vec<u8> = (0..6)
            .filter(|seed| self.model.trustees.contains(&public(*seed)))
            .collect();
        let who = trustees[self.rng.gen_range(0..trustees.len())];
        let number = match open.len() {
            0 => self.rng.gen_range(0..3),
            count if self.rng.gen_ratio(9, 10) => open[self.rng.gen_range(0..count)],
            _ => self.rng.gen_range(0..self.model.next + 2),
        };
        let ask = match self.rng.gen_range(0..20) {
            0..6 => {
                let count = match self.rng.gen_range(0..10) {
                    0 => 0,
                    1..3 => 2,
                    _ => 1,
                };
                let actions = (0..count).map(|_| self.action()).collect();
                let now = self.head.digest.time.0;
                let expires = match self.rng.gen_range(0..15) {
                    0 => now,
                    1 => now + 40 * DAY_MS,
                    _ => now + self.rng.gen_range(1..3 * DAY_MS),
                };
                Ask::Propose(actions, expires)
            }
            6..16 => Ask::Vote(number, !self.chance(10)),
            16..18 => Ask::Veto(number),
            _ => Ask::Withdraw(number),
        };
        (who, ask)
    }

    fn call(&self, ask: &Ask) -> RuntimeCall {
        RuntimeCall::Authority(match ask.clone() {
            Ask::Propose(actions, expires) => authority::Call::propose {
                actions: actions.try_into().expect("few"),
                expires: TimeMs(expires),
            },
            Ask::Vote(proposal, right) => {
                let found = authority::proposal(&self.state, proposal);
                let hash = found.map_or(H256::ZERO, |found| found.hash);
                let hash = if right { hash } else { H256([7; 32]) };
                authority::Call::vote { proposal, hash }
            }
            Ask::Veto(proposal) => authority::Call::veto { proposal },
            Ask::Withdraw(proposal) => authority::Call::withdraw { proposal },
        })
    }

    fn signed(&self, who: u8, call: &RuntimeCall) -> Vec<u8> {
        let call = call.encode();
        let nonce = system::nonce(&self.state, &public(who));
        let context = SigningContext {
            spec_version: 1,
            transaction_version: 1,
            genesis_hash: self.genesis_hash,
        };
        let payload = context.payload(&call, &Era::Immortal, nonce, &self.genesis_hash);
        let part = SignedPart {
            account: public(who),
            signature: Signature(key(who).sign(&payload).to_bytes()),
            era: Era::Immortal,
            nonce,
        };
        let signed = Some(part);
        RawExtrinsic { signed, call }.encode_body()
    }

    /// Makes a block of at most one call, in the model and in the state machine.
    fn step(&mut self) {
        let later = match self.rng.gen_range(0..20) {
            0 => self.rng.gen_range(HOUR_MS..2 * DAY_MS),
            1..4 => self.rng.gen_range(1_000..HOUR_MS),
            _ => self.rng.gen_range(1..1_000),
        };
        let time = TimeMs(self.head.digest.time.0 + later);
        let (who, ask) = self.ask();
        let call = self.call(&ask);
        let body = self.signed(who, &call);
        let limits = BuildLimits::default();
        let built = executive::build_block(&self.state, &self.head, time, [body], &limits, &Direct);
        let built = built.expect("a block can follow");
        let again = executive::execute_block(&self.state, &self.head, &built.extrinsics, &Direct);
        assert_eq!(
            again.as_ref(),
            Ok(&built.executed),
            "model and runtime disagree"
        );
        self.model.begin(time.0);
        let by = public(who);
        // Who was put out at the beginning of this block is refused.
        if self.model.trustees.contains(&by) {
            let expected = match &ask {
                Ask::Propose(actions, expires) => self.model.propose(by, actions, *expires),
                Ask::Vote(number, right) => self.model.vote(by, *number, *right),
                Ask::Veto(number) => self.model.veto(by, *number),
                Ask::Withdraw(number) => self.model.withdraw(by, *number),
            };
            let found = built.executed.results[1]
                .outcome
                .map_err(|error| match error {
                    DispatchError::Module(error) => {
                        let error = authority::Error::decode(&mut error.error.as_slice());
                        format!("{:?}", error.expect("an error of the pallet"))
                    }
                    other => format!("{other:?}"),
                });
            self.met.extend(found.clone().err());
            let expected = expected.map_err(str::to_owned);
            assert_eq!(found, expected, "model and runtime disagree: {ask:?}");
        } else {
            assert_eq!(built.rejected.len(), 1, "model and runtime disagree");
        }
        let failed = built
            .executed
            .events
            .iter()
            .filter_map(|it| match &it.event {
                RuntimeEvent::Authority(Event::ExecutionFailed { proposal, error }) => {
                    Some((*proposal, format!("{error:?}")))
                }
                _ => None,
            });
        let failed: Vec<(u32, String)> = failed.collect();
        let expected = std::mem::take(&mut self.model.failed).into_iter();
        let expected: Vec<(u32, String)> = expected.map(|it| (it.0, it.1.to_owned())).collect();
        assert_eq!(failed, expected, "model and runtime disagree");
        self.met
            .extend(failed.into_iter().map(|it| format!("due: {}", it.1)));
        for (key, value) in built.executed.changes.clone() {
            match value {
                Some(value) => self.state.insert(key, value),
                None => self.state.remove(&key),
            };
        }
        self.head = executive::header(&self.head, &built.executed, H256::ZERO, public(100));
        self.compare();
    }

    fn compare(&self) {
        let (model, state) = (&self.model, &self.state);
        authority::invariants::check(state).expect("an invariant of governance");
        let trustees = authority::storage::TRUSTEES
            .get(state)
            .expect("there are some");
        let accounts: Vec<PublicKey> = model.trustees.iter().copied().collect();
        assert_eq!(
            trustees.accounts.to_vec(),
            accounts,
            "model and runtime disagree"
        );
        assert_eq!(
            trustees.threshold, model.threshold,
            "model and runtime disagree"
        );
        let policy = authority::admission_policy(state);
        let admission = (policy.vouchers, policy.work_bits);
        assert_eq!(admission, model.admission, "model and runtime disagree");
        let parameters = authority::parameters(state);
        assert_eq!(parameters, model.parameters, "model and runtime disagree");
        let (_, set) = authority::validator_sets(state).expect("there are some");
        let members = set.validators().iter().map(|it| (it.public_key, it.power));
        let members: model::Set = members.collect();
        assert_eq!(members, model.set, "model and runtime disagree");
        for seed in 50..53 {
            let found = authority::registrar(state, &public(seed)).map(|it| it.items_per_day);
            let expected = model.registrars.get(&public(seed)).copied();
            assert_eq!(found, expected, "model and runtime disagree");
        }
        assert_eq!(
            authority::open_proposals(state).next,
            model.next,
            "model and runtime disagree"
        );
        for number in 0..model.next {
            let found = authority::proposal(state, number).map(|it| {
                let votes = it.votes.to_vec();
                (it.due.map(|due| due.0), votes, it.vetoes.to_vec())
            });
            let expected = model.proposals.get(&number);
            let expected = expected.map(|it| (it.due, it.votes.clone(), it.vetoes.clone()));
            assert_eq!(found, expected, "model and runtime disagree: {number}");
        }
    }
}

/// Errors and failures that every set of runs must meet.
const NAMES: [&str; 17] = [
    "AlreadyVoted",
    "Empty",
    "Expired",
    "ExpiryTooFar",
    "InvalidWork",
    "NotFound",
    "NotMember",
    "NotProposer",
    "NotScheduled",
    "TooManyChanges",
    "TooMuchPower",
    "WrongProposal",
    "due: InvalidDelay",
    "due: InvalidParameters",
    "due: InvalidTrustees",
    "due: TooManyChanges",
    "due: Unsatisfiable",
];

#[test]
fn model_and_state_machine_agree_on_what_trustees_decide() {
    let mut met = BTreeSet::new();
    for seed in 1..=8 {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        met.extend(world.met);
    }
    let missing: Vec<_> = NAMES.into_iter().filter(|it| !met.contains(*it)).collect();
    assert!(missing.is_empty(), "never met: {missing:?}; met: {met:?}");
}
