import t from 'tap';
import { EXIT } from './base/errors.ts';
import { claimData, mustBeNew } from './node-folder.ts';
import { noHardState } from './storage/replicated-store.ts';
import { memoryConfigHub } from './transport/config-store-memory.ts';

const self = { node: 'a', inc: '2' };
const settings = { cluster: { name: 'chat' }, node: { dataDir: '/somewhere' } };
const refused = { exitCode: EXIT.clusterRefused, message: /\/somewhere holds messages .* cluster chat/ };

function folder(...shards: [epoch: number, idx: number][]) {
  const recovered = new Map(
    shards.map(([epoch, idx], shard) => [
      shard,
      { hard: { ...noHardState, epoch }, base: { idx, epoch }, commitIdx: idx, entries: [] },
    ]),
  );
  return { recovered: recovered as never };
}

t.test('what a folder brings along is told, and refused where the cluster has shards of its own', async (t) => {
  const configs = memoryConfigHub().connect();
  t.equal(await claimData(folder(), self, configs, settings), undefined);
  t.equal(await claimData(folder([5, 0]), self, configs, settings), undefined, 'a promise is no data');
  t.equal(await claimData(folder([5, 7], [9, 1]), self, configs, settings), 9);
  await mustBeNew(configs, settings);
  await configs.cas('shard.0', {}, 0);
  await t.rejects(claimData(folder([5, 7]), self, configs, settings), refused);
  await t.rejects(mustBeNew(configs, settings), refused);
  t.equal(await claimData(folder(), self, configs, settings), undefined, 'an empty folder joins');
  const { revision } = (await configs.cas('node.a', { inc: '1' }, 0)) as { revision: number };
  await t.rejects(claimData(folder([5, 7]), self, configs, settings), refused, 'another folder was the member');
  await configs.cas('node.a', { inc: '2' }, revision);
  t.equal(await claimData(folder([5, 7]), self, configs, settings), 5, 'it is a member');
});
