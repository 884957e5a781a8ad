import { readFileSync } from 'node:fs';
import t from 'tap';
import { EXIT } from '../base/errors.ts';
import { ENDINGS } from '../xmpp/close-codes.ts';

const rows = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

t.test('docs/errors.md has every way in which a connection ends, as it is in the code', async (t) => {
  const documented = rows.filter((row) => row.length === 5 && /^\d+$/.test(row[0]!));
  const expected = Object.values(ENDINGS).map(({ code, reason, condition = '', duty, resumable }) => [
    String(code),
    reason,
    condition,
    duty,
    resumable ? 'yes' : '',
  ]);
  t.same(documented, expected);
});

t.test('docs/errors.md has every exit code', async (t) => {
  const documented = rows.filter((row) => row.length === 3).map(([code]) => Number(code));
  for (const [name, code] of Object.entries(EXIT)) t.ok(documented.includes(code), `${code} ${name}`);
});
