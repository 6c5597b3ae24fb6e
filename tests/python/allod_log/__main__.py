"""python3 -m allod_log FILE [--did DID] [--genesis 0x…] [--head COUNT:0x…]

Exit 0: the log holds. 1: it does not. 2: usage. Without --did and --genesis, those of the file are believed; without --head, its end.
"""

import argparse
import json
import sys

from . import hashes
from .log import Invalid, parse, verify


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
        verdict = verify(file, given.did or file.did, genesis or file.genesis, known)
    except Invalid as error:
        print(json.dumps({"valid": False, "error": error.error, "n": error.n}))
        return 1
    print(
        json.dumps(
            {
                "valid": True,
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
