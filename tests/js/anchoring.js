// A grant's anchoring, made of spec/grants.md with libraries of others alone.
import { hexToU8a, stringToU8a, u8aConcat, u8aToHex } from '@polkadot/util';
import { blake2AsU8a, ed25519PairFromSeed, ed25519Sign, randomAsU8a } from '@polkadot/util-crypto';

const u32 = (n) => { const b = new Uint8Array(4); new DataView(b.buffer).setUint32(0, n, true); return b; };
const u64 = (n) => { const b = new Uint8Array(8); new DataView(b.buffer).setBigUint64(0, BigInt(n), true); return b; };

// H(tag, x) of spec/identifiers.md.
const domainHash = (tag, bytes) => blake2AsU8a(u8aConcat([tag.length], stringToU8a(tag), bytes), 256);

// A grant's anchoring, signed by its own fresh key (spec/grants.md).
export function anchoring(chain) {
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
