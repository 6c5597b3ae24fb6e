"""The Python of docs/integration.md lets in whoever the ledger lets in, and nobody else.

Method: the block of the page is run as it stands against the node of a fresh network; the command line is the wallet.
"""

import importlib.util
import json
import os
import pathlib
import re
import sys
import tempfile

import live

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "integration.md"


def service(folder, node):
    """The page's program as a module that asks `node`."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    path = folder / "service.py"
    path.write_text(program, encoding="utf-8")
    os.environ["ALLOD_NODE"] = node
    spec = importlib.util.spec_from_file_location("service", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refused(login, jws, nonce):
    """The reason for which `login` lets nobody in."""
    try:
        login(jws, nonce)
    except (PermissionError, OSError) as error:
        return str(error)
    raise SystemExit("somebody was let in")


def main():
    with tempfile.TemporaryDirectory(prefix="allod-python-") as folder:
        folder = pathlib.Path(folder)
        with live.devnet(folder / "net") as manifest:
            allod = live.Wallet(manifest, folder / "home")
            app = service(folder, manifest["nodes"][0]["rpc"])

            def answer():
                challenge = app.challenge()
                path = folder / "challenge.json"
                path.write_text(json.dumps(challenge), encoding="utf-8")
                return allod("login", "answer", "carol", "--challenge", path), challenge["nonce"]

            did = allod("did", "create", "carol")
            jws, nonce = answer()
            assert app.login(jws, nonce) == did
            assert refused(app.login, jws, nonce) == "challenge_unknown"
            assert refused(app.login, jws, app.challenge()["nonce"]) == "nonce_mismatch"
            old, nonce = answer()
            allod("did", "rotate", "carol")
            assert refused(app.login, old, nonce) == "key_retired"
            assert app.login(*answer()) == did
            nonce = app.challenge()["nonce"]
        assert "refused" in refused(app.login, jws, nonce), "without the node nobody gets in"
    print("the documented service lets in whom the ledger lets in")
    return 0


if __name__ == "__main__":
    sys.exit(main())
