//! Chains of grants, judged by the one access function: one field changed, signed again by the
//! right keys and anchored again where the ledger knows grants by it.

use allod_primitives::grant::{
    Actions, Assignee, Constraint, GRANT_BODY_VERSION, GrantBody, GrantEntry, GrantStatus,
    SignedGrant, grant_preimage,
};
use allod_primitives::{ChainId, Did, DidId, Height, NetworkId, TimeMs, keys};
use allod_rpc_api::verify::{AccessRequest, LedgerView, ReasonCode, Unavailable, evaluate_access};
use parity_scale_codec::Encode;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::author::{bounded, key, public, sign, text};
use crate::ledger::world::World;
use crate::tally::{Half, Tally, Verdict};

const RESOURCE: &str = "https://store.example/alice/photos/1.jpg";

/// The ledger with some more grants on it.
struct Verifier {
    world: World,
    grants: Vec<(Vec<u8>, Vec<u8>)>,
}

impl LedgerView for Verifier {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let grant = self.grants.iter().find(|(it, _)| it == key);
        Ok(grant
            .map(|(_, value)| value.clone())
            .or_else(|| self.world.state.get(key).cloned()))
    }

    fn chain(&self) -> ChainId {
        self.world.chain()
    }

    fn head(&self) -> (Height, TimeMs) {
        (self.world.parent.number, self.world.parent.digest.time)
    }
}

impl Verifier {
    fn did(&self, id: DidId) -> Did {
        Did::new(NetworkId::from_genesis(&self.world.genesis_hash), id)
    }

    /// Lists a grant as the ledger does.
    fn anchor(&mut self, grant: &SignedGrant, status: GrantStatus) {
        let entry = GrantEntry {
            version: 1,
            grant_key: grant.grant_key,
            expiry_day: grant.expiry_day,
            anchored: TimeMs(1),
            status,
        };
        let key = keys::grant(&grant.gid(&self.world.genesis_hash));
        self.grants.push((key, entry.encode()));
    }
}

/// A request in the making: the owner's grant to the second identity, which passes it on to the
/// third.
struct Draft {
    first: SignedGrant,
    second: SignedGrant,
    /// Whether `second` names `first` again after the changes, and both are signed again.
    resigned: bool,
    /// Which of the two the ledger lists.
    anchored: [Option<GrantStatus>; 2],
    resource: String,
    action: Actions,
}

fn grant(verifier: &Verifier, from: usize, to: usize, depth: u8) -> SignedGrant {
    let (owner, assignee) = (&verifier.world.alive[from], &verifier.world.alive[to]);
    let now = verifier.world.now().seconds();
    let epoch = verifier
        .world
        .record(&owner.did)
        .expect("alive")
        .grant_epoch;
    SignedGrant {
        body: GrantBody {
            version: GRANT_BODY_VERSION,
            owner: verifier.did(owner.did),
            assignee: Assignee::Did(verifier.did(assignee.did)),
            resources: bounded([text("https://store.example/alice/photos/")]),
            actions: Actions::READ,
            constraints: bounded([]),
            parent: None,
            delegation_depth: depth,
            epoch,
            not_before: now - 10,
            expires: now + 3600,
        },
        grant_key: public(&key("grant", from as u64)),
        expiry_day: verifier.world.now().day() + 2,
        salt: [from as u8; 32],
        method: text("login"),
        signature: sign(&owner.login, b""),
    }
}

impl Draft {
    fn new(verifier: &Verifier) -> Self {
        Self {
            first: grant(verifier, 0, 1, 1),
            second: grant(verifier, 1, 4, 0),
            resigned: true,
            anchored: [Some(GrantStatus::Active); 2],
            resource: RESOURCE.into(),
            action: Actions::READ,
        }
    }

    fn judge(mut self, mut verifier: Verifier) -> ReasonCode {
        let chain = verifier.world.chain();
        let [granter, delegate] = [0, 1].map(|n: usize| verifier.world.alive[n].login.clone());
        if self.resigned {
            let gid = self.first.gid(&chain.genesis);
            self.first.signature = sign(&granter, &grant_preimage(&chain, &gid));
            self.second.body.parent = self.second.body.parent.or(Some(gid));
            let gid = self.second.gid(&chain.genesis);
            self.second.signature = sign(&delegate, &grant_preimage(&chain, &gid));
        }
        let grants = [self.first, self.second];
        for (grant, status) in grants.iter().zip(self.anchored) {
            if let Some(status) = status {
                verifier.anchor(grant, status);
            }
        }
        let request = AccessRequest {
            subject: &Assignee::Did(verifier.did(verifier.world.alive[4].did)),
            action: self.action,
            resource: &self.resource,
            owner: &verifier.did(verifier.world.alive[0].did),
            client: None,
            purpose: None,
            media_type: None,
            grants: &grants,
            now: verifier.world.now(),
            max_staleness_ms: 10_000,
        };
        evaluate_access(&verifier, &request).reason
    }
}

type Defect = (
    &'static str,
    ReasonCode,
    fn(&Verifier, &mut Draft, &mut ChaCha8Rng),
);

const DEFECTS: &[Defect] = &[
    (
        "a version of tomorrow",
        ReasonCode::GrantMalformed,
        |_, it, rng| {
            it.first.body.version = rng.gen_range(2..=255);
        },
    ),
    ("no resource", ReasonCode::GrantMalformed, |_, it, _| {
        it.second.body.resources = bounded([])
    }),
    ("no action", ReasonCode::GrantMalformed, |_, it, _| {
        it.second.body.actions = Actions(0)
    }),
    ("unknown actions", ReasonCode::GrantMalformed, |_, it, _| {
        it.first.body.actions = Actions(0x81)
    }),
    (
        "a body that outlives its entry",
        ReasonCode::GrantMalformed,
        |_, it, rng| {
            it.first.body.expires += 86_400 * rng.gen_range(4..99);
        },
    ),
    (
        "another owner",
        ReasonCode::OwnerMismatch,
        |verifier, it, _| {
            it.first.body.owner = verifier.did(verifier.world.alive[2].did);
        },
    ),
    (
        "a root that has a parent",
        ReasonCode::GrantChainBroken,
        |_, it, rng| {
            it.first.body.parent = Some(allod_primitives::H256(rng.r#gen()));
        },
    ),
    (
        "another parent",
        ReasonCode::GrantChainBroken,
        |_, it, rng| {
            it.second.body.parent = Some(allod_primitives::H256(rng.r#gen()));
        },
    ),
    (
        "delegated by another",
        ReasonCode::AssigneeMismatch,
        |verifier, it, _| {
            it.first.body.assignee = Assignee::Did(verifier.did(verifier.world.alive[3].did));
        },
    ),
    (
        "granted to another",
        ReasonCode::AssigneeMismatch,
        |verifier, it, _| {
            it.second.body.assignee = Assignee::Did(verifier.did(verifier.world.alive[3].did));
        },
    ),
    (
        "delegated too far",
        ReasonCode::DelegationTooDeep,
        |_, it, _| {
            it.first.body.delegation_depth = 0;
        },
    ),
    (
        "more actions than its parent",
        ReasonCode::NotAttenuated,
        |_, it, _| {
            it.second.body.actions = Actions(Actions::READ.0 | Actions::DELETE.0);
        },
    ),
    (
        "more resources than its parent",
        ReasonCode::NotAttenuated,
        |_, it, _| {
            it.second.body.resources = bounded([text("https://store.example/alice/")]);
        },
    ),
    (
        "longer than its parent",
        ReasonCode::NotAttenuated,
        |_, it, rng| {
            it.second.body.expires += rng.gen_range(1..9);
        },
    ),
    (
        "fewer constraints than its parent",
        ReasonCode::NotAttenuated,
        |_, it, _| {
            let client = Constraint::Client(text("https://app.example/client.json"));
            it.first.body.constraints = bounded([client]);
        },
    ),
    ("another client", ReasonCode::ConstraintUnmet, |_, it, _| {
        let client = Constraint::Client(text("https://app.example/client.json"));
        it.second.body.constraints = bounded([client]);
    }),
    (
        "another action",
        ReasonCode::ActionNotGranted,
        |_, it, _| it.action = Actions::DELETE,
    ),
    (
        "another resource",
        ReasonCode::ResourceNotGranted,
        |_, it, rng| {
            it.resource = format!("https://store.example/bob/{}", rng.r#gen::<u32>());
        },
    ),
    (
        "a resource that climbs",
        ReasonCode::ResourceMalformed,
        |_, it, _| {
            it.resource = "https://store.example/alice/photos/../keys".into();
        },
    ),
    ("not anchored", ReasonCode::GrantNotFound, |_, it, rng| {
        it.anchored[rng.gen_range(0..2)] = None;
    }),
    (
        "a parent revoked",
        ReasonCode::GrantRevoked,
        |verifier, it, _| {
            it.anchored[0] = Some(GrantStatus::Revoked {
                at: verifier.world.now(),
            });
        },
    ),
    ("revoked", ReasonCode::GrantRevoked, |verifier, it, _| {
        it.anchored[1] = Some(GrantStatus::Revoked {
            at: verifier.world.now(),
        });
    }),
    ("expired", ReasonCode::GrantExpired, |verifier, it, rng| {
        it.second.body.expires = verifier.world.now().seconds() - rng.gen_range(0..9);
    }),
    (
        "of an earlier epoch",
        ReasonCode::GrantEpochStale,
        |_, it, _| it.first.body.epoch -= 1,
    ),
    (
        "a method that never was",
        ReasonCode::KeyUnknown,
        |_, it, _| it.first.method = text("other"),
    ),
    (
        "signatures of other bodies",
        ReasonCode::SignatureInvalid,
        |verifier, it, _| {
            it.resigned = false;
            it.second.body.parent = Some(it.first.gid(&verifier.world.genesis_hash));
        },
    ),
];

/// Judges chains of grants with one thing wrong.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let world = World::new();
    let verifier = || Verifier {
        world: world.clone(),
        grants: Vec::new(),
    };
    assert_eq!(Draft::new(&verifier()).judge(verifier()), ReasonCode::Ok);
    for round in 0..rounds {
        let (name, expected, defect) = DEFECTS[round % DEFECTS.len()];
        let verifier = verifier();
        let mut draft = Draft::new(&verifier);
        defect(&verifier, &mut draft, rng);
        assert_eq!(draft.judge(verifier), expected, "{name}");
        tally.count(
            "chain of grants",
            Half::Fields,
            Verdict::refused("ReasonCode", &expected),
        );
    }
}
