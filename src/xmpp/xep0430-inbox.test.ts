import t from 'tap';
import { FakeUser, fakeInbox, JULIET, parse } from './extensions.fixture.ts';
import type { Conversation } from './inbox-view.ts';
import { PAGE_DEFAULTS } from './mam-page.ts';
import { cutInboxPage, type InboxPage, parseInboxQuery, planInboxPage } from './xep0430-inbox.ts';

const NS = `xmlns='urn:xmpp:inbox:1'`;
const RSM = `xmlns='http://jabber.org/protocol/rsm'`;
const LIMITS = { pageDefault: 3, pageMax: 4, pageUnitsMax: 1000 };

const conversation = (last: number, unread = 0): Conversation => {
  return { room: false, chat: `c${last}`, jid: `j${last}@capulet.lit`, unread, last, n: 1 };
};

/** Places 2, 4, … 12; the multiples of 4 have something unread. */
const six = fakeInbox(
  [2, 4, 6, 8, 10, 12].map((last) => conversation(last, last % 4 === 0 ? last : 0)),
  13,
);

const query = (attrs: string, rsm: string) =>
  parseInboxQuery(parse(`<inbox ${NS} ${attrs}>${rsm === '' ? '' : `<set ${RSM}>${rsm}</set>`}</inbox>`));

/** What a query comes to: places, newest first, with count and index; or the condition. */
function pageOf(attrs: string, rsm: string, view = six): string {
  const asked = query(attrs, rsm);
  if ('error' in asked) return asked.error;
  const page = planInboxPage(view, asked, LIMITS);
  if ('error' in page) return page.error;
  const { conversations, rsm: result } = page;
  const places = conversations.map(({ last }) => String(last));
  t.strictSame([result.first, result.last], [places[0], places.at(-1)]);
  return `${places.join(' ')} of ${result.count}${result.index === undefined ? '' : ` from ${result.index}`}`;
}

t.test('pages', async (t) => {
  const table: [what: string, attrs: string, rsm: string, want: string][] = [
    ['the newest first, as many as the default', '', '', '12 10 8 of 6 from 0'],
    ['more when asked for, not above the bound', '', '<max>100</max>', '12 10 8 6 of 6 from 0'],
    ['only how many there are', '', '<max>0</max>', ' of 6'],
    ['on from an id', '', '<max>2</max><after>10</after>', '8 6 of 6 from 2'],
    ['on from one that has moved to the front since', '', '<max>2</max><after>9</after>', '8 6 of 6 from 2'],
    ['to the end', '', '<after>6</after>', '4 2 of 6 from 4'],
    ['beyond it', '', '<after>2</after>', ' of 6'],
    ['backwards from the end', '', '<max>2</max><before/>', '4 2 of 6 from 4'],
    ['and on backwards', '', '<max>2</max><before>4</before>', '8 6 of 6 from 2'],
    ['from one that has moved', '', '<max>2</max><before>5</before>', '8 6 of 6 from 2'],
    ['to the front', '', '<max>4</max><before>8</before>', '12 10 of 6 from 0'],
    ['between two', '', '<after>10</after><before>4</before>', '8 6 of 6 from 2'],
    ['between two the wrong way round', '', '<after>4</after><before>10</before>', ' of 6'],
    ['by index', '', '<index>4</index>', '4 2 of 6 from 4'],
    ['by an index behind the end', '', '<index>9</index>', ' of 6'],
    ['the unread ones alone', `unread-only='true'`, '', '12 8 4 of 3 from 0'],
    ['of them on from a read one', `unread-only='1'`, '<after>10</after>', '8 4 of 3 from 1'],
    ['of them backwards', `unread-only='true'`, '<max>1</max><before>6</before>', '8 of 3 from 1'],
    ['an id that was never given', '', '<after>14</after>', 'item-not-found'],
    ['an id that is none', '', '<before>first</before>', 'item-not-found'],
    ['no boolean', `unread-only='yes'`, '', 'bad-request'],
    ['no boolean either', `messages=''`, '', 'bad-request'],
    ['no count', '', '<max>-1</max>', 'bad-request'],
  ];
  for (const [what, attrs, rsm, want] of table) t.equal(pageOf(attrs, rsm), want, what);
  t.equal(pageOf('', '', fakeInbox([], 0)), ' of 0', 'nobody has written yet');
});

t.test('a page is cut to a size, in the direction of paging, and says so', async (t) => {
  const asked = query('', '');
  const page = 'error' in asked ? asked : planInboxPage(six, asked, LIMITS);
  if ('error' in page) throw new Error(page.error);
  const cut = (back: boolean, unitsMax: number): [string, unknown] => {
    const { conversations, rsm }: InboxPage = cutInboxPage(page, back, [400, 400, 400], unitsMax);
    return [conversations.map(({ last }) => last).join(' '), rsm];
  };
  t.strictSame(cut(false, 900), ['12 10', { first: '12', last: '10', index: 0, count: 6 }]);
  t.strictSame(cut(true, 900), ['10 8', { first: '10', last: '8', index: 1, count: 6 }]);
  t.strictSame(cut(true, 100), ['8', { first: '8', last: '8', index: 2, count: 6 }], 'one goes however large it is');
  t.strictSame(cut(false, 1200)[0], '12 10 8');
});

/** Romeo and what Juliet and the nurse wrote to him; Juliet's last one is only a marker. */
function romeo(): FakeUser {
  const user = new FakeUser({ archiveLimits: { ...PAGE_DEFAULTS, scanMax: 100, pageUnitsMax: 100_000 } });
  const add = (from: string, body: string): void =>
    user.archive.add({ from: `${from}/x`, to: user.user, ts: user.now, body });
  add(JULIET, 'Ay me');
  add('nurse@capulet.lit', 'Madam');
  add(JULIET, '');
  const juliet = { room: false, chat: JULIET, jid: JULIET, unread: 1, last: 1, n: 2 };
  user.inbox = fakeInbox(
    [juliet, { room: false, chat: 'nurse@capulet.lit', jid: 'nurse@capulet.lit', unread: 0, last: 2, n: 1 }],
    3,
  );
  return user;
}

t.test('the last message of each chat, and the last id that the archive has of it', async (t) => {
  const user = romeo();
  const { outcome, body } = user.ask(`<iq type='get' id='q1'><inbox ${NS}/></iq>`);
  t.equal(outcome, 'result');
  const fin = parse(body);
  t.match(fin.attrs, { total: '2', unread: '1', 'all-unread': '1' });
  const found = user.out.map((xml) => {
    const el = parse(xml);
    const entry = el.getChild('entry', 'urn:xmpp:inbox:1')?.attrs;
    const result = el.getChild('result', 'urn:xmpp:mam:2');
    const said = result?.getChild('forwarded', 'urn:xmpp:forward:0')?.getChild('message')?.getChildText('body');
    return [entry?.['jid'], entry?.['unread'], entry?.['id'], result?.attrs['id'], result?.attrs['queryid'], said];
  });
  t.strictSame(found, [
    ['nurse@capulet.lit', '0', '2', '2', 'q1', 'Madam'],
    [JULIET, '1', '3', '1', 'q1', 'Ay me'],
  ]);
});

t.test('without messages nothing is fetched', async (t) => {
  const user = romeo();
  user.archive.messages.clear();
  t.equal(user.ask(`<iq type='get' id='q1'><inbox ${NS} messages='false'/></iq>`).outcome, 'result');
  t.equal(user.out.length, 2);
  t.notMatch(user.out.join(''), /<result/);
});

t.test('what cannot be had now is said, and nobody else may ask', async (t) => {
  const ask = `<inbox ${NS}/></iq>`;
  const away = new FakeUser({
    archive: {
      reader: () => romeo().archive,
      chatIdOf: (_user, bareJid) => bareJid,
      conversationOf: (_session, bareJid) => bareJid,
      fulltext: () => {
        throw new Error('nothing is searched here');
      },
      inbox: () => romeo().inbox,
      whenCommitted: (session, run) => run(session),
      load: (session, _entries, done) => done(session, undefined),
    },
  });
  t.strictSame(away.ask(`<iq type='get' id='q'>${ask}`), { outcome: 'error', body: 'resource-constraint' });
  const user = romeo();
  user.inbox = fakeInbox([conversation(9)], 9);
  const refused = user.ask(`<iq type='get' id='q'>${ask}`);
  t.strictSame(refused, { outcome: 'error', body: 'resource-constraint' }, 'its delivery was refused by the disk');
  const foreign = romeo().ask(`<iq type='get' id='q' from='${JULIET}/x' to='${user.user}'>${ask}`);
  t.strictSame(foreign, { outcome: 'error', body: 'forbidden' });
  t.equal(romeo().ask(`<iq type='set' id='q'>${ask}`).outcome, 'wrong type');
  t.ok(user.protocol.catalogue.account.features.includes('urn:xmpp:inbox:1'));
});
