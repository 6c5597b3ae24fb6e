// Every ```js block of docs/clients.md is a program: it must run as it stands and print as many lines as it has `console.log`.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { startDevnet } from './devnet.js';

const documented = 'ws://127.0.0.1:9944';
const page = readFileSync(new URL('../../docs/clients.md', import.meta.url), 'utf8');
const programs = [...page.matchAll(/^```js\n(.*?)^```$/gms)].map(([, program]) => program);

let network;

before(async () => { network = await startDevnet(); });
after(async () => { await network?.stop(); });

test('the page has a program for each client', () => {
  assert.equal(programs.length, 2);
  for (const program of programs) assert.ok(program.includes(documented));
});

for (const [index, program] of programs.entries()) {
  const name = program.match(/from '(@?[^']+)'/)[1];
  test(`the program with ${name} runs as it stands`, async () => {
    // Below this folder, where its libraries are found.
    const dir = mkdtempSync(new URL('./documented-', import.meta.url).pathname);
    const file = join(dir, `${index}.mjs`);
    try {
      writeFileSync(file, program.replaceAll(documented, network.manifest.nodes[0].ws));
      const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 60_000 });
      const lines = stdout.trim().split('\n');
      assert.equal(lines.length, program.match(/console\.log/g).length, stdout);
      for (const line of lines) assert.doesNotMatch(line, /undefined|NaN|null/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}
