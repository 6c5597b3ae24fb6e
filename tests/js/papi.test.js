// Goal: an unmodified polkadot-api, without descriptors, works over the newer interface (chainHead_v1, transaction_v1):
// storage by key and by iteration at two blocks, fifty transactions one after another and fifty at once, a watch of entries.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createClient } from 'polkadot-api';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { getWsProvider } from 'polkadot-api/ws';
import { WebSocket } from 'ws';
import { hexToU8a, u8aConcat, u8aToHex } from '@polkadot/util';
import { cryptoWaitReady, ed25519PairFromSeed, ed25519Sign, encodeAddress } from '@polkadot/util-crypto';

import { anchoring } from './anchoring.js';
import { startDevnet } from './devnet.js';
import { Identity } from './identity.js';

let network;
let client;
let api;
let signer;
const asked = new Set();

before(async () => {
  await cryptoWaitReady();
  network = await startDevnet();
  signer = signerOf(network.manifest.keys.registrar.secretUnsafe);
  class Listening extends WebSocket {
    send(text, ...rest) {
      for (const one of [JSON.parse(text)].flat()) if (one.method) asked.add(one.method);
      super.send(text, ...rest);
    }
  }
  client = createClient(getWsProvider(network.manifest.nodes[0].ws, { websocketClass: Listening }));
  api = client.getUnsafeApi();
});

after(async () => {
  client?.destroy();
  await network?.stop();
});

function signerOf(secret) {
  const pair = ed25519PairFromSeed(hexToU8a(secret));
  return getPolkadotSigner(pair.publicKey, 'Ed25519', (message) => ed25519Sign(message, pair));
}

// The call's one item, in the forms of polkadot-api.
function anchor() {
  const { gid, item } = anchoring(network.manifest.chain);
  const { version, genesis, forkId, validUntil, action } = item.message;
  const value = { grant_key: action.Anchor.grantKey, expiry_day: action.Anchor.expiryDay };
  const message = { version, genesis, fork_id: forkId, gid, valid_until: BigInt(validUntil), action: { type: 'Anchor', value } };
  return { gid, tx: api.tx.Grant.anchor({ items: [{ message, signature: item.signature }] }) };
}

function assertAnchored(result, gid) {
  assert.ok(result.ok, JSON.stringify(result.dispatchError));
  const anchored = result.events.find((event) => event.type === 'Grant' && event.value.type === 'Anchored');
  assert.equal(anchored.value.value.gid, gid);
}

test('the newer interface is what it chooses', async () => {
  assert.equal((await client.getChainSpecData()).genesisHash, network.manifest.chain.genesis);
  const block = await client.getFinalizedBlock();
  assert.ok(block.number > 0);
  assert.ok(asked.has('chainHead_v1_follow') && !asked.has('chain_subscribeFinalizedHeads'), [...asked].join());
});

test('a grant is anchored, read by key and by iteration, and is not there one block before', async () => {
  const { gid, tx } = anchor();
  const result = await tx.signAndSubmit(signer);
  assertAnchored(result, gid);
  const at = { at: result.block.hash };
  assert.equal((await api.query.Grant.Grants.getValue(gid, at)).status.type, 'Active');
  const entries = await api.query.Grant.Grants.getEntries(at);
  assert.ok(entries.some(({ keyArgs }) => keyArgs[0] === gid));
  const header = await client.getBlockHeader(result.block.hash);
  const before = { at: header.parentHash };
  assert.equal(await api.query.Grant.Grants.getValue(gid, before), undefined);
  assert.ok(!(await api.query.Grant.Grants.getEntries(before)).some(({ keyArgs }) => keyArgs[0] === gid));
});

test('functions about grants and identities answer at the block they are called at', async () => {
  const { gid, tx } = anchor();
  const result = await tx.signAndSubmit(signer);
  assertAnchored(result, gid);
  const { hash } = result.block;
  const { parentHash } = await client.getBlockHeader(hash);
  const now = await api.apis.AccessApi.grant(gid, { at: hash });
  assert.equal(now.standing.type, 'Active');
  assert.deepEqual(now.entry, await api.query.Grant.Grants.getValue(gid, { at: hash }));
  const before = await api.apis.AccessApi.grant(gid, { at: parentHash });
  assert.deepEqual([before.standing.type, before.entry], ['Absent', undefined]);
  assert.equal(await api.apis.IdentityApi.record(`0x${'07'.repeat(32)}`, { at: hash }), undefined);
  assert.ok(asked.has('chainHead_v1_call'));
});

test('an identity is registered through the registrar and read at its block and at the one before', async () => {
  const { nodes, chain, keys } = network.manifest;
  const identity = new Identity({ rpc: nodes[0].rpc, chain, registrarSecret: keys.registrar.secretUnsafe });
  const id = u8aToHex(identity.id);
  // Did.batch of one item, by its bytes (spec/runtime.md): pallet 3, call 2.
  const call = u8aConcat([3, 2, 1 << 2], identity.inceptionOperation());
  const result = await (await api.txFromCallData(call)).signAndSubmit(signer);
  assert.ok(result.ok, JSON.stringify(result.dispatchError));
  const incepted = result.events.find((event) => event.type === 'Did' && event.value.type === 'Incepted');
  assert.equal(incepted?.value.value.did, id);
  const at = { at: result.block.hash };
  const before = { at: (await client.getBlockHeader(result.block.hash)).parentHash };
  const found = await api.query.Did.Records.getValue(id, at);
  assert.ok(found);
  assert.equal(await api.query.Did.Records.getValue(id, before), undefined);
  const iterated = async (where) => (await api.query.Did.Records.getEntries(where)).filter((it) => it.keyArgs[0] === id);
  assert.deepEqual((await iterated(at)).map((it) => it.value), [found]);
  assert.deepEqual(await iterated(before), []);
  assert.deepEqual(await api.apis.IdentityApi.record(id, at), found);
  assert.equal(await api.apis.IdentityApi.record(id, before), undefined);
});

test('a watch of entries tells of each that is added', async () => {
  const { gid, tx } = anchor();
  let submitted = false;
  const told = new Promise((resolve, reject) => {
    const watch = api.query.Grant.Grants.watchEntries().subscribe({
      next({ deltas }) {
        if (!submitted) {
          submitted = true;
          tx.signAndSubmit(signer).catch(reject);
        }
        if (deltas?.upserted.some(({ args }) => args[0] === gid)) { watch.unsubscribe(); resolve(); }
      },
      error: reject,
    });
  });
  await told;
});

test('a call that fails, and an item that fails, say so by name', async () => {
  // A trustee votes on what nobody proposed: the transaction is included, its call fails.
  const trustee = signerOf(network.manifest.keys.trustees[0].secretUnsafe);
  const result = await api.tx.Authority.vote({ proposal: 999, hash: `0x${'22'.repeat(32)}` }).signAndSubmit(trustee);
  assert.equal(result.ok, false);
  assert.deepEqual(result.dispatchError, { type: 'Module', value: { type: 'Authority', value: { type: 'NotFound', value: undefined } } });
  const { gid, tx } = anchor();
  assertAnchored(await tx.signAndSubmit(signer), gid);
  const again = await tx.signAndSubmit(signer);
  const failed = again.events.find((event) => event.type === 'Grant' && event.value.type === 'ItemFailed');
  assert.equal(failed.value.value.error.type, 'AlreadyExists');
});

test('fifty transactions one after another', async () => {
  for (let count = 0; count < 50; count += 1) {
    const { gid, tx } = anchor();
    assertAnchored(await tx.signAndSubmit(signer), gid);
  }
});

test('fifty transactions at once', async () => {
  const account = encodeAddress(signer.publicKey);
  const first = await api.apis.AccountNonceApi.account_nonce(account);
  const all = Array.from({ length: 50 }, async (_, index) => {
    const { gid, tx } = anchor();
    assertAnchored(await tx.signAndSubmit(signer, { nonce: first + index }), gid);
  });
  await Promise.all(all);
});
