// Goal: an unmodified @polkadot/api, with no types of ours, connects, reads metadata, submits through the registrar and
// sees the event. Method: one transaction that anchors a grant, followed to finality, then a read of what it stored.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ApiPromise, WsProvider } from '@polkadot/api';
import { Keyring } from '@polkadot/keyring';
import { hexToU8a, stringToU8a, u8aConcat, u8aToHex } from '@polkadot/util';
import { blake2AsU8a, cryptoWaitReady, ed25519PairFromSeed, ed25519Sign, randomAsU8a } from '@polkadot/util-crypto';

import { startDevnet } from './devnet.js';

let network;
let api;

before(async () => {
  await cryptoWaitReady();
  network = await startDevnet();
  api = await ApiPromise.create({ provider: new WsProvider(network.manifest.nodes[0].ws), noInitWarn: true });
});

after(async () => {
  await api?.disconnect();
  await network?.stop();
});

const u32 = (n) => { const b = new Uint8Array(4); new DataView(b.buffer).setUint32(0, n, true); return b; };
const u64 = (n) => { const b = new Uint8Array(8); new DataView(b.buffer).setBigUint64(0, BigInt(n), true); return b; };

// H(tag, x) of spec/identifiers.md.
const domainHash = (tag, bytes) => blake2AsU8a(u8aConcat([tag.length], stringToU8a(tag), bytes), 256);

// A grant's anchoring, signed by its own fresh key (spec/grants.md).
function anchoring(chain) {
  const pair = ed25519PairFromSeed(randomAsU8a(32));
  const gid = randomAsU8a(32);
  const expiryDay = Math.floor(Date.now() / 86_400_000) + 30;
  const validUntil = Date.now() + 600_000;
  const action = u8aConcat([0], pair.publicKey, u32(expiryDay));
  const genesis = hexToU8a(chain.genesis);
  const message = u8aConcat([1], genesis, u32(chain.forkId), gid, action, u64(validUntil));
  const hash = domainHash('allod/grant-message/v1', message);
  const preimage = u8aConcat(stringToU8a('allod/operation-signature/v1'), genesis, u32(chain.forkId), hash);
  return {
    gid: u8aToHex(gid),
    item: {
      message: {
        version: 1, genesis: chain.genesis, forkId: chain.forkId, gid: u8aToHex(gid), validUntil,
        action: { Anchor: { grantKey: u8aToHex(pair.publicKey), expiryDay } },
      },
      signature: u8aToHex(ed25519Sign(preimage, pair)),
    },
  };
}

function follow(extrinsic, signer) {
  return new Promise((resolve, reject) => {
    extrinsic.signAndSend(signer, (result) => {
      if (result.isError) reject(new Error(result.status.toString()));
      if (result.status.isFinalized) resolve(result);
    }).catch(reject);
  });
}

test('metadata lists the pallets, and the head moves', async () => {
  const names = api.runtimeMetadata.asLatest.pallets.map((pallet) => pallet.name.toString());
  for (const name of ['System', 'Timestamp', 'Authority', 'Did', 'Revocation', 'Grant']) assert.ok(names.includes(name), name);
  assert.equal(api.runtimeVersion.specName.toString(), 'allod');
  const first = (await api.rpc.chain.getHeader()).number.toNumber();
  await new Promise((resolve, reject) => {
    api.rpc.chain.subscribeFinalizedHeads((head) => { if (head.number.toNumber() > first) resolve(); }).catch(reject);
  });
});

test('the registrar anchors a grant, and the event says so', async () => {
  const registrar = new Keyring({ type: 'ed25519' }).addFromSeed(hexToU8a(network.manifest.keys.registrar.secretUnsafe));
  const { gid, item } = anchoring(network.manifest.chain);
  const { events, status } = await follow(api.tx.grant.anchor([item]), registrar);
  const last = events.at(-1).event;
  assert.ok(api.events.system.ExtrinsicSuccess.is(last), 'success is the last event');
  const anchored = events.map(({ event }) => event).find((event) => api.events.grant.Anchored.is(event));
  assert.ok(anchored, events.map(({ event }) => event.toHuman()));
  assert.equal(anchored.data.gid.toHex(), gid);
  const at = await api.at(status.asFinalized);
  const entry = await at.query.grant.grants(gid);
  assert.ok(entry.isSome, 'the grant is in the state of its block');
});

test('an account without a role is refused', async () => {
  const stranger = new Keyring({ type: 'ed25519' }).addFromSeed(randomAsU8a(32));
  const { item } = anchoring(network.manifest.chain);
  await assert.rejects(follow(api.tx.grant.anchor([item]), stranger), /1010|Invalid Transaction/);
});
