//! Blocks in pieces: cutting a proposed block into parts and putting received parts together.
//!
//! ```text
//! sequence 0        Init: height, round, pol round, block hash, length, streamer's signature
//! sequence 1..=n    Data: at most 64 KiB each, in order
//! sequence n+1      Fin
//! ```
//!
//! Parts arrive in any order, twice, or never, and anybody on the network may send some. So a
//! stream belongs to the peer that *published* it, only validators may open one (the `Init` is
//! signed), and everything is bounded: streams per publisher, publishers, bytes. Pure.

use std::collections::{BTreeMap, VecDeque};

use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::PeerId;
use bytes::Bytes;

use crate::context::{Part, PartInit};
use crate::limits::{
    ASSEMBLY_BYTES_MAX, BLOCK_BYTES_MAX, PART_BYTES_MAX, PARTS_MAX, PUBLISHERS_MAX,
    STREAMS_PER_PUBLISHER_MAX,
};

/// Cuts a block into the messages of a stream. `bytes`: at most [`BLOCK_BYTES_MAX`].
pub(crate) fn cut(id: StreamId, init: PartInit, bytes: &[u8]) -> Vec<StreamMessage<Part>> {
    let data = bytes
        .chunks(PART_BYTES_MAX)
        .map(|chunk| Part::Data(chunk.to_vec()));
    let parts = std::iter::once(Part::Init(init))
        .chain(data)
        .map(StreamContent::Data);
    let contents = parts.chain(std::iter::once(StreamContent::Fin));
    (0..)
        .zip(contents)
        .map(|(n, content)| StreamMessage::new(id.clone(), n, content))
        .collect()
}

/// A block put together from its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assembled {
    pub(crate) init: PartInit,
    pub(crate) bytes: Vec<u8>,
}

/// The streams that are not complete yet.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    publishers: BTreeMap<PeerId, Publisher>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Publisher {
    /// Oldest first.
    streams: VecDeque<Stream>,
    /// Identifiers of the streams that ended, oldest first, so that late duplicates of their
    /// parts open no new ones.
    ended: VecDeque<Bytes>,
}

#[derive(Debug)]
struct Stream {
    id: Bytes,
    init: Option<PartInit>,
    data: BTreeMap<u64, Vec<u8>>,
    fin: Option<u64>,
    bytes: usize,
}

impl Assembler {
    /// Takes one message of `publisher`; returns the block that it completes.
    ///
    /// `admits` judges the head of a stream; a stream whose head it refuses ends. Whatever is
    /// out of bounds or contradicts itself ends its stream without a word.
    pub(crate) fn insert(
        &mut self,
        publisher: PeerId,
        message: StreamMessage<Part>,
        admits: impl FnOnce(&PartInit) -> bool,
    ) -> Option<Assembled> {
        if !self.publishers.contains_key(&publisher) && self.publishers.len() >= PUBLISHERS_MAX {
            self.publishers
                .retain(|_, publisher| !publisher.streams.is_empty());
            if self.publishers.len() >= PUBLISHERS_MAX {
                return None;
            }
        }
        let entry = self.publishers.entry(publisher).or_default();
        let id = message.stream_id.to_bytes();
        if entry.ended.contains(&id) {
            return None;
        }
        let mut stream = entry.take(&id);
        self.bytes -= stream.bytes;
        let sane = stream.add(message, admits);
        match (sane, stream.complete()) {
            (false, _) => entry.end(id),
            (true, Some(assembled)) => {
                entry.end(id);
                return Some(assembled);
            }
            (true, None) => {
                self.bytes += stream.bytes;
                self.bytes -= entry.put(stream);
                self.shrink();
            }
        }
        None
    }

    /// Forgets streams about heights below `height`.
    pub(crate) fn forget_below(&mut self, height: u64) {
        for publisher in self.publishers.values_mut() {
            publisher.streams.retain(|stream| {
                stream
                    .init
                    .as_ref()
                    .is_none_or(|init| init.height.0 >= height)
            });
        }
        self.bytes = self.publishers.values().map(Publisher::bytes).sum();
    }

    /// Drops the streams of the greediest publisher while all together hold too much.
    fn shrink(&mut self) {
        while self.bytes > ASSEMBLY_BYTES_MAX {
            let greediest = self
                .publishers
                .values_mut()
                .max_by_key(|publisher| publisher.bytes());
            let Some(publisher) = greediest else { return };
            self.bytes -= publisher.bytes();
            publisher.streams.clear();
        }
    }
}

impl Publisher {
    fn bytes(&self) -> usize {
        self.streams.iter().map(|stream| stream.bytes).sum()
    }

    /// Takes the stream `id` out, or a new one.
    fn take(&mut self, id: &Bytes) -> Stream {
        let position = self.streams.iter().position(|stream| stream.id == *id);
        position
            .and_then(|position| self.streams.remove(position))
            .unwrap_or_else(|| Stream {
                id: id.clone(),
                init: None,
                data: BTreeMap::new(),
                fin: None,
                bytes: 0,
            })
    }

    /// Puts a stream back; returns the bytes of the oldest one, if that had to go.
    fn put(&mut self, stream: Stream) -> usize {
        self.streams.push_back(stream);
        if self.streams.len() <= STREAMS_PER_PUBLISHER_MAX {
            return 0;
        }
        self.streams.pop_front().map_or(0, |oldest| oldest.bytes)
    }

    fn end(&mut self, id: Bytes) {
        self.ended.push_back(id);
        if self.ended.len() > 2 * STREAMS_PER_PUBLISHER_MAX {
            self.ended.pop_front();
        }
    }
}

impl Stream {
    /// Adds a message; returns whether the stream can still become a block.
    fn add(
        &mut self,
        message: StreamMessage<Part>,
        admits: impl FnOnce(&PartInit) -> bool,
    ) -> bool {
        match (message.sequence, message.content) {
            (0, StreamContent::Data(Part::Init(init))) => {
                if let Some(first) = &self.init {
                    return *first == init;
                }
                let admitted = init.block_bytes as usize <= BLOCK_BYTES_MAX && admits(&init);
                self.init = Some(init);
                admitted
            }
            (sequence @ 1.., StreamContent::Data(Part::Data(data))) => {
                if sequence > PARTS_MAX as u64 || data.len() > PART_BYTES_MAX {
                    return false;
                }
                if !self.data.contains_key(&sequence) {
                    self.bytes += data.len();
                    self.data.insert(sequence, data);
                }
                self.bytes <= BLOCK_BYTES_MAX
            }
            (sequence @ 1.., StreamContent::Fin) => {
                let sane = sequence <= PARTS_MAX as u64 + 1;
                sane && *self.fin.get_or_insert(sequence) == sequence
            }
            _ => false,
        }
    }

    /// Returns the block if every part is there.
    fn complete(&self) -> Option<Assembled> {
        let (init, fin) = (self.init.as_ref()?, self.fin?);
        let expected = usize::try_from(fin.checked_sub(1)?).ok()?;
        let all = self.data.len() == expected
            && self.data.keys().copied().eq(1..fin)
            && self.bytes == init.block_bytes as usize;
        all.then(|| Assembled {
            init: init.clone(),
            bytes: self.data.values().flatten().copied().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use allod_primitives::{H256, PublicKey, Signature};
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::context::Height;

    fn init(bytes: usize) -> PartInit {
        PartInit {
            height: Height(3),
            round: 0,
            pol_round: None,
            block_hash: H256([1; 32]),
            block_bytes: bytes as u32,
            streamer: PublicKey([2; 32]),
            signature: Signature([3; 64]),
        }
    }

    fn id(n: u8) -> StreamId {
        StreamId::new(Bytes::from(vec![n; 16]))
    }

    fn peer(n: u8) -> PeerId {
        let key = ed25519_dalek::SigningKey::from_bytes(&[n; 32]);
        PeerId::from_bytes(
            &crate::config::keypair(&key)
                .public()
                .to_peer_id()
                .to_bytes(),
        )
        .unwrap()
    }

    /// Goal: order and repetition do not matter. Method: shuffle and double parts, 40 seeds.
    #[test]
    fn shuffled_and_repeated_parts_make_the_block_once() {
        for seed in 0..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let length = *[0, 1, PART_BYTES_MAX, PART_BYTES_MAX + 1, 300_000]
                .choose(&mut rng)
                .unwrap();
            let block: Vec<u8> = (0..length).map(|_| rng.r#gen()).collect();
            let mut messages = cut(id(1), init(length), &block);
            messages.extend(messages.clone());
            messages.shuffle(&mut rng);

            let mut assembler = Assembler::default();
            let blocks: Vec<_> = messages
                .into_iter()
                .filter_map(|message| assembler.insert(peer(1), message, |_| true))
                .collect();
            assert_eq!(blocks.len(), 1, "seed {seed}");
            assert_eq!(blocks[0].bytes, block);
            assert_eq!(assembler.bytes, 0);
        }
    }

    /// Goal: a flood stays within its bounds and hurts nobody else. Method: one peer opens
    /// thousands of streams while another sends a block.
    #[test]
    fn a_flooding_publisher_is_bounded_and_others_get_through() {
        let mut assembler = Assembler::default();
        let block = vec![7; 100_000];
        let mut good = cut(id(0), init(block.len()), &block).into_iter();
        assert!(
            assembler
                .insert(peer(1), good.next().unwrap(), |_| true)
                .is_none()
        );
        for n in 0..5000_u64 {
            let id = StreamId::new(Bytes::from(n.to_le_bytes().to_vec()));
            let part = StreamContent::Data(Part::Data(vec![0; PART_BYTES_MAX]));
            let message = StreamMessage::new(id, 1 + n % 60, part);
            assert!(assembler.insert(peer(2), message, |_| true).is_none());
        }
        assert!(assembler.bytes <= STREAMS_PER_PUBLISHER_MAX * PART_BYTES_MAX);
        let done = good
            .filter_map(|message| assembler.insert(peer(1), message, |_| true))
            .count();
        assert_eq!(done, 1);
    }

    /// Goal: garbage never panics and never completes. Method: random sequences and contents.
    #[test]
    fn garbage_parts_are_survived() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut assembler = Assembler::default();
        for _ in 0..20_000 {
            let content = match rng.gen_range(0..3) {
                0 => StreamContent::Fin,
                1 => StreamContent::Data(Part::Data(vec![1; rng.gen_range(0..200)])),
                _ => StreamContent::Data(Part::Init(init(usize::MAX >> 32))),
            };
            let sequence = if rng.gen_bool(0.1) {
                rng.r#gen()
            } else {
                rng.gen_range(0..70)
            };
            let message = StreamMessage::new(id(rng.gen_range(0..9)), sequence, content);
            let publisher = peer(rng.gen_range(0..4));
            assert!(assembler.insert(publisher, message, |_| true).is_none());
        }
        assembler.forget_below(9);
        assert!(assembler.bytes <= ASSEMBLY_BYTES_MAX);
    }
}
