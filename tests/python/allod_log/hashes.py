"""Hashes and identifiers. Source: spec/identifiers.md; lists: spec/state.md."""

import base64
import hashlib

from . import encodings as e

ZERO = bytes(32)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def blake2_256(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def sha256(data):
    return hashlib.sha256(data).digest()


def domain(tag, *parts):
    """H(tag, parts)."""
    tag = tag.encode("ascii")
    return blake2_256(bytes([len(tag)]) + tag + b"".join(parts))


def did_id(inception):
    return domain("allod/did/v1", e.Inception.write(inception))


def operation_hash(operation):
    return domain("allod/operation/v1", e.Operation.write(operation))


def signatures_hash(signatures):
    return domain("allod/signatures/v1", e.Signatures.write(signatures))


def record_hash(record):
    return domain("allod/record/v1", e.DidRecord.write(record)[:-40])


def log_head(head, entry):
    """The head after `entry`."""
    return e.LogHead(head.count + 1, domain("allod/log/v1", head.head, e.LogEntry.write(entry)))


def commitment(keys, threshold, salt):
    return domain("allod/next-keys/v1", e.Keys.write(keys), e.U32.write(threshold), salt)


def base58(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def base58_decode(text):
    """The 32 bytes that `text` stands for, or None."""
    number = 0
    for character in text:
        if character not in _BASE58:
            return None
        number = number * 58 + _BASE58.index(character)
    if number >> 256:
        return None
    data = number.to_bytes(32, "big")
    return data if base58(data) == text else None


def network_name(genesis):
    return base64.b32encode(genesis[:20]).decode("ascii").lower().rstrip("=")


def parse_did(text):
    """Network name and id of a DID, or None."""
    parts = text.split(":")
    if len(parts) != 4 or parts[:2] != ["did", "allod"] or not parts[3].startswith("z"):
        return None
    network = parts[2]
    if len(network) != 32 or any(c not in "abcdefghijklmnopqrstuvwxyz234567" for c in network):
        return None
    identity = base58_decode(parts[3][1:])
    return None if identity is None else (network, identity)


def list_proof_holds(root, domain_byte, leaf, index, count, siblings):
    """Whether `leaf` is at `index` of the list of `count` leaves under `root`."""
    if index >= count:
        return False
    left = list(siblings)
    place, last = index, count - 1
    node = sha256(b"\x10" + bytes([domain_byte]) + leaf)
    while last > 0:
        if place % 2 == 1 or place < last:
            if not left:
                return False
            sibling = left.pop(0)
            pair = sibling + node if place % 2 == 1 else node + sibling
            node = sha256(b"\x11" + pair)
        place, last = place // 2, last // 2
    total = sha256(b"\x12" + bytes([domain_byte]) + count.to_bytes(4, "little") + node)
    return not left and total == root
