//! A ledger in which something has happened: identities alive, spent and dead, grants and tokens,
//! a registrar with budget and one without.

use std::collections::BTreeMap;

use allod_primitives::extrinsic::{Era, SigningContext};
use allod_primitives::grant::{GRANT_MESSAGE_VERSION, GrantAction, GrantMessage};
use allod_primitives::limits::{QUOTA_DOCUMENTS_PER_DAY, QUOTA_RANK_PER_DAY, QUOTA_TOKENS_PER_DAY};
use allod_primitives::operation::{
    Admission, Body, Lane, OPERATION_VERSION, Operation, Payer, ProposedChange,
};
use allod_primitives::policy::{PolicyChange, RankChange};
use allod_primitives::record::DidRecord;
use allod_primitives::token::{TOKEN_OPERATION_VERSION, TokenId, TokenOperation};
use allod_primitives::tree::value_hash;
use allod_primitives::{
    ChainId, DidId, ForkId, H256, Header, PublicKey, TimeMs, decode_strict, keys,
};
use allod_runtime::authority::{Action, Parameters, ValidatorInfo};
use allod_runtime::executive::{self, BuildLimits, Built};
use allod_runtime::frame::Direct;
use allod_runtime::genesis::GenesisConfig;
use allod_runtime::tree::Tree;
use allod_runtime::version::{SPEC_VERSION, TRANSACTION_VERSION};
use allod_runtime::{RuntimeCall, authority, did, grant, revocation, system};
use ed25519_dalek::SigningKey;
use parity_scale_codec::Encode;

use super::guarded::Guarded;
use crate::author::{
    bare, bounded, inception, key, public, rank, sign_message, sign_operation, sign_token, signed,
    text, voucher,
};

/// Time of genesis: noon, so that nothing here crosses midnight.
const START: TimeMs = TimeMs(1_790_035_200_000 / 86_400_000 * 86_400_000 + 43_200_000);

pub(crate) type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// An identity and the keys that control it now.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) did: DidId,
    pub(crate) control: Vec<SigningKey>,
    pub(crate) login: SigningKey,
    /// A control key that it has rotated away.
    pub(crate) old: SigningKey,
}

/// The ledger.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) parent: Header,
    pub(crate) genesis_hash: H256,
    pub(crate) registrar: SigningKey,
    /// A registrar whose budget of the day is used up.
    pub(crate) poor: SigningKey,
    pub(crate) trustees: Vec<SigningKey>,
    /// Identities with operations on both lanes and quota left; the last has a threshold of two.
    pub(crate) alive: Vec<Author>,
    pub(crate) dead: Author,
    /// An identity that has used up every quota.
    pub(crate) spent: Author,
    /// An identity with next keys, guardians, a device, controllers and a pending change.
    pub(crate) guarded: Guarded,
    /// Keys of anchored grants.
    pub(crate) grants: Vec<(SigningKey, H256)>,
    pub(crate) revoked_grant: (SigningKey, H256),
    /// A token that `alive[0]` has revoked.
    pub(crate) revoked_token: TokenOperation,
}

fn validator(n: u64) -> ValidatorInfo {
    ValidatorInfo {
        public_key: public(&key("validator", n)),
        power: 1,
        peer_id: bounded(n.to_le_bytes()),
        address: text("/ip4/127.0.0.1/tcp/30333"),
    }
}

/// Returns the first state's configuration.
pub(crate) fn config() -> GenesisConfig {
    GenesisConfig {
        spec_version: 1,
        time: START,
        origin: None,
        fork_id: ForkId(0),
        trustees: (0..3).map(|n| public(&key("trustee", n))).collect(),
        trustee_threshold: 2,
        registrars: vec![
            (public(&key("registrar", 0)), 1_000_000),
            (public(&key("registrar", 1)), 1),
        ],
        validators: (0..4).map(validator).collect(),
        observers: Vec::new(),
        admission_vouchers: true,
        admission_work_bits: Some(8),
        parameters: Parameters::default(),
        rules: Vec::new(),
    }
}

impl World {
    /// Returns the ledger after a few blocks.
    pub(crate) fn new() -> Self {
        let mut world = Self::genesis();
        world.incept_everybody();
        world.work();
        world.guard();
        world.grants_and_tokens();
        world.exhaust();
        world.block(vec![]);
        world
    }

    fn genesis() -> Self {
        let executed = executive::genesis(&config()).expect("a valid configuration");
        let state: State = executed
            .changes
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
            .collect();
        let parent = executive::genesis_header(&executed, root(&state));
        let author = |name, n| {
            let (control, login) = (key(name, n), key("login", n));
            Author {
                did: inception(&control, &login, [n as u8; 16]).did_id(),
                old: control.clone(),
                control: vec![control],
                login,
            }
        };
        let placeholder = (key("grant", 0), H256::ZERO);
        let controllers = vec![author("alive", 5).did, author("dead", 100).did];
        let mut world = Self {
            state,
            genesis_hash: parent.hash(),
            registrar: key("registrar", 0),
            poor: key("registrar", 1),
            trustees: (0..3).map(|n| key("trustee", n)).collect(),
            alive: (0..6).map(|n| author("alive", n)).collect(),
            dead: author("dead", 100),
            spent: author("spent", 101),
            guarded: Guarded::new(controllers, &parent.hash()),
            grants: Vec::new(),
            revoked_grant: placeholder,
            parent,
            revoked_token: TokenOperation {
                version: TOKEN_OPERATION_VERSION,
                genesis: H256::ZERO,
                fork_id: ForkId(0),
                did: DidId([0; 32]),
                payer: Payer::Own,
                valid_until: TimeMs(0),
                token: TokenId::from_jti(""),
                exp: 0,
            },
        };
        world.revoked_token = world.token(&world.alive[0].clone(), "revoked");
        world
    }

    pub(crate) fn chain(&self) -> ChainId {
        ChainId {
            genesis: self.genesis_hash,
            fork_id: ForkId(0),
        }
    }

    /// Returns the time of the next block.
    pub(crate) fn now(&self) -> TimeMs {
        self.parent.digest.time.plus_ms(1000)
    }

    pub(crate) fn context(&self) -> SigningContext {
        SigningContext {
            spec_version: SPEC_VERSION,
            transaction_version: TRANSACTION_VERSION,
            genesis_hash: self.genesis_hash,
        }
    }

    pub(crate) fn record(&self, did: &DidId) -> Option<DidRecord> {
        let bytes = self.state.get(&keys::did_record(did))?;
        Some(decode_strict(bytes).expect("the runtime wrote it"))
    }

    /// Returns the next operation of an identity's lane, paid by anybody.
    pub(crate) fn operation(&self, author: &Author, lane: Lane, body: Body) -> Operation {
        let record = self.record(&author.did);
        let head = record
            .and_then(|it| it.lanes.get(lane).copied())
            .unwrap_or_default();
        Operation {
            version: OPERATION_VERSION,
            genesis: self.genesis_hash,
            fork_id: ForkId(0),
            did: author.did,
            lane,
            lane_seq: head.next_seq,
            lane_prev: head.last,
            payer: Payer::Any,
            valid_until: self.now().plus_ms(3_600_000),
            controller: None,
            reveal: None,
            body,
        }
    }

    pub(crate) fn token(&self, author: &Author, jti: &str) -> TokenOperation {
        TokenOperation {
            version: TOKEN_OPERATION_VERSION,
            genesis: self.genesis_hash,
            fork_id: ForkId(0),
            did: author.did,
            payer: Payer::Any,
            valid_until: self.now().plus_ms(3_600_000),
            token: TokenId::from_jti(jti),
            exp: self.now().seconds() + 3600,
        }
    }

    pub(crate) fn grant(&self, key: &SigningKey, gid: H256, anchor: bool) -> GrantMessage {
        GrantMessage {
            version: GRANT_MESSAGE_VERSION,
            genesis: self.genesis_hash,
            fork_id: ForkId(0),
            gid,
            action: match anchor {
                true => GrantAction::Anchor {
                    grant_key: public(key),
                    expiry_day: self.now().day() + 30,
                },
                false => GrantAction::Revoke,
            },
            valid_until: self.now().plus_ms(3_600_000),
        }
    }

    pub(crate) fn nonce(&self, account: &PublicKey) -> u32 {
        system::storage::nonce(&self.state, account)
    }

    /// Returns an extrinsic signed by `key`, immortal, with its next nonce.
    pub(crate) fn signed(&self, key: &SigningKey, call: &impl Encode) -> Vec<u8> {
        let nonce = self.nonce(&public(key));
        signed(
            &self.context(),
            key,
            Era::Immortal,
            &self.genesis_hash,
            nonce,
            call,
        )
    }

    /// Builds a block of these extrinsics, all of which must succeed, and goes on from it.
    pub(crate) fn block(&mut self, candidates: Vec<Vec<u8>>) {
        let count = candidates.len();
        let built = self.build(candidates);
        assert_eq!(built.rejected, [], "the world is built of valid extrinsics");
        assert_eq!(built.extrinsics.len(), count + 1);
        for result in &built.executed.results {
            assert_eq!(result.outcome, Ok(()));
        }
        self.adopt(&built);
    }

    pub(crate) fn build(&self, candidates: Vec<Vec<u8>>) -> Built {
        let limits = BuildLimits::default();
        let built = executive::build_block(
            &self.state,
            &self.parent,
            self.now(),
            candidates,
            &limits,
            &Direct,
        );
        built.expect("a block can follow")
    }

    /// Makes a built block the parent.
    pub(crate) fn adopt(&mut self, built: &Built) {
        for (key, value) in &built.executed.changes {
            match value {
                Some(value) => self.state.insert(key.clone(), value.clone()),
                None => self.state.remove(key),
            };
        }
        let root = root(&self.state);
        let proposer = public(&key("validator", 0));
        self.parent = executive::header(&self.parent, &built.executed, root, proposer);
    }

    /// Block 1: everybody, admitted by vouchers; the poor registrar spends its budget.
    fn incept_everybody(&mut self) {
        let everybody = self.alive.iter().chain([&self.dead, &self.spent]);
        let numbers = (0..6).chain([100, 101u64]);
        let mut candidates = Vec::new();
        for (author, n) in everybody.zip(numbers) {
            let first = inception(&author.old, &author.login, [n as u8; 16]);
            let operation = self.operation(author, Lane::Rank(0), Body::Incept(first));
            let registrar = if n == 0 { &self.poor } else { &self.registrar };
            let expires = self.now().plus_ms(1000);
            let voucher = voucher(&self.chain(), registrar, &author.did, expires);
            candidates.push(bare(&RuntimeCall::Did(did::Call::incept {
                operation: sign_operation(operation, &[&author.old]),
                admission: Admission::Voucher(voucher),
            })));
        }
        self.block(candidates);
    }

    /// Block 2: everybody rotates and logs out once, so that both lanes have a past.
    fn work(&mut self) {
        let mut candidates = Vec::new();
        for (n, author) in (0..).zip(&mut self.alive) {
            author.control = vec![key("rotated", n)];
        }
        if let Some(last) = self.alive.last_mut() {
            last.control = (0..3).map(|n| key("shared", n)).collect();
        }
        for author in &self.alive {
            candidates.push(self.submit(author, logout(), Lane::Documents, &author.old));
            let keys: Vec<&SigningKey> = author.control.iter().collect();
            let change = rotation(&keys, keys.len().min(2) as u32);
            candidates.push(self.submit(author, change, Lane::Rank(0), &author.old));
        }
        let end = Body::Deactivate;
        candidates.push(self.submit(&self.dead, end, Lane::Rank(0), &self.dead.old));
        self.block(candidates);
    }

    /// Two blocks: an identity with all there is to control, and what its device proposes.
    fn guard(&mut self) {
        let guarded = self.guarded.clone();
        let control: Vec<&SigningKey> = guarded.author.control.iter().collect();
        let first = Body::Incept(guarded.inception(&self.genesis_hash));
        let operation = self.operation(&guarded.author, Lane::Rank(0), first);
        let did = &guarded.author.did;
        let voucher = voucher(&self.chain(), &self.registrar, did, self.now());
        let body = bare(&RuntimeCall::Did(did::Call::incept {
            operation: sign_operation(operation, &control),
            admission: Admission::Voucher(voucher),
        }));
        self.block(vec![body]);
        let change = PolicyChange {
            ranks: bounded([RankChange {
                index: 0,
                rank: Some(rank(&[&key("proposed", 0)], 1)),
            }]),
            ..PolicyChange::default()
        };
        let proposal = Body::Propose(ProposedChange::Control(change));
        let operation = self.operation(&guarded.author, Lane::Rank(1), proposal);
        self.guarded.pending = operation.hash();
        let device: Vec<&SigningKey> = guarded.device.iter().collect();
        let operation = sign_operation(operation, &device);
        let body = bare(&RuntimeCall::Did(did::Call::submit { operation }));
        self.block(vec![body]);
    }

    fn submit(&self, author: &Author, body: Body, lane: Lane, key: &SigningKey) -> Vec<u8> {
        let operation = self.operation(author, lane, body);
        let operation = sign_operation(operation, &[key]);
        bare(&RuntimeCall::Did(did::Call::submit { operation }))
    }

    /// Blocks 3 and 4: grants anchored, one revoked, one token revoked, one proposal opened.
    fn grants_and_tokens(&mut self) {
        let gid = |n: u8| (key("grant", u64::from(n)), H256([n; 32]));
        self.grants = (1..5).map(gid).collect();
        self.revoked_grant = gid(9);
        let anchors: Vec<_> = self
            .grants
            .iter()
            .chain([&self.revoked_grant])
            .map(|(key, gid)| sign_message(self.grant(key, *gid, true), key))
            .collect();
        let items = bounded(anchors);
        let anchor = RuntimeCall::Grant(grant::Call::anchor { items });
        let action = Action::SetRegistrar {
            account: public(&key("nobody", 0)),
            items_per_day: 5,
        };
        let propose = RuntimeCall::Authority(authority::Call::propose {
            actions: bounded([action]),
            expires: self.now().plus_ms(3_600_000),
        });
        let revoked = sign_token(self.revoked_token, &[&self.alive[0].control[0]]);
        self.block(vec![
            self.signed(&self.registrar, &anchor),
            self.signed(&self.trustees[0], &propose),
            bare(&RuntimeCall::Revocation(revocation::Call::revoke {
                operation: revoked,
            })),
        ]);
        let (key, gid) = &self.revoked_grant;
        let message = sign_message(self.grant(key, *gid, false), key);
        self.block(vec![bare(&RuntimeCall::Grant(grant::Call::revoke {
            message,
        }))]);
    }

    /// Blocks 5 and on: one identity uses up all it has for the day.
    fn exhaust(&mut self) {
        let author = self.spent.clone();
        let control = &author.control[0];
        for _ in 0..QUOTA_RANK_PER_DAY {
            let change = rotation(&[control], 1);
            self.block(vec![self.submit(&author, change, Lane::Rank(0), control)]);
        }
        for _ in 0..QUOTA_DOCUMENTS_PER_DAY {
            self.block(vec![self.submit(
                &author,
                logout(),
                Lane::Documents,
                control,
            )]);
        }
        let revoke = |n| {
            let operation = self.token(&author, &format!("token {n}"));
            let operation = sign_token(operation, &[control]);
            bare(&RuntimeCall::Revocation(revocation::Call::revoke {
                operation,
            }))
        };
        let revocations = (0..QUOTA_TOKENS_PER_DAY).map(revoke).collect();
        self.block(revocations);
    }
}

/// Returns the body that logs out everywhere, as of the beginning of time.
pub(crate) fn logout() -> Body {
    Body::SetNotBefore {
        not_before: TimeMs(0),
        bump_grant_epoch: true,
    }
}

/// Returns the body that makes `keys` the control keys.
pub(crate) fn rotation(keys: &[&SigningKey], threshold: u32) -> Body {
    Body::Rotate {
        change: PolicyChange {
            ranks: bounded([RankChange {
                index: 0,
                rank: Some(rank(keys, threshold)),
            }]),
            ..PolicyChange::default()
        },
        document: None,
    }
}

fn root(state: &State) -> H256 {
    let entries = state.iter().map(|(key, value)| (key, value_hash(value)));
    Tree::from_entries(entries).expect("each key once").root()
}
