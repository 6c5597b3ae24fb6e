// Goal: the TypeScript of docs/integration.md lets in whoever the ledger lets in, and nobody else. Method: the block is checked by
// the compiler as strict, run as it stands against a node of a fresh network, and asked by wallets made from the specification.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { createJWT, EdDSASigner } from 'did-jwt';
import ts from 'typescript';

import { startDevnet } from './devnet.js';
import { Identity } from './identity.js';

const page = readFileSync(new URL('../../docs/integration.md', import.meta.url), 'utf8');
const [, program] = page.match(/^```ts\n(.*?)^```$/ms);
const options = {
  strict: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
};

let dir;
let network;
let service;

before(async () => {
  network = await startDevnet();
  // Below this folder, where the types are found.
  dir = mkdtempSync(new URL('./documented-', import.meta.url).pathname);
  const source = join(dir, 'service.mts');
  writeFileSync(source, program);
  const compiled = ts.createProgram([source], options);
  compiled.emit();
  const findings = ts.getPreEmitDiagnostics(compiled).map((it) => ts.flattenDiagnosticMessageText(it.messageText, '\n'));
  assert.deepEqual(findings, []);
  process.env.ALLOD_NODE = network.manifest.nodes[0].rpc;
  service = await import(pathToFileURL(join(dir, 'service.mjs')));
});
after(async () => {
  if (dir) rmSync(dir, { recursive: true });
  await network?.stop();
});

const sign = (identity, { audience, nonce, expires }) => {
  const { fragment, secret } = identity.method('ed25519');
  const iat = Math.floor(Date.now() / 1000);
  const claims = { sub: identity.did, aud: audience, nonce, iat, exp: expires };
  const header = { alg: 'EdDSA', kid: `${identity.did}#${fragment}` };
  return createJWT(claims, { issuer: identity.did, signer: EdDSASigner(secret) }, header);
};

test('a login is good once, for its challenge, and with a key in force', async () => {
  const { chain, nodes, keys } = network.manifest;
  const alice = new Identity({ rpc: nodes[0].rpc, chain, registrarSecret: keys.registrar.secretUnsafe });
  await alice.incept();

  const first = service.challenge();
  const jws = await sign(alice, first);
  assert.equal(await service.login(jws, first.nonce), alice.did);
  await assert.rejects(service.login(jws, first.nonce), /challenge_unknown/);
  const other = service.challenge();
  await assert.rejects(service.login(jws, other.nonce), /nonce_mismatch/);

  const second = service.challenge();
  const old = await sign(alice, second);
  await alice.rotate();
  await assert.rejects(service.login(old, second.nonce), /key_retired/);
  const third = service.challenge();
  assert.equal(await service.login(await sign(alice, third), third.nonce), alice.did);
});

test('without the node nobody gets in', async () => {
  const challenge = service.challenge();
  await network.stop();
  network = undefined;
  await assert.rejects(service.login('a.b.c', challenge.nonce), /fetch failed/);
});
