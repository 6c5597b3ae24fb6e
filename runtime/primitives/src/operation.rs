//! Operations: what an identity signs to change itself.
//!
//! An operation is bound to one network, fork, DID, lane and place in that lane, to who pays for
//! it, and to a time after which it is void. What is signed is
//! `"allod/operation-signature/v1" ++ genesis(32) ++ fork_id(4 LE) ++ operation hash(32)`, where
//! the operation hash is `H("allod/operation/v1", SCALE(operation))`. `lane_prev` is the hash of
//! the previous *unsigned* operation of the lane, so that one can sign ahead.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::codec::{BoundedVec, is_strictly_ascending};
use crate::crypto::{PublicKey, Signature};
use crate::did::DidId;
use crate::document::{DocumentPatch, InitialDocument};
use crate::hash::{H256, domain_hash};
use crate::limits::{
    AUTHENTICATOR_DATA_BYTES_MAX, CLIENT_DATA_BYTES_MAX, GUARDIAN_PATH_MAX,
    OPERATION_SIGNATURES_MAX, RANK_KEYS_MAX,
};
use crate::policy::{
    ControlKey, ControlPolicy, PolicyChange, Rank, WeightedKey, next_keys_commitment,
};
use crate::types::{ChainId, ForkId, TimeMs};

/// Version byte of [`Operation`].
pub const OPERATION_VERSION: u8 = 1;
/// Version byte of [`Inception`].
pub const INCEPTION_VERSION: u8 = 1;

/// Where an operation queues. A low key cannot block a rescue: each has a queue of its own.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub enum Lane {
    /// Control changes by the rank of this index (0 to 3).
    #[codec(index = 0)]
    Rank(u8),
    /// Recoveries and cancellations by guardians.
    #[codec(index = 1)]
    Guardians,
    /// Document changes, by any rank with that capability.
    #[codec(index = 2)]
    Documents,
    /// Control changes by the next keys of the rank of this index, which the operation reveals.
    #[codec(index = 3)]
    Next(u8),
}

/// Who may pay for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Payer {
    /// Only the identity's own quota, in a bare extrinsic.
    #[codec(index = 0)]
    Own,
    /// Only this registrar, in its batch.
    #[codec(index = 1)]
    Sponsor(PublicKey),
    /// The own quota or any registrar.
    #[codec(index = 2)]
    Any,
}

/// What an identity's name is the hash of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Inception {
    /// [`INCEPTION_VERSION`].
    pub version: u8,
    /// First control policy.
    pub policy: ControlPolicy,
    /// First document.
    pub document: InitialDocument,
    /// 16 random bytes.
    pub salt: [u8; 16],
}

impl Inception {
    /// Returns the identity this body names: `H("allod/did/v1", SCALE(self))`.
    pub fn did_id(&self) -> DidId {
        DidId(domain_hash("allod/did/v1", &[&self.encode()]).0)
    }
}

/// The keys a commitment was made to. They become the rank's keys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Reveal {
    /// Next keys, strictly ascending by key.
    pub keys: BoundedVec<WeightedKey, RANK_KEYS_MAX>,
    /// Their threshold.
    pub threshold: u32,
    /// Salt of the commitment.
    pub salt: [u8; 16],
    /// Commitment to the keys after these.
    pub next: Option<H256>,
}

impl Reveal {
    /// Returns the commitment that this opens.
    pub fn commitment(&self) -> H256 {
        next_keys_commitment(&self.keys, self.threshold, &self.salt)
    }
}

/// Where a guardian's key is among the guardians of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct GuardianLeaf {
    /// Its weight.
    pub weight: u16,
    /// Salt of the leaf.
    pub salt: [u8; 16],
    /// Position of the leaf.
    pub index: u16,
    /// Siblings from the leaf upwards.
    pub path: BoundedVec<H256, GUARDIAN_PATH_MAX>,
}

/// What a rank proposes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum ProposedChange {
    /// Another policy.
    #[codec(index = 0)]
    Control(PolicyChange),
    /// The end. Rank 0 only.
    #[codec(index = 1)]
    Deactivation,
    /// That the pending recovery of this id does not take place. Rank 0 only.
    #[codec(index = 2)]
    CancelRecovery(H256),
}

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Body {
    /// Creates the identity. Lane `Rank(0)`, sequence 0.
    #[codec(index = 0)]
    Incept(Inception),
    /// Changes the document. Lane `Documents`.
    #[codec(index = 1)]
    UpdateDocument(DocumentPatch),
    /// Changes control at once, and the document with it. Lane `Rank(r)` or `Next(r)`.
    #[codec(index = 2)]
    Rotate {
        /// The change of the policy, after the reveal; may be empty.
        change: PolicyChange,
        /// Change of the document, applied as far as it can be.
        document: Option<DocumentPatch>,
    },
    /// Ends the identity for good. Lane `Rank(0)` or `Next(0)`.
    #[codec(index = 3)]
    Deactivate,
    /// Proposes a change, which waits. Lane `Rank(r)` of the proposer.
    #[codec(index = 4)]
    Propose(ProposedChange),
    /// Cancels a pending change. Lane of the canceller.
    #[codec(index = 5)]
    Cancel {
        /// Hash of the operation that proposed it.
        pending: H256,
    },
    /// Guardians replace rank 0, after the delay. Lane `Guardians`.
    #[codec(index = 6)]
    Recover {
        /// The new rank 0.
        rank: Rank,
    },
    /// Logs out everywhere: tokens issued before then are void. Lane `Documents` or `Rank(r)`.
    #[codec(index = 7)]
    SetNotBefore {
        /// The new cut-off; never earlier than the old one, never later than the block's time.
        not_before: TimeMs,
        /// Whether all grants issued so far die too.
        bump_grant_epoch: bool,
    },
}

/// An unsigned operation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Operation {
    /// [`OPERATION_VERSION`].
    pub version: u8,
    /// Origin genesis hash of the network.
    pub genesis: H256,
    /// Its fork.
    pub fork_id: ForkId,
    /// The identity that acts and is acted on.
    pub did: DidId,
    /// Where it queues.
    pub lane: Lane,
    /// Its place there, from 0.
    pub lane_seq: u64,
    /// Hash of the lane's previous operation; zero for the first.
    pub lane_prev: H256,
    /// Who may pay.
    pub payer: Payer,
    /// Void in blocks of a later time.
    pub valid_until: TimeMs,
    /// The identity whose keys sign, if it is a controller of `did` and not `did` itself.
    pub controller: Option<DidId>,
    /// Opens the commitment of the rank; in lanes `Next` and in no other.
    pub reveal: Option<Reveal>,
    /// What it does.
    pub body: Body,
}

impl Operation {
    /// Returns the operation's hash: `H("allod/operation/v1", SCALE(self))`.
    pub fn hash(&self) -> H256 {
        domain_hash("allod/operation/v1", &[&self.encode()])
    }

    /// Returns the chain it is bound to.
    pub const fn chain(&self) -> ChainId {
        ChainId {
            genesis: self.genesis,
            fork_id: self.fork_id,
        }
    }
}

/// Returns what the keys of an operation sign, 96 bytes.
pub fn operation_preimage(chain: &ChainId, operation_hash: &H256) -> Vec<u8> {
    let mut out = b"allod/operation-signature/v1".to_vec();
    out.extend_from_slice(&chain.preimage());
    out.extend_from_slice(&operation_hash.0);
    out
}

/// A signature by one control key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct KeySignature {
    /// The key. It need not be in the state for the signature to be checked, only to count.
    pub key: ControlKey,
    /// Its signature, of the key's type.
    pub proof: SignatureProof,
    /// Where the key is among the guardians; in lane `Guardians` and in no other.
    pub leaf: Option<GuardianLeaf>,
}

/// A signature's bytes by key type.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum SignatureProof {
    /// `R ++ s`, by ZIP-215.
    #[codec(index = 0)]
    Ed25519(Signature),
    /// `r ++ s`, low s.
    #[codec(index = 1)]
    P256([u8; 64]),
    /// `r ++ s`, low s.
    #[codec(index = 2)]
    Secp256k1([u8; 64]),
    /// A WebAuthn assertion whose challenge is the operation hash.
    #[codec(index = 3)]
    WebAuthn {
        /// `authenticatorData`.
        authenticator_data: BoundedVec<u8, AUTHENTICATOR_DATA_BYTES_MAX>,
        /// `clientDataJSON`.
        client_data: BoundedVec<u8, CLIENT_DATA_BYTES_MAX>,
        /// `r ++ s`, low s.
        signature: [u8; 64],
    },
}

/// An operation and the signatures under it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedOperation {
    /// What is signed.
    pub operation: Operation,
    /// By whom, strictly ascending by key.
    pub signatures: BoundedVec<KeySignature, OPERATION_SIGNATURES_MAX>,
}

impl SignedOperation {
    /// Returns the hash of the signatures, for the log: `H("allod/signatures/v1", SCALE(list))`.
    pub fn signatures_hash(&self) -> H256 {
        domain_hash("allod/signatures/v1", &[&self.signatures.encode()])
    }

    /// Returns whether signers are strictly ascending, each proof is of its key's type, guardians'
    /// leaves are there where they belong, and so is the reveal.
    pub fn is_well_formed(&self) -> bool {
        let by_guardians = self.operation.lane == Lane::Guardians;
        let by_next = matches!(self.operation.lane, Lane::Next(_));
        are_signers_well_formed(&self.signatures)
            && self
                .signatures
                .iter()
                .all(|s| s.leaf.is_some() == by_guardians)
            && self.operation.reveal.is_some() == by_next
    }
}

/// Returns whether signers are strictly ascending and each proof is of its key's type.
///
/// Source: spec/did.md §2, checks 5 and 6.
pub fn are_signers_well_formed(signatures: &[KeySignature]) -> bool {
    let matching = |signature: &KeySignature| {
        matches!(
            (&signature.key, &signature.proof),
            (ControlKey::Ed25519(_), SignatureProof::Ed25519(_))
                | (ControlKey::P256(_), SignatureProof::P256(_))
                | (ControlKey::Secp256k1(_), SignatureProof::Secp256k1(_))
                | (ControlKey::WebAuthn(_), SignatureProof::WebAuthn { .. })
        )
    };
    is_strictly_ascending(signatures, |it| it.key.clone()) && signatures.iter().all(matching)
}

/// Why the ledger should take in a new identity.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Admission {
    /// A registrar vouches; its budget is charged.
    #[codec(index = 0)]
    Voucher(Voucher),
    /// Bounded work, only where the network allows it (development).
    #[codec(index = 1)]
    Work {
        /// With it, `H("allod/work/v1", genesis ++ fork_id ++ did ++ nonce(8 LE))` begins with
        /// as many zero bits as the network asks for.
        nonce: u64,
    },
}

/// A registrar's word for one new identity.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Voucher {
    /// The registrar's account.
    pub registrar: PublicKey,
    /// Void in blocks of a later time.
    pub expires: TimeMs,
    /// Its signature over [`voucher_preimage`].
    pub signature: Signature,
}

/// Returns what a registrar signs to vouch for `did`.
pub fn voucher_preimage(chain: &ChainId, did: &DidId, expires: TimeMs) -> Vec<u8> {
    let mut out = b"allod/voucher/v1".to_vec();
    out.extend_from_slice(&chain.preimage());
    out.extend_from_slice(&did.0);
    out.extend_from_slice(&expires.0.to_le_bytes());
    out
}

/// Returns how many zero bits the work of `nonce` for `did` begins with.
pub fn work_bits(chain: &ChainId, did: &DidId, nonce: u64) -> u32 {
    let hash = domain_hash(
        "allod/work/v1",
        &[&chain.preimage(), &did.0, &nonce.to_le_bytes()],
    );
    let zeros = hash.0.iter().take_while(|byte| **byte == 0).count();
    let next = hash.0.get(zeros).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(zeros)
        .unwrap_or(32)
        .saturating_mul(8)
        .saturating_add(next)
}
