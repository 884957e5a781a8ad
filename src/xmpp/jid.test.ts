import fc from 'fast-check';
import t from 'tap';
import { bareOf, JID_CACHE_ENTRIES_MAX, JidError, jidCacheSize, makeJid, parseJid, resourceIn, tryJid } from './jid.ts';

function fault(parse: () => unknown): string {
  try {
    parse();
    return 'none';
  } catch (error) {
    if (error instanceof JidError) return error.reason;
    throw error;
  }
}

t.test('an address is taken apart, normalised, and put together again', async (t) => {
  const table: [text: string, local: string, domain: string, resource: string][] = [
    ['alice@example.org/phone', 'alice', 'example.org', 'phone'],
    ['Alice@Example.ORG', 'alice', 'example.org', ''],
    ['example.org', '', 'example.org', ''],
    ['example.org.', '', 'example.org', ''],
    ['example.org/a@b/c', '', 'example.org', 'a@b/c'],
    ['a@b/C D', 'a', 'b', 'C D'],
    ['a@b/Phone', 'a', 'b', 'Phone'],
    ['ＡＬＩＣＥ@example.org', 'alice', 'example.org', ''],
    ['JOSE\u0301@example.org', 'jos\u00e9', 'example.org', ''],
    ['stra\u00dfe@example.org', 'stra\u00dfe', 'example.org', ''],
    ['a@B\u00dcCHER.example', 'a', 'b\u00fccher.example', ''],
    ['a@xn--bcher-kva.example', 'a', 'b\u00fccher.example', ''],
    ['a@b\u3002example', 'a', 'b.example', ''],
    ['a@127.0.0.1', 'a', '127.0.0.1', ''],
    ['a@[::1]/x', 'a', '[::1]', 'x'],
    ['a@b/a\u00a0b', 'a', 'b', 'a b'],
    ['a@b/\u2615 cafe\u0301', 'a', 'b', '\u2615 caf\u00e9'],
    ['\u05d0\u05d1@b', '\u05d0\u05d1', 'b', ''],
    ['a+b.c_d~e@b', 'a+b.c_d~e', 'b', ''],
    ['l\u00b7l@b', 'l\u00b7l', 'b', ''],
  ];
  for (const [text, local, domain, resource] of table) {
    const bare = local === '' ? domain : `${local}@${domain}`;
    const full = resource === '' ? bare : `${bare}/${resource}`;
    t.same(parseJid(text), { local, domain, resource, bare, full }, text);
    t.equal(bareOf(text), bare);
    t.equal(resourceIn(parseJid(text).full) ?? '', parseJid(text).resource);
  }
});

t.test('what is no address is refused, and the reason says which part', async (t) => {
  const table: [text: string, reason: string][] = [
    ['', 'domain-empty'],
    ['.', 'domain-empty'],
    ['@b', 'local-empty'],
    ['a@', 'domain-empty'],
    ['/r', 'domain-empty'],
    ['a@b/', 'resource-empty'],
    ['a@b@c', 'domain-invalid'],
    ['a b@c', 'local-invalid'],
    ['a"b@c', 'local-invalid'],
    ['a&b@c', 'local-invalid'],
    ["a'b@c", 'local-invalid'],
    ['a:b@c', 'local-invalid'],
    ['a<b>@c', 'local-invalid'],
    ['\uff1ca@c', 'local-invalid'],
    ['a\u0000@c', 'local-invalid'],
    ['a\u00ad@c', 'local-invalid'],
    ['a\u200db@c', 'local-invalid'],
    ['\u265a@c', 'local-invalid'],
    ['\u2163@c', 'local-invalid'],
    ['\ufb01@c', 'local-invalid'],
    ['\u05d0a@c', 'local-invalid'],
    ['1\u05d0@c', 'local-invalid'],
    ['a\u00b7@c', 'local-invalid'],
    ['\u0661\u06f1@c', 'local-invalid'],
    ['\ud800@c', 'local-invalid'],
    ['a@b c', 'domain-invalid'],
    ['a@b_c', 'domain-invalid'],
    ['a@b..c', 'domain-invalid'],
    ['a@-b', 'domain-invalid'],
    ['a@b%61', 'domain-invalid'],
    ['a@b:5222', 'domain-invalid'],
    ['a@b?c', 'domain-invalid'],
    ['a@b#c', 'domain-invalid'],
    ['a@b\\c', 'domain-invalid'],
    ['a@xn--a', 'domain-invalid'],
    ['a@[::g]', 'domain-invalid'],
    ['a@[1::2::3]', 'domain-invalid'],
    [`a@${'b'.repeat(64)}`, 'domain-invalid'],
    ['a@\ud800', 'domain-invalid'],
    ['a@b/\u0007', 'resource-invalid'],
    ['a@b/\ud800', 'resource-invalid'],
    ['a@b/\u2028', 'resource-invalid'],
    ['a@b/\u200b', 'resource-invalid'],
    ['a@b/\ue000', 'resource-invalid'],
  ];
  for (const [text, reason] of table) {
    t.throws(
      () => parseJid(text),
      { name: 'JidError', reason },
      `${reason}: ${JSON.stringify(text).replace(/[^ -~]/g, '?')}`,
    );
    t.equal(tryJid(text), undefined);
  }
});

t.test('each part holds 1023 bytes and not one more', async (t) => {
  const long = 'a'.repeat(1023);
  const domain = `${'a.'.repeat(511)}a`;
  t.equal(parseJid(`${long}@b`).local, long);
  t.equal(parseJid(`a@b/${long}`).resource, long);
  t.equal(parseJid(`${long}@${domain}/${long}`).domain, domain);
  t.equal(
    fault(() => parseJid(`${long}a@b`)),
    'local-too-long',
  );
  t.equal(
    fault(() => parseJid(`${'\u00e9'.repeat(512)}@b`)),
    'local-too-long',
  );
  t.equal(
    fault(() => parseJid(`a@b/${long}a`)),
    'resource-too-long',
  );
  t.equal(
    fault(() => parseJid(`a@b/${'\u00e9'.repeat(512)}`)),
    'resource-too-long',
  );
  t.equal(
    fault(() => parseJid(`a@${domain}.b`)),
    'domain-too-long',
  );
  t.equal(
    fault(() => parseJid('a'.repeat(100_000))),
    'too-long',
  );
});

t.test('an address made of parts equals the one parsed, and bad parts are refused', async (t) => {
  t.same(makeJid('Alice', 'Example.org', 'Phone'), parseJid('alice@example.org/Phone'));
  t.same(makeJid('', 'example.org'), parseJid('example.org'));
  t.equal(
    fault(() => makeJid('a/b', 'c')),
    'local-invalid',
  );
  t.equal(
    fault(() => makeJid('a', 'c/d')),
    'domain-invalid',
  );
  t.equal(
    fault(() => makeJid('a', 'b@c')),
    'domain-invalid',
  );
});

t.test('parsing what was parsed changes nothing, whatever the text', async (t) => {
  const part = fc.string({ unit: 'grapheme', minLength: 0, maxLength: 8 });
  const text = fc.oneof(
    fc.tuple(part, part, part).map(([l, d, r]) => `${l}@${d}/${r}`),
    fc.tuple(part, part).map(([l, r]) => `${l}@example.org/${r}`),
    fc.string({ unit: 'binary', maxLength: 20 }),
  );
  fc.assert(
    fc.property(text, (input) => {
      const jid = tryJid(input);
      if (jid === undefined) return true;
      const again = parseJid(jid.full);
      return again.full === jid.full && again.bare === jid.bare && bareOf(jid.bare) === jid.bare;
    }),
    { numRuns: 20_000, seed: 7622 },
  );
  t.pass('20,000 texts');
});

t.test('the cache keeps its bound, and an address that fell out is parsed the same again', async (t) => {
  const before = parseJid('first@example.org/r');
  for (let i = 0; i < 3 * JID_CACHE_ENTRIES_MAX; i += 1) parseJid(`user${i}@example.org/r`);
  t.ok(jidCacheSize() <= JID_CACHE_ENTRIES_MAX);
  t.same(parseJid('first@example.org/r'), before);
  t.ok(new JidError('local-empty') instanceof Error);
});
