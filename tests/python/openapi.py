"""The HTTP binding of DID resolution stands what schemathesis makes of its OpenAPI document.

Method: a fresh network with an identity in use and one that is deactivated; requests generated from the document,
well-formed and not, by a fixed seed and within a bound of time. Each answer must be one that the document describes, in
status, headers, media type and body. The one thing the document cannot say is checked here: 500 comes only with the
names for which the W3C's specification says 500.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

import live

HERE = pathlib.Path(__file__).parent
SECONDS = "40"
SEED = "20260723"
CHECKS = ",".join([
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "only_described_500",
])


def document(node, names):
    """The document as the node serves it, with the identities of this network as examples."""
    with urllib.request.urlopen(f"{node}/1.0/openapi.json", timeout=30) as answer:
        described = json.load(answer)
    for operation in described["paths"]["/1.0/identifiers/{did}"].values():
        for parameter in operation["parameters"]:
            if parameter.get("name") == "did":
                del parameter["example"]
                parameter["examples"] = {f"e{n}": {"value": name} for n, name in enumerate(names)}
    return described


def main():
    with tempfile.TemporaryDirectory(prefix="allod-python-") as folder:
        folder = pathlib.Path(folder)
        with live.devnet(folder / "net") as manifest:
            allod = live.Wallet(manifest, folder / "home")
            node = manifest["nodes"][0]["rpc"]
            did = allod("did", "create", "carol")
            allod("did", "update", "carol", "--service", "web=LinkedDomains=https://carol.example/files/")
            ended = allod("did", "create", "dave")
            allod("did", "deactivate", "dave", "--yes")
            names = [did, f"{did}#web", f"{did}?service=web&relativeRef=a", f"{did}?proof=true", ended, "did:web:x", "x"]
            path = folder / "openapi.json"
            path.write_text(json.dumps(document(node, names)), encoding="utf-8")
            command = [
                pathlib.Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "schemathesis.toml",
                "run", path, "--url", node, "--checks", CHECKS, "--seed", SEED, "--max-time", SECONDS,
                "--phases", "examples,coverage,fuzzing", "--no-color", "--generation-database", "none", "--warnings", "off",
            ]
            environment = os.environ | {"SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": str(HERE)}
            done = subprocess.run([*map(str, command)], env=environment, cwd=folder, check=False, timeout=180)
            if done.returncode:
                raise SystemExit(f"schemathesis: {done.returncode}")
            # Others are served as before.
            with urllib.request.urlopen(f"{node}/1.0/identifiers/{urllib.parse.quote(did, safe='')}", timeout=30) as answer:
                assert json.load(answer)["didDocument"]["id"] == did
    print("every answer of the HTTP binding is one that its document describes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
