"""Verifies an exported log. Source: spec/history.md §1 to §4."""

import json
import re
from collections import namedtuple

from . import control, document, form, hashes, keys
from . import encodings as e
from .document import Fails
from .scale import Undecodable, decode

VALIDITY_MS_MAX = 31_622_400_000
FREEZE_MS_MAX = 2_678_400_000
SHORTEST, LONGEST = (form.HOUR, 7 * form.DAY), (7 * form.DAY, 90 * form.DAY)
U64_MAX = 2**64 - 1

File = namedtuple("File", "did did_id network genesis fork_id head entries proof trail")
Entry = namedtuple("Entry", "entry operation record effective_at decision")
Verdict = namedtuple("Verdict", "record retired failed by_unknown_controllers erased")


class Invalid(Exception):
    """The log does not hold. `error` is a name of spec/history.md §3, `n` the entry's place or None."""

    def __init__(self, error, n=None):
        super().__init__(error if n is None else f"entry {n}: {error}")
        self.error, self.n = error, n


# The file (§1)


def _need(condition):
    if not condition:
        raise Invalid("form")


def _members(value, needed, optional=()):
    _need(isinstance(value, dict))
    _need(set(needed) <= set(value) <= set(needed) | set(optional))
    return value


def _number(value, most=U64_MAX):
    _need(isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most)
    return value


def _bytes(value, size=None):
    _need(isinstance(value, str) and re.fullmatch("0x(?:[0-9a-fA-F]{2})*", value) is not None)
    data = bytes.fromhex(value[2:])
    _need(size is None or len(data) == size)
    return data


def _decoded(kind, value):
    try:
        return decode(kind, _bytes(value))
    except Undecodable as error:
        raise Invalid("form") from error


UNFREEZE = "unfreeze"


def _decision(value):
    """A freeze, or `UNFREEZE`."""
    _need(isinstance(value, dict) and value.get("kind") in ("freeze", UNFREEZE))
    if value["kind"] == UNFREEZE:
        _members(value, ("kind",))
        return UNFREEZE
    _members(value, ("kind", "reason", "until"))
    reason = value["reason"]
    _need(isinstance(reason, str) and e.Freeze.fields["reason"].fits(reason))
    return e.Freeze(reason, _number(value["until"]))


def _entry(value):
    needed = ("n", "kind", "operationHash", "signaturesHash", "recordHash", "height", "time")
    _members(value, needed, ("operation", "record", "effectiveAt", "decision"))
    kinds = {"operation": "Operation", "automatic": "Automatic", "governance": "Governance"}
    _need(isinstance(value["kind"], str) and value["kind"] in kinds)
    entry = e.LogEntry(
        _number(value["n"]),
        e.LogKind(kinds[value["kind"]]),
        *(_bytes(value[name], 32) for name in needed[2:5]),
        _number(value["height"]),
        _number(value["time"]),
    )
    operation = _decoded(e.SignedOperation, value["operation"]) if "operation" in value else None
    record = _decoded(e.DidRecord, value["record"]) if "record" in value else None
    _need(not ("effectiveAt" in value and "decision" in value))
    effective_at = _number(value["effectiveAt"]) if "effectiveAt" in value else None
    decision = _decision(value["decision"]) if "decision" in value else None
    return Entry(entry, operation, record, effective_at, decision)


def _once(pairs):
    members = dict(pairs)
    _need(len(members) == len(pairs))
    return members


def parse(text):
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except ValueError as error:
        raise Invalid("form") from error
    needed = ("version", "kind", "did", "genesis", "forkId", "logCount", "logHead", "entries")
    _members(value, needed, ("proof", "trail"))
    _need(_number(value["version"]) == 1 and value["kind"] == "history")
    _need(isinstance(value["entries"], list) and isinstance(value["did"], str))
    proof = _bytes(value["proof"]) if "proof" in value else None
    did = hashes.parse_did(value["did"])
    _need(did is not None)
    return File(
        value["did"],
        did[1],
        did[0],
        _bytes(value["genesis"], 32),
        _number(value["forkId"], 2**32 - 1),
        e.LogHead(_number(value["logCount"]), _bytes(value["logHead"], 32)),
        [_entry(it) for it in value["entries"]],
        proof,
        _trail(value["trail"]) if "trail" in value else None,
    )


def _trail(value):
    _need(isinstance(value, dict))
    _members(value, ("genesis", "validators", "transitions"))
    transitions = value["transitions"]
    _need(isinstance(transitions, list) and len(transitions) <= 4096)
    genesis, validators = _bytes(value["genesis"]), _bytes(value["validators"])
    return {"genesis": genesis, "validators": validators, "transitions": [_bytes(it) for it in transitions]}


# The checks (§3)


def verify(file, did, genesis, known_head=None):
    """`known_head`: (count, head), if the caller knows it from elsewhere. Raises `Invalid`."""
    if file.did != did or file.genesis != genesis or hashes.network_name(genesis) != file.network:
        raise Invalid("other_identity")
    if not file.entries:
        raise Invalid("empty")
    replay = _Replay(file, known_head is not None)
    for place, exported in enumerate(file.entries):
        try:
            replay.step(place, exported)
        except Invalid as error:
            raise Invalid(error.error, place) from error
    heads = [file.head] + ([e.LogHead(*known_head)] if known_head else [])
    if any(replay.head != head for head in heads):
        raise Invalid("other_head")
    record = replay.record._replace(log=replay.head)
    return Verdict(record, replay.retired, replay.failed, replay.by_unknown_controllers, replay.erased)


def _check(condition, error):
    if not condition:
        raise Invalid(error)


def _check_waiting(delay, waits):
    """Whether some bounds that trustees may set make `waits` of `delay`."""
    low, high = SHORTEST if waits > delay else LONGEST
    _check(waits == delay or low <= waits <= high, "stated")


class _Replay:
    def __init__(self, file, knows_head):
        self.file, self.knows_head = file, knows_head
        self.record, self.retired, self.last = None, {}, None
        self.head = e.LogHead(0, hashes.ZERO)
        self.failed, self.by_unknown_controllers, self.erased = [], [], []

    def step(self, place, exported):
        entry, operation = exported.entry, exported.operation
        kind = entry.kind.name
        _check(entry.n == place, "position")
        if self.last is not None:
            same = (entry.height == self.last.height) == (entry.time == self.last.time)
            _check(entry.height >= self.last.height and entry.time >= self.last.time and same, "order")
        self.check_members(exported)
        if kind != "Operation":
            _check(entry.signatures_hash == hashes.ZERO, "signatures_hash")
        is_stub = kind == "Operation" and operation is None
        is_inception = operation is not None and operation.operation.body.name == "Incept"
        if place == 0:
            _check(is_inception or is_stub, "inception")
        else:
            _check(not is_inception, "inception")
        _check((exported.decision is not None) == (kind == "Governance"), "stated")
        may_wait = is_stub or (operation is not None and operation.operation.body.name in ("Propose", "Recover"))
        _check(exported.effective_at is None or may_wait, "stated")
        if is_stub:
            self.stub(entry, exported.record)
        elif kind == "Operation":
            self.operation(entry, operation, exported.effective_at)
        elif kind == "Automatic":
            self.effect(entry)
        else:
            self.decision(entry, exported.decision)
        _check(hashes.record_hash(self.record) == entry.record_hash, "record_hash")
        self.head = hashes.log_head(self.head, entry)
        self.last = entry

    def check_members(self, exported):
        kind = exported.entry.kind.name
        has_operation, has_record = exported.operation is not None, exported.record is not None
        _check(kind == "Operation" or not (has_operation or has_record), "operation_misplaced")
        _check(not (has_operation and has_record), "operation_misplaced")
        stub = has_record and self.knows_head
        _check(kind != "Operation" or has_operation or stub, "operation_missing")

    def check_settled(self, entry):
        _check(control.next_due(self.record, entry.time) is None, "effect_missing")
        _check(self.record.status.name == "Active", "ended")

    def decision(self, entry, decided):
        self.check_settled(entry)
        if decided == UNFREEZE:
            _check(self.record.frozen is not None, "stated")
            frozen = None
        else:
            frozen = decided
            _check(frozen.reason and entry.time < frozen.until <= entry.time + FREEZE_MS_MAX, "stated")
        self.record = self.record._replace(frozen=frozen, updated=entry.time)

    def operation(self, entry, signed, effective_at):
        operation, signatures = signed
        file = self.file
        identifier = hashes.operation_hash(operation)
        _check(identifier == entry.operation_hash, "operation_hash")
        _check(hashes.signatures_hash(signatures) == entry.signatures_hash, "signatures_hash")
        bound = operation.did == file.did_id and operation.genesis == file.genesis
        _check(bound and operation.fork_id <= file.fork_id, "binding")
        _check(form.is_operation(signed), "operation_form")
        _check(entry.time <= operation.valid_until <= entry.time + VALIDITY_MS_MAX, "expired")
        for key, proof, _ in signatures:
            verified = keys.verifies(key, proof, operation.genesis, operation.fork_id, identifier)
            _check(verified, "signature")
        if self.record is None:
            self.incept(entry, signed)
            return
        self.check_settled(entry)
        lane = operation.lane
        _check((operation.lane_seq, operation.lane_prev) == self.lane(lane), "lane")
        self.check_authority(entry, signed)
        self.advance(lane, identifier)
        change = control.Change(self.record, self.retired, entry.time, effective_at)
        delay = self.delay(lane)
        try:
            change.apply(operation, identifier)
            self.record, self.retired = change.record, change.retired
        except Fails as failure:
            self.failed.append((entry.n, failure.name))
        waits = change.pending_by_id(identifier) is not None
        _check(waits == (effective_at is not None), "stated")
        if waits:
            _check_waiting(delay, effective_at - entry.time)
        self.record = self.record._replace(updated=entry.time)

    def delay(self, lane):
        policy = self.record.policy
        return policy.guardians.delay_ms if lane.name == "Guardians" else policy.delay_ms

    def check_authority(self, entry, signed):
        operation, signatures = signed
        controller = operation.controller
        if controller is not None:
            controllers = [(it.network, it.id) for it in self.record.document.controllers]
            _check((self.file.genesis[:20], controller) in controllers, "not_controller")
        if controller is None or controller == self.file.did_id:
            _check(control.is_authorized(self.record.policy, operation, signatures), "not_authorized")
            return
        _check(signatures, "not_authorized")
        self.by_unknown_controllers.append(entry.n)

    def lane(self, lane):
        lanes = self.record.lanes
        if lane.name in ("Rank", "Next"):
            return tuple((lanes.ranks if lane.name == "Rank" else lanes.next)[lane.value])
        return tuple(lanes.guardians if lane.name == "Guardians" else lanes.documents)

    def advance(self, lane, identifier):
        lanes = self.record.lanes
        head = e.LaneHead(self.lane(lane)[0] + 1, identifier)
        name = {"Rank": "ranks", "Next": "next", "Guardians": "guardians", "Documents": "documents"}[lane.name]
        if lane.name in ("Rank", "Next"):
            heads = list(getattr(lanes, name))
            heads[lane.value] = head
            head = tuple(heads)
        self.record = self.record._replace(lanes=lanes._replace(**{name: head}))

    def incept(self, entry, signed):
        operation, signatures = signed
        inception = operation.body.value
        _check(hashes.did_id(inception) == operation.did, "inception")
        _check((operation.lane_seq, operation.lane_prev) == (0, hashes.ZERO), "lane")
        _check(control.is_authorized(inception.policy, operation, signatures), "not_authorized")
        started = inception.document
        self.record = e.DidRecord(
            version=1,
            status=e.Status("Active"),
            created_height=entry.height,
            created=entry.time,
            updated=entry.time,
            policy=inception.policy,
            document=e.Document(
                tuple(e.ActiveMethod(it, entry.time) for it in started.methods),
                started.services,
                started.also_known_as,
                started.controllers,
            ),
            retired_count=0,
            method_allowance=document.ALLOWANCE,
            lanes=_first_lanes(entry.operation_hash),
            not_before=0,
            grant_epoch=0,
            pending=(),
            cool_downs=(),
            frozen=None,
            log=e.LogHead(0, hashes.ZERO),
        )

    def effect(self, entry):
        _check(self.record is not None, "inception")
        pending = control.next_due(self.record, entry.time)
        _check(pending is not None and pending.id == entry.operation_hash, "no_such_effect")
        change = control.Change(self.record, self.retired, entry.time)
        change.take_effect(pending)
        self.record, self.retired = change.record, change.retired

    # Erased operations (§4)

    def stub(self, entry, record):
        _check(record.version == 1, "stub")
        if self.record is None:
            born = (record.created, record.created_height) == (entry.time, entry.height)
            _check(born and record.lanes == _first_lanes(entry.operation_hash), "stub")
        else:
            self.check_settled(entry)
            before = self.record
            born = (record.created, record.created_height) == (before.created, before.created_height)
            _check(born and self.is_one_lane_ahead(record.lanes, entry.operation_hash), "stub")
            self.retire_unseen(entry, record)
        _check(record.updated == entry.time, "stub")
        self.record = record
        self.erased.append(entry.n)

    def is_one_lane_ahead(self, lanes, identifier):
        def heads(it):
            return [*it.ranks, it.guardians, it.documents, *it.next]

        moved = [(a, b) for a, b in zip(heads(self.record.lanes), heads(lanes), strict=True) if a != b]
        return len(moved) == 1 and moved[0][1] == (moved[0][0].next_seq + 1, identifier)

    def retire_unseen(self, entry, record):
        left = {it.method.fragment for it in record.document.methods}
        gone = [it for it in self.record.document.methods if it.method.fragment not in left]
        _check(record.retired_count == self.record.retired_count + len(gone), "stub")
        self.retired = dict(self.retired)
        reason = e.RetireReason("Routine")
        for it in gone:
            retired = e.RetiredMethod(1, it.method, it.since, entry.time, reason, entry.time)
            self.retired[it.method.fragment] = retired


def _first_lanes(identifier):
    none = e.LaneHead(0, hashes.ZERO)
    return e.Lanes((e.LaneHead(1, identifier), none, none, none), none, none, (none,) * 4)
