"""Rules that need no state. Source: spec/did.md §2 (checks 1, 5 to 10) and §3; spec/encodings.md §3."""

import string

from . import encodings as e
from .keys import is_registrable

HOUR, DAY = 3_600_000, 86_400_000
DELAY_MIN, DELAY_MAX = HOUR, 90 * DAY
_FRAGMENT = set(string.ascii_letters + string.digits + "-_.")
_SCHEME = set(string.ascii_letters + string.digits + "+-.")


def ascends(values):
    return all(a < b for a, b in zip(values, values[1:], strict=False))


# Policies


def is_rank(rank):
    keys = [it.key for it in rank.keys]
    weights = [it.weight for it in rank.keys]
    return (
        len(e.Rank.write(rank)) <= 2048
        and bool(keys)
        and ascends(keys)
        and min(weights) >= 1
        and 1 <= rank.threshold <= sum(weights)
        and rank.capabilities <= 15
        and all(map(is_registrable, keys))
    )


def shares_key(rank, other):
    return bool({it.key for it in rank.keys} & {it.key for it in other.keys})


def _is_disjoint(ranks):
    return not any(shares_key(a, b) for i, a in enumerate(ranks) for b in ranks[:i])


def _is_guardian_set(guardians):
    return 1 <= guardians.count <= 32 and guardians.threshold >= 1 and _is_delay(guardians.delay_ms)


def _is_delay(delay):
    return DELAY_MIN <= delay <= DELAY_MAX


def is_policy(policy):
    ranks = policy.ranks
    if not ranks or ranks[0] == e.VACANT or ranks[-1] == e.VACANT:
        return False
    return (
        all(rank == e.VACANT or is_rank(rank) for rank in ranks)
        and _is_disjoint(ranks)
        and (policy.guardians is None or _is_guardian_set(policy.guardians))
        and _is_delay(policy.delay_ms)
    )


def is_change(change):
    ranks = [it.rank for it in change.ranks if it.rank is not None]
    guardians = change.guardians and change.guardians.value
    return (
        ascends([it.index for it in change.ranks])
        and all(it.index <= 3 for it in change.ranks)
        and not any(it.index == 0 and it.rank is None for it in change.ranks)
        and all(map(is_rank, ranks))
        and _is_disjoint(ranks)
        and (guardians is None or _is_guardian_set(guardians))
        and (change.delay_ms is None or _is_delay(change.delay_ms))
    )


def concerns_policy(change):
    """Whether it sets guardians or delay."""
    return change.guardians is not None or change.delay_ms is not None


def is_empty(change):
    return not change.ranks and not concerns_policy(change)


# Documents


def _is_fragment(text):
    return bool(text) and set(text) <= _FRAGMENT


def _is_uri(text):
    scheme, colon, _ = text.partition(":")
    return (
        bool(colon and scheme)
        and scheme[0] in string.ascii_letters
        and set(scheme) <= _SCHEME
        and all(0x21 <= ord(c) <= 0x7E for c in text)
    )


def _is_method(method):
    bits, agreement = method.relationships, method.relationships & e.KEY_AGREEMENT
    fits = bits == e.KEY_AGREEMENT if method.key.name == "X25519" else not agreement
    return (
        _is_fragment(method.fragment)
        and 1 <= bits <= e.ALL_RELATIONSHIPS
        and fits
        and is_registrable(method.key)
    )


def _are_methods(methods):
    keys = [it.key for it in methods]
    return all(map(_is_method, methods)) and ascends([it.fragment for it in methods]) and len(set(keys)) == len(keys)


def _is_service(service):
    return (
        _is_fragment(service.fragment)
        and bool(service.kind)
        and bool(service.endpoints)
        and all(map(_is_uri, service.endpoints))
    )


def _are_services(services):
    return all(map(_is_service, services)) and ascends([it.fragment for it in services])


def _are_names(names):
    return all(map(_is_uri, names)) and len(set(names)) == len(names)


def is_initial_document(document):
    fragments = {it.fragment for it in document.methods} & {it.fragment for it in document.services}
    return (
        _are_methods(document.methods)
        and _are_services(document.services)
        and _are_names(document.also_known_as)
        and ascends(document.controllers)
        and not fragments
    )


def is_patch(patch):
    return (
        patch != e.DocumentPatch((), (), (), None, None, None)
        and ascends([it.fragment for it in patch.retire])
        and ascends([it.fragment for it in patch.declare])
        and _are_methods(patch.add)
        and _are_services(patch.services or ())
        and _are_names(patch.also_known_as or ())
        and ascends(patch.controllers or ())
    )


# Operations


def _fits_lane(lane, body):
    """The table of did.md §2."""
    if lane.name == "Guardians":
        return body.name in ("Cancel", "Recover")
    if lane.name == "Documents":
        return body.name in ("UpdateDocument", "SetNotBefore")
    bodies = {"Rotate", "Cancel"}
    if lane.name == "Rank":
        bodies |= {"SetNotBefore", "Propose"}
        if lane.value == 0:
            bodies |= {"Incept"}
    if lane.value == 0:
        bodies |= {"Deactivate"}
    return lane.value <= 3 and body.name in bodies


def revealed_rank(reveal, capabilities=0):
    return e.Rank(reveal.keys, reveal.threshold, capabilities, reveal.next)


def _is_reveal(operation):
    reveal, body, index = operation.reveal, operation.body, operation.lane.value
    revealed = revealed_rank(reveal)
    if not is_rank(revealed):
        return False
    if body.name != "Rotate" or any(it.index == index for it in body.value.change.ranks):
        return True
    return not any(it.rank is not None and shares_key(it.rank, revealed) for it in body.value.change.ranks)


def _is_rotation(lane, rotate):
    change, by_next = rotate.change, lane.name == "Next"
    if is_empty(change) and rotate.document is None and not by_next:
        return False
    if by_next:
        above = any(it.index < lane.value for it in change.ranks)
        if above or (lane.value > 0 and concerns_policy(change)):
            return False
    return is_change(change) and (rotate.document is None or is_patch(rotate.document))


def _is_body(lane, body):
    value = body.value
    if body.name == "Incept":
        return value.version == 1 and is_policy(value.policy) and is_initial_document(value.document)
    if body.name == "UpdateDocument":
        return is_patch(value)
    if body.name == "Rotate":
        return _is_rotation(lane, value)
    if body.name == "Recover":
        return is_rank(value)
    if body.name == "Propose" and value.name == "Control":
        change = value.value
        own_or_above = any(it.index <= lane.value for it in change.ranks)
        return is_change(change) and (own_or_above or concerns_policy(change))
    return True


def is_operation(signed):
    operation, signatures = signed
    lane, body = operation.lane, operation.body
    return (
        operation.version == 1
        and len(e.SignedOperation.write(signed)) <= 16384
        and ascends([it.key for it in signatures])
        and all(it.key.name == it.proof.name for it in signatures)
        and _fits_lane(lane, body)
        and (operation.reveal is not None) == (lane.name == "Next")
        and all((it.leaf is not None) == (lane.name == "Guardians") for it in signatures)
        and (operation.controller is None or body.name == "UpdateDocument")
        and (operation.reveal is None or _is_reveal(operation))
        and _is_body(lane, body)
    )
