"""A log of a live network: made by the command line, exported, and verified by this implementation.

Goal: what a real ledger logs is what the pages say. Method: one identity with a recovery sheet and a device lives
through updates, refusals, rotations and a proposal; its export holds against the head that the node names; with any one
entry, operation or head changed it does not. `ALLOD_PROGRAMS` is the folder of the binaries.
"""

import functools
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager

from allod_log import encodings as e
from allod_log import end, hashes
from allod_log.log import Invalid, parse, verify

PROGRAMS = pathlib.Path(os.environ["ALLOD_PROGRAMS"])


@contextmanager
def devnet(folder):
    """A network of one validator, once blocks are finalized; ended with the block."""
    command = [PROGRAMS / "allod-devnet", "--dir", folder, "--json", "up", "--isolated", "--validators", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)


class Wallet:
    def __init__(self, manifest, home):
        self.environment = os.environ | {
            "ALLOD_NODE": manifest["nodes"][0]["rpc"],
            "ALLOD_HOME": str(home),
            "ALLOD_UNSAFE_PLAIN": "1",
            "ALLOD_REGISTRAR_KEY": manifest["keys"]["registrar"]["file"],
        }

    def __call__(self, *arguments, fails=0):
        command = [PROGRAMS / "allod", "--quiet", *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if fails and done.returncode == fails:
            return done.stderr
        if done.returncode or fails:
            raise SystemExit(f"allod {' '.join(map(str, arguments))}: {done.stderr}")
        return done.stdout.strip()


def call(node, method, parameters):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode("utf-8")
    request = urllib.request.Request(node, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["result"]


def live(allod, folder):
    """Lets an identity live; returns its exported log."""
    sheet = folder / "sheet.txt"
    allod("did", "create", "carol", "--recoverable", "--sheet-out", sheet, "--device-rank")
    allod("did", "update", "carol", "--service", "web=LinkedDomains=https://carol.example")
    allod("did", "logout", "carol", "--void-grants")
    allod("did", "rotate", "carol", "--sheet", sheet)
    allod("did", "update", "carol", "--also-known-as", "https://carol.example/me")
    allod("did", "rotate", "carol")
    exported = folder / "carol.json"
    allod("did", "export", "carol", exported)
    # The other implementation says so too.
    assert allod("did", "verify-log", exported) == "valid"
    assert allod("did", "verify-log", exported, "--ledger") == "valid"
    text = exported.read_text(encoding="utf-8")
    refuses_a_log_cut_off(allod, folder, text)
    return text


def refuses_a_log_cut_off(allod, folder, text):
    """Without its last entry and with the head before that, everything in the file but its proof is in order."""
    cut = json.loads(text)
    cut["entries"].pop()
    entries = parse(json.dumps(cut)).entries
    head = functools.reduce(hashes.log_head, (it.entry for it in entries), e.LogHead(0, hashes.ZERO))
    cut |= {"logCount": head.count, "logHead": "0x" + head.head.hex()}
    path = folder / "cut.json"
    path.write_text(json.dumps(cut), encoding="utf-8")
    assert "proof" in allod("did", "verify-log", path, fails=1)
    del cut["proof"], cut["trail"]
    path.write_text(json.dumps(cut), encoding="utf-8")
    assert allod("did", "verify-log", path) == "consistent"


def lies(honest):
    """Files that differ from `honest` in one place each."""
    for place, entry in enumerate(honest["entries"]):
        for name, value in entry.items():
            changed = json.loads(json.dumps(honest))
            if isinstance(value, int):
                changed["entries"][place][name] = value + 1
            elif value.startswith("0x"):
                last = "1" if value[-1] == "0" else "0"
                changed["entries"][place][name] = value[:-1] + last
            else:
                continue
            yield f"entry {place}: {name}", changed
        changed = json.loads(json.dumps(honest))
        del changed["entries"][place]
        yield f"without entry {place}", changed


def unproven(honest):
    """Files whose proof of the end does not hold."""
    for name in ("proof", "genesis", "validators"):
        text = honest[name] if name == "proof" else honest["trail"][name]
        for place in range(2, len(text), max(1, len(text) // 100)):
            changed = json.loads(json.dumps(honest))
            other = text[:place] + ("1" if text[place] == "0" else "0") + text[place + 1 :]
            if name == "proof":
                changed[name] = other
            else:
                changed["trail"][name] = other
            yield f"{name} at {place}", changed


def main():
    with tempfile.TemporaryDirectory(prefix="allod-python-") as folder:
        folder = pathlib.Path(folder)
        with devnet(folder / "net") as manifest:
            text = live(Wallet(manifest, folder / "home"), folder)
            honest = json.loads(text)
            page = call(manifest["nodes"][0]["rpc"], "identity_history", {"did": honest["did"], "count": 1})
    genesis = bytes.fromhex(manifest["chain"]["genesis"][2:])
    known = (page["logCount"], bytes.fromhex(page["logHead"][2:]))
    proven = end.from_genesis(parse(text))
    assert proven.head == known, "the proof in the file is of another end"
    for what, lie in unproven(honest):
        try:
            end.from_genesis(parse(json.dumps(lie)))
        except end.Unproven:
            continue
        raise SystemExit(f"{what} was not noticed")
    verdict = verify(parse(text), honest["did"], genesis, known)
    assert len(verdict.record.pending) == 1 and verdict.record.log.count == len(honest["entries"])
    refused = 0
    for what, lie in lies(honest):
        try:
            verify(parse(json.dumps(lie)), honest["did"], genesis, known)
        except Invalid:
            refused += 1
        else:
            raise SystemExit(f"{what} was not noticed")
    print(f"a log of {len(honest['entries'])} entries of a live network holds; {refused} changes of it do not")
    return 0


if __name__ == "__main__":
    sys.exit(main())
