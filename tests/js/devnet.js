// A network of one validator for one test file: started on a loopback address of its own, ended with it.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = process.env.ALLOD_DEVNET_PROGRAM;

// Returns { manifest, stop } once blocks are finalized.
export async function startDevnet(validators = 1) {
  if (!program) throw new Error('set ALLOD_DEVNET_PROGRAM to the allod-devnet binary');
  const dir = mkdtempSync(join(tmpdir(), 'allod-js-'));
  const args = ['--dir', dir, '--json', 'up', '--isolated', '--validators', String(validators)];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => { errors += chunk; });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  const manifest = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(JSON.parse(text));
    });
    child.on('exit', (code) => reject(new Error(`devnet exited with ${code}: ${errors}`)));
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(dir, { recursive: true });
  };
  return { manifest, stop };
}
