use allod_primitives::DidId;
use allod_primitives::operation::SignatureProof;
use parity_scale_codec::{DecodeAll, Encode};

use super::*;
use crate::control::{Effect, PartialOperation, PolicyTemplate, RankTemplate};
use crate::letter::Letter;
use crate::testing::{DAY, World, chain, public, secret, sheet};

const NAMES: [(&str, u8); 3] = [("Anna", 20), ("Boris", 21), ("Chen", 22)];

fn circle() -> Circle {
    let members = NAMES
        .iter()
        .map(|(name, key)| ((*name).into(), public(*key), 1));
    Circle::new(members.collect(), 2, 4 * DAY).unwrap()
}

fn world(circle: &Circle) -> World {
    let policy = PolicyTemplate::recoverable(public(1), &sheet());
    World::new(policy.with_guardians(Some(circle.set())), &[1])
}

#[test]
fn guardians_are_invited_answer_and_the_owner_sees_who_did() {
    let mut circle = circle();
    let did = world(&circle).did.id();
    let letters = circle.invitations(&chain(), &did);
    assert_eq!(circle.readiness(), (0, 2));
    for (letter, (name, key)) in letters.iter().zip(NAMES).take(2) {
        let received = InvitationLetter::parse(&letter.to_json().to_string()).unwrap();
        let answer = acknowledge(&received, &secret(key)).unwrap();
        let answer = Acknowledgement::parse(&answer.to_text()).unwrap();
        let accepted = circle.accept(&chain(), &did, answer).unwrap();
        assert_eq!(
            (accepted.name.as_str(), accepted.acknowledged),
            (name, true)
        );
    }
    let answered: Vec<bool> = circle.answers().iter().map(|it| it.acknowledged).collect();
    assert_eq!(
        (answered, circle.readiness()),
        (vec![true, true, false], (2, 2))
    );
    // It is kept as bytes in the key file.
    let kept = Circle::decode_all(&mut circle.encode().as_slice()).unwrap();
    assert!(kept.is_sound());
    assert_eq!((kept.set(), kept), (circle.set(), circle));
}

#[test]
fn answers_that_are_not_to_the_invitation_are_refused() {
    let mut circle = circle();
    let did = DidId([1; 32]);
    let letters = circle.invitations(&chain(), &did);
    let other = acknowledge(&letters[0], &secret(21)).unwrap_err();
    assert!(matches!(other, GuardianshipError::OtherKey));
    let mut void = letters[0].clone();
    void.invitation.leaf.weight = 2;
    let void = acknowledge(&void, &secret(20)).unwrap_err();
    assert!(matches!(void, GuardianshipError::Guardian(_)));
    let answer = acknowledge(&letters[0], &secret(20)).unwrap();
    let elsewhere = circle.accept(&chain(), &DidId([2; 32]), answer.clone());
    assert!(matches!(elsewhere, Err(GuardianshipError::OtherInvitation)));
    let mut forged = answer;
    forged.proof = match acknowledge(&letters[1], &secret(21)).unwrap().proof {
        SignatureProof::Ed25519(it) => SignatureProof::Ed25519(it),
        other => panic!("{other:?}"),
    };
    let forged = circle.accept(&chain(), &did, forged);
    assert!(matches!(forged, Err(GuardianshipError::BadSignature)));
    assert_eq!(circle.readiness().0, 0);
}

#[test]
fn salts_are_fresh_and_the_set_tells_nothing_of_them() {
    assert_ne!(circle().set().root, circle().set().root);
    let none = Circle::new(Vec::new(), 1, 4 * DAY).unwrap_err();
    assert!(matches!(none, GuardianshipError::Guardian(_)));
    let members = vec![("Anna".into(), public(20), 1)];
    let soon = Circle::new(members, 1, 1000).unwrap_err();
    assert!(matches!(soon, GuardianshipError::Build(_)));
}

/// Goal: the owner needs nothing. Method: only the letters that guardians kept, the record and a
/// new key take part.
#[test]
fn guardians_recover_by_themselves_and_can_think_better_of_it() {
    let circle = circle();
    let mut world = world(&circle);
    let letters = circle.invitations(&chain(), &world.did.id());
    let rank = RankTemplate::single(public(30));
    let (partial, plan) =
        start_recovery(&world.view(), &world.terms(), &letters[2], rank.clone()).unwrap();
    let until = world.now.plus_ms(4 * DAY);
    assert_eq!(plan.effect, Effect::Waits { until });
    let mut own = partial.clone();
    approve(&mut own, &letters[2], &secret(22)).unwrap();
    let mut other = PartialOperation::parse(&partial.to_text()).unwrap();
    let wrong = approve(&mut other, &letters[0], &secret(22)).unwrap_err();
    assert!(matches!(wrong, GuardianshipError::OtherKey));
    approve(&mut other, &letters[0], &secret(20)).unwrap();
    assert!(approve(&mut other, &letters[0], &secret(20)).is_err());
    own.merge(&other).unwrap();
    world.take(own.complete().unwrap()).unwrap();
    let id = world.record.pending[0].id;

    let mut regretted = world.clone();
    let terms = world.terms();
    let mut cancel = cancel_as_guardian(&world.view(), &terms, &letters[1], id).unwrap();
    for (index, key) in [(0, 20), (1, 21)] {
        approve(&mut cancel, &letters[index], &secret(key)).unwrap();
    }
    regretted.take(cancel.complete().unwrap()).unwrap();
    assert!(regretted.record.pending.is_empty());

    world.pass(4 * DAY);
    assert_eq!(world.record.policy.ranks[0].keys[0].key, public(30));
    // A circle that the identity no longer has recovers nothing.
    let stranger = super::tests::circle().invitations(&chain(), &world.did.id());
    let old = start_recovery(&world.view(), &terms, &stranger[0], rank).unwrap_err();
    assert!(matches!(old, GuardianshipError::OutOfDate));
    let mut elsewhere = letters[0].clone();
    elsewhere.invitation.did = DidId([3; 32]);
    let wrong = approve(&mut other, &elsewhere, &secret(20)).unwrap_err();
    assert!(matches!(wrong, GuardianshipError::OtherIdentity));
}
