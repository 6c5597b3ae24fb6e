"""Who may change an identity, what waits, what time brings about. Source: spec/control.md; spec/did.md §5, §6."""

from . import document as d
from . import encodings as e
from . import form
from .document import Fails
from .hashes import commitment, list_proof_holds

FIRST, LONGEST = 86_400_000, 5_529_600_000
U32_MAX = 2**32 - 1
GUARDIANS = e.Proposer("Guardians")


def rank_of(policy, index):
    return policy.ranks[index] if index < len(policy.ranks) else e.VACANT


def proposer(index):
    return e.Proposer("Rank", index)


# Who signs (did.md §2, check 16)


def _reaches(rank, signers):
    weights = {it.key: it.weight for it in rank.keys}
    if rank == e.VACANT or any(key not in weights for key in signers):
        return False
    return sum(weights[key] for key in signers) >= rank.threshold


def _is_quorum(guardians, signatures):
    indices, total = set(), 0
    for key, _, leaf in signatures:
        leaf_bytes = e.ControlKey.write(key) + leaf.weight.to_bytes(2, "little") + leaf.salt
        in_set = list_proof_holds(guardians.root, 3, leaf_bytes, leaf.index, guardians.count, leaf.path)
        if leaf.weight == 0 or not in_set or leaf.index in indices:
            return False
        indices.add(leaf.index)
        total += leaf.weight
    return total >= guardians.threshold


def is_authorized(policy, operation, signatures):
    lane, body, signers = operation.lane, operation.body, [it.key for it in signatures]
    if lane.name == "Guardians":
        return policy.guardians is not None and _is_quorum(policy.guardians, signatures)
    if lane.name == "Documents":
        needed = e.DOCUMENT if body.name == "UpdateDocument" else e.TOKENS_AND_GRANTS
        return any(rank.capabilities & needed and _reaches(rank, signers) for rank in policy.ranks)
    rank = rank_of(policy, lane.value)
    if lane.name == "Rank":
        if body.name == "SetNotBefore" and not rank.capabilities & e.TOKENS_AND_GRANTS:
            return False
        return _reaches(rank, signers)
    reveal = operation.reveal
    opened = commitment(reveal.keys, reveal.threshold, reveal.salt)
    revealed = form.revealed_rank(reveal)
    above = policy.ranks[: lane.value]
    if rank.next != opened or any(form.shares_key(it, revealed) for it in above):
        return False
    return _reaches(revealed, signers)


# The state of one identity while it changes


class Change:
    """A record and its retired methods, while an operation or an effect at `now` changes them. What an operation
    proposes waits until `effective_at`."""

    def __init__(self, record, retired, now, effective_at=None):
        self.record, self.retired, self.now, self.effective_at = record, retired, now, effective_at

    def set(self, **fields):
        self.record = self.record._replace(**fields)

    @property
    def policy(self):
        return self.record.policy

    # Pending changes and cool-downs

    def pending_of(self, who):
        return next((it for it in self.record.pending if it.proposer == who), None)

    def pending_by_id(self, identifier):
        return next((it for it in self.record.pending if it.id == identifier), None)

    def drop_pending(self, gone):
        """Removes what `gone` says, and cancellations of recoveries that are there no more."""
        left = [it for it in self.record.pending if not gone(it)]
        names = {it.id for it in left}
        left = [it for it in left if it.change.name != "Cancellation" or it.change.value in names]
        self.set(pending=tuple(left))

    def forget_cool_down(self, who):
        self.set(cool_downs=tuple(it for it in self.record.cool_downs if it.proposer != who))

    def cool_down(self, who):
        before = next((it for it in self.record.cool_downs if it.proposer == who), None)
        lasts = before.next_ms if before else FIRST
        self.forget_cool_down(who)
        rest = e.CoolDown(who, self.now + lasts, min(lasts * 2, LONGEST))
        self.set(cool_downs=tuple(sorted(self.record.cool_downs + (rest,))))

    # Changing the policy

    def set_ranks(self, ranks):
        ranks = list(ranks)
        while ranks and ranks[-1] == e.VACANT:
            ranks.pop()
        self.set(policy=self.policy._replace(ranks=tuple(ranks)))

    def conflicts(self, change, acting):
        """Indices that `change` sets with a key of a rank that stands above them, at or above the acting one."""
        set_now = {it.index: it.rank for it in change.ranks}
        found = set()
        for index, rank in set_now.items():
            for other in range(min(index, acting + 1)):
                if rank and other not in set_now and form.shares_key(rank, rank_of(self.policy, other)):
                    found.add(index)
        return found

    def set_policy(self, change, acting, limit, keeps_cool):
        """Sets what `change` says. `limit`: capabilities that may be given. `keeps_cool`: the rank whose cool-down
        stays, as it changes itself with its exposed keys; or None."""
        vacated = self.conflicts(change, acting)
        ranks = [rank_of(self.policy, index) for index in range(4)]
        changed = set()
        for index, rank in change.ranks:
            new = e.VACANT if rank is None or index in vacated else rank
            ranks[index] = new if new == e.VACANT else new._replace(capabilities=new.capabilities & limit)
            changed.add(index)
        listed = {it.index for it in change.ranks}
        for index in listed:
            for other in range(4):
                if other not in listed and form.shares_key(ranks[index], ranks[other]):
                    ranks[other] = e.VACANT
                    changed.add(other)
        self.set_ranks(ranks)
        if change.guardians is not None:
            self.set(policy=self.policy._replace(guardians=change.guardians.value))
            self.forget_cool_down(GUARDIANS)
        if change.delay_ms is not None:
            self.set(policy=self.policy._replace(delay_ms=change.delay_ms))
        self.after_change(changed, form.concerns_policy(change), keeps_cool)

    def after_change(self, changed, of_policy, keeps_cool=None):
        """Rule 6 of §3, and the cool-downs of the ranks that changed (§4)."""
        if of_policy or 0 in changed:
            self.drop_pending(lambda it: True)
        elif changed:
            lowest = min(changed)
            self.drop_pending(lambda it: it.proposer.name == "Rank" and it.proposer.value >= lowest)
        for index in changed - {keeps_cool}:
            self.forget_cool_down(proposer(index))

    def reveal(self, index, reveal):
        rank = form.revealed_rank(reveal, rank_of(self.policy, index).capabilities)
        change = e.PolicyChange((e.RankChange(index, rank),), None, None)
        self.set_policy(change, index, 15, None)
        if index == 0:
            self.extend_allowance()

    def extend_allowance(self):
        allowance = max(self.record.method_allowance, d.had(self.record) + d.ALLOWANCE)
        self.set(method_allowance=min(allowance, U32_MAX))

    def deactivate(self):
        reason = e.RetireReason("Routine")
        rest = {"services": (), "also_known_as": (), "controllers": ()}
        self.record, self.retired = d.emptied(self.record, self.retired, reason, self.now, **rest)
        self.set(status=e.Status("Deactivated", self.now), pending=(), cool_downs=())

    # Operations (§2)

    def apply(self, operation, identifier):
        lane, body = operation.lane, operation.body
        by_next = lane.name == "Next"
        if by_next and body.name != "Cancel":
            self.reveal(lane.value, operation.reveal)
        if body.name == "UpdateDocument":
            self.record, self.retired = d.update(self.record, self.retired, body.value, self.now)
        elif body.name == "SetNotBefore":
            self.set_not_before(body.value)
        elif body.name == "Rotate":
            self.rotate(lane, body.value)
        elif body.name == "Propose":
            self.propose_by_rank(lane.value, body.value, identifier)
        elif body.name == "Recover":
            self.propose(GUARDIANS, e.PendingChange("Recovery", body.value), identifier)
        elif body.name == "Cancel":
            self.cancel(lane, body.value, operation.reveal)
        elif body.name == "Deactivate":
            if not by_next and self.must_wait():
                raise Fails("MustWait")
            self.deactivate()

    def must_wait(self):
        """Whether a change of rank 0, guardians or delay by rank 0's exposed keys has to wait."""
        return self.policy.ranks[0].next is not None or self.policy.guardians is not None

    def set_not_before(self, body):
        if body.not_before < self.record.not_before:
            raise Fails("NotMonotone")
        if body.not_before > self.now:
            raise Fails("InFuture")
        self.set(not_before=body.not_before)
        if body.bump_grant_epoch:
            self.set(grant_epoch=min(self.record.grant_epoch + 1, U32_MAX))

    def rotate(self, lane, body):
        change, index, by_next = body.change, lane.value, lane.name == "Next"
        acting = rank_of(self.policy, index)
        may_document = bool(acting.capabilities & e.DOCUMENT)
        if not by_next:
            self.check_rotation(change, index)
            if body.document is not None and not may_document:
                raise Fails("NoCapability")
        if not form.is_empty(change):
            limit = 15 if index == 0 else acting.capabilities
            own = index if not by_next and any(it.index == index for it in change.ranks) else None
            self.set_policy(change, index, limit, own)
        if body.document is not None and may_document:
            self.record, self.retired = d.patch_as_far_as_possible(
                self.record, self.retired, body.document, self.now, index == 0
            )

    def check_rotation(self, change, index):
        sets = {it.index for it in change.ranks}
        of_policy = form.concerns_policy(change)
        if any(it < index for it in sets) or (of_policy and index > 0):
            raise Fails("NotAbove")
        if (of_policy or 0 in sets) and self.must_wait():
            raise Fails("MustWait")
        if index > 0 and index in sets and rank_of(self.policy, index).next is not None:
            raise Fails("RevealRequired")
        if self.conflicts(change, index):
            raise Fails("KeyInTwoRanks")

    def propose_by_rank(self, index, proposed, identifier):
        if proposed.name == "Control":
            change = proposed.value
            if index > 0 and not rank_of(self.policy, index).capabilities & e.PROPOSE_UP:
                raise Fails("NoCapability")
            if index > 0 and form.concerns_policy(change):
                raise Fails("NotAbove")
            if self.conflicts(change, index):
                raise Fails("KeyInTwoRanks")
            what = e.PendingChange("Control", change)
        else:
            if index > 0:
                raise Fails("NotAbove")
            what = e.PendingChange("Deactivation")
            if proposed.name == "CancelRecovery":
                recovery = self.pending_by_id(proposed.value)
                if recovery is None or recovery.change.name != "Recovery":
                    raise Fails("NoSuchPending")
                what = e.PendingChange("Cancellation", proposed.value)
        self.propose(proposer(index), what, identifier)

    def propose(self, who, what, identifier):
        if self.pending_of(who) is not None:
            raise Fails("SlotTaken")
        higher = [it for it in self.record.pending if it.proposer < who]
        if higher and what.name != "Cancellation":
            raise Fails("HigherPending")
        rest = next((it for it in self.record.cool_downs if it.proposer == who), None)
        if rest is not None and self.now < rest.until:
            raise Fails("CoolingDown")
        pending = e.Pending(identifier, who, self.now, self.effective_at or 0, what)
        if len(e.Pending.write(pending)) > 4096:
            raise Fails("TooLarge")
        if rest is not None and self.now >= rest.until + rest.next_ms:
            self.forget_cool_down(who)
        self.drop_pending(lambda it: it.proposer > who)
        waiting = sorted(self.record.pending + (pending,), key=lambda it: it.proposer)
        self.set(pending=tuple(waiting))

    def cancel(self, lane, identifier, reveal):
        """§4. By next keys nothing fails: what may not be cancelled is skipped, and the reveal stands."""
        try:
            self.cancel_one(lane, identifier)
        except Fails:
            if lane.name != "Next":
                raise
        if lane.name == "Next":
            self.reveal(lane.value, reveal)

    def cancel_one(self, lane, identifier):
        pending = self.pending_by_id(identifier)
        if pending is None:
            raise Fails("NoSuchPending")
        whose = pending.proposer
        own = GUARDIANS if lane.name == "Guardians" else proposer(lane.value)
        everything = lane.name == "Guardians" or lane == e.Lane("Next", 0)
        if not everything and whose != own:
            if whose == GUARDIANS or whose.value < lane.value:
                raise Fails("NotAbove")
            if not rank_of(self.policy, lane.value).capabilities & e.CANCEL:
                raise Fails("NoCapability")
        self.drop_pending(lambda it: it.id == identifier)
        if whose != own or lane == e.Lane("Next", 0):
            self.cool_down(whose)

    # Effects (§3)

    def take_effect(self, pending):
        self.now = pending.effective_at
        self.drop_pending(lambda it: it.id == pending.id)
        change, who = pending.change, pending.proposer
        if change.name == "Control":
            self.set_policy(change.value, who.value, 15, None)
        elif change.name == "Recovery":
            self.recover(pending)
        elif change.name == "Deactivation":
            self.deactivate()
        else:
            self.drop_pending(lambda it: it.id == change.value)
            self.cool_down(GUARDIANS)
        self.forget_cool_down(who)
        self.set(updated=self.now)

    def recover(self, pending):
        reason = e.RetireReason("CompromisedSince", pending.proposed_at)
        self.record, self.retired = d.emptied(self.record, self.retired, reason, self.now, controllers=())
        self.set_ranks([pending.change.value])
        self.set(
            not_before=max(self.record.not_before, self.now),
            grant_epoch=min(self.record.grant_epoch + 1, U32_MAX),
            pending=(),
            cool_downs=(),
        )
        self.extend_allowance()


def next_due(record, now):
    """The pending change that takes effect next at `now`, or None."""
    due = [it for it in record.pending if it.effective_at <= now]
    return min(due, key=lambda it: (it.effective_at, it.proposer), default=None)


def effective(record, retired, now):
    """Record and retired methods with everything that time has brought about by `now`."""
    while (pending := next_due(record, now)) is not None:
        change = Change(record, retired, now)
        change.take_effect(pending)
        record, retired = change.record, change.retired
    return record, retired
