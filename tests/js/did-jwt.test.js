// Goal: unmodified did-resolver and did-jwt accept a JWT by a key of an identity of the ledger, and refuse it from the block
// on in which that key is retired. Method: a resolver of three lines over the node's DID resolution; keys of every type.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createJWT, EdDSASigner, ES256KSigner, ES256Signer, verifyJWT } from 'did-jwt';
import { Resolver } from 'did-resolver';

import { startDevnet } from './devnet.js';
import { Identity } from './identity.js';

const AUDIENCE = 'https://app.example';
const WORDS = 'application/ld+json;profile="https://w3id.org/did-resolution"';
const KINDS = [
  { alg: 'EdDSA', kind: 'ed25519', signer: EdDSASigner },
  { alg: 'Ed25519', kind: 'ed25519', signer: EdDSASigner },
  { alg: 'ES256', kind: 'p256', signer: ES256Signer },
  { alg: 'ES256K', kind: 'secp256k1', signer: ES256KSigner },
];

let network;
let endpoint;
let resolver;

const ask = (identifier, accept = 'application/did-resolution', query = '') =>
  fetch(`${endpoint}/${encodeURIComponent(identifier)}${query}`, { headers: { accept }, redirect: 'manual' });

before(async () => {
  network = await startDevnet();
  endpoint = `${network.manifest.nodes[0].rpc}/1.0/identifiers`.replace(/([^:])\/\//, '$1/');
  const allod = async (did, { query }) => (await ask(query ? `${did}?${query}` : did, WORDS)).json();
  resolver = new Resolver({ allod });
});

after(async () => { await network?.stop(); });

async function newIdentity() {
  const { nodes, chain, keys } = network.manifest;
  const identity = new Identity({ rpc: nodes[0].rpc, chain, registrarSecret: keys.registrar.secretUnsafe });
  await identity.incept();
  return identity;
}

function token(identity, { alg, kind, signer }) {
  const { fragment, secret } = identity.method(kind);
  const options = { issuer: identity.did, signer: signer(secret), expiresIn: 600 };
  return createJWT({ aud: AUDIENCE }, options, { alg, kid: `${identity.did}#${fragment}` });
}

const verify = (jwt) => verifyJWT(jwt, { resolver, audience: AUDIENCE, proofPurpose: 'authentication' });

for (const type of KINDS) {
  test(`a JWT by ${type.alg} verifies, and no longer once its key is retired`, async () => {
    const identity = await newIdentity();
    const old = await token(identity, type);
    const { verified, issuer, signer } = await verify(old);
    assert.ok(verified);
    assert.equal(issuer, identity.did);
    assert.equal(signer.id, `${identity.did}#${identity.method(type.kind).fragment}`);
    const tampered = old.replace(/\.[^.]{4}/, '.AAAA');
    await assert.rejects(verify(tampered));

    await identity.rotate();
    await assert.rejects(verify(old), /invalid_signature/);
    assert.ok((await verify(await token(identity, type))).verified);

    await identity.deactivate();
    await assert.rejects(verify(await token(identity, type)), /resolver_error/);
  });
}

test('an older version of the document still tells the older keys', async () => {
  const identity = await newIdentity();
  const first = await resolver.resolve(identity.did);
  await identity.rotate();
  const then = await resolver.resolve(`${identity.did}?versionId=${first.didDocumentMetadata.versionId}`);
  assert.deepEqual(then.didDocument, first.didDocument);
  assert.equal(then.didDocumentMetadata.nextVersionId, (await resolver.resolve(identity.did)).didDocumentMetadata.versionId);
});

test('errors are words for did-resolver and objects for others', async () => {
  const { did } = await newIdentity();
  const nobody = did.replace(/.{4}$/, '1111');
  assert.equal((await resolver.resolve(nobody)).didResolutionMetadata.error, 'notFound');
  const response = await ask(nobody);
  assert.equal(response.status, 404);
  assert.equal((await response.json()).didResolutionMetadata.error.type, 'https://www.w3.org/ns/did#NOT_FOUND');
  const bare = await ask(did, 'application/ld+json');
  assert.equal(bare.headers.get('content-type'), 'application/ld+json');
  assert.equal((await bare.json()).id, did);
  const elsewhere = await ask(`${did}?service=files&relativeRef=a.txt`, 'application/did-url-dereferencing');
  assert.equal(elsewhere.status, 303);
  assert.equal(elsewhere.headers.get('location'), 'https://data.example/files/a.txt');
});
