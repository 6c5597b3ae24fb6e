"""What an old signature was worth at a time, and what anchors it: spec/login.md §7, spec/grants.md §7.

Of a token whose form, issuer, relationship and key type are in order: from facts, not from bytes.
"""

import hashlib

from . import hashes

LEEWAY_S = 60
FOREVER = 2**64 - 1
INDETERMINATE = {
    "as_of_ahead",
    "evidence_missing",
    "evidence_not_found",
    "evidence_mismatch",
    "evidence_out_of_time",
    "cutoff_unknown",
    "revocation_unknown",
}


def gid(genesis, grant_key, expiry_day, salt, jws):
    token = hashlib.sha256(jws.encode("ascii")).digest()
    day = expiry_day.to_bytes(4, "little")
    return hashes.domain("allod/anchor/v1", genesis + grant_key + day + salt + token)


def end(method):
    """When the method ended or ends."""
    retired = method.get("retired", {})
    ends = (method.get("expires"), retired.get("until"), retired.get("compromisedSince"))
    return min((it for it in ends if it is not None), default=FOREVER)


def reason(facts):
    as_of, block, method, token = facts["asOf"], facts["time"], facts["method"], facts["token"]
    if token["iat"] > as_of // 1000 + LEEWAY_S:
        return "token_not_yet_valid"
    if as_of // 1000 >= token["exp"] + LEEWAY_S:
        return "token_expired"
    if as_of > block:
        return "as_of_ahead"
    if facts.get("signature") == "bad":
        return "signature_invalid"
    if not method["since"] <= as_of < end(method):
        return "key_not_in_force"
    if 1000 * token["iat"] < facts["notBefore"] <= as_of:
        return "token_before_cutoff"
    if facts.get("revokedAt", FOREVER) <= as_of:
        return "token_revoked"
    found = "ok" if "retired" not in method and block < end(method) else evidence_reason(facts, method)
    if found != "ok":
        return found
    if 1000 * token["iat"] < facts["notBefore"]:
        return "cutoff_unknown"
    return "ok" if block // 1000 <= token["exp"] + LEEWAY_S else "revocation_unknown"


def evidence_reason(facts, method):
    if "evidence" not in facts:
        return "evidence_missing"
    entry = facts["evidence"]["entry"]
    if entry is None:
        return "evidence_not_found"
    if entry.get("otherKey") or entry.get("otherDay"):
        return "evidence_mismatch"
    return "ok" if method["since"] <= entry["anchored"] < end(method) else "evidence_out_of_time"


def verdict(facts):
    """Returns verdict and reason."""
    found = reason(facts)
    if found == "ok":
        return "valid", found
    return ("indeterminate" if found in INDETERMINATE else "invalid"), found
