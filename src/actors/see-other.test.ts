import t from 'tap';
import { shardOf } from '../base/hash.ts';
import { sessionKey } from './keys.ts';
import { SeeOther, type SeeOtherParts } from './see-other.ts';

const ROMEO = 'romeo@localhost';
const ADDRESSES: Readonly<Record<string, string>> = { n1: 'wss://n1.example/ws', n2: 'wss://n2.example/ws' };

function at(change: Partial<SeeOtherParts> = {}, rememberedMax = 10) {
  const time = { now: 1_000 };
  const parts: SeeOtherParts = {
    nodeId: 'n1',
    shards: 8,
    leader: (shard) => (shard === shardOf(sessionKey(ROMEO), 8) ? 'n2' : 'n1'),
    address: (node) => ADDRESSES[node],
    now: () => time.now,
    ...change,
  };
  return { time, seeOther: new SeeOther(parts, { againMs: 60_000, rememberedMax }) };
}

t.test('who lives at another node is told its address', async (t) => {
  const { seeOther } = at();
  t.equal(seeOther.where(ROMEO, true), 'wss://n2.example/ws');
});

t.test('nobody is sent where there is nothing to gain, or nothing is known', async (t) => {
  for (const [why, change] of [
    ['the session is here', { leader: () => 'n1' }],
    ['nobody leads its shard', { leader: () => undefined }],
    ['its node has no address', { address: (node: string) => (node === 'n1' ? ADDRESSES['n1'] : undefined) }],
    ['all nodes have the address of a load balancer', { address: () => 'wss://chat.example/ws' }],
  ] as const)
    t.equal(at(change).seeOther.where(ROMEO, true), undefined, why);
});

t.test('from TLS only to TLS', async (t) => {
  const address = (node: string): string => `ws://${node}.example/ws`;
  t.equal(at({ address }).seeOther.where(ROMEO, true), undefined);
  t.equal(at({ address }).seeOther.where(ROMEO, false), 'ws://n2.example/ws');
  t.equal(at().seeOther.where(ROMEO, false), 'wss://n2.example/ws', 'up is allowed');
});

t.test('who comes here again is served here, for a while', async (t) => {
  const { seeOther, time } = at();
  t.ok(seeOther.where(ROMEO, true));
  t.equal(seeOther.where(ROMEO, true), undefined);
  time.now += 59_999;
  t.equal(seeOther.where(ROMEO, true), undefined);
  time.now += 1;
  t.ok(seeOther.where(ROMEO, true));
});

t.test('the memory of it is bounded', async (t) => {
  const { seeOther } = at({ leader: () => 'n2' }, 2);
  for (const name of ['a', 'b', 'c']) t.ok(seeOther.where(`${name}@localhost`, true));
  t.equal(seeOther.where('c@localhost', true), undefined);
  t.ok(seeOther.where('a@localhost', true), 'the one longest ago is forgotten');
});
