"""How a log ends by the proof in its file, from genesis on. Source: spec/history.md §6, spec/proofs.md §1 to §3,
spec/block.md §1, spec/consensus.md §1 to §3, spec/state.md (proofs).

Every failure is `Invalid("unproven")`: nothing of a proof that does not hold is of use.
"""

from collections import namedtuple

from . import ed25519, hashes
from . import encodings as e
from .scale import Bytes, Compact, Fixed, List, Reader, Struct, Undecodable, UInt, decode

# twox128("Did") ++ twox128("Records")
RECORDS = bytes.fromhex("7a7b34fdb954e2e22000798738d613cdbb8fcc88c3da5bf159c1e1a5f46fe432")

H256, U16, U32, U64 = Fixed(32), UInt(2), UInt(4), UInt(8)
Validators = List(Struct("Validator", public_key=H256, power=U64), 128)
Certificate = Struct(
    "Certificate",
    version=UInt(1),
    height=U64,
    round=U32,
    block_hash=H256,
    signatures=List(Struct("Precommit", signer=U16, signature=Fixed(64)), 128),
)
Digest = Struct(
    "Digest",
    version=UInt(1),
    spec_version=U32,
    time=U64,
    validator_set=H256,
    next_validator_set=H256,
    set_id=U64,
    set_since=U64,
    changes_root=H256,
    changes_count=U32,
    changes_accumulator=H256,
)
End = namedtuple("End", "head height time genesis_time")
Set = namedtuple("Set", "id since validators")


class Unproven(Exception):
    """The proof does not hold."""


def _check(condition, what):
    if not condition:
        raise Unproven(what)


class Header(namedtuple("Header", "hash parent number state_root digest")):
    @classmethod
    def read(cls, reader):
        start = reader.at
        parent, number, state_root = H256.read(reader), Compact.read(reader), H256.read(reader)
        H256.read(reader)
        proposer = reader.take(1 + 1 + 4 + 1)
        H256.read(reader)
        ledger = reader.take(1 + 4)
        # Compact(2) items: PreRuntime "nmbs" of 32 bytes, Consensus "ALLD".
        _check(proposer == b"\x08\x06nmbs\x80" and ledger == b"\x04ALLD", "header")
        digest = decode(Digest, Bytes(1024).read(reader))
        _check(digest.version == 1, "header")
        return cls(hashes.blake2_256(reader.data[start : reader.at]), parent, number, state_root, digest)


class Certified:
    @staticmethod
    def read(reader):
        return Header.read(reader), Certificate.read(reader)


class Transition:
    @staticmethod
    def read(reader):
        return Certified.read(reader), Validators.read(reader)


def _set_hash(validators):
    return hashes.domain("allod/validator-set/v1", Validators.write(validators))


def _certified(header, certificate, by, genesis, fork_id):
    digest = header.digest
    _check(certificate.height == header.number and certificate.block_hash == header.hash, "certificate_block")
    _check(digest.set_id == by.id and digest.validator_set == _set_hash(by.validators), "set_mismatch")
    _check(digest.set_since == by.since <= header.number, "set_since")
    signers = [it.signer for it in certificate.signatures]
    _check(certificate.version == 1 and all(a < b for a, b in zip(signers, signers[1:])), "certificate_order")
    _check(all(it < len(by.validators) for it in signers), "certificate_signer")
    power = sum(by.validators[it].power for it in signers)
    _check(3 * power > 2 * sum(it.power for it in by.validators), "certificate_power")
    vote = b"allod/vote/v1" + genesis + U32.write(fork_id) + b"\2" + U64.write(header.number)
    vote += U32.write(certificate.round) + b"\1" + header.hash
    for it in certificate.signatures:
        key = by.validators[it.signer].public_key
        _check(ed25519.verify(key, vote, it.signature), "certificate_signature")


def _begin(file):
    """Genesis and its set, if the network is named after it."""
    _check(file.trail is not None, "no trail")
    genesis, validators = decode(Header, file.trail["genesis"]), decode(Validators, file.trail["validators"])
    digest = genesis.digest
    first = (genesis.number, digest.set_id, digest.set_since, genesis.parent)
    _check(first == (0, 0, 0, hashes.ZERO), "genesis_malformed")
    _check(genesis.hash == file.genesis and hashes.network_name(genesis.hash) == file.network, "wrong_genesis")
    of = _set_hash(validators)
    _check(of == digest.validator_set == digest.next_validator_set, "set_mismatch")
    return genesis, Set(0, 0, validators)


def _bit(path, bit):
    return path[bit // 8] >> (7 - bit % 8) & 1


def _value(state, key, root):
    """The value under `key`, by a proof of this key alone."""
    reader = Reader(state)
    _check(reader.take(1) == b"\1", "version")
    steps = [_step(reader) for _ in range(Compact.read(reader))]
    siblings = list(List(H256, 65536).read(reader))
    _check(reader.at == len(state), "bytes after the proof")
    path, inner = hashes.sha256(key), []
    while steps and steps[0][0] == 0:
        bit = steps.pop(0)[1]
        _check(not inner or bit > inner[-1], "bits")
        inner.append(bit)
    # The walk of a key that is there ends at its own leaf.
    _check(len(steps) == 1 and steps[0][0] == 1 and steps[0][1] == 0, "not there")
    value = steps[0][2]
    leaf = b"\1" + U32.write(len(key)) + key + hashes.sha256(value)
    node = hashes.sha256(leaf)
    _check(len(siblings) == len(inner), "siblings")
    # In preorder a sibling on the left comes before all below, one on the right after them.
    left = [siblings.pop(0) if _bit(path, bit) else None for bit in inner]
    for bit, other in reversed(list(zip(inner, left))):
        pair = node_pair(node, other, siblings)
        node = hashes.sha256(b"\2" + bit.to_bytes(2, "big") + pair)
    _check(node == root, "root")
    return value


def node_pair(node, left, rest):
    """Left and right part: `left` if there is one, else the next of `rest` is on the right."""
    return left + node if left is not None else node + rest.pop(0)


def _step(reader):
    tag = reader.take(1)[0]
    if tag == 0:
        return (0, reader.take(1)[0])
    if tag == 1:
        return (1, Compact.read(reader), Bytes(65536).read(reader))
    _check(tag == 2, "step")
    return (2, Bytes(1024).read(reader), H256.read(reader))


def from_genesis(file):
    """How the log of `file` ends. Raises `Unproven`."""
    try:
        return _from_genesis(file)
    except Undecodable as error:
        raise Unproven(str(error)) from error


def _from_genesis(file):
    _check(file.proof is not None and file.fork_id == 0, "no proof")
    genesis, trusted = _begin(file)
    reader = Reader(file.proof)
    _check(reader.take(1) == b"\1", "version")
    more = List(Transition, 16).read(reader)
    head, certificate = Certified.read(reader)
    keys = List(Bytes(1024), 1024).read(reader)
    state = Bytes(4 * 1024 * 1024).read(reader)
    _check(reader.at == len(file.proof), "bytes after the proof")
    time = genesis.digest.time
    trail = [decode(Transition, it) for it in file.trail["transitions"]]
    for (last, by), validators in trail + list(more):
        _certified(last, by, trusted, file.genesis, file.fork_id)
        digest = last.digest
        _check(digest.next_validator_set != digest.validator_set, "transition_none")
        _check(_set_hash(validators) == digest.next_validator_set, "transition_set")
        _check(digest.time > time, "time_order")
        time, trusted = digest.time, Set(trusted.id + 1, last.number + 1, validators)
    _certified(head, certificate, trusted, file.genesis, file.fork_id)
    _check(head.digest.time > time, "time_order")
    key = RECORDS + file.did_id
    _check(keys == (key,), "other keys")
    record = decode(e.DidRecord, _value(state, key, head.state_root))
    return End(record.log, head.number, head.digest.time, genesis.digest.time)
