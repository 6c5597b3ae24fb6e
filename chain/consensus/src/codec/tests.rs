use allod_primitives::H256;
use arc_malachitebft_app_channel::app::types::core::{
    CommitSignature, EnterRoundCertificate, VoteExtensions,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn key(n: u8) -> Address {
    Address(PublicKey([n; 32]))
}

fn block(n: u8) -> BlockId {
    BlockId(H256([n; 32]))
}

fn signature(n: u8) -> Signature {
    Signature([n; 64])
}

fn vote(kind: VoteType, value: NilOrVal<BlockId>) -> SignedMessage<Ctx, Vote> {
    let vote = Vote {
        kind,
        height: Height(7),
        round: Round::new(3),
        value,
        validator: key(1),
    };
    SignedMessage::new(vote, signature(2))
}

fn proposal(pol_round: Round) -> SignedMessage<Ctx, Proposal> {
    let (height, round) = (Height(7), Round::new(3));
    let proposal = Proposal {
        height,
        round,
        value: block(4),
        pol_round,
        validator: key(1),
    };
    SignedMessage::new(proposal, signature(2))
}

fn commit() -> CommitCertificate<Ctx> {
    CommitCertificate {
        height: Height(7),
        round: Round::new(3),
        value_id: block(4),
        commit_signatures: (1..4)
            .map(|n| CommitSignature::new(key(n), signature(n)))
            .collect(),
    }
}

fn polka() -> PolkaCertificate<Ctx> {
    let votes = vec![vote(VoteType::Prevote, NilOrVal::Val(block(4)))];
    PolkaCertificate::new(Height(7), Round::new(3), block(4), votes)
}

fn skip() -> RoundCertificate<Ctx> {
    let round = Round::new(4);
    let skip = RoundCertificateType::Skip;
    EnterRoundCertificate::from_commit_certificate(&commit(), skip, round).certificate
}

fn part(sequence: u64, content: StreamContent<Part>) -> StreamMessage<Part> {
    StreamMessage::new(
        StreamId::new(Bytes::from_static(b"stream")),
        sequence,
        content,
    )
}

fn init() -> PartInit {
    PartInit {
        height: Height(7),
        round: 3,
        pol_round: Some(1),
        block_hash: H256([4; 32]),
        block_bytes: 99,
        streamer: PublicKey([1; 32]),
        signature: signature(2),
    }
}

fn response() -> Response<Ctx> {
    let certificate = ExtendedCommitCertificate::from_commit_certificate_and_extensions(
        commit(),
        VoteExtensions::new(Vec::new()),
    );
    let value = RawDecidedValue::new(Bytes::from_static(b"block"), certificate);
    Response::ValueResponse(ValueResponse::new(Height(7), vec![value]))
}

/// Checks that a message survives, and that nothing else decodes to it: no longer and no shorter
/// bytes, and no panic whatever bit is flipped.
fn check<T: Wire + PartialEq + std::fmt::Debug + 'static>(message: &T) {
    let bytes = Codec::encode(&Scale, message).unwrap();
    assert_eq!(Codec::<T>::decode(&Scale, bytes.clone()).unwrap(), *message);
    for length in 0..bytes.len() {
        assert!(Codec::<T>::decode(&Scale, bytes.slice(..length)).is_err());
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(Codec::<T>::decode(&Scale, longer.into()).is_err());
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[index] ^= 1 << bit;
            if let Ok(decoded) = Codec::<T>::decode(&Scale, flipped.clone().into()) {
                assert_ne!(decoded, *message);
                assert_eq!(
                    Codec::encode(&Scale, &decoded).unwrap(),
                    flipped,
                    "canonical"
                );
            }
        }
    }
}

/// Goal: strict, canonical round trips of every message. Method: one of each kind.
#[test]
fn every_message_has_one_encoding() {
    for value in [NilOrVal::Nil, NilOrVal::Val(block(4))] {
        check(&SignedConsensusMsg::<Ctx>::Vote(vote(
            VoteType::Precommit,
            value,
        )));
    }
    for pol_round in [Round::Nil, Round::new(1)] {
        check(&SignedConsensusMsg::<Ctx>::Proposal(proposal(pol_round)));
    }
    check(&LivenessMsg::<Ctx>::Vote(vote(
        VoteType::Prevote,
        NilOrVal::Nil,
    )));
    check(&LivenessMsg::<Ctx>::PolkaCertificate(polka()));
    check(&LivenessMsg::<Ctx>::SkipRoundCertificate(skip()));
    check(&ValidatorProof::<Ctx>::new(
        vec![1; 32],
        vec![2; 38],
        signature(3),
    ));
    check(&part(0, StreamContent::Data(Part::Init(init()))));
    check(&part(1, StreamContent::Data(Part::Data(vec![5; 40]))));
    check(&part(2, StreamContent::Fin));
    check(&Request::<Ctx>::ValueRequest(ValueRequest::new(
        Height(3)..=Height(9),
    )));
    check(&response());
    for validity in [Validity::Valid, Validity::Invalid] {
        check(&ProposedValue::<Ctx> {
            height: Height(7),
            round: Round::new(3),
            valid_round: Round::Nil,
            proposer: key(1),
            value: block(4),
            validity,
        });
    }
}

/// Goal: a withheld signature never leaves the node. Method: encode one.
#[test]
fn a_withheld_vote_is_not_encoded() {
    let mut withheld = vote(VoteType::Prevote, NilOrVal::Nil);
    withheld.signature = WITHHELD;
    for refused in [
        Codec::encode(&Scale, &SignedConsensusMsg::<Ctx>::Vote(withheld.clone())),
        Codec::encode(&Scale, &LivenessMsg::<Ctx>::Vote(withheld)),
    ] {
        assert!(matches!(refused, Err(CodecError::Withheld)));
    }
}

/// Goal: lists and strings are bounded before anything is allocated. Method: lengths that lie.
#[test]
fn lengths_that_lie_are_refused() {
    let mut polka = Codec::encode(&Scale, &LivenessMsg::<Ctx>::PolkaCertificate(polka())).unwrap();
    let count = 1 + 8 + 5 + 32;
    let mut bytes = polka.split_to(count).to_vec();
    Compact(u32::MAX).encode_to(&mut bytes);
    bytes.extend_from_slice(&polka[1..]);
    assert!(Codec::<LivenessMsg<Ctx>>::decode(&Scale, bytes.into()).is_err());

    let mut data = vec![2];
    Compact(u32::MAX).encode_to(&mut data);
    assert!(Codec::<Part>::decode(&Scale, data.into()).is_err());

    let flood = vec![0; 2 * SYNC_RESPONSE_BYTES_MAX];
    let refused = Codec::<Response<Ctx>>::decode(&Scale, flood.into());
    assert!(matches!(refused, Err(CodecError::TooLong { .. })));
}

/// Goal: the largest set's messages fit their bound. Method: 128 signatures.
#[test]
fn the_largest_certificates_fit_a_message() {
    let mut certificate = skip();
    let one = certificate.round_signatures[0].clone();
    certificate.round_signatures = vec![one; SIGNATURES_MAX];
    let message = LivenessMsg::<Ctx>::SkipRoundCertificate(certificate);
    assert!(Codec::encode(&Scale, &message).is_ok());
}

/// Goal: garbage never panics. Method: a hundred thousand random strings into every decoder.
#[test]
fn garbage_is_survived() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..100_000 {
        let length = rng.gen_range(0..120);
        let bytes: Bytes = (0..length)
            .map(|_| rng.r#gen::<u8>() & rng.r#gen::<u8>())
            .collect();
        let _ = Codec::<SignedConsensusMsg<Ctx>>::decode(&Scale, bytes.clone());
        let _ = Codec::<LivenessMsg<Ctx>>::decode(&Scale, bytes.clone());
        let _ = Codec::<StreamMessage<Part>>::decode(&Scale, bytes.clone());
        let _ = Codec::<ValidatorProof<Ctx>>::decode(&Scale, bytes.clone());
        let _ = Codec::<Status<Ctx>>::decode(&Scale, bytes.clone());
        let _ = Codec::<Request<Ctx>>::decode(&Scale, bytes.clone());
        let _ = Codec::<Response<Ctx>>::decode(&Scale, bytes.clone());
        let _ = Codec::<ProposedValue<Ctx>>::decode(&Scale, bytes);
    }
}
