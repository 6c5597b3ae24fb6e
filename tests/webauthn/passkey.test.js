// Goal: a passkey of a real browser is rank 0 of an identity and rotates it; what the same passkey signs for a login is
// no operation. Method: Chromium with a virtual authenticator, two origins of one relying party, a devnet of one node,
// and a helper process that makes operations and submits them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { startDevnet } from '../js/devnet.js';

const browserProgram = process.env.ALLOD_CHROMIUM ?? '/usr/bin/chromium';
const helperProgram = process.env.ALLOD_PASSKEY_PROGRAM;
const rpId = 'localhost';

let network;
let helper;
let profile;
let browser;
let wallet;
let login;
const servers = [];

// One page of one origin, with one authenticator for all of them.
async function openPage() {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>passkeys</title>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  const origin = `http://localhost:${server.address().port}`;
  const page = await browser.newPage();
  await page.goto(origin);
  return { page, origin };
}

async function addAuthenticator(page) {
  const session = await browser.newCDPSession(page);
  await session.send('WebAuthn.enable');
  const options = {
    protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true,
    hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', { options });
  return { session, authenticatorId };
}

// Runs the helper: one line asks, one line answers.
function startHelper(node, registrar) {
  const child = spawn(helperProgram, ['--node', node, '--registrar', registrar], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.resolve(JSON.parse(line)));
  const exited = new Promise((resolve) => child.on('exit', resolve));
  exited.then((code) => waiting.splice(0).forEach((it) => it.reject(new Error(`helper exited with ${code}`))));
  const ask = (request) => new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    child.stdin.write(`${JSON.stringify(request)}\n`);
  });
  const stop = () => { child.stdin.end(); return exited; };
  return { ask, stop };
}

// Makes a P-256 credential in the page; returns its id and SubjectPublicKeyInfo.
async function create({ page }, name) {
  await page.bringToFront();
  return page.evaluate(async ([id, user]) => {
    const base64url = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    const credential = await navigator.credentials.create({
      publicKey: {
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        rp: { id, name: 'wallet' },
        user: { id: new TextEncoder().encode(user), name: user, displayName: user },
        pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      },
    });
    return { id: base64url(credential.rawId), key: base64url(credential.response.getPublicKey()) };
  }, [rpId, name]);
}

// Asserts a challenge with a credential.
async function get({ page }, credential, challenge, userVerification = 'required') {
  await page.bringToFront();
  return page.evaluate(async ([id, credentialId, text, uv]) => {
    const bytes = (it) => Uint8Array.from(atob(it.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const base64url = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    const { response } = await navigator.credentials.get({
      publicKey: {
        challenge: bytes(text), rpId: id, userVerification: uv,
        allowCredentials: [{ type: 'public-key', id: bytes(credentialId) }],
      },
    });
    return {
      authenticatorData: base64url(response.authenticatorData),
      clientDataJSON: base64url(response.clientDataJSON),
      signature: base64url(response.signature),
    };
  }, [rpId, credential.id, challenge, userVerification]);
}

const description = ({ origin }, credential) => ({ key: credential.key, rpId, origin });

// The compressed point of a SubjectPublicKeyInfo of P-256.
function point(credential) {
  const info = Buffer.from(credential.key, 'base64url');
  return Buffer.concat([Buffer.from([2 | (info[90] & 1)]), info.subarray(27, 59)]).toString('base64url');
}

before(async () => {
  if (!helperProgram) throw new Error('set ALLOD_PASSKEY_PROGRAM to the passkey binary');
  network = await startDevnet();
  helper = startHelper(network.manifest.nodes[0].rpc, network.manifest.keys.registrar.secretUnsafe);
  profile = mkdtempSync(join(tmpdir(), 'allod-chromium-'));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: browserProgram,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  wallet = await openPage();
  login = await openPage();
});

after(async () => {
  await browser?.close();
  servers.forEach((server) => server.close());
  await helper?.stop();
  await network?.stop();
  if (profile) rmSync(profile, { recursive: true, force: true });
});

test('a passkey controls an identity and nothing else does its work', async (t) => {
  const { session, authenticatorId } = await addAuthenticator(wallet.page);
  const first = await create(wallet, 'first');
  const second = await create(wallet, 'second');

  await t.test('the hash of an inception, asserted by the wallet, creates an identity', async () => {
    const { challenge } = await helper.ask({ do: 'incept', ...description(wallet, first) });
    assert.equal(Buffer.from(challenge, 'base64url').length, 32);
    const assertion = await get(wallet, first, challenge);
    assert.deepEqual(await helper.ask({ do: 'submit', assertion }), { status: 'finalized' });
    assert.equal((await helper.ask({ do: 'control' })).key, point(first));
  });

  const { challenge } = await helper.ask({ do: 'rotate', ...description(wallet, second) });
  const refused = async (assertion, reason) => {
    const { error } = await helper.ask({ do: 'submit', assertion });
    assert.match(error ?? 'taken', reason);
    assert.equal((await helper.ask({ do: 'control' })).key, point(first));
  };

  await t.test('what the passkey answers to a login challenge is no operation', async () => {
    const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
    await refused(await get(wallet, first, nonce), /another type, challenge or origin/);
  });

  await t.test('the hash asked for as the challenge of a login elsewhere is refused', async () => {
    // The same relying party and so the same passkey, on another origin: the nearest that a login can come.
    const credentials = await session.send('WebAuthn.getCredentials', { authenticatorId });
    const other = await addAuthenticator(login.page);
    for (const credential of credentials.credentials) {
      const authenticator = other.authenticatorId;
      await other.session.send('WebAuthn.addCredential', { authenticatorId: authenticator, credential });
    }
    await refused(await get(login, first, challenge), /another type, challenge or origin/);
  });

  await t.test('without user verification the hash is not enough', async () => {
    await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
    await refused(await get(wallet, first, challenge, 'discouraged'), /not verified/);
    await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
  });

  await t.test('another passkey of the same wallet does not sign for this one', async () => {
    await refused(await get(wallet, second, challenge), /does not verify/);
  });

  await t.test('the passkey rotates the identity to the next one', async () => {
    const assertion = await get(wallet, first, challenge);
    assert.deepEqual(await helper.ask({ do: 'submit', assertion }), { status: 'finalized' });
    assert.equal((await helper.ask({ do: 'control' })).key, point(second));
  });

  await t.test('the next one acts, and the one before it has no power', async () => {
    const again = await helper.ask({ do: 'rotate', ...description(wallet, first) });
    const { error } = await helper.ask({ do: 'submit', assertion: await get(wallet, first, again.challenge) });
    assert.match(error, /does not verify/);
    const assertion = await get(wallet, second, again.challenge);
    assert.deepEqual(await helper.ask({ do: 'submit', assertion }), { status: 'finalized' });
  });
});
