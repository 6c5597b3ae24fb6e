"""Judges the vectors of spec/vectors that concern logs of identities, and what they are made of.

python3 judge_vectors.py [FOLDER]. Each file is one case; of the invalid ones, `expect` says what they must meet.
"""

import json
import pathlib
import sys

from allod_log import as_of, control, end, form, hashes, keys
from allod_log import ed25519
from allod_log import encodings as e
from allod_log.log import Invalid, parse, verify
from allod_log.scale import Struct, Undecodable, decode

GENESIS = bytes([0xAA]) * 32


def raw(text):
    return bytes.fromhex(text.removeprefix("0x"))


def logs(vector, is_valid):
    head = vector.get("knownHead")
    known = (head["count"], raw(head["head"])) if head else None
    try:
        file = parse(json.dumps(vector["file"]))
        verdict = verify(file, vector["did"], raw(vector["genesis"]), known)
    except Invalid as error:
        assert not is_valid, f"refused: {error}"
        found = {"error": error.error, "n": error.n}
        assert found == vector["expect"], f"found {found}, expected {vector['expect']}"
        return
    assert is_valid, "accepted"
    expect = vector["expect"]
    assert e.DidRecord.write(verdict.record).hex() == expect["record"].removeprefix("0x"), "another record"
    retired = [e.RetiredMethod.write(verdict.retired[name]) for name in sorted(verdict.retired)]
    assert retired == [raw(it) for it in expect["retired"]], "other retired methods"
    assert [list(it) for it in verdict.failed] == expect["failed"], f"failed: {verdict.failed}"
    assert verdict.by_unknown_controllers == expect["byUnknownControllers"]
    assert verdict.erased == expect["erased"]


def operations(vector, is_valid):
    """control-*.json: an operation, judged by a policy."""
    try:
        signed = decode(e.SignedOperation, raw(vector["bytes"]))
    except Undecodable:
        assert not is_valid, "does not decode"
        return
    assert is_valid or "policy" in vector, "decodes"
    operation, signatures = signed
    identifier = hashes.operation_hash(operation)
    assert e.SignedOperation.write(signed) == raw(vector["bytes"])
    assert identifier == raw(vector["hash"])
    preimage = keys.operation_preimage(operation.genesis, operation.fork_id, identifier)
    assert preimage == raw(vector["preimage"])
    if "signatures_hash" in vector:
        assert hashes.signatures_hash(signatures) == raw(vector["signatures_hash"])
    if "policy" not in vector:
        return
    policy = decode(e.ControlPolicy, raw(vector["policy"]))
    lane_fits = (operation.reveal is not None) == (operation.lane.name == "Next")
    leaves_fit = all((it.leaf is not None) == (operation.lane.name == "Guardians") for it in signatures)
    sorted_ = form.ascends([it.key for it in signatures])
    formed = lane_fits and leaves_fit and sorted_ and all(it.key.name == it.proof.name for it in signatures)
    assert formed == vector["well_formed"], f"well formed: {formed}"
    if formed:
        authorized = control.is_authorized(policy, operation, signatures)
        assert authorized == vector["authorized"], f"authorized: {authorized}"


def effects(vector, _):
    for case in vector["cases"]:
        before = decode(e.DidRecord, raw(case["before"]))
        record, retired = control.effective(before, {}, case["time"])
        assert e.DidRecord.write(record) == raw(case["after"]), case["description"]
        found = [e.RetiredMethod.write(retired[name]) for name in sorted(retired)]
        assert found == [raw(it) for it in case["retired"]], case["description"]


def inceptions(vector, is_valid):
    try:
        inception = decode(e.Inception, raw(vector["bytes"]))
    except Undecodable:
        assert not is_valid, "does not decode"
        return
    assert is_valid, "decodes"
    name = f"did:allod:{hashes.network_name(GENESIS)}:z{hashes.base58(hashes.did_id(inception))}"
    assert name == vector["did"] and hashes.parse_did(name)[1] == raw(vector["did_id"])
    assert form.is_policy(inception.policy) and form.is_initial_document(inception.document)


def heads(vector, _):
    head = e.LogHead(0, hashes.ZERO)
    for entry, expected in zip(vector["entries"], vector["heads"], strict=True):
        head = hashes.log_head(head, decode(e.LogEntry, raw(entry)))
        assert head.head == raw(expected)


def commitments(vector, _):
    data = raw(vector["keys"])
    reader_keys = decode(e.Keys, data)
    assert e.Keys.write(reader_keys) == data


def guardians(vector, _):
    guardian_set = decode(e.GuardianSet, raw(vector["set"]))
    for it in vector["guardians"]:
        data = raw(it["invitation"])
        kind = Struct("Invitation", did=e.H256, key=e.ControlKey, leaf=e.GuardianLeaf, set=e.GuardianSet)
        invitation = decode(kind, data)
        leaf = invitation.leaf
        assert hashes.domain("allod/guardian-invitation/v1", data) == raw(it["hash"])
        assert invitation.set == guardian_set
        holds = hashes.list_proof_holds(
            guardian_set.root, 3, raw(it["leaf_bytes"]), leaf.index, guardian_set.count, leaf.path
        )
        assert holds, "a leaf is not in the set"


def ecdsa(vector, is_valid):
    curve = keys.P256 if vector["curve"] == "p256" else keys.SECP256K1
    assert curve.verify(raw(vector["key"]), raw(vector["message"]), raw(vector["signature"])) == is_valid


def registrable(vector, is_valid):
    data = raw(vector["key"])
    curve = {"p256": keys.P256, "secp256k1": keys.SECP256K1}.get(vector["curve"])
    if curve:
        assert (len(data) == 33 and curve.is_registrable(data)) == is_valid
    else:
        assert keys.is_registrable(e.MethodKey("X25519", data)) == is_valid


def webauthn(vector, is_valid):
    key = e.WebAuthnKey(raw(vector["public_key"]), raw(vector["rp_id_hash"]), vector["origin"])
    assertion = e.Assertion(
        raw(vector["authenticator_data"]), vector["client_data"].encode("utf-8"), raw(vector["signature"])
    )
    found = keys.verifies(
        e.ControlKey("WebAuthn", key), e.SignatureProof("WebAuthn", assertion), b"", 0, raw(vector["operation_hash"])
    )
    assert found == is_valid


def zip215(vector, is_valid):
    cases = vector.get("cases", [vector])
    for case in cases:
        found = ed25519.verify(raw(case["key"]), b"message", raw(case["signature"]))
        assert found == is_valid
        if is_valid:
            assert not ed25519.is_registrable(raw(case["key"]))


def old_signatures(vector, _):
    for case in vector["cases"]:
        found, expected = as_of.verdict(case), (case["verdict"], case["reason"])
        assert found == expected, f"{case['description']}: found {found}, expected {expected}"


def anchors(vector, _):
    found = as_of.gid(
        raw(vector["genesis"]), raw(vector["grant_key"]), vector["expiry_day"], raw(vector["salt"]), vector["jws"]
    )
    assert found == raw(vector["gid"])


def storage_keys(vector, _):
    assert raw(vector["Did.Records"]) == end.RECORDS + b"\1" * 32


JUDGES = [
    ("storage-keys", storage_keys),
    ("as-of", old_signatures),
    ("anchor", anchors),
    ("log-", logs),
    ("log.", heads),
    ("control-effective", effects),
    ("control-guardians.", guardians),
    ("control-", operations),
    ("operation", operations),
    ("inception", inceptions),
    ("next-keys", commitments),
    ("ecdsa-", ecdsa),
    ("key-file.", None),  # an encrypted file of a key: spec/keystore.md, not judged here
    ("key-", registrable),
    ("webauthn-", webauthn),
    ("signature-", zip215),
]


def main():
    folder = pathlib.Path(__file__).resolve().parents[2] / "spec" / "vectors"
    if len(sys.argv) > 1:
        folder = pathlib.Path(sys.argv[1])
    judged, wrong = 0, 0
    for path in sorted(folder.glob("*/*.json")):
        judge = next((judge for prefix, judge in JUDGES if path.name.startswith(prefix)), None)
        if judge is None:
            continue
        judged += 1
        vector = json.loads(path.read_text(encoding="utf-8"))
        try:
            judge(vector, path.parent.name == "valid")
        except AssertionError as error:
            wrong += 1
            print(f"{path.parent.name}/{path.name}: {error}", file=sys.stderr)
    print(f"{judged} vectors judged, {wrong} otherwise than they say")
    return 1 if wrong or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
