// Goal: an unmodified @polkadot/api, with no types of ours, connects, reads metadata, submits through the registrar and
// sees the event. Method: transactions of the registrar, followed to finality, then reads of what they stored by key, by
// iteration and by the runtime's functions, at their block and at the one before.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ApiPromise, WsProvider } from '@polkadot/api';
import { Keyring } from '@polkadot/keyring';
import { hexToU8a, u8aToHex } from '@polkadot/util';
import { cryptoWaitReady, randomAsU8a } from '@polkadot/util-crypto';

import { anchoring } from './anchoring.js';
import { startDevnet } from './devnet.js';
import { Identity } from './identity.js';

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

function newIdentity() {
  const { nodes, chain, keys } = network.manifest;
  return new Identity({ rpc: nodes[0].rpc, chain, registrarSecret: keys.registrar.secretUnsafe });
}

test('an identity is registered through the registrar and read at its block and at the one before', async () => {
  const identity = newIdentity();
  const id = u8aToHex(identity.id);
  const { events, status } = await follow(api.tx.did.batch([identity.inceptionOperation()]), registrar());
  const incepted = events.map(({ event }) => event).find((event) => api.events.did.Incepted.is(event));
  assert.equal(incepted?.data.did.toHex(), id, JSON.stringify(events));

  const block = await api.at(status.asFinalized);
  const parent = await api.at((await api.rpc.chain.getHeader(status.asFinalized)).parentHash);
  const records = async (at) => (await at.query.did.records.entries()).filter(([key]) => key.args[0].toHex() === id);
  const found = await block.query.did.records(id);
  assert.ok(found.isSome && (await parent.query.did.records(id)).isNone);
  const iterated = await records(block);
  assert.equal(iterated.length, 1);
  assert.equal(iterated[0][1].unwrap().toHex(), found.unwrap().toHex());
  assert.deepEqual(await records(parent), []);

  assert.equal((await block.call.identityApi.record(id)).unwrap().toHex(), found.unwrap().toHex());
  assert.ok((await parent.call.identityApi.record(id)).isNone);
  const fragments = (await block.call.identityApi.document(id)).unwrap().methods.map((it) => it.method.fragment.toString());
  assert.deepEqual(fragments.sort(), identity.methods.map((it) => it.fragment).sort());
  assert.ok((await parent.call.identityApi.document(id)).isNone);
});

test('a call that fails, and an item that fails, say so by name', async () => {
  const operation = newIdentity().inceptionOperation();
  await follow(api.tx.did.batch([operation]), registrar());
  const again = await follow(api.tx.did.batch([operation]), registrar());
  const failed = again.events.map(({ event }) => event).find((event) => api.events.did.ItemFailed.is(event));
  assert.equal(failed?.data.error.type, 'AlreadyExists');
  // A trustee votes on what nobody proposed: the transaction is included, its call fails.
  const trustee = new Keyring({ type: 'ed25519' }).addFromSeed(hexToU8a(network.manifest.keys.trustees[0].secretUnsafe));
  const voted = await follow(api.tx.authority.vote(999, `0x${'22'.repeat(32)}`), trustee);
  const error = api.registry.findMetaError(voted.dispatchError.asModule);
  assert.deepEqual([error.section, error.name], ['authority', 'NotFound']);
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
