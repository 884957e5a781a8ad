import t from 'tap';
import { FakeUser, JULIET, parse } from './extensions.fixture.ts';
import { parseJid } from './jid.ts';
import { archives, archivesFor, type MamPrefs, parsePrefs } from './mam-prefs.ts';

const prefs = (attrs: string, inner = '') => `<prefs xmlns='urn:xmpp:mam:2' ${attrs}>${inner}</prefs>`;
const iq = (type: string, payload: string) => `<iq type='${type}' id='juliet2'>${payload}</iq>`;

t.test('preferences are always until set, then what was set', async (t) => {
  const user = new FakeUser();
  const get = iq('get', prefs(''));
  t.equal(user.ask(get).body, `<prefs xmlns='urn:xmpp:mam:2' default='always'><always/><never/></prefs>`);
  const lists = `<always><jid>Romeo@montague.lit</jid></always><never><jid>montague@montague.lit</jid></never>`;
  const applied = user.ask(iq('set', prefs(`default='roster'`, lists)));
  t.match(applied, {
    outcome: 'result',
    body: `default='roster'><always><jid>romeo@montague.lit</jid></always><never>`,
  });
  t.equal(user.ask(get).body, applied.body);
  t.strictSame(user.get('mam-prefs'), {
    v: 1,
    default: 'roster',
    always: ['romeo@montague.lit'],
    never: ['montague@montague.lit'],
  });
});

t.test('faulty preferences are refused and change nothing', async (t) => {
  const many = Array.from({ length: 501 }, (_, at) => `<jid>u${at}@montague.lit</jid>`).join('');
  const table: [string, string, string][] = [
    ['no default', prefs(''), 'bad-request'],
    ['another default', prefs(`default='sometimes'`), 'bad-request'],
    ['two lists', prefs(`default='always'`, '<never/><never/>'), 'bad-request'],
    ['no JID', prefs(`default='always'`, '<never><jid>@</jid></never>'), 'jid-malformed'],
    ['too many', prefs(`default='always'`, `<always>${many}</always>`), 'policy-violation'],
  ];
  const user = new FakeUser();
  for (const [name, payload, condition] of table) {
    t.strictSame(user.ask(iq('set', payload)), { outcome: 'error', body: condition }, name);
    t.match(parsePrefs(parse(payload)), { error: condition }, name);
  }
  t.equal(user.rows.size, 0);
});

t.test('a message is archived as the lists say, full JIDs before bare ones, then by the default', async (t) => {
  const set = (fallback: MamPrefs['default'], always: string[], never: string[]): MamPrefs => ({
    v: 1,
    default: fallback,
    always,
    never,
  });
  const balcony = `${JULIET}/balcony`;
  const table: [MamPrefs | undefined, string, boolean, boolean][] = [
    [undefined, balcony, false, true],
    [set('always', [], []), balcony, false, true],
    [set('never', [], []), balcony, true, false],
    [set('roster', [], []), balcony, true, true],
    [set('roster', [], []), balcony, false, false],
    [set('never', [JULIET], []), balcony, false, true],
    [set('always', [], [JULIET]), balcony, true, false],
    [set('always', [balcony], [JULIET]), balcony, false, true],
    [set('always', [balcony], [JULIET]), `${JULIET}/chamber`, false, false],
    [set('always', [JULIET], [balcony]), balcony, false, false],
    [set('always', [], [balcony]), JULIET, false, true],
    [set('never', [JULIET], [JULIET]), JULIET, false, true],
  ];
  for (const [prefs, peer, inRoster, expected] of table) {
    t.equal(
      archives(prefs, () => inRoster, parseJid(peer)),
      expected,
      `${JSON.stringify(prefs)} ${peer} ${inRoster}`,
    );
  }
});

t.test('the roster is what the roster shows', async (t) => {
  const user = new FakeUser();
  user.put('mam-prefs', { v: 1, default: 'roster', always: [], never: [] });
  t.equal(archivesFor(user, parseJid(JULIET)), false);
  user.contact(JULIET, 'none', false);
  t.equal(archivesFor(user, parseJid(JULIET)), false, 'a row of a stranger is no contact');
  user.contact(JULIET, 'none');
  t.equal(archivesFor(user, parseJid(JULIET)), true);
});
