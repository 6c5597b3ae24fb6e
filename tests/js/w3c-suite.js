// Runs the W3C-CCG's DID resolution suite against a devnet node: node w3c-suite.js FOLDER-OF-THE-SUITE [mocha arguments]
//
// The suite is run as it is. What it takes from two packages in Git is put in their place: from the implementations' list
// it wants ours alone, and of the reporter two functions that matter to reports only.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { startDevnet } from './devnet.js';
import { Identity } from './identity.js';

const folder = process.argv[2] && resolve(process.argv[2]);
if (!folder) throw new Error('usage: node w3c-suite.js FOLDER-OF-THE-SUITE');

function writePackage(name, source) {
  const at = join(folder, 'node_modules', name);
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name, version: '0.0.0', type: 'module', main: 'index.js' }));
  writeFileSync(join(at, 'index.js'), source);
}

const network = await startDevnet();
const { nodes, chain, keys } = network.manifest;
const newIdentity = async () => {
  const identity = new Identity({ rpc: nodes[0].rpc, chain, registrarSecret: keys.registrar.secretUnsafe });
  await identity.incept();
  return identity;
};
let status;
try {
  const [alice, bob, gone] = [await newIdentity(), await newIdentity(), await newIdentity()];
  await bob.rotate();
  await gone.deactivate();
  const { did } = alice;
  const didResolver = {
    id: 'did:example:allod',
    endpoint: `${nodes[0].rpc.replace(/\/$/, '')}/1.0/identifiers`,
    tags: ['did-resolution'],
    // Lists of one text each where the suite puts the list itself into a URL.
    supportedDids: {
      valid: [{ did, resolutionOptions: {} }, { did: bob.did, resolutionOptions: { noCache: 'true' } }],
      notFound: [did.replace(/.{4}$/, '1111')],
      deactivated: [gone.did],
      derefUrls: [
        { didUrl: did, dereferencingOptions: {} },
        { didUrl: `${did}?service=files`, dereferencingOptions: {} },
        { didUrl: `${did}#ed25519-1`, dereferencingOptions: { noCache: 'false' } },
      ],
      serviceDerefUrls: [{ didUrl: `${did}?service=files&relativeRef=a%2Fb.txt` }],
    },
  };
  const settings = JSON.stringify({ settings: { didResolvers: [didResolver] } });
  writePackage('vc-test-suite-implementations', `export const filterByTag = () => ({ match: new Map([['Allod', ${settings}]]) });\n`);
  writePackage('mocha-w3c-interop-reporter', 'export const helpers = { setupMatrix() {}, setupRow() {} };\n');
  const args = ['mocha', 'tests/', '--no-config', '--timeout', '15000', ...process.argv.slice(3)];
  status = spawnSync('npx', args, { cwd: folder, stdio: 'inherit' }).status;
} finally {
  await network.stop();
}
process.exitCode = status ?? 1;
