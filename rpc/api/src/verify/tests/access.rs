//! Accesses: a good chain of two, and one defect at a time.

use allod_primitives::grant::{
    Actions, Assignee, Constraint, GRANT_BODY_VERSION, GRANT_ENTRY_VERSION, GrantBody, GrantEntry,
    GrantStatus, SignedGrant, grant_preimage,
};
use allod_primitives::record::Status;
use allod_primitives::{BoundedVec, Did, DidId, NetworkId, PublicKey, Text, TimeMs, keys};
use ed25519_dalek::Signer as _;
use parity_scale_codec::Encode;

use super::super::{AccessRequest, Decision, LedgerView as _, ReasonCode, evaluate_access};
use super::{GENESIS, Ledger, NOW, NOW_S, Person};

const PHOTOS: &str = "https://store.example/alice/photos/";
const PHOTO: &str = "https://store.example/alice/photos/trip/1.jpg";
const DAY: u64 = 86_400;

/// Alice grants bob her photos, bob grants carol the trip.
pub(super) struct Scene {
    pub(super) ledger: Ledger,
    alice: Person,
    bob: Person,
    carol: Person,
}

type Uri = Text<256>;

fn uri(text: &str) -> Uri {
    Uri::new(text).unwrap()
}

fn resources(list: &[&str]) -> BoundedVec<Uri, 32> {
    let list: Vec<Uri> = list.iter().map(|text| uri(text)).collect();
    BoundedVec::try_from(list).unwrap()
}

fn as_subject(person: &Person) -> Assignee {
    Assignee::Did(person.did)
}

impl Scene {
    pub(super) fn new() -> Self {
        let (alice, bob, carol) = (Person::new(1), Person::new(2), Person::new(3));
        let mut ledger = Ledger::with(&alice);
        ledger.put(&bob, |_| {});
        ledger.put(&carol, |_| {});
        Self {
            ledger,
            alice,
            bob,
            carol,
        }
    }

    fn outer(&self) -> GrantBody {
        GrantBody {
            version: GRANT_BODY_VERSION,
            owner: self.alice.did,
            assignee: Assignee::Did(self.bob.did),
            resources: resources(&[PHOTOS, "https://store.example/alice/notes"]),
            actions: Actions(Actions::READ.0 | Actions::CREATE.0),
            constraints: BoundedVec::new(),
            parent: None,
            delegation_depth: 1,
            epoch: 3,
            not_before: NOW_S - DAY,
            expires: NOW_S + 10 * DAY,
        }
    }

    fn inner(&self, parent: &SignedGrant) -> GrantBody {
        GrantBody {
            owner: self.bob.did,
            assignee: Assignee::Did(self.carol.did),
            resources: resources(&["https://store.example/alice/photos/trip/"]),
            actions: Actions::READ,
            parent: Some(parent.gid(&GENESIS)),
            delegation_depth: 0,
            expires: NOW_S + 9 * DAY,
            ..self.outer()
        }
    }

    /// Signs and anchors `body`.
    fn anchor(&mut self, owner: u8, body: GrantBody) -> SignedGrant {
        let owner = Person::new(owner);
        let expiry_day = u32::try_from(body.expires / DAY).unwrap();
        let mut grant = SignedGrant {
            body,
            grant_key: PublicKey([owner.key.to_bytes()[0] + 100; 32]),
            expiry_day,
            salt: [4; 32],
            method: super::fragment("k1"),
            signature: allod_primitives::Signature([0; 64]),
        };
        let gid = grant.gid(&GENESIS);
        let message = grant_preimage(&self.ledger.chain(), &gid);
        grant.signature.0 = owner.key.sign(&message).to_bytes();
        let entry = GrantEntry {
            version: GRANT_ENTRY_VERSION,
            grant_key: grant.grant_key,
            expiry_day,
            anchored: allod_primitives::TimeMs(1),
            status: GrantStatus::Active,
        };
        self.ledger.state.insert(keys::grant(&gid), entry.encode());
        grant
    }

    /// The chain of two, anchored.
    pub(super) fn chain(&mut self) -> Vec<SignedGrant> {
        let outer = self.anchor(1, self.outer());
        let inner = self.anchor(2, self.inner(&outer));
        vec![outer, inner]
    }

    fn entry(&mut self, grant: &SignedGrant, change: impl FnOnce(&mut GrantEntry)) {
        let key = keys::grant(&grant.gid(&GENESIS));
        let mut entry: GrantEntry =
            allod_primitives::decode_strict(&self.ledger.state[&key]).unwrap();
        change(&mut entry);
        self.ledger.state.insert(key, entry.encode());
    }

    fn decide(&self, request: &AccessRequest<'_>) -> Decision {
        evaluate_access(&self.ledger, request)
    }

    /// Judges carol reading the photo by `grants`.
    pub(super) fn judge(&self, grants: &[SignedGrant]) -> ReasonCode {
        self.judge_as(grants, &as_subject(&self.carol), |_| {})
    }

    fn judge_as<'a>(
        &'a self,
        grants: &'a [SignedGrant],
        subject: &'a Assignee,
        change: impl FnOnce(&mut AccessRequest<'a>),
    ) -> ReasonCode {
        let mut request = AccessRequest {
            subject,
            action: Actions::READ,
            resource: PHOTO,
            owner: &self.alice.did,
            client: None,
            purpose: None,
            media_type: None,
            grants,
            now: NOW,
            max_staleness_ms: 10_000,
        };
        change(&mut request);
        self.decide(&request).reason
    }

    /// Judges bob reading the photo by alice's grant with `change` made before it was signed.
    fn judge_outer(&mut self, change: impl FnOnce(&mut GrantBody)) -> ReasonCode {
        let mut body = self.outer();
        change(&mut body);
        let grant = self.anchor(1, body);
        self.judge_as(&[grant], &as_subject(&self.bob), |_| {})
    }

    /// Judges carol reading the photo by a chain whose second grant bears `change`.
    fn judge_inner(&mut self, change: impl FnOnce(&mut GrantBody)) -> ReasonCode {
        let outer = self.anchor(1, self.outer());
        let mut body = self.inner(&outer);
        change(&mut body);
        let inner = self.anchor(2, body);
        self.judge(&[outer, inner])
    }
}

#[test]
fn a_chain_of_two_is_allowed_until_the_earlier_expiry() {
    let mut scene = Scene::new();
    let grants = scene.chain();
    assert_eq!(scene.judge(&grants), ReasonCode::Ok);
    let subject = Assignee::Did(scene.carol.did);
    let request = AccessRequest {
        subject: &subject,
        action: Actions::READ,
        resource: PHOTO,
        owner: &scene.alice.did,
        client: None,
        purpose: None,
        media_type: None,
        grants: &grants,
        now: NOW,
        max_staleness_ms: 10_000,
    };
    let decision = scene.decide(&request);
    assert_eq!(decision.expires, Some(NOW_S + 9 * DAY));
    assert_eq!(decision.did, Some(scene.alice.did.to_string()));
    assert_eq!(decision.gids.len(), 2);
    assert_eq!(decision.height, 42);
}

#[test]
fn a_single_grant_is_allowed_and_names_other_subjects_too() {
    let mut scene = Scene::new();
    assert_eq!(scene.judge_outer(|_| {}), ReasonCode::Ok);
    let app = Assignee::Uri(uri("https://app.example/client.json"));
    let mut body = scene.outer();
    body.assignee = app.clone();
    let grants = [scene.anchor(1, body)];
    let reason = scene.judge_as(&grants, &app, |_| {});
    assert_eq!(reason, ReasonCode::Ok);
}

#[test]
fn requests_are_judged_one_by_one() {
    let mut scene = Scene::new();
    let grants = scene.chain();
    let judge = |change: fn(&mut AccessRequest<'_>)| {
        scene.judge_as(&grants, &as_subject(&scene.carol), change)
    };
    assert_eq!(judge(|it| it.grants = &[]), ReasonCode::NoGrant);
    assert_eq!(
        judge(|it| it.action = Actions::CREATE),
        ReasonCode::ActionNotGranted
    );
    assert_eq!(
        judge(|it| it.action = Actions(0)),
        ReasonCode::ActionNotGranted
    );
    const OUTSIDE: &str = "https://store.example/alice/photos/other/1.jpg";
    assert_eq!(
        judge(|it| it.resource = OUTSIDE),
        ReasonCode::ResourceNotGranted
    );
    const NEIGHBOUR: &str = "https://store.example/alice/photos/trip-private/1.jpg";
    assert_eq!(
        judge(|it| it.resource = NEIGHBOUR),
        ReasonCode::ResourceNotGranted
    );
    const DOTTED: &str = "https://store.example/alice/photos/trip/../../diary";
    assert_eq!(
        judge(|it| it.resource = DOTTED),
        ReasonCode::ResourceMalformed
    );
    assert_eq!(
        judge(|it| it.now = NOW.plus_ms(10_001)),
        ReasonCode::StaleState
    );
    assert_eq!(
        scene.judge_as(&grants, &as_subject(&scene.bob), |_| {}),
        ReasonCode::AssigneeMismatch
    );
    let mallory = Person::new(9).did;
    let reason = scene.judge_as(&grants, &as_subject(&scene.carol), |it| it.owner = &mallory);
    assert_eq!(reason, ReasonCode::OwnerMismatch);
    let nine = vec![grants[0].clone(); 9];
    assert_eq!(scene.judge(&nine), ReasonCode::GrantChainTooLong);
}

#[test]
fn malformed_bodies_are_denied() {
    let mut scene = Scene::new();
    let malformed = ReasonCode::GrantMalformed;
    assert_eq!(scene.judge_outer(|it| it.version = 2), malformed);
    assert_eq!(
        scene.judge_outer(|it| it.resources = BoundedVec::new()),
        malformed
    );
    assert_eq!(scene.judge_outer(|it| it.actions = Actions(0)), malformed);
    assert_eq!(
        scene.judge_outer(|it| it.actions = Actions(32 | 1)),
        malformed
    );
    let dotted = resources(&["https://store.example/alice/../"]);
    assert_eq!(scene.judge_outer(|it| it.resources = dotted), malformed);
    let mut grants = scene.chain();
    grants[0].expiry_day -= 1;
    assert_eq!(scene.judge(&grants), malformed);
}

#[test]
fn the_ledger_is_asked_about_every_grant_of_the_chain() {
    for index in [0, 1] {
        let mut scene = Scene::new();
        let grants = scene.chain();
        let key = keys::grant(&grants[index].gid(&GENESIS));
        scene.entry(&grants[index], |it| {
            it.status = GrantStatus::Revoked { at: NOW }
        });
        assert_eq!(scene.judge(&grants), ReasonCode::GrantRevoked);
        scene.entry(&grants[index], |it| it.status = GrantStatus::Active);
        scene.entry(&grants[index], |it| it.grant_key = PublicKey([0; 32]));
        assert_eq!(scene.judge(&grants), ReasonCode::GrantMismatch);
        scene.ledger.state.remove(&key);
        assert_eq!(scene.judge(&grants), ReasonCode::GrantNotFound);
        scene.ledger.is_broken = true;
        assert_eq!(scene.judge(&grants), ReasonCode::StateUnavailable);
    }
}

#[test]
fn a_grant_holds_within_its_window_only() {
    let mut scene = Scene::new();
    let early = scene.judge_outer(|it| it.not_before = NOW_S + 1);
    assert_eq!(early, ReasonCode::GrantNotYetValid);
    assert_eq!(
        scene.judge_outer(|it| it.not_before = NOW_S),
        ReasonCode::Ok
    );
    assert_eq!(
        scene.judge_outer(|it| it.expires = NOW_S),
        ReasonCode::GrantExpired
    );
    assert_eq!(
        scene.judge_outer(|it| it.expires = NOW_S + 1),
        ReasonCode::Ok
    );
    scene.ledger.time = NOW.plus_ms(20_000);
    let reason = scene.judge_outer(|it| it.expires = NOW_S + 20);
    assert_eq!(
        reason,
        ReasonCode::GrantExpired,
        "a slow clock gains nothing"
    );
}

#[test]
fn every_granter_must_be_in_good_standing() {
    let mut scene = Scene::new();
    let grants = scene.chain();
    for granter in [Person::new(1), Person::new(2)] {
        scene.ledger.put(&granter, |it| it.grant_epoch = 4);
        assert_eq!(scene.judge(&grants), ReasonCode::GrantEpochStale);
        scene.ledger.put(&granter, |it| it.grant_epoch = 2);
        assert_eq!(scene.judge(&grants), ReasonCode::GrantEpochStale);
        scene.ledger.put(&granter, |it| {
            it.status = Status::Deactivated { at: TimeMs(1) }
        });
        assert_eq!(scene.judge(&grants), ReasonCode::DidDeactivated);
        scene.ledger.put(&granter, |it| {
            let method = &mut it.document.methods.as_mut_slice()[0].method;
            method.relationships = allod_primitives::document::Relationships::AUTHENTICATION;
        });
        assert_eq!(scene.judge(&grants), ReasonCode::RelationshipMissing);
        scene.ledger.put(&granter, |it| {
            let method = &mut it.document.methods.as_mut_slice()[0].method;
            method.key = allod_primitives::document::MethodKey::P256([2; 33]);
        });
        assert_eq!(scene.judge(&grants), ReasonCode::KeyTypeMismatch);
        scene
            .ledger
            .put(&granter, |it| it.document.methods = BoundedVec::new());
        assert_eq!(scene.judge(&grants), ReasonCode::KeyUnknown);
        scene.ledger.retire(&granter);
        assert_eq!(scene.judge(&grants), ReasonCode::KeyRetired);
        scene.ledger.put(&granter, |it| {
            it.frozen = super::freeze_until(NOW.plus_ms(9))
        });
        assert_eq!(
            scene.judge(&grants),
            ReasonCode::Ok,
            "a freeze stops logins only"
        );
        scene
            .ledger
            .state
            .remove(&keys::did_record(&granter.did.id()));
        assert_eq!(scene.judge(&grants), ReasonCode::DidNotFound);
        scene.ledger.put(&granter, |_| {});
    }
    assert_eq!(scene.judge(&grants), ReasonCode::Ok);
}

#[test]
fn a_subject_of_this_network_must_be_in_good_standing() {
    let mut scene = Scene::new();
    let grants = scene.chain();
    let carol = Person::new(3);
    scene.ledger.put(&carol, |it| {
        it.status = Status::Deactivated { at: TimeMs(1) }
    });
    assert_eq!(scene.judge(&grants), ReasonCode::DidDeactivated);
    scene
        .ledger
        .state
        .remove(&keys::did_record(&carol.did.id()));
    assert_eq!(scene.judge(&grants), ReasonCode::DidNotFound);
}

#[test]
fn a_subject_of_another_network_is_taken_as_authenticated() {
    let mut scene = Scene::new();
    let foreign = Did::new(NetworkId([9; 20]), DidId([1; 32]));
    let mut body = scene.outer();
    body.assignee = Assignee::Did(foreign);
    let grants = [scene.anchor(1, body)];
    let subject = Assignee::Did(foreign);
    let reason = scene.judge_as(&grants, &subject, |_| {});
    assert_eq!(reason, ReasonCode::Ok);
}

#[test]
fn an_owner_of_another_network_cannot_grant_here() {
    let mut scene = Scene::new();
    let foreign = Did::new(NetworkId([9; 20]), scene.alice.did.id());
    let mut body = scene.outer();
    body.owner = foreign;
    let grants = [scene.anchor(1, body)];
    let reason = scene.judge_as(&grants, &as_subject(&scene.bob), |it| it.owner = &foreign);
    assert_eq!(reason, ReasonCode::WrongNetwork);
}

#[test]
fn a_grant_signed_by_somebody_else_is_denied() {
    let mut scene = Scene::new();
    let body = scene.outer();
    let grants = [scene.anchor(9, body)];
    let reason = scene.judge_as(&grants, &as_subject(&scene.bob), |_| {});
    assert_eq!(reason, ReasonCode::SignatureInvalid);
    let mut grants = scene.chain();
    grants[1].signature.0[0] ^= 1;
    assert_eq!(scene.judge(&grants), ReasonCode::SignatureInvalid);
}

#[test]
fn a_delegated_grant_never_exceeds_its_parent() {
    let mut scene = Scene::new();
    let wider = resources(&["https://store.example/alice/"]);
    let mixed = resources(&[PHOTOS, "https://store.example/alice/notes/x"]);
    assert_eq!(
        scene.judge_inner(|it| it.resources = resources(&[PHOTOS])),
        ReasonCode::Ok
    );
    type Change = Box<dyn FnOnce(&mut GrantBody)>;
    let cases: [(ReasonCode, Change); 7] = [
        (
            ReasonCode::NotAttenuated,
            Box::new(|it| it.resources = wider),
        ),
        (
            ReasonCode::NotAttenuated,
            Box::new(|it| it.resources = mixed),
        ),
        (
            ReasonCode::NotAttenuated,
            Box::new(|it| it.actions = Actions(1 | 8)),
        ),
        (
            ReasonCode::NotAttenuated,
            Box::new(|it| it.expires += 2 * DAY),
        ),
        (ReasonCode::NotAttenuated, Box::new(|it| it.not_before -= 1)),
        (
            ReasonCode::DelegationTooDeep,
            Box::new(|it| it.delegation_depth = 1),
        ),
        (
            ReasonCode::GrantChainBroken,
            Box::new(|it| it.parent = None),
        ),
    ];
    for (expected, change) in cases {
        assert_eq!(scene.judge_inner(change), expected);
    }
}

#[test]
fn a_chain_begins_with_a_grant_without_parent_and_links_by_assignee() {
    let mut scene = Scene::new();
    let grants = scene.chain();
    let reason = scene.judge_as(&grants[1..], &as_subject(&scene.carol), |it| {
        it.owner = &scene.bob.did
    });
    assert_eq!(reason, ReasonCode::GrantChainBroken);
    let outer = scene.anchor(1, scene.outer());
    let mut body = scene.inner(&outer);
    body.owner = scene.carol.did;
    let inner = scene.anchor(3, body);
    assert_eq!(scene.judge(&[outer, inner]), ReasonCode::AssigneeMismatch);
}

#[test]
fn conditions_hold_and_are_handed_down() {
    let mut scene = Scene::new();
    let list = vec![
        Constraint::Client(uri("https://app.example/")),
        Constraint::Purpose(uri("urn:purpose:print")),
        Constraint::MediaType(Text::new("image/jpeg").unwrap()),
    ];
    let list: BoundedVec<Constraint, 16> = BoundedVec::try_from(list).unwrap();
    let mut body = scene.outer();
    body.constraints = list.clone();
    let outer = scene.anchor(1, body);
    let grants = [outer.clone()];
    let judge = |client, purpose, media_type| {
        scene.judge_as(&grants, &as_subject(&scene.bob), |it| {
            (it.client, it.purpose, it.media_type) = (client, purpose, media_type);
        })
    };
    let app = Some("https://app.example/");
    let (print, jpeg) = (Some("urn:purpose:print"), Some("image/jpeg"));
    assert_eq!(judge(app, print, jpeg), ReasonCode::Ok);
    assert_eq!(judge(None, print, jpeg), ReasonCode::ConstraintUnmet);
    assert_eq!(
        judge(app, Some("urn:purpose:sell"), jpeg),
        ReasonCode::ConstraintUnmet
    );
    assert_eq!(
        judge(app, print, Some("image/png")),
        ReasonCode::ConstraintUnmet
    );

    let unbound = scene.inner(&outer);
    let dropped = scene.anchor(2, unbound.clone());
    assert_eq!(
        scene.judge(&[outer.clone(), dropped]),
        ReasonCode::NotAttenuated
    );
    let kept = scene.anchor(
        2,
        GrantBody {
            constraints: list,
            ..unbound
        },
    );
    assert_eq!(scene.judge(&[outer, kept]), ReasonCode::ConstraintUnmet);
}
