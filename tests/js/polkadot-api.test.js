// Goal: an unmodified @polkadot/api, with no types of ours, connects, reads metadata, submits through the registrar and
// sees the event. Method: one transaction that anchors a grant, followed to finality, then a read of what it stored.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ApiPromise, WsProvider } from '@polkadot/api';
import { Keyring } from '@polkadot/keyring';
import { hexToU8a } from '@polkadot/util';
import { cryptoWaitReady, randomAsU8a } from '@polkadot/util-crypto';

import { anchoring } from './anchoring.js';
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

const registrar = () => new Keyring({ type: 'ed25519' }).addFromSeed(hexToU8a(network.manifest.keys.registrar.secretUnsafe));

async function anchored(extrinsic, options) {
  const { events } = await follow(extrinsic, registrar(), options);
  assert.ok(events.some(({ event }) => api.events.grant.Anchored.is(event)), JSON.stringify(events));
}

function follow(extrinsic, signer, options = {}) {
  return new Promise((resolve, reject) => {
    extrinsic.signAndSend(signer, options, (result) => {
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
  const { gid, item } = anchoring(network.manifest.chain);
  const { events, status } = await follow(api.tx.grant.anchor([item]), registrar());
  const last = events.at(-1).event;
  assert.ok(api.events.system.ExtrinsicSuccess.is(last), 'success is the last event');
  const anchored = events.map(({ event }) => event).find((event) => api.events.grant.Anchored.is(event));
  assert.ok(anchored, events.map(({ event }) => event.toHuman()));
  assert.equal(anchored.data.gid.toHex(), gid);
  const at = await api.at(status.asFinalized);
  const entry = await at.query.grant.grants(gid);
  assert.ok(entry.isSome, 'the grant is in the state of its block');
});

test('fifty transactions one after another', async () => {
  for (let count = 0; count < 50; count += 1) await anchored(api.tx.grant.anchor([anchoring(network.manifest.chain).item]));
});

test('fifty transactions at once', async () => {
  const first = (await api.rpc.system.accountNextIndex(registrar().address)).toNumber();
  await Promise.all(Array.from({ length: 50 }, (_, index) => (
    anchored(api.tx.grant.anchor([anchoring(network.manifest.chain).item]), { nonce: first + index })
  )));
});

test('functions about identities and grants are called by their names in metadata 15', async () => {
  const { gid } = anchoring(network.manifest.chain);
  const found = await api.call.accessApi.grant(gid);
  assert.ok(found.standing.isAbsent && found.entry.isNone);
  const record = await api.call.identityApi.record(`0x${'07'.repeat(32)}`);
  assert.ok(record.isNone);
  const genesis = await api.at(api.genesisHash);
  assert.ok((await genesis.call.revocationApi.entry(gid)).isNone);
});

test('an account without a role is refused', async () => {
  const stranger = new Keyring({ type: 'ed25519' }).addFromSeed(randomAsU8a(32));
  const { item } = anchoring(network.manifest.chain);
  await assert.rejects(follow(api.tx.grant.anchor([item]), stranger), /1010|Invalid Transaction/);
});
