"""Which keys may be registered, and what they sign. Source: spec/signatures.md."""

import base64
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes as ch
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from . import ed25519
from .hashes import sha256

_25519 = 2**255 - 19
_SMALL_X25519 = {
    0,
    1,
    _25519 - 1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
}


class _Curve:
    def __init__(self, curve, p, a, b, n):
        self.curve, self.p, self.a, self.b, self.n = curve, p, a, b, n

    def is_registrable(self, key):
        x = int.from_bytes(key[1:], "big")
        if key[0] not in (2, 3) or x >= self.p:
            return False
        square = (x**3 + self.a * x + self.b) % self.p
        return pow(square, (self.p - 1) // 2, self.p) in (0, 1)

    def verify(self, key, message, signature):
        """ECDSA with SHA-256; r ++ s, low s."""
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if not (1 <= r < self.n and 1 <= s <= (self.n - 1) // 2) or not self.is_registrable(key):
            return False
        public = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, key)
        try:
            public.verify(encode_dss_signature(r, s), message, ec.ECDSA(ch.SHA256()))
            return True
        except InvalidSignature:
            return False


_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256 = _Curve(
    ec.SECP256R1(),
    _P,
    _P - 3,
    0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
)
SECP256K1 = _Curve(
    ec.SECP256K1(),
    2**256 - 2**32 - 977,
    0,
    7,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
)


def _is_origin(origin):
    scheme = r"[A-Za-z][A-Za-z0-9+.-]*:"
    return re.fullmatch(scheme + "[!-~]*", origin) is not None


def is_registrable(key):
    """Whether a control key or a method's key may enter the ledger (§2)."""
    value = key.value
    if key.name == "Ed25519":
        return ed25519.is_registrable(value)
    if key.name == "P256":
        return P256.is_registrable(value)
    if key.name == "Secp256k1":
        return SECP256K1.is_registrable(value)
    if key.name == "WebAuthn":
        return P256.is_registrable(value.public_key) and _is_origin(value.origin)
    u = int.from_bytes(value, "little")
    return u < _25519 and u not in _SMALL_X25519


def operation_preimage(genesis, fork_id, operation_hash):
    chain = genesis + fork_id.to_bytes(4, "little")
    return b"allod/operation-signature/v1" + chain + operation_hash


def verifies(key, proof, genesis, fork_id, operation_hash):
    """Whether `proof`, of the key's type, is by `key` over the operation of this hash."""
    if key.name == "WebAuthn":
        return _assertion_verifies(key.value, proof.value, operation_hash)
    message = operation_preimage(genesis, fork_id, operation_hash)
    if key.name == "Ed25519":
        return ed25519.verify(key.value, message, proof.value)
    curve = P256 if key.name == "P256" else SECP256K1
    return curve.verify(key.value, message, proof.value)


def _assertion_verifies(key, assertion, challenge):
    """§5."""
    challenge = base64.urlsafe_b64encode(challenge).decode("ascii").rstrip("=")
    origin = key.origin.replace("\\", "\\\\").replace('"', '\\"')
    begin = '{"type":"webauthn.get","challenge":"%s","origin":"%s","crossOrigin":false' % (challenge, origin)
    client = assertion.client_data
    if not client.startswith(begin.encode("utf-8")):
        return False
    rest = client[len(begin.encode("utf-8")) :]
    if rest != b"}" and not (len(rest) >= 2 and rest.startswith(b",") and rest.endswith(b"}")):
        return False
    data = assertion.authenticator_data
    if len(data) < 37 or data[:32] != key.rp_id_hash:
        return False
    flags = data[32]
    up, uv, be, bs, at, ed = (flags >> bit & 1 for bit in (0, 2, 3, 4, 6, 7))
    if not (up and uv) or at or (bs and not be) or (len(data) > 37) != bool(ed):
        return False
    return P256.verify(key.public_key, data + sha256(client), assertion.signature)
