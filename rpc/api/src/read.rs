//! What every read of the ledger takes and gives beyond its own: a proof, a height, a lower bound.
//!
//! ```text
//! { …, proof?: true | { setId }, at?: height, atLeast?: height }   →   { …, proof? }
//! ```
//!
//! Source: spec/rpc.md §2.1, spec/proofs.md.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::hex_bytes::HexBytes;

/// Members that every read takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadOptions {
    /// Whether the answer is to come with its proof, and which validator set the asker knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofWanted>,
    /// Height of the block to answer from, while its state is kept; the newest one if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The height the newest block has to have reached: what a write was answered with. The node
    /// waits for it a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
}

/// Which proof is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ProofWanted {
    /// `true`: without transitions, because the asker knows the set. `false`: none.
    Plain(bool),
    /// With the transitions from this set on.
    #[serde(rename_all = "camelCase")]
    From {
        /// The newest set the asker knows.
        set_id: u64,
    },
}

impl ReadOptions {
    /// Returns whether a proof is wanted.
    pub const fn wants_proof(&self) -> bool {
        matches!(
            self.proof,
            Some(ProofWanted::Plain(true) | ProofWanted::From { .. })
        )
    }

    /// Returns the set from which on transitions are wanted.
    pub const fn set_id(&self) -> Option<u64> {
        match self.proof {
            Some(ProofWanted::From { set_id }) => Some(set_id),
            _ => None,
        }
    }
}

/// A request of one kind, and how it is to be answered: one JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReadRequest<T> {
    /// What is asked.
    #[serde(flatten)]
    pub request: T,
    /// How it is to be answered.
    #[serde(flatten)]
    pub options: ReadOptions,
}

/// An answer, and its proof if one was wanted: one JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadAnswer<T> {
    /// The answer. Who has the proof works it out instead.
    #[serde(flatten)]
    pub answer: T,
    /// SCALE `ReadProof`. Absent also where the answer follows from the request alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<HexBytes>,
}

impl<T> From<T> for ReadRequest<T> {
    fn from(request: T) -> Self {
        Self {
            request,
            options: ReadOptions::default(),
        }
    }
}

// By hand, because serde's `flatten` lets unknown members pass.
impl<'de, T: DeserializeOwned> Deserialize<'de> for ReadRequest<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}

struct Members<T>(std::marker::PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for Members<T> {
    type Value = ReadRequest<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut options = ReadOptions::default();
        let mut rest: Vec<(String, Value)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "proof" => options.proof = map.next_value()?,
                "at" => options.at = map.next_value()?,
                "atLeast" => options.at_least = map.next_value()?,
                _ => rest.push((name, map.next_value()?)),
            }
        }
        let rest = MapDeserializer::<_, serde_json::Error>::new(rest.into_iter());
        let request = T::deserialize(rest).map_err(A::Error::custom)?;
        Ok(ReadRequest { request, options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{LanesRequest, ResolveRequest};

    type Read = ReadRequest<ResolveRequest>;

    #[test]
    fn the_members_of_a_read_stand_beside_those_of_the_request() {
        let text = r#"{"did":"d","proof":{"setId":3},"at":7,"atLeast":5,"height":7}"#;
        let read: Read = serde_json::from_str(text).unwrap();
        assert_eq!(
            (read.request.did.as_str(), read.request.height),
            ("d", Some(7))
        );
        assert_eq!((read.options.at, read.options.at_least), (Some(7), Some(5)));
        assert_eq!(read.options.set_id(), Some(3));
        let again: Read = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
        assert_eq!(again, read);
        for (text, wants) in [("true", true), ("false", false), ("null", false)] {
            let text = format!(r#"{{"did":"d","proof":{text}}}"#);
            let read: Read = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (read.options.wants_proof(), read.options.set_id()),
                (wants, None)
            );
        }
    }

    #[test]
    fn what_no_read_knows_is_refused() {
        for text in [
            r#"{"did":"d","surplus":1}"#,
            r#"{"proof":true}"#,
            r#"{"did":"d","proof":1}"#,
            r#"{"did":"d","at":-1}"#,
            r#""d""#,
        ] {
            let read: Result<ReadRequest<LanesRequest>, _> = serde_json::from_str(text);
            assert!(read.is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_without_proof_looks_as_it_always_did() {
        #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        struct Height {
            height: u64,
        }
        for (text, proof) in [
            (r#"{"height":7}"#, None),
            (r#"{"height":7,"proof":"0x01"}"#, Some(HexBytes(vec![1]))),
        ] {
            let answer: ReadAnswer<Height> = serde_json::from_str(text).unwrap();
            assert_eq!((answer.answer.height, &answer.proof), (7, &proof));
            assert_eq!(serde_json::to_string(&answer).unwrap(), text);
        }
    }
}
