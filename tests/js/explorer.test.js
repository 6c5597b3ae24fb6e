// Goal: the block explorer of polkadot.js finds what it asks for. Method: the calls that its pages make, through the same
// libraries, while blocks come in: node information, the stream of heads with their times and authors, a block with its
// events and justification, storage by page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ApiPromise, WsProvider } from '@polkadot/api';
import { Keyring } from '@polkadot/keyring';
import { hexToU8a } from '@polkadot/util';
import { cryptoWaitReady } from '@polkadot/util-crypto';

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

// The first `count` values of a subscription for which `wanted` holds.
function take(subscribe, count, wanted = () => true) {
  return new Promise((resolve, reject) => {
    const found = [];
    let stop;
    const done = () => { if (found.length >= count && stop) { stop(); resolve(found); } };
    subscribe((value) => {
      if (found.length < count && wanted(value)) found.push(value);
      done();
    }).then((unsubscribe) => { stop = unsubscribe; done(); }, reject);
  });
}

async function anchor() {
  const registrar = new Keyring({ type: 'ed25519' }).addFromSeed(hexToU8a(network.manifest.keys.registrar.secretUnsafe));
  const extrinsic = api.tx.grant.anchor([anchoring(network.manifest.chain).item]);
  return new Promise((resolve, reject) => {
    extrinsic.signAndSend(registrar, (result) => {
      if (result.isError) reject(new Error(result.status.toString()));
      if (result.status.isFinalized) resolve(result.status.asFinalized);
    }).catch(reject);
  });
}

test('node information', async () => {
  const { system } = api.rpc;
  assert.ok((await system.name()).toString().startsWith('allod-node'));
  assert.ok((await system.version()).length > 0);
  assert.ok((await system.chain()).length > 0);
  assert.equal((await system.chainType()).toString(), 'Development');
  assert.equal((await system.properties()).ss58Format.unwrap().toNumber(), 42);
  assert.equal((await system.health()).isSyncing.isTrue, false);
  assert.ok(Array.isArray((await system.peers()).toJSON()));
  assert.ok(Array.isArray((await api.rpc.author.pendingExtrinsics()).toJSON()));
  const version = await api.rpc.state.getRuntimeVersion(api.genesisHash);
  assert.ok(version.specVersion.toNumber() >= 1);
});

test('heads come with number, author and time, best and final together', async () => {
  const heads = await take((next) => api.derive.chain.subscribeNewHeads(next), 3);
  for (const [index, head] of heads.entries()) {
    const { author, number, hash } = head;
    assert.ok(author, 'the proposer is its author');
    if (index > 0) assert.equal(number.toNumber(), heads[index - 1].number.toNumber() + 1);
    const at = await api.at(hash);
    assert.ok((await at.query.timestamp.now()).toNumber() > 0, 'without it the list of blocks stays empty');
  }
  const [best] = await take((next) => api.derive.chain.bestNumber(next), 1);
  const [final] = await take((next) => api.derive.chain.bestNumberFinalized(next), 1);
  assert.ok(final.toNumber() >= best.toNumber());
});

test('a block is shown with its extrinsics, events and justification', async () => {
  const hash = await anchor();
  const { block, events, author } = await api.derive.chain.getBlock(hash);
  assert.ok(author);
  const names = block.extrinsics.map(({ method }) => `${method.section}.${method.method}`);
  assert.deepEqual(names, ['timestamp.set', 'grant.anchor']);
  const shown = events.map(({ event }) => `${event.section}.${event.method}`);
  assert.ok(shown.includes('grant.Anchored'), shown.join());
  const signed = await api.rpc.chain.getBlock(hash);
  const [[engine, certificate]] = signed.justifications.unwrap();
  assert.equal(engine.toUtf8(), 'ALLD');
  assert.ok(certificate.length > 64);
  assert.equal(signed.block.header.hash.toHex(), hash.toHex());
  const byNumber = await api.rpc.chain.getBlockHash(block.header.number.unwrap());
  assert.equal(byNumber.toHex(), hash.toHex());
});

test('chain state is browsed by page, and followed', async () => {
  await anchor();
  const [first, second] = [await api.query.grant.grants.keysPaged({ args: [], pageSize: 1 }), await api.query.grant.grants.keys()];
  assert.equal(first.length, 1);
  assert.ok(second.length >= first.length);
  assert.ok((await api.query.grant.grants.size(first[0].args[0])).toNumber() > 0);
  const told = take((next) => api.query.system.events(next), 1, (records) => records.some(({ event }) => api.events.grant.Anchored.is(event)));
  await anchor();
  await told;
});
