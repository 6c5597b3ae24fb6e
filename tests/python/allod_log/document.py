"""What patches do to a document. Source: spec/did.md §4."""

from . import encodings as e
from .form import DAY

METHODS_MAX, ALLOWANCE, RESERVE = 32, 512, 128


class Fails(Exception):
    """A dispatch error; the name is that of did.md §7."""

    def __init__(self, name):
        super().__init__(name)
        self.name = name


class Draft:
    """A record's document with what was retired, while it is being changed."""

    def __init__(self, record, retired, now, may_use_reserve):
        document = record.document
        self.record, self.now = record, now
        self.retired = dict(retired)
        self.methods = {it.method.fragment: it for it in document.methods}
        self.services = {it.fragment: it for it in document.services}
        self.names, self.controllers = document.also_known_as, document.controllers
        age = now // DAY - record.created // DAY
        self.allowed = record.method_allowance + age - (0 if may_use_reserve else RESERVE)
        self.retired_count = record.retired_count

    def result(self):
        """The record with this document, and what is retired."""
        document = e.Document(
            tuple(self.methods[name] for name in sorted(self.methods)),
            tuple(self.services[name] for name in sorted(self.services)),
            self.names,
            self.controllers,
        )
        return self.record._replace(document=document, retired_count=self.retired_count), self.retired

    # Steps 1 to 3
    def retire(self, fragment, reason):
        if fragment not in self.methods:
            raise Fails("NoSuchMethod")
        if reason.name == "CompromisedSince" and reason.value > self.now:
            raise Fails("InFuture")
        active = self.methods.pop(fragment)
        self.retired[fragment] = e.RetiredMethod(1, active.method, active.since, self.now, reason, self.now)
        self.retired_count += 1

    # Steps 4 to 6
    def declare(self, fragment, since):
        if fragment not in self.retired:
            raise Fails("NoSuchMethod")
        if since > self.now:
            raise Fails("InFuture")
        method = self.retired[fragment]
        if method.reason.name == "CompromisedSince" and since >= method.reason.value:
            raise Fails("NotMonotone")
        reason = e.RetireReason("CompromisedSince", since)
        self.retired[fragment] = method._replace(reason=reason, declared=self.now)

    # Steps 7 to 9; `services` are those in force after the patch
    def add(self, method, services):
        fragment = method.fragment
        if fragment in self.methods or fragment in self.retired or fragment in services:
            raise Fails("FragmentUsed")
        used = [it.method.key for it in self.methods.values()] + [it.method.key for it in self.retired.values()]
        if method.key in used:
            raise Fails("KeyUsed")
        self.methods[fragment] = e.ActiveMethod(method, self.now)

    def check_count(self):
        active = len(self.methods)
        if active > METHODS_MAX or active + self.retired_count > self.allowed:
            raise Fails("TooManyMethods")

    # Step 10
    def check_service(self, service):
        if service.fragment in self.methods or service.fragment in self.retired:
            raise Fails("FragmentUsed")

    # Step 11
    def replace_names(self, patch):
        if patch.also_known_as is not None:
            self.names = patch.also_known_as
        if patch.controllers is not None:
            self.controllers = patch.controllers


def update(record, retired, patch, now):
    """`UpdateDocument`: as a whole, or it fails."""
    draft = Draft(record, retired, now, False)
    for it in patch.retire:
        draft.retire(it.fragment, it.reason)
    for it in patch.declare:
        draft.declare(it.fragment, it.since)
    services = draft.services
    if patch.services is not None:
        services = {it.fragment: it for it in patch.services}
    used = [it.fragment for it in patch.add]
    for it in patch.add:
        draft.add(it, services)
    if used:
        draft.check_count()
    if patch.services is not None:
        for it in patch.services:
            draft.check_service(it)
        draft.services = services
    draft.replace_names(patch)
    return draft.result()


def patch_as_far_as_possible(record, retired, patch, now, may_use_reserve):
    """The patch of a `Rotate`: an item that cannot be applied is left out."""
    draft = Draft(record, retired, now, may_use_reserve)
    for it in patch.retire:
        late = it.fragment in draft.retired and it.reason.name == "CompromisedSince"
        if late:
            _try(draft.declare, it.fragment, it.reason.value)
        else:
            _try(draft.retire, it.fragment, it.reason)
    for it in patch.declare:
        _try(draft.declare, it.fragment, it.since)
    if patch.services is not None:
        fitting = [it for it in patch.services if _try(draft.check_service, it)]
        draft.services = {it.fragment: it for it in fitting}
    for it in patch.add:
        if _try(draft.add, it, draft.services) and not _try(draft.check_count):
            del draft.methods[it.fragment]
    draft.replace_names(patch)
    return draft.result()


def _try(step, *arguments):
    try:
        step(*arguments)
        return True
    except Fails:
        return False


def emptied(record, retired, reason, now, **rest):
    """The record with every active method retired for `reason`; `rest` replaces other parts of the document."""
    draft = Draft(record, retired, now, True)
    for fragment in list(draft.methods):
        draft.retire(fragment, reason)
    record, retired = draft.result()
    return record._replace(document=record.document._replace(**rest)), retired


def had(record):
    """How many methods the identity has had."""
    return len(record.document.methods) + record.retired_count
