"""Ed25519 by ZIP-215, and which keys may be registered. Source: spec/signatures.md §1, §2.

`cryptography` verifies by the strict, cofactorless rule: what it accepts, ZIP-215 accepts too. What it refuses is
judged here by the equation with the cofactor, over integers: slow, and hardly ever needed.
"""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
_I = pow(2, (P - 1) // 4, P)
_IDENTITY = (0, 1, 1, 0)


def _x(y, sign):
    """The x of a point with this y, or None. A sign that x = 0 cannot have is tolerated."""
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * _I % P
    if (x * x - square) % P:
        return None
    return (P - x) % P if x & 1 != sign else x


def _point(data):
    """The point these bytes decode to, canonical or not, or None."""
    number = int.from_bytes(data, "little")
    y, sign = (number & (1 << 255) - 1) % P, number >> 255
    x = _x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def _add(one, other):
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    s, f, g, h = b - a, d - c, d + c, b + a
    return (s * f % P, g * h % P, f * g % P, s * h % P)


def _times(number, point):
    result = _IDENTITY
    while number:
        if number & 1:
            result = _add(result, point)
        point = _add(point, point)
        number >>= 1
    return result


def _is_identity(point):
    x, y, z, _ = point
    return x % P == 0 and (y - z) % P == 0


_Y = 4 * pow(5, P - 2, P) % P
_BASE = (_x(_Y, 0), _Y, 1, _x(_Y, 0) * _Y % P)


def is_registrable(key):
    """A curve point, canonical, not of small order."""
    point = _point(key)
    if point is None:
        return False
    x, y = point[0], point[1]
    if (y | (x & 1) << 255).to_bytes(32, "little") != key:
        return False
    return not _is_identity(_times(8, point))


def verify(key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return _verify_zip215(key, message, signature)


def _verify_zip215(key, message, signature):
    a, r = _point(key), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    negated = (P - a[0], a[1], 1, P - a[3])
    difference = _add(_times(s, _BASE), _times(k, negated))
    minus_r = (P - r[0], r[1], 1, P - r[3])
    return _is_identity(_times(8, _add(difference, minus_r)))
