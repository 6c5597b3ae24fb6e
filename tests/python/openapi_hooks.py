"""What schemathesis checks beyond the document."""

import json

import schemathesis

# Sources: DID Resolution v1.0 and Controlled Identifiers v1.0, the tables of status codes; spec/did-resolution.md §8.
OF_500 = {"INVALID_VERIFICATION_METHOD", "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"}


@schemathesis.deserializer("application/did", "application/did-resolution", "application/did-url-dereferencing")
def read(context, response):
    """These types are JSON, though their names do not say so."""
    return json.loads(response.content)


@schemathesis.check
def only_described_500(context, response, case):
    """500 comes with a name that it is specified for, never with INTERNAL_ERROR or none."""
    if response.status_code != 500:
        return
    body = response.json() if case.method.upper() != "HEAD" else {}
    metadata = body.get("didResolutionMetadata") or body.get("dereferencingMetadata") or {}
    error = metadata.get("error", {})
    name = error.get("type", "").rpartition("#")[2] if isinstance(error, dict) else error
    assert case.method.upper() == "HEAD" or name in OF_500, response.text
