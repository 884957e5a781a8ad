import t from 'tap';
import { configStoreContract } from '../../test/contract/config-store.ts';
import { ConfigStoreUnknownError } from './config-store.ts';
import { memoryConfigHub } from './config-store-memory.ts';

t.test('the contract', async (t) => {
  configStoreContract(t, async (_t, clients) => {
    const hub = memoryConfigHub();
    return Array.from({ length: clients }, () => {
      const store = hub.connect();
      return {
        store,
        loseNextReply: async () => {
          store.faults.lose = () => {
            delete store.faults.lose;
            return 'reply';
          };
        },
        disconnect: async () => {
          store.faults.unavailable = true;
        },
        reconnect: async () => {
          store.faults.unavailable = false;
          store.wake();
        },
      };
    });
  });
});

t.test('a request may be lost as well as its answer, and looks the same to the caller', async (t) => {
  const hub = memoryConfigHub();
  const store = hub.connect();
  for (const [lost, written] of [
    ['request', undefined],
    ['reply', 'value'],
  ] as const) {
    store.faults.lose = () => lost;
    await t.rejects(store.cas('a', 'value', 0), ConfigStoreUnknownError, lost);
    t.equal((await store.get('a'))?.value, written, lost);
  }
});

t.test('what one client is given is not what another changes', async (t) => {
  const hub = memoryConfigHub();
  const [one, two] = [hub.connect(), hub.connect()];
  const value = { isr: ['n1'] };
  await one.cas('a', value, 0);
  value.isr.push('n2');
  t.same((await two.get('a'))?.value, { isr: ['n1'] });
});
