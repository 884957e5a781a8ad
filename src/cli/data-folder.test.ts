import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkOwner } from './data-folder.ts';

t.test('the data folder of another system user is not touched', async (t) => {
  const folder = t.testdir({});
  const ownId = process.getuid?.() ?? 0;
  checkOwner(folder, ownId);
  checkOwner(join(folder, 'none'), ownId);
  writeFileSync(join(folder, 'CURRENT'), '');
  checkOwner(folder, ownId);
  t.throws(() => checkOwner(folder, ownId + 1), {
    exitCode: 3,
    message: new RegExp(`system user \\(number ${ownId}\\)`),
  });
});
