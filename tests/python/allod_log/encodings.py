"""What a log is made of, as SCALE types. Source: spec/encodings.md §2 to §5."""

from .scale import Array, Bool, Bytes, Enum, Fixed, List, Option, Struct, Text, UInt

U8, U16, U32, U64 = (UInt(size) for size in (1, 2, 4, 8))
H256, TIME = Fixed(32), U64
DID = Struct("Did", network=Fixed(20), id=H256)

# §2 Policies
WebAuthnKey = Struct("WebAuthnKey", public_key=Fixed(33), rp_id_hash=H256, origin=Text(128))
ControlKey = Enum(Ed25519=H256, P256=Fixed(33), Secp256k1=Fixed(33), WebAuthn=WebAuthnKey)
WeightedKey = Struct("WeightedKey", key=ControlKey, weight=U16)
Keys = List(WeightedKey, 16)
Rank = Struct("Rank", keys=Keys, threshold=U32, capabilities=U8, next=Option(H256))
GuardianSet = Struct("GuardianSet", root=H256, count=U16, threshold=U32, delay_ms=U64)
ControlPolicy = Struct("ControlPolicy", ranks=List(Rank, 4), guardians=Option(GuardianSet), delay_ms=U64)
RankChange = Struct("RankChange", index=U8, rank=Option(Rank))
PolicyChange = Struct(
    "PolicyChange", ranks=List(RankChange, 4), guardians=Option(Option(GuardianSet)), delay_ms=Option(U64)
)
VACANT = Rank((), 0, 0, None)
DOCUMENT, TOKENS_AND_GRANTS, PROPOSE_UP, CANCEL = 1, 2, 4, 8

# §3 Documents
Fragment, Uri = Text(32), Text(256)
MethodKey = Enum(Ed25519=H256, P256=Fixed(33), Secp256k1=Fixed(33), X25519=H256)
Method = Struct("Method", fragment=Fragment, key=MethodKey, relationships=U8, expires=Option(TIME))
ActiveMethod = Struct("ActiveMethod", method=Method, since=TIME)
RetireReason = Enum(Routine=None, CompromisedSince=TIME)
RetiredMethod = Struct(
    "RetiredMethod", version=U8, method=Method, since=TIME, until=TIME, reason=RetireReason, declared=TIME
)
Service = Struct("Service", fragment=Fragment, kind=Text(64), endpoints=List(Uri, 4))
_REST = {"services": List(Service, 16), "also_known_as": List(Uri, 8), "controllers": List(DID, 4)}
InitialDocument = Struct("InitialDocument", methods=List(Method, 32), **_REST)
Document = Struct("Document", methods=List(ActiveMethod, 32), **_REST)
Retirement = Struct("Retirement", fragment=Fragment, reason=RetireReason)
Declaration = Struct("Declaration", fragment=Fragment, since=TIME)
DocumentPatch = Struct(
    "DocumentPatch",
    retire=List(Retirement, 32),
    declare=List(Declaration, 32),
    add=List(Method, 32),
    **{name: Option(kind) for name, kind in _REST.items()},
)
KEY_AGREEMENT, ALL_RELATIONSHIPS = 4, 31

# §4 Operations
Lane = Enum(Rank=U8, Guardians=None, Documents=None, Next=U8)
Payer = Enum(Own=None, Sponsor=H256, Any=None)
Inception = Struct("Inception", version=U8, policy=ControlPolicy, document=InitialDocument, salt=Fixed(16))
Reveal = Struct("Reveal", keys=Keys, threshold=U32, salt=Fixed(16), next=Option(H256))
GuardianLeaf = Struct("GuardianLeaf", weight=U16, salt=Fixed(16), index=U16, path=List(H256, 8))
ProposedChange = Enum(Control=PolicyChange, Deactivation=None, CancelRecovery=H256)
Rotate = Struct("Rotate", change=PolicyChange, document=Option(DocumentPatch))
SetNotBefore = Struct("SetNotBefore", not_before=TIME, bump_grant_epoch=Bool())
Body = Enum(
    Incept=Inception,
    UpdateDocument=DocumentPatch,
    Rotate=Rotate,
    Deactivate=None,
    Propose=ProposedChange,
    Cancel=H256,
    Recover=Rank,
    SetNotBefore=SetNotBefore,
)
Operation = Struct(
    "Operation",
    version=U8,
    genesis=H256,
    fork_id=U32,
    did=H256,
    lane=Lane,
    lane_seq=U64,
    lane_prev=H256,
    payer=Payer,
    valid_until=TIME,
    controller=Option(H256),
    reveal=Option(Reveal),
    body=Body,
)
Assertion = Struct("Assertion", authenticator_data=Bytes(256), client_data=Bytes(512), signature=Fixed(64))
SignatureProof = Enum(Ed25519=Fixed(64), P256=Fixed(64), Secp256k1=Fixed(64), WebAuthn=Assertion)
KeySignature = Struct("KeySignature", key=ControlKey, proof=SignatureProof, leaf=Option(GuardianLeaf))
Signatures = List(KeySignature, 32)
SignedOperation = Struct("SignedOperation", operation=Operation, signatures=Signatures)

# §5 Records and logs
LaneHead = Struct("LaneHead", next_seq=U64, last=H256)
Lanes = Struct(
    "Lanes", ranks=Array(LaneHead, 4), guardians=LaneHead, documents=LaneHead, next=Array(LaneHead, 4)
)
Status = Enum(Active=None, Deactivated=TIME)
Proposer = Enum(Guardians=None, Rank=U8)
PendingChange = Enum(Control=PolicyChange, Recovery=Rank, Deactivation=None, Cancellation=H256)
Pending = Struct(
    "Pending", id=H256, proposer=Proposer, proposed_at=TIME, effective_at=TIME, change=PendingChange
)
CoolDown = Struct("CoolDown", proposer=Proposer, until=TIME, next_ms=U64)
Freeze = Struct("Freeze", reason=Text(128), until=TIME)
LogHead = Struct("LogHead", count=U64, head=H256)
DidRecord = Struct(
    "DidRecord",
    version=U8,
    status=Status,
    created_height=U64,
    created=TIME,
    updated=TIME,
    policy=ControlPolicy,
    document=Document,
    retired_count=U32,
    method_allowance=U32,
    lanes=Lanes,
    not_before=TIME,
    grant_epoch=U32,
    pending=List(Pending, 5),
    cool_downs=List(CoolDown, 5),
    frozen=Option(Freeze),
    log=LogHead,
)
LogKind = Enum(Operation=None, Automatic=None, Governance=None)
LogEntry = Struct(
    "LogEntry",
    n=U64,
    kind=LogKind,
    operation_hash=H256,
    signatures_hash=H256,
    record_hash=H256,
    height=U64,
    time=TIME,
)
