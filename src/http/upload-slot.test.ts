import t from 'tap';
import { newFileId } from './file-store.ts';
import { filePath, ownerTag, parseFilePath, type Slot, signSlot, verifySlot } from './upload-slot.ts';

const NOW = Date.UTC(2026, 0, 1);
const SECRET = 'a secret of sixteen bytes or more';
const SLOT: Slot = {
  id: newFileId(NOW, 'abcdefghijklmnopqrstuvwxyz'),
  name: 'très cool.jpg',
  bytes: 23456,
  type: 'image/jpeg',
  expiresMs: NOW + 300_000,
  owner: ownerTag(SECRET, 'romeo@localhost'),
};

t.test('what is signed is what is verified, until it expires', async (t) => {
  for (const slot of [SLOT, { ...SLOT, type: undefined }, { ...SLOT, name: `a&b?c#d%'"<>` }]) {
    const path = parseFilePath(filePath(slot));
    t.same(path, { id: slot.id, name: slot.name });
    const query = signSlot(SECRET, slot);
    t.same(verifySlot(SECRET, path!, query, NOW), { ok: true, slot });
    t.same(verifySlot(SECRET, path!, query, slot.expiresMs - 1), { ok: true, slot });
    t.same(verifySlot(SECRET, path!, query, slot.expiresMs), { ok: false, reason: 'expired' });
    t.same(verifySlot('another secret', path!, query, NOW), { ok: false, reason: 'signature' });
  }
});

t.test('any part that is changed spoils the signature', async (t) => {
  const path = { id: SLOT.id, name: SLOT.name };
  const query = signSlot(SECRET, SLOT);
  const changed = (name: string, value: string | undefined): string => {
    const params = new URLSearchParams(query);
    if (value === undefined) params.delete(name);
    else params.set(name, value);
    return params.toString();
  };
  const table: [what: string, path: { id: string; name: string }, query: string][] = [
    ['id', { ...path, id: newFileId(NOW, 'abcdefghijklmnopqrstuvwxy2') }, query],
    ['name', { ...path, name: 'tres cool.html' }, query],
    ['size', path, changed('s', '23457')],
    ['size, as another text', path, changed('s', '1e9')],
    ['type', path, changed('t', 'text/html')],
    ['no type', path, changed('t', undefined)],
    ['time', path, changed('e', String(SLOT.expiresMs + 1))],
    ['owner', path, changed('u', 'x')],
    ['no mac', path, changed('m', undefined)],
    ['a cut mac', path, changed('m', new URLSearchParams(query).get('m')!.slice(0, -1))],
    ['nothing', path, ''],
  ];
  for (const [what, where, how] of table)
    t.same(verifySlot(SECRET, where, how, NOW), { ok: false, reason: 'signature' }, what);
});

t.test('a slot with a type is none without, and the other way round', async (t) => {
  const path = { id: SLOT.id, name: SLOT.name };
  const untyped = new URLSearchParams(signSlot(SECRET, { ...SLOT, type: undefined }));
  untyped.set('t', '-');
  t.equal(verifySlot(SECRET, path, untyped.toString(), NOW).ok, false);
});

t.test('only paths that were made here are taken apart', async (t) => {
  for (const path of [
    '',
    '/',
    SLOT.id,
    `../${SLOT.id}/a`,
    `%2e%2e/a`,
    `${SLOT.id}%2f/a`,
    `${SLOT.id.toUpperCase()}/a`,
    `${SLOT.id}x/a`,
    `20454-../../../../../../../etc/passwd`,
    `${SLOT.id}/%`,
    `${SLOT.id}/%ff`,
  ])
    t.equal(parseFilePath(path), undefined, path);
  t.same(parseFilePath(`${SLOT.id}/..%2f..%2fa`), { id: SLOT.id, name: '../../a' }, 'a name is never a path');
});

t.test('an owner is a pseudonym, the same for the same user', async (t) => {
  t.equal(ownerTag(SECRET, 'romeo@localhost'), SLOT.owner);
  t.not(ownerTag(SECRET, 'juliet@localhost'), SLOT.owner);
  t.match(SLOT.owner, /^[\w-]{12}$/);
});
