//! Goal: every theft that spec/control.md says is survived, is. In each story the thief moves first.

use allod_identity_client::operation::{Act, Author, retirement};
use allod_primitives::H256;
use allod_primitives::document::RetireReason;
use allod_primitives::limits::QUOTA_RANK_PER_DAY;
use allod_primitives::operation::{Body, Lane, Payer, ProposedChange};
use allod_primitives::policy::{Capabilities, PolicyChange};
use allod_primitives::record::{Proposer, Status};
use allod_rpc_api::submit::{SubmitItem, SubmitStatus, Wait};
use allod_tests::people::Account;

use super::cast::{
    DEVICE, Setup, Stage, add_method, approved, commitment, control, fate, key, method, pending,
    propose, rank, reveal, rotate, set_rank, signed,
};

/// Method: rank 1 is stolen. The thief adds a login key and takes the rank for itself, but cannot
/// reach up. One operation of rank 0 gives the rank to a new phone and retires the thief's key.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_phone_is_replaced_and_what_it_added_is_void() {
    let mut stage = Stage::new().await;
    let setup = Setup {
        pre_rotated: true,
        phone: Some(DEVICE),
        ..Setup::default()
    };
    let owner = stage.incept("stolen phone", setup).await;
    let thief = key("thief of the phone");

    let body = Body::UpdateDocument(add_method("helper", &thief).patch().unwrap());
    let added = stage
        .act(&owner.did, Lane::Documents, body, &[&owner.phone])
        .await;
    added.unwrap();
    let all = rank(&thief, Capabilities::ALL, None);
    let body = rotate(set_rank(1, Some(all)));
    let taken = stage
        .act(&owner.did, Lane::Rank(1), body, &[&owner.phone])
        .await;
    taken.unwrap();
    assert_eq!(
        stage.login(&owner.did, &method("helper", &thief)).await,
        "allow"
    );
    let record = stage.record(&owner.did).await;
    assert_eq!(
        record.policy.ranks[1].capabilities, DEVICE,
        "no rank gives what it lacks"
    );
    let up = propose(set_rank(0, Some(rank(&thief, Capabilities::ALL, None))));
    let refused = stage.act(&owner.did, Lane::Rank(1), up, &[&thief]).await;
    assert_eq!(refused.unwrap_err(), "did.capability_missing");

    let phone = key("new phone");
    let since = RetireReason::CompromisedSince(record.updated);
    let mut document = add_method("phone-2", &phone);
    document.retire = vec![retirement("helper", since).unwrap()];
    let body = Body::Rotate {
        change: set_rank(1, Some(rank(&phone, DEVICE, None))),
        document: Some(document.patch().unwrap()),
    };
    let rescued = stage
        .act(&owner.did, Lane::Rank(0), body, &[&owner.rank0])
        .await;
    rescued.unwrap();
    assert_eq!(
        stage.login(&owner.did, &method("helper", &thief)).await,
        "key_retired"
    );
    assert_eq!(
        stage.login(&owner.did, &method("phone-2", &phone)).await,
        "allow"
    );
    let again = Body::UpdateDocument(add_method("again", &key("again")).patch().unwrap());
    let refused = stage
        .act(&owner.did, Lane::Documents, again, &[&thief])
        .await;
    assert_eq!(refused.unwrap_err(), "did.not_authorized");
    stage.net.stop().await.unwrap();
}

/// Method: the exposed key of rank 0 is stolen; there are guardians, no next keys. The thief logs
/// in, takes the lower rank and proposes to be alone. Guardians recover; the thief proposes to
/// cancel that; guardians cancel the cancellation. After the delay the thief has nothing.
#[tokio::test(flavor = "multi_thread")]
async fn guardians_win_against_the_thief_of_rank_0() {
    let mut stage = Stage::new().await;
    let setup = Setup {
        guarded: true,
        phone: Some(Capabilities::ALL),
        ..Setup::default()
    };
    let owner = stage.incept("stolen rank 0", setup).await;
    let thief = key("thief of rank 0");
    let circle: Vec<_> = owner.guardians.iter().take(2).collect();

    let body = Body::UpdateDocument(add_method("helper", &thief).patch().unwrap());
    let lane = Lane::Documents;
    stage
        .act(&owner.did, lane, body, &[&owner.rank0])
        .await
        .unwrap();
    let lower = rotate(set_rank(1, Some(rank(&thief, Capabilities::ALL, None))));
    let lane = Lane::Rank(0);
    stage
        .act(&owner.did, lane, lower, &[&owner.rank0])
        .await
        .unwrap();
    let own = rotate(set_rank(0, Some(rank(&key("t0"), Capabilities::ALL, None))));
    let refused = stage.act(&owner.did, lane, own, &[&owner.rank0]).await;
    assert_eq!(refused.unwrap_err(), "did.must_wait");
    let alone = propose(PolicyChange {
        guardians: Some(None),
        ..set_rank(0, Some(rank(&key("t0"), Capabilities::ALL, None)))
    });
    stage
        .act(&owner.did, lane, alone, &[&owner.rank0])
        .await
        .unwrap();
    let attack = pending(&stage.record(&owner.did).await);

    let fresh = key("owner's new machine");
    let sheet = key("owner's new sheet");
    let recover = Body::Recover {
        rank: rank(&fresh, Capabilities::ALL, Some(commitment(&sheet))),
    };
    stage
        .act_guardians(&owner.did, recover, &circle)
        .await
        .unwrap();
    let record = stage.record(&owner.did).await;
    assert_eq!(record.pending.len(), 1, "the recovery displaces the attack");
    assert_eq!(record.pending[0].proposer, Proposer::Guardians);
    let recovery = record.pending[0].id;
    assert_ne!(attack, [recovery]);

    let again = propose(set_rank(0, Some(rank(&key("t1"), Capabilities::ALL, None))));
    let refused = stage.act(&owner.did, lane, again, &[&owner.rank0]).await;
    assert_eq!(refused.unwrap_err(), "did.pending_conflict");
    let direct = Body::Cancel { pending: recovery };
    let refused = stage.act(&owner.did, lane, direct, &[&owner.rank0]).await;
    assert_eq!(refused.unwrap_err(), "did.change_not_allowed");
    let cancel = Body::Propose(ProposedChange::CancelRecovery(recovery));
    stage
        .act(&owner.did, lane, cancel.clone(), &[&owner.rank0])
        .await
        .unwrap();
    let record = stage.record(&owner.did).await;
    let cancellation = record.pending[1].id;
    let counter = Body::Cancel {
        pending: cancellation,
    };
    stage
        .act_guardians(&owner.did, counter, &circle)
        .await
        .unwrap();
    let refused = stage.act(&owner.did, lane, cancel, &[&owner.rank0]).await;
    assert_eq!(refused.unwrap_err(), "did.cooling_down");
    assert_eq!(
        stage.login(&owner.did, &method("helper", &thief)).await,
        "allow"
    );

    stage.wait_out().await;
    let record = stage.record(&owner.did).await;
    assert_eq!(record.policy.ranks.len(), 1, "lower ranks are gone");
    assert_eq!(record.policy.ranks[0].weight_of(&control(&fresh)), 1);
    assert!(record.document.methods.is_empty() && record.grant_epoch == 1);
    assert_eq!(
        stage.login(&owner.did, &method("helper", &thief)).await,
        "key_retired"
    );
    for (lane, thiefs) in [(Lane::Rank(0), &owner.rank0), (Lane::Rank(1), &thief)] {
        let body = rotate(set_rank(2, Some(rank(&key("t2"), DEVICE, None))));
        let refused = stage.act(&owner.did, lane, body, &[thiefs]).await;
        assert_eq!(refused.unwrap_err(), "did.not_authorized");
    }
    let login = key("owner's new login");
    let body = Body::UpdateDocument(add_method("key-2", &login).patch().unwrap());
    stage
        .act(&owner.did, Lane::Documents, body, &[&fresh])
        .await
        .unwrap();
    assert_eq!(
        stage.login(&owner.did, &method("key-2", &login)).await,
        "allow"
    );
    stage.net.stop().await.unwrap();
}

/// Method: the owner has nothing left. One guardian, even with the leaf of another, changes
/// nothing; two bring the identity back.
#[tokio::test(flavor = "multi_thread")]
async fn everything_is_lost_and_guardians_bring_it_back() {
    let mut stage = Stage::new().await;
    let setup = Setup {
        guarded: true,
        ..Setup::default()
    };
    let owner = stage.incept("everything lost", setup).await;
    let did = owner.did;
    let guardians = owner.guardians.clone();
    drop(owner);
    let fresh = key("found again");
    let body = Body::Recover {
        rank: rank(&fresh, Capabilities::ALL, None),
    };
    let alone = stage
        .act_guardians(&did, body.clone(), &[&guardians[0]])
        .await;
    assert_eq!(alone.unwrap_err(), "did.not_authorized");
    let stranger = (key("no guardian"), guardians[1].1.clone());
    let padded = stage
        .act_guardians(&did, body.clone(), &[&guardians[0], &stranger])
        .await;
    assert_eq!(padded.unwrap_err(), "did.not_authorized");
    assert_eq!(stage.record(&did).await.lanes.guardians.next_seq, 0);
    let (one, two) = (&guardians[2], &guardians[0]);
    stage.act_guardians(&did, body, &[one, two]).await.unwrap();
    let early = rotate(set_rank(1, Some(rank(&key("new phone"), DEVICE, None))));
    let refused = stage
        .act(&did, Lane::Rank(0), early.clone(), &[&fresh])
        .await;
    assert_eq!(refused.unwrap_err(), "did.not_authorized");
    stage.wait_out().await;
    stage
        .act(&did, Lane::Rank(0), early, &[&fresh])
        .await
        .unwrap();
    let entries = stage.client.history(&did, 0, None).await.unwrap().entries;
    let kinds: Vec<&str> = entries.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, ["operation", "operation", "automatic", "operation"]);
    stage.net.stop().await.unwrap();
}

/// Method: two guardians conspire. The owner sees it and cancels with the sheet; they rest, and
/// cannot try again tomorrow.
#[tokio::test(flavor = "multi_thread")]
async fn colluding_guardians_are_cancelled_with_the_next_keys() {
    let mut stage = Stage::new().await;
    let setup = Setup {
        pre_rotated: true,
        guarded: true,
        ..Setup::default()
    };
    let owner = stage.incept("colluding guardians", setup).await;
    let circle: Vec<_> = owner.guardians.iter().skip(1).collect();
    let theirs = Body::Recover {
        rank: rank(&key("conspirators"), Capabilities::ALL, None),
    };
    stage
        .act_guardians(&owner.did, theirs.clone(), &circle)
        .await
        .unwrap();
    let id = pending(&stage.record(&owner.did).await)[0];
    let (next, after) = (owner.next.unwrap(), key("the sheet after"));
    let opened = reveal(&next, Some(&after));
    let cancel = Body::Cancel { pending: id };
    stage
        .act_next(&owner.did, opened, cancel, &next)
        .await
        .unwrap();
    let again = stage.act_guardians(&owner.did, theirs, &circle).await;
    assert_eq!(again.unwrap_err(), "did.cooling_down");
    stage.wait_out().await;
    let record = stage.record(&owner.did).await;
    assert_eq!(record.policy.ranks[0].weight_of(&control(&next)), 1);
    assert_eq!(record.policy.ranks[0].next, Some(commitment(&after)));
    assert!(record.pending.is_empty());
    assert_eq!(stage.login(&owner.did, &owner.login).await, "allow");
    stage.net.stop().await.unwrap();
}

/// Method: the exposed key of a pre-rotated rank 0 is stolen. It cannot rotate or end the
/// identity; what it proposes is cleared by the reveal, and nothing of it comes true later. A
/// deactivation under pre-rotation by the next keys is final.
#[tokio::test(flavor = "multi_thread")]
async fn a_thief_under_pre_rotation_gets_nowhere() {
    let mut stage = Stage::new().await;
    let setup = Setup {
        pre_rotated: true,
        ..Setup::default()
    };
    let owner = stage.incept("pre-rotation", setup).await;
    let thiefs = rank(&key("thief"), Capabilities::ALL, None);
    let lane = Lane::Rank(0);
    for body in [rotate(set_rank(0, Some(thiefs.clone()))), Body::Deactivate] {
        let refused = stage.act(&owner.did, lane, body, &[&owner.rank0]).await;
        assert_eq!(refused.unwrap_err(), "did.must_wait");
    }
    let end = Body::Propose(ProposedChange::Deactivation);
    stage
        .act(&owner.did, lane, end, &[&owner.rank0])
        .await
        .unwrap();
    let change = propose(set_rank(0, Some(thiefs)));
    let refused = stage.act(&owner.did, lane, change, &[&owner.rank0]).await;
    assert_eq!(refused.unwrap_err(), "did.pending_conflict");

    let (next, after) = (owner.next.unwrap(), key("pre-rotation, the sheet after"));
    let opened = reveal(&next, Some(&after));
    let body = rotate(PolicyChange::default());
    stage
        .act_next(&owner.did, opened.clone(), body.clone(), &next)
        .await
        .unwrap();
    stage.wait_out().await;
    let record = stage.record(&owner.did).await;
    assert_eq!(record.status, Status::Active);
    assert!(record.pending.is_empty());
    let old = rotate(set_rank(1, Some(rank(&key("x"), DEVICE, None))));
    let refused = stage.act(&owner.did, lane, old, &[&owner.rank0]).await;
    assert_eq!(refused.unwrap_err(), "did.not_authorized");
    let refused = stage.act_next(&owner.did, opened, body, &next).await;
    assert_eq!(
        refused.unwrap_err(),
        "did.not_authorized",
        "a sheet opens once"
    );

    let last = reveal(&after, None);
    stage
        .act_next(&owner.did, last, Body::Deactivate, &after)
        .await
        .unwrap();
    let dead = stage
        .act(
            &owner.did,
            Lane::Documents,
            Body::SetNotBefore {
                not_before: allod_primitives::TimeMs(1),
                bump_grant_epoch: false,
            },
            &[&after],
        )
        .await;
    assert_eq!(dead.unwrap_err(), "did.deactivated");
    stage.net.stop().await.unwrap();
}

/// Method: the thief uses up every quota that exposed keys have, in its lane and the documents',
/// and goes on sending. The owner's next keys are in a block all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_thief_that_floods_lanes_and_quotas_does_not_keep_the_owner_out() {
    let mut stage = Stage::new().await;
    let setup = Setup {
        pre_rotated: true,
        ..Setup::default()
    };
    let owner = stage.incept("flooded", setup).await;
    let terms = stage.terms(Payer::Any).await;
    let lanes = stage.record(&owner.did).await.lanes;
    let mut author = Author::new(terms, owner.did.id(), lanes);
    let mut flood = Vec::new();
    for n in 0..40u8 {
        let cut_off = Body::SetNotBefore {
            not_before: allod_primitives::TimeMs(u64::from(n)),
            bump_grant_epoch: false,
        };
        let lower = rotate(set_rank(
            3,
            Some(rank(&key(&format!("flood {n}")), DEVICE, None)),
        ));
        for (lane, body) in [(Lane::Documents, cut_off), (Lane::Rank(0), lower)] {
            let act = Act {
                lane,
                controller: None,
                reveal: None,
                body,
            };
            flood.push(signed(author.act(act).unwrap(), &[&owner.rank0]));
        }
    }
    let outcomes = stage.submit_each(&flood).await;
    let taken = outcomes
        .iter()
        .filter(|it| it.status == SubmitStatus::Finalized)
        .count();
    assert!(taken >= usize::from(QUOTA_RANK_PER_DAY), "{taken}");
    assert!(taken < flood.len(), "quotas end the flood");
    let items: Vec<SubmitItem> = flood.iter().map(SubmitItem::operation).collect();
    let more = stage
        .client
        .submit(items, Wait::Accepted, None)
        .await
        .unwrap();
    assert_eq!(more.len(), flood.len());

    let (next, after) = (owner.next.unwrap(), key("flooded, the sheet after"));
    let opened = reveal(&next, Some(&after));
    let rescued = stage
        .act_next(&owner.did, opened, rotate(PolicyChange::default()), &next)
        .await;
    rescued.unwrap();
    assert_eq!(
        stage.record(&owner.did).await.policy.ranks[0].weight_of(&control(&next)),
        1
    );
    stage.net.stop().await.unwrap();
}

/// Method: owner and thief act at the same moment, several times: the owner cancels with next
/// keys what the thief withdraws just then. Whoever is first, the reveal stands. A cancellation
/// that comes after the delay finds nothing to cancel.
#[tokio::test(flavor = "multi_thread")]
async fn a_thief_that_races_the_cancel_loses_the_rank_all_the_same() {
    let mut stage = Stage::new().await;
    let setup = Setup {
        pre_rotated: true,
        ..Setup::default()
    };
    for round in 0..4u8 {
        let owner = stage.incept(&format!("race {round}"), setup).await;
        let thief = rank(&key("racer"), Capabilities::ALL, None);
        let lane = Lane::Rank(0);
        let attack = propose(set_rank(0, Some(thief)));
        stage
            .act(&owner.did, lane, attack, &[&owner.rank0])
            .await
            .unwrap();
        let id = pending(&stage.record(&owner.did).await)[0];
        let body = Body::Cancel { pending: id };
        let withdraw = stage.operation(&owner.did, lane, None, body.clone()).await;
        let withdraw = signed(withdraw, &[&owner.rank0]);
        let next = owner.next.clone().unwrap();
        let opened = reveal(&next, Some(&key("race, the sheet after")));
        let cancel = stage
            .operation(&owner.did, Lane::Next(0), Some(opened), body)
            .await;
        let cancel = signed(cancel, &[&next]);
        let both = match round % 2 {
            0 => [withdraw, cancel],
            _ => [cancel, withdraw],
        };
        let outcomes = stage.submit_each(&both).await;
        let owners = &outcomes[usize::from(round % 2 == 0)];
        fate(owners).unwrap();
        let record = stage.record(&owner.did).await;
        assert_eq!(record.policy.ranks[0].weight_of(&control(&next)), 1);
        assert!(record.pending.is_empty());
    }

    let late = stage.incept("too late", setup).await;
    let thief = rank(&key("patient"), Capabilities::ALL, None);
    let attack = propose(set_rank(0, Some(thief)));
    stage
        .act(&late.did, Lane::Rank(0), attack, &[&late.rank0])
        .await
        .unwrap();
    let id = pending(&stage.record(&late.did).await)[0];
    stage.wait_out().await;
    let next = late.next.unwrap();
    let body = Body::Cancel { pending: id };
    let missed = stage
        .act_next(&late.did, reveal(&next, None), body, &next)
        .await;
    assert_eq!(
        missed.unwrap_err(),
        "did.not_authorized",
        "the limit, as stated"
    );
    stage.net.stop().await.unwrap();
}

/// Method: an operation bound to one sponsor comes in another's batch and is refused; one that a
/// sponsor holds back goes in by itself, and the sponsor's copy is stale when it comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_sponsor_can_neither_rewrap_an_operation_nor_hold_it_back() {
    let mut stage = Stage::new().await;
    let owner = stage.incept("sponsored", Setup::default()).await;
    let registrar = stage.registrar.public();
    let body = rotate(set_rank(
        1,
        Some(rank(&key("sponsored phone"), DEVICE, None)),
    ));
    let lanes = stage.record(&owner.did).await.lanes;
    let act = |payer| {
        let (body, stage) = (body.clone(), &stage);
        async move {
            let mut author = Author::new(stage.terms(payer).await, owner.did.id(), lanes);
            let act = Act {
                lane: Lane::Rank(0),
                controller: None,
                reveal: None,
                body,
            };
            author.act(act).unwrap()
        }
    };
    let stranger = key("another registrar").public();
    let bound = signed(act(Payer::Sponsor(stranger)).await, &[&owner.rank0]);
    let free = signed(act(Payer::Any).await, &[&owner.rank0]);

    let refused = stage.submit(bound.clone()).await;
    assert_eq!(refused.unwrap_err(), "did.payer_refused", "bare");
    let batch = stage.registrar.batch(&[bound]);
    let outcome = stage
        .client
        .submit(vec![batch], Wait::Finalized, Some(30_000))
        .await
        .unwrap();
    let error = &outcome[0].item_errors[0].error;
    assert_eq!(error.slug, "did.payer_refused", "in another's batch");
    assert_ne!(registrar, stranger);

    // The registrar was given `free` and does nothing; the owner sends it.
    stage.submit(free.clone()).await.unwrap();
    let batch = stage.registrar.batch(&[free]);
    let outcome = stage
        .client
        .submit(vec![batch], Wait::Finalized, Some(30_000))
        .await
        .unwrap();
    assert_eq!(outcome[0].item_errors[0].error.slug, "did.sequence_stale");
    stage.net.stop().await.unwrap();
}

/// Method: while a recovery waits, trustees replace a validator and the network travels to the
/// end of the delay. Old nodes and the new one agree that it took effect.
#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_takes_effect_on_a_network_that_changed_meanwhile() {
    let mut stage = Stage::new().await;
    let setup = Setup {
        guarded: true,
        ..Setup::default()
    };
    let owner = stage.incept("meanwhile", setup).await;
    let fresh = key("meanwhile, found again");
    let recover = Body::Recover {
        rank: rank(&fresh, Capabilities::ALL, None),
    };
    let circle: Vec<_> = owner.guardians.iter().take(2).collect();
    let operation = stage
        .operation(&owner.did, Lane::Guardians, None, recover)
        .await;
    stage.submit(approved(operation, &circle)).await.unwrap();

    let newcomer = crate::governance::replace_last_validator(&stage.net).await;
    stage.wait_out().await;
    let head = stage.client.context().await.unwrap().height;
    for client in [&stage.client, &newcomer, &stage.net.client(2).unwrap()] {
        crate::support::wait_height(client, head, std::time::Duration::from_secs(60)).await;
        let record = client.resolve(&owner.did, None).await.unwrap().record;
        assert_eq!(record.policy.ranks[0].weight_of(&control(&fresh)), 1);
        assert_eq!(record.lanes.guardians.next_seq, 1);
        assert_ne!(record.log.head, H256::ZERO);
    }
    let mut registrar = Account::new(&newcomer, stage.net.secret("/keys/registrar").unwrap())
        .await
        .unwrap();
    let body = rotate(set_rank(
        1,
        Some(rank(&key("meanwhile phone"), DEVICE, None)),
    ));
    let operation = stage.operation(&owner.did, Lane::Rank(0), None, body).await;
    let batch = registrar.batch(&[signed(operation, &[&fresh])]);
    crate::support::submit_all(&newcomer, vec![batch]).await;
    stage.net.stop().await.unwrap();
}
