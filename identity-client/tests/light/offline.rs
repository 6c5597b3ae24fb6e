//! Exports show how their log ends, without a node.

use allod_identity_client::history::{
    EndError, Export, ProvenEnd, claimed_end, proven_end, trust_checkpoint, trust_genesis,
};
use allod_identity_client::light::{Checkpoint, kept_trust};
use allod_primitives::light::{LightError, ReadProof};
use allod_primitives::log::LogHead;
use allod_primitives::{H256, Height};

use crate::fixture::node::{FakeNode, Lies};
use crate::world::{Time, alice, chain, config, kept, lies, open, record_with_log};

const HEAD: LogHead = LogHead {
    count: 3,
    head: H256([4; 32]),
};

/// A node whose validators have changed three times, and an export of alice by it.
async fn exported(time: &Time, folder: Option<&std::path::Path>) -> (FakeNode, Export) {
    let node = FakeNode::new("one", chain());
    let did = alice(&node.chain());
    for set in [&[1, 2, 3, 5], &[1, 2, 5, 6], &[1, 5, 6, 7]] {
        time.pass(1000);
        node.grow(|chain| chain.change_set(time.now(), set));
        time.pass(1000);
        node.grow(|chain| chain.empty(time.now()));
    }
    time.pass(1000);
    node.grow(|chain| chain.write(time.now(), vec![record_with_log(&did, 1, HEAD)]));
    let config = match folder {
        Some(folder) => kept(&node.chain(), time, folder),
        None => config(&node.chain(), time),
    };
    let client = open(config, &[&node]).await.unwrap();
    let proven = client.prove_record(&did, None).await.unwrap();
    assert_eq!(proven.answer.record.log, HEAD);
    client.flush().unwrap();
    let export = Export {
        did,
        chain: client.chain(),
        head: HEAD,
        entries: Vec::new(),
        proof: Some(proven.answer.proof.to_bytes()),
        trail: proven.answer.trail,
    };
    let read = Export::from_json(&export.to_json()).unwrap();
    assert_eq!(read, export, "it survives its file");
    (node, export)
}

/// Goal: a trail that leads nowhere is not exported. Method: the node gives the same change of
/// validators over and over, to a client that knows the later ones already.
#[tokio::test]
async fn a_change_of_validators_that_comes_twice_is_no_trail() {
    let (time, did) = (Time::new(), alice(&chain()));
    let (node, _) = exported(&time, None).await;
    let client = open(config(&node.chain(), &time), &[&node]).await.unwrap();
    client.resolve(&did, None).await.unwrap();
    node.lie(lies(|it| it.first_transition = true));
    let refused = client.prove_record(&did, None).await.unwrap_err();
    assert_eq!(refused.slug(), "light.transitions_withheld", "{refused}");
    node.lie(Lies::default());
    let proven = client.prove_record(&did, None).await.unwrap();
    assert_eq!(proven.answer.trail.unwrap().transitions.len(), 3);
}

fn end_from_genesis(export: &Export) -> Result<ProvenEnd, EndError> {
    proven_end(export, trust_genesis(export)?)
}

/// Goal: from genesis over three changes of validators to the record; with any part taken away or
/// changed there is no end.
#[tokio::test]
async fn an_export_proves_its_end_from_genesis_on() {
    let (node, export) = exported(&Time::new(), None).await;
    let end = end_from_genesis(&export).unwrap();
    let tip = node.chain().tip().header.hash();
    assert_eq!((end.head, end.block.hash), (HEAD, tip));
    assert_eq!(claimed_end(&export).unwrap(), end);
    assert_eq!(export.trail.as_ref().unwrap().transitions.len(), 3);

    let changed = |change: &dyn Fn(&mut Export)| {
        let mut changed = export.clone();
        change(&mut changed);
        end_from_genesis(&changed)
    };
    fn trail(export: &mut Export) -> &mut allod_identity_client::light::Trail {
        export.trail.as_mut().unwrap()
    }
    let refused = changed(&|it| drop(trail(it).transitions.pop()));
    assert!(matches!(
        refused,
        Err(EndError::Light(LightError::SetUnknown { .. }))
    ));
    for change in [
        &(|it: &mut Export| drop(trail(it).transitions.remove(1))) as &dyn Fn(&mut Export),
        &|it| trail(it).transitions.swap(0, 1),
        &|it| trail(it).transitions[2].validators = trail(it).validators.clone(),
        &|it| {
            trail(it).transitions[0]
                .last
                .certificate
                .signatures
                .truncate(2)
        },
        &|it| trail(it).genesis.state_root.0[0] ^= 1,
        &|it| trail(it).validators = trail(it).transitions[0].validators.clone(),
        &|it| it.trail = None,
        &|it| it.proof = None,
    ] {
        assert!(changed(change).is_err());
    }
    let tampered = |change: &dyn Fn(&mut ReadProof)| {
        let mut proof = ReadProof::from_bytes(export.proof.as_ref().unwrap()).unwrap();
        change(&mut proof);
        changed(&|it| it.proof = Some(proof.to_bytes()))
    };
    assert!(tampered(&|_| {}).is_ok());
    assert!(tampered(&|it| it.head.header.state_root.0[0] ^= 1).is_err());
    assert!(tampered(&|it| it.head.certificate.signatures.truncate(2)).is_err());
    assert!(tampered(&|it| it.keys[0][40] ^= 1).is_err());
    assert!(tampered(&|it| it.state.truncate(it.state.len() - 1)).is_err());
    let mut other = export.clone();
    other.did = crate::world::nobody(&node.chain());
    assert!(matches!(claimed_end(&other), Err(EndError::OtherProof)));
    assert!(matches!(
        end_from_genesis(&other),
        Err(EndError::OtherProof)
    ));
    other = export;
    other.chain.genesis.0[31] ^= 1;
    assert!(matches!(
        end_from_genesis(&other),
        Err(EndError::OtherNetwork)
    ));
}

/// Goal: a checkpoint of a block in the file is a beginning, another one is not; so is what a
/// client has kept.
#[tokio::test]
async fn an_export_proves_its_end_from_a_checkpoint_or_from_what_was_kept() {
    let time = Time::new();
    let folder = tempfile::tempdir().unwrap();
    let (node, export) = exported(&time, Some(folder.path())).await;
    let chain = node.chain();
    let checkpoint = |height: u64| Checkpoint {
        network: chain.network(),
        fork_id: chain.id.fork_id,
        height: Height(height),
        hash: chain.block(height).unwrap().header.hash(),
    };
    let tip = chain.tip().header.number.0;
    let trail = export.trail.as_ref().unwrap();
    let last = trail.transitions[1].last.header.number.0;
    for height in [0, last, tip] {
        let trust = trust_checkpoint(&export, &checkpoint(height)).unwrap();
        assert_eq!(proven_end(&export, trust).unwrap().head, HEAD, "{height}");
    }
    // The proof's own block needs no signature.
    let mut unsigned = export.clone();
    let mut proof = ReadProof::from_bytes(unsigned.proof.as_ref().unwrap()).unwrap();
    proof.head.certificate.signatures.truncate(0);
    unsigned.proof = Some(proof.to_bytes());
    let trust = trust_checkpoint(&unsigned, &checkpoint(tip)).unwrap();
    assert_eq!(proven_end(&unsigned, trust).unwrap().head, HEAD);
    assert!(end_from_genesis(&unsigned).is_err());

    let elsewhere = trust_checkpoint(&export, &checkpoint(1)).unwrap_err();
    assert!(matches!(
        elsewhere,
        EndError::CheckpointElsewhere { height: 1 }
    ));
    let mut wrong = checkpoint(tip);
    wrong.hash.0[0] ^= 1;
    assert!(trust_checkpoint(&export, &wrong).is_err());
    wrong = checkpoint(tip);
    wrong.network.0[0] ^= 1;
    let refused = trust_checkpoint(&export, &wrong).unwrap_err();
    assert!(matches!(refused, EndError::OtherNetwork));

    let config = kept(&chain, &time, folder.path());
    let trust = kept_trust(&config).unwrap().unwrap();
    let mut alone = export.clone();
    alone.trail = None;
    assert_eq!(proven_end(&alone, trust).unwrap().head, HEAD);
    let empty = tempfile::tempdir().unwrap();
    let config = kept(&chain, &time, empty.path());
    assert!(kept_trust(&config).unwrap().is_none());
}
