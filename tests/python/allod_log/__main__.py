"""python3 -m allod_log FILE [--did DID] [--genesis 0x…] [--head COUNT:0x…]

Exit 0: the log holds. 1: it does not. 2: usage. Without --did and --genesis, those of the file are believed; without --head, how it
ends is proven from genesis on by the file itself, if genesis is not older than 30 days; else its end is what the file says.
"""

import argparse
import json
import sys
import time

from . import end, hashes
from .log import Invalid, parse, verify


TRUSTING_PERIOD_MS = 30 * 86_400_000


def main():
    arguments = argparse.ArgumentParser(prog="allod_log", description="verify an exported log of an Allod identity")
    arguments.add_argument("file")
    arguments.add_argument("--did")
    arguments.add_argument("--genesis")
    arguments.add_argument("--head", metavar="COUNT:HEAD")
    given = arguments.parse_args()
    known = None
    if given.head:
        count, _, head = given.head.partition(":")
        known = (int(count), bytes.fromhex(head.removeprefix("0x")))
    genesis = bytes.fromhex(given.genesis.removeprefix("0x")) if given.genesis else None
    try:
        with open(given.file, encoding="utf-8") as source:
            file = parse(source.read())
        if known is None and file.proof is not None and file.trail is not None:
            proven = end.from_genesis(file)
            if time.time() * 1000 <= proven.genesis_time + TRUSTING_PERIOD_MS:
                known = proven.head
        verdict = verify(file, given.did or file.did, genesis or file.genesis, known)
    except end.Unproven as error:
        print(json.dumps({"valid": False, "error": "unproven", "check": str(error)}))
        return 1
    except Invalid as error:
        print(json.dumps({"valid": False, "error": error.error, "n": error.n}))
        return 1
    print(
        json.dumps(
            {
                "valid": True,
                "endKnown": known is not None,
                "entries": verdict.record.log.count,
                "logHead": "0x" + verdict.record.log.head.hex(),
                "recordHash": "0x" + hashes.record_hash(verdict.record).hex(),
                "status": verdict.record.status.name,
                "failed": verdict.failed,
                "byUnknownControllers": verdict.by_unknown_controllers,
                "erased": verdict.erased,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
