import t from 'tap';
import { busContract } from '../../test/contract/bus.ts';
import { inProcessBus } from './bus.ts';

t.test('the contract', async (t) => {
  busContract(t, async (_t, nodeIds) => nodeIds.map(inProcessBus), { nodesMax: 1 });
});

t.test('within a process the very object is handed over, at once', async (t) => {
  const bus = inProcessBus('n1');
  const message = { big: true };
  let got: unknown;
  bus.receive((envelope) => {
    got = envelope.message;
  });
  bus.send('n1', { key: 'chat:x', message });
  t.equal(got, message);
});
