// An identity made from the specification alone (spec/identifiers.md, spec/did.md): SCALE by hand, keys of three types.
import { ed25519 } from '@noble/curves/ed25519';
import { p256 } from '@noble/curves/p256';
import { secp256k1 } from '@noble/curves/secp256k1';
import { blake2b } from '@noble/hashes/blake2';
import { bytesToHex, concatBytes, hexToBytes, randomBytes, utf8ToBytes } from '@noble/hashes/utils';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const HOUR_MS = 3_600_000;

const u8 = (n) => Uint8Array.of(n);
const u16 = (n) => { const b = new Uint8Array(2); new DataView(b.buffer).setUint16(0, n, true); return b; };
const u32 = (n) => { const b = new Uint8Array(4); new DataView(b.buffer).setUint32(0, n, true); return b; };
const u64 = (n) => { const b = new Uint8Array(8); new DataView(b.buffer).setBigUint64(0, BigInt(n), true); return b; };
const compact = (n) => (n < 64 ? u8(n << 2) : u16((n << 2) | 1));
const list = (items) => concatBytes(compact(items.length), ...items);
const text = (string) => concatBytes(compact(utf8ToBytes(string).length), utf8ToBytes(string));
const none = u8(0);
const ZERO = new Uint8Array(32);

// H(tag, x) of spec/identifiers.md §1.
const domainHash = (tag, bytes) => blake2b(concatBytes(u8(tag.length), utf8ToBytes(tag), bytes), { dkLen: 32 });

const base32 = (bytes) => {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits.match(/.{5}/g).map((five) => BASE32[parseInt(five, 2)]).join('');
};
const base58 = (bytes) => {
  let [n, out] = [BigInt(`0x${bytesToHex(bytes)}`), ''];
  for (; n > 0n; n /= 58n) out = BASE58[Number(n % 58n)] + out;
  return '1'.repeat(bytes.findIndex((byte) => byte !== 0)) + out;
};

// Login and assertion keys of every type, under fragments that no earlier generation had.
function newMethods(generation) {
  const kinds = [['ed25519', ed25519, 0], ['p256', p256, 1], ['secp256k1', secp256k1, 2]];
  return kinds.map(([kind, curve, index]) => {
    const secret = curve.utils.randomPrivateKey();
    const fragment = `${kind}-${generation}`;
    const key = kind === 'ed25519' ? curve.getPublicKey(secret) : curve.getPublicKey(secret, true);
    const relationships = 1 | 2;
    return { kind, fragment, secret, bytes: concatBytes(text(fragment), u8(index), key, u8(relationships), none) };
  });
}

export class Identity {
  constructor({ rpc, chain, registrarSecret }) {
    Object.assign(this, { rpc, registrar: hexToBytes(registrarSecret.replace(/^0x/, '')) });
    this.genesis = hexToBytes(chain.genesis.replace(/^0x/, ''));
    this.chain = concatBytes(this.genesis, u32(chain.forkId));
    this.control = ed25519.utils.randomPrivateKey();
    this.generation = 1;
    this.methods = newMethods(1);
    this.documentLane = { seq: 0, prev: ZERO };
    const services = list([concatBytes(text('files'), text('Files'), list([text('https://data.example/files/')]))]);
    const rank = concatBytes(list([concatBytes(this.#controlKey(), u16(1))]), u32(1), u8(15), none);
    const policy = concatBytes(list([rank]), none, u64(72 * HOUR_MS));
    const document = concatBytes(list(this.methods.map((it) => it.bytes)), services, list([]), list([]));
    this.inception = concatBytes(u8(1), policy, document, randomBytes(16));
    this.id = domainHash('allod/did/v1', this.inception);
    this.did = `did:allod:${base32(this.genesis.slice(0, 20))}:z${base58(this.id)}`;
  }

  #controlKey() { return concatBytes(u8(0), ed25519.getPublicKey(this.control)); }

  #signed(lane, { seq, prev }, body) {
    const validUntil = u64(Date.now() + HOUR_MS / 6);
    const payer = u8(2);
    const operation = concatBytes(
      u8(1), this.chain, this.id, lane, u64(seq), prev, payer, validUntil, none, none, body,
    );
    const hash = domainHash('allod/operation/v1', operation);
    const preimage = concatBytes(utf8ToBytes('allod/operation-signature/v1'), this.chain, hash);
    const signature = concatBytes(this.#controlKey(), u8(0), ed25519.sign(preimage, this.control), none);
    return { hash, bytes: concatBytes(operation, list([signature])) };
  }

  async #submit(item) {
    const request = { jsonrpc: '2.0', id: 1, method: 'identity_submit', params: { items: [item], wait: 'finalized' } };
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(this.rpc, { method: 'POST', headers, body: JSON.stringify(request) });
    const { result, error } = await response.json();
    const outcome = result?.items[0];
    if (outcome?.status !== 'finalized') throw new Error(JSON.stringify(error ?? outcome));
  }

  // The signed inception: what a registrar's batch takes, without a voucher.
  inceptionOperation() {
    return this.#signed(concatBytes(u8(0), u8(0)), { seq: 0, prev: ZERO }, concatBytes(u8(0), this.inception)).bytes;
  }

  async incept() {
    const expires = u64(Date.now() + HOUR_MS / 6);
    const message = concatBytes(utf8ToBytes('allod/voucher/v1'), this.chain, this.id, expires);
    const voucher = concatBytes(u8(0), ed25519.getPublicKey(this.registrar), expires, ed25519.sign(message, this.registrar));
    const { hash, bytes } = this.#signed(concatBytes(u8(0), u8(0)), { seq: 0, prev: ZERO }, concatBytes(u8(0), this.inception));
    this.controlLane = { seq: 1, prev: hash };
    await this.#submit({ kind: 'inception', data: `0x${bytesToHex(bytes)}`, admission: `0x${bytesToHex(voucher)}` });
  }

  // Retires every method and adds new ones.
  async rotate() {
    const old = this.methods;
    this.generation += 1;
    this.methods = newMethods(this.generation);
    const retire = list(old.map((it) => concatBytes(text(it.fragment), u8(0))));
    const add = list(this.methods.map((it) => it.bytes));
    const patch = concatBytes(u8(1), retire, list([]), add, none, none, none);
    const { hash, bytes } = this.#signed(u8(2), this.documentLane, patch);
    this.documentLane = { seq: this.documentLane.seq + 1, prev: hash };
    await this.#submit({ kind: 'operation', data: `0x${bytesToHex(bytes)}` });
  }

  async deactivate() {
    const { bytes } = this.#signed(concatBytes(u8(0), u8(0)), this.controlLane, u8(3));
    await this.#submit({ kind: 'operation', data: `0x${bytesToHex(bytes)}` });
  }

  method(kind) { return this.methods.find((it) => it.kind === kind); }
}
