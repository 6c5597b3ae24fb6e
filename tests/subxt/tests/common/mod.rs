//! A network, a key, and hashes of the specification.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::io::BufRead;
use std::process::{Child, Command, Stdio};

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use ed25519_dalek::{Signer as _, SigningKey};
use subxt::SubstrateConfig;
use subxt::utils::{AccountId32, MultiSignature};

/// Signs as this key.
pub struct Ed25519(pub SigningKey);

impl subxt::transactions::Signer<SubstrateConfig> for Ed25519 {
    fn account_id(&self) -> AccountId32 {
        AccountId32(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, payload: &[u8]) -> MultiSignature {
        MultiSignature::Ed25519(self.0.sign(payload).to_bytes())
    }
}

/// A network that ends with its value.
pub struct Devnet {
    child: Child,
    pub manifest: serde_json::Value,
    _dir: tempfile::TempDir,
}

impl Devnet {
    pub fn start() -> Self {
        let program = std::env::var("ALLOD_DEVNET_PROGRAM").expect("ALLOD_DEVNET_PROGRAM is set");
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .arg("--dir")
            .arg(dir.path())
            .args(["--json", "up", "--isolated", "--validators", "1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufReader::new(stdout).read_line(&mut line).unwrap();
        let manifest = serde_json::from_str(&line).expect("devnet prints its manifest");
        Self { child, manifest, _dir: dir }
    }

    pub fn bytes32(&self, pointer: &str) -> [u8; 32] {
        let text = self.manifest.pointer(pointer).and_then(|v| v.as_str()).expect(pointer);
        hex::decode(text.trim_start_matches("0x")).unwrap().try_into().unwrap()
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

pub fn random() -> [u8; 32] {
    let mut out = [0; 32];
    getrandom::fill(&mut out).unwrap();
    out
}

pub fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// `H(tag, bytes)` of spec/identifiers.md.
pub fn domain_hash(tag: &str, bytes: &[u8]) -> [u8; 32] {
    let hash = Blake2b::<U32>::new()
        .chain_update([u8::try_from(tag.len()).unwrap()])
        .chain_update(tag)
        .chain_update(bytes)
        .finalize();
    hash.into()
}

/// What is signed under an operation or a grant's message of this hash (spec/signatures.md).
pub fn preimage(genesis: [u8; 32], fork_id: u32, hash: [u8; 32]) -> Vec<u8> {
    let mut preimage = b"allod/operation-signature/v1".to_vec();
    preimage.extend_from_slice(&genesis);
    preimage.extend_from_slice(&fork_id.to_le_bytes());
    preimage.extend_from_slice(&hash);
    preimage
}
