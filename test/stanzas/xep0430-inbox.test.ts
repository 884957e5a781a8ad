import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t, { archive: { pageDefault: 4, pageMax: 5 } });
const NS = 'urn:xmpp:inbox:1';
const RSM = 'http://jabber.org/protocol/rsm';

interface Inbox {
  /** `who unread last-message`, the newest first */
  readonly chats: string[];
  /** archive ids of the entries */
  readonly ids: string[];
  /** `total unread all-unread` */
  readonly totals: string;
  readonly first: string;
  readonly last: string;
  readonly count: string;
  readonly refused: string;
}

/** One query, or several behind what is sent in the same breath. */
async function inbox(client: Client, attrs = '', rsm?: string, ...before: string[]): Promise<Inbox> {
  client.forget();
  client.send(...before);
  const set = rsm === undefined ? '' : `<set xmlns='${RSM}'>${rsm}</set>`;
  const answer = await client.iq('get', `<inbox xmlns='${NS}' ${attrs}>${set}</inbox>`);
  const entries = client.pending((el) => el.getChild('entry', NS) !== undefined).map(({ el }) => el);
  const fin = answer.getChild('fin', NS);
  const page = fin?.getChild('set', RSM);
  return {
    chats: entries.map((el) => {
      const { jid = '', unread } = el.getChild('entry', NS)?.attrs ?? {};
      const said = messageOf(el);
      return `${jid.replace('@localhost', '')} ${unread}${said === undefined ? '' : ` ${said.getChildText('body')}`}`;
    }),
    ids: entries.map((el) => el.getChild('entry', NS)?.attrs['id'] ?? ''),
    totals: ['total', 'unread', 'all-unread'].map((name) => fin?.attrs[name]).join(' '),
    first: page?.getChildText('first') ?? '',
    last: page?.getChildText('last') ?? '',
    count: page?.getChildText('count') ?? '',
    refused: conditionOf(answer),
  };
}

function messageOf(el: Element): Element | undefined {
  return el.getChild('result', 'urn:xmpp:mam:2')?.getChild('forwarded', 'urn:xmpp:forward:0')?.getChild('message');
}

const chat = (to: string, body: string, more = ''): string =>
  `<message xmlns='jabber:client' to='${to}@localhost' type='chat' id='${body}'><body>${body}</body>${more}</message>`;
const displayed = (to: string, id: string): string =>
  `<message xmlns='jabber:client' to='${to}@localhost' type='chat'><displayed xmlns='urn:xmpp:chat-markers:0' id='${id}'/></message>`;

const friends = ['ann', 'bea', 'cat', 'dee', 'eve', 'fay'];
const romeo = await node.login('romeo', 'orchard');
const phone = await node.login('romeo', 'phone');
const writers = new Map<string, Client>();
for (const name of friends) writers.set(name, await node.login(name, 'home'));
for (const client of [romeo, phone, ...writers.values()]) await client.enable();

/** Sends and waits until it is in the receiver's inbox: the order between chats is then certain. */
async function say(from: string, ...stanzas: string[]): Promise<void> {
  const client = from === 'romeo' ? romeo : (writers.get(from) as Client);
  client.send(...stanzas);
  await client.ack();
  await node.settle();
}

t.test('nobody has written yet', async (t) => {
  t.match(await inbox(romeo), { chats: [], totals: '0 0 0', count: '0', first: '' });
});

t.test('every chat with its last message and what is unread, the newest first', async (t) => {
  for (const name of friends) await say(name, chat('romeo', `${name}1`), chat('romeo', `${name}2`));
  await say('romeo', chat('bea', 'to bea'));
  const page = await inbox(romeo);
  t.match(page, { chats: ['bea 0 to bea', 'fay 2 fay2', 'eve 2 eve2', 'dee 2 dee2'], totals: '6 5 10', count: '6' });
  t.strictSame((await inbox(phone)).chats, page.chats, 'on another device too');
  t.match(await inbox(writers.get('bea') as Client), { chats: ['romeo 1 to bea'], totals: '1 1 1' });
});

t.test('receipts, states and what the archive hides change neither order nor last message', async (t) => {
  const receipt = `<message xmlns='jabber:client' to='romeo@localhost' type='chat'><received xmlns='urn:xmpp:receipts' id='x'/></message>`;
  const before = await inbox(romeo);
  await say('ann', receipt, chat('romeo', 'secret', `<no-permanent-store xmlns='urn:xmpp:hints'/>`));
  await say('fay', receipt);
  const after = await inbox(romeo);
  t.match(after, { chats: before.chats, totals: before.totals });
  t.strictSame([after.first, after.last], [before.first, before.last]);
  t.not(after.ids[1], before.ids[1], 'but the last id of the archive is told: there is something to fetch');
  t.match(await inbox(romeo, '', '<max>1</max><before/>'), { chats: ['ann 2 ann2'] });
});

t.test('it is paged both ways', async (t) => {
  const all = ['bea 0', 'fay 2', 'eve 2', 'dee 2', 'cat 2', 'ann 2'];
  const walk = async (start: string, next: (page: Inbox) => string, attrs: string): Promise<string[][]> => {
    const pages: string[][] = [];
    for (let rsm = start; ; ) {
      const page = await inbox(romeo, `messages='false' ${attrs}`, `<max>2</max>${rsm}`);
      if (page.chats.length === 0) return pages;
      pages.push(page.chats);
      rsm = next(page);
    }
  };
  const on = ({ last }: Inbox): string => `<after>${last}</after>`;
  const back = ({ first }: Inbox): string => `<before>${first}</before>`;
  t.strictSame(await walk('', on, ''), [all.slice(0, 2), all.slice(2, 4), all.slice(4)]);
  t.strictSame(await walk('<before/>', back, ''), [all.slice(4), all.slice(2, 4), all.slice(0, 2)]);
  t.strictSame(await walk('', on, `unread-only='true'`), [all.slice(1, 3), all.slice(3, 5), all.slice(5)]);
  t.equal((await inbox(romeo, '', '<max>100</max>')).chats.length, 5, 'the bound of a page');
});

t.test(
  'a chat that is written in while a client pages is at the front, and the client goes on where it was',
  async (t) => {
    const first = await inbox(romeo, '', '<max>3</max>');
    t.strictSame(first.chats.at(-1), 'eve 2 eve2');
    await say('eve', chat('romeo', 'eve3'));
    t.match(await inbox(romeo, '', `<after>${first.last}</after>`), {
      chats: ['dee 2 dee2', 'cat 2 cat2', 'ann 2 ann2'],
    });
    t.match(await inbox(romeo, '', '<max>1</max>'), { chats: ['eve 3 eve3'] });
  },
);

t.test('a marker of one device is seen by the other, and by who asks in the same breath', async (t) => {
  const seen = await inbox(romeo, `unread-only='true'`, '<max>1</max>', displayed('eve', 'eve2'));
  t.match(seen, { chats: ['eve 1 eve3'], totals: '6 5 9' });
  t.match(await inbox(phone, '', '<max>1</max>'), { chats: ['eve 1 eve3'] });
  const all = await inbox(phone, `unread-only='true'`, undefined, displayed('eve', 'eve3'), displayed('fay', 'fay1'));
  t.match(all, { chats: ['fay 1 fay2', 'dee 2 dee2', 'cat 2 cat2', 'ann 2 ann2'], totals: '6 4 7' });
  const back = await inbox(romeo, `unread-only='true'`, undefined, displayed('eve', 'eve1'), displayed('dee', 'none'));
  t.match(back, { chats: all.chats, totals: '6 4 7' }, 'not back, and not by what nobody knows');
});

t.test('who asks behind what he says sees it', async (t) => {
  const page = await inbox(phone, '', '<max>1</max>', chat('cat', 'to cat'));
  t.match(page, { chats: ['cat 0 to cat'], totals: '6 3 5' });
});

t.test('all of it survives a restart', async (t) => {
  const before = await inbox(romeo);
  await node.restart();
  const again = await node.login('romeo', 'again');
  const after = await inbox(again);
  t.strictSame(after, before);
  const ann = await node.login('ann', 'home');
  ann.send(chat('romeo', 'ann3'));
  await node.settle(ann);
  t.match(await inbox(again, '', '<max>1</max>'), { chats: ['ann 3 ann3'], totals: '6 3 6' });
});

t.test('what is no query, and what is not one’s own', async (t) => {
  const client = await node.login('romeo', 'odd');
  const table: [what: string, attrs: string, rsm: string, want: string][] = [
    ['no boolean', `unread-only='maybe'`, '', 'bad-request'],
    ['no count', '', '<max>many</max>', 'bad-request'],
    ['an id that was never given', '', '<after>99999</after>', 'item-not-found'],
    ['no id', '', '<after>x</after>', 'item-not-found'],
  ];
  for (const [what, attrs, rsm, want] of table) t.equal((await inbox(client, attrs, rsm)).refused, want, what);
  t.equal(conditionOf(await client.iq('get', `<inbox xmlns='${NS}'/>`, 'ann@localhost')), 'forbidden');
  t.equal(conditionOf(await client.iq('set', `<inbox xmlns='${NS}'/>`)), 'service-unavailable');
  const disco = await client.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, 'romeo@localhost');
  t.match(disco.toString(), `<feature var="${NS}"/>`);
});
