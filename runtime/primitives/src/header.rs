//! Block headers, byte for byte Substrate's, and the two digest items they carry.
//!
//! ```text
//! header = parent_hash(32) ++ Compact(number) ++ state_root(32) ++ extrinsics_root(32) ++ digest
//! digest = Compact(2) ++ 0x06 "nmbs" Compact(32) proposer(32)
//!                     ++ 0x04 "ALLD" Compact(n) LedgerDigest
//! ```
//!
//! The block hash is blake2b-256 of these bytes and is what validators sign. The state root is
//! the one *after* the block. The header holds no round: a block proposed again later is the same
//! block.

use parity_scale_codec::{Compact, Decode, DecodeWithMemTracking, Encode, Error, Input, Output};
use scale_info::TypeInfo;

use crate::codec::{BoundedVec, decode_strict};
use crate::crypto::PublicKey;
use crate::hash::{H256, blake2_256, domain_hash};
use crate::limits::{BLOCK_EXTRINSICS_MAX, DIGEST_ITEM_BYTES_MAX, EXTRINSIC_BYTES_MAX};
use crate::merkle;
use crate::types::{Height, TimeMs};

/// Version byte of [`LedgerDigest`].
pub const LEDGER_DIGEST_VERSION: u8 = 1;
/// Engine id of the proposer item; polkadot.js shows its 32 bytes as the block's author.
pub const PROPOSER_ENGINE: [u8; 4] = *b"nmbs";
/// Engine id of the ledger item.
pub const LEDGER_ENGINE: [u8; 4] = *b"ALLD";

const ITEM_CONSENSUS: u8 = 4;
const ITEM_PRE_RUNTIME: u8 = 6;

/// What a header says beyond Substrate's fields.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct LedgerDigest {
    /// [`LEDGER_DIGEST_VERSION`].
    pub version: u8,
    /// Version of the state machine that executed the block.
    pub spec_version: u32,
    /// The block's time; strictly greater than its parent's.
    pub time: TimeMs,
    /// Hash of the set that certifies this block.
    pub validator_set: H256,
    /// Hash of the set that certifies the next block.
    pub next_validator_set: H256,
    /// How many times the set has changed since genesis.
    pub set_id: u64,
    /// First height certified by `validator_set`.
    pub set_since: Height,
    /// Merkle root over the DID, revocation and grant keys this block changed.
    pub changes_root: H256,
    /// How many keys `changes_root` covers.
    pub changes_count: u32,
    /// Hash chain over the changes roots of all blocks that changed something.
    pub changes_accumulator: H256,
}

/// A block header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Hash of the block before; zero for genesis.
    pub parent_hash: H256,
    /// The block's number.
    pub number: Height,
    /// Root of the state tree after this block.
    pub state_root: H256,
    /// Commitment to the extrinsics' hashes and their count.
    pub extrinsics_root: H256,
    /// Consensus key of the first proposer; zero for genesis.
    pub proposer: PublicKey,
    /// The ledger's own item.
    pub digest: LedgerDigest,
}

impl Header {
    /// Returns the block hash: blake2b-256 of the encoded header.
    pub fn hash(&self) -> H256 {
        blake2_256(&self.encode())
    }

    /// Returns the two digest items, each SCALE-encoded as Substrate's `DigestItem`.
    pub fn digest_items(&self) -> [Vec<u8>; 2] {
        let mut proposer = vec![ITEM_PRE_RUNTIME];
        (PROPOSER_ENGINE, self.proposer.0.to_vec()).encode_to(&mut proposer);
        let mut ledger = vec![ITEM_CONSENSUS];
        (LEDGER_ENGINE, self.digest.encode()).encode_to(&mut ledger);
        [proposer, ledger]
    }
}

impl Encode for Header {
    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        self.parent_hash.encode_to(out);
        Compact(self.number.0).encode_to(out);
        self.state_root.encode_to(out);
        self.extrinsics_root.encode_to(out);
        Compact(2u32).encode_to(out);
        self.digest_items().iter().for_each(|item| out.write(item));
    }
}

impl Decode for Header {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let parent_hash = H256::decode(input)?;
        let number = Height(Compact::<u64>::decode(input)?.0);
        if number.0 > u64::from(u32::MAX) {
            return Err("block number above its maximum".into());
        }
        let state_root = H256::decode(input)?;
        let extrinsics_root = H256::decode(input)?;
        if Compact::<u32>::decode(input)?.0 != 2 {
            return Err("a header has exactly two digest items".into());
        }
        let proposer = decode_item(input, ITEM_PRE_RUNTIME, PROPOSER_ENGINE)?;
        let proposer: [u8; 32] = proposer
            .as_slice()
            .try_into()
            .map_err(|_| "proposer item is not 32 bytes")?;
        let ledger = decode_item(input, ITEM_CONSENSUS, LEDGER_ENGINE)?;
        let digest: LedgerDigest = decode_strict(&ledger)?;
        if digest.version != LEDGER_DIGEST_VERSION {
            return Err("unknown ledger digest version".into());
        }
        let proposer = PublicKey(proposer);
        Ok(Self {
            parent_hash,
            number,
            state_root,
            extrinsics_root,
            proposer,
            digest,
        })
    }
}

impl DecodeWithMemTracking for Header {}

fn decode_item<I: Input>(input: &mut I, index: u8, engine: [u8; 4]) -> Result<Vec<u8>, Error> {
    const MAX: u32 = DIGEST_ITEM_BYTES_MAX as u32;
    if input.read_byte()? != index || <[u8; 4]>::decode(input)? != engine {
        return Err("digest items are not proposer and ledger in this order".into());
    }
    Ok(BoundedVec::<u8, MAX>::decode(input)?.into_vec())
}

/// Returns the hash chain's next value; blocks that change nothing leave it as it is.
///
/// `H("allod/changes/v1", previous ++ height(8 LE) ++ changes_root ++ count(4 LE))`.
///
/// Source: spec/block.md §4.
pub fn next_changes_accumulator(
    previous: H256,
    height: Height,
    changes_root: &H256,
    changes_count: u32,
) -> H256 {
    if changes_count == 0 {
        return previous;
    }
    let height = height.0.to_le_bytes();
    let count = changes_count.to_le_bytes();
    domain_hash(
        "allod/changes/v1",
        &[&previous.0, &height, &changes_root.0, &count],
    )
}

/// Returns the root over `changes`, which are (storage key, new value or `None` if deleted),
/// strictly ascending by key.
///
/// Leaf: `Compact(len) ++ key ++ (0x00 | 0x01 ++ sha256(value))`.
///
/// Source: spec/block.md §4.
pub fn changes_root<'a>(
    changes: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
) -> (H256, u32) {
    let leaves: Vec<Vec<u8>> = changes
        .into_iter()
        .map(|(key, value)| change_leaf(key, value))
        .collect();
    let count = u32::try_from(leaves.len()).expect("a block's changes are bounded far below 2^32");
    let leaves: Vec<&[u8]> = leaves.iter().map(Vec::as_slice).collect();
    (merkle::root(merkle::Domain::Changes, leaves), count)
}

/// Returns the leaf of one changed key; see [`changes_root`].
pub fn change_leaf(key: &[u8], value: Option<&[u8]>) -> Vec<u8> {
    (key, value.map(crate::hash::sha2_256)).encode()
}

/// Returns the commitment to `extrinsics`: their count and their hashes, not their bytes.
///
/// Source: spec/block.md §3.
pub fn extrinsics_root(extrinsics: &[Vec<u8>]) -> H256 {
    let hashes: Vec<H256> = extrinsics
        .iter()
        .map(|bytes| extrinsic_hash(bytes))
        .collect();
    let leaves: Vec<&[u8]> = hashes.iter().map(|hash| hash.0.as_slice()).collect();
    merkle::root(merkle::Domain::Extrinsics, leaves)
}

/// Returns an extrinsic's hash: blake2b-256 over its wire form, length prefix included.
///
/// `body`: the bytes after the length prefix.
pub fn extrinsic_hash(body: &[u8]) -> H256 {
    blake2_256(&body.encode())
}

/// A block: header and extrinsics. Each extrinsic is held without its length prefix, so a block's
/// encoding is `header ++ Compact(count) ++ (Compact(len) ++ bytes)*`, as Substrate's.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct Block {
    /// Its header.
    pub header: Header,
    /// Its extrinsics, in order of execution.
    pub extrinsics: Vec<Vec<u8>>,
}

impl Decode for Block {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        const COUNT: u32 = BLOCK_EXTRINSICS_MAX as u32;
        const BYTES: u32 = EXTRINSIC_BYTES_MAX as u32;
        let header = Header::decode(input)?;
        let extrinsics = BoundedVec::<BoundedVec<u8, BYTES>, COUNT>::decode(input)?;
        let extrinsics = extrinsics
            .into_vec()
            .into_iter()
            .map(BoundedVec::into_vec)
            .collect();
        Ok(Self { header, extrinsics })
    }
}
