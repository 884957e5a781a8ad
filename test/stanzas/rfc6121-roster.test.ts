import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);
const NS = 'jabber:iq:roster';

const item = (jid: string, name = '', groups: string[] = []): string =>
  `<item jid='${jid}' name='${name}'>${groups.map((group) => `<group>${group}</group>`).join('')}</item>`;
const query = (inner = '', attrs = ''): string => `<query xmlns='${NS}'${attrs}>${inner}</query>`;
const itemsOf = (iq: Element): Element[] => iq.getChild('query', NS)?.getChildElements() ?? [];

/** The next roster push, acknowledged as a client does it. */
async function push(client: Client): Promise<Element> {
  const iq = await client.expect((el) => el.name === 'iq' && el.attrs['type'] === 'set');
  client.send(`<iq xmlns='jabber:client' type='result' id='${iq.attrs['id']}'/>`);
  return iq;
}

t.test('a contact is added, shown to every device that asked for the roster, changed and removed', async (t) => {
  const phone = await node.login('romeo', 'phone');
  const laptop = await node.login('romeo', 'laptop');
  const deaf = await node.login('romeo', 'deaf');
  for (const client of [phone, laptop]) t.strictSame(itemsOf(await client.iq('get', query())), []);

  const added = await phone.iq('set', query(item('Nurse@LocalHost', 'Nurse', ['Servants'])));
  t.equal(added.attrs['type'], 'result');
  for (const client of [phone, laptop]) {
    const [pushed] = itemsOf(await push(client));
    t.match(pushed?.attrs, { jid: 'nurse@localhost', name: 'Nurse', subscription: 'none' });
    t.equal(pushed?.getChildText('group'), 'Servants');
  }
  await phone.iq('set', query(item('nurse@localhost', 'Angelica &amp; co')));
  const [changed] = itemsOf(await push(laptop));
  t.equal(changed?.attrs['name'], 'Angelica & co');
  t.equal(changed?.getChild('group'), undefined);
  await push(phone);

  t.equal(
    (await laptop.iq('set', query(`<item jid='nurse@localhost' subscription='remove'/>`))).attrs['type'],
    'result',
  );
  t.equal(itemsOf(await push(phone))[0]?.attrs['subscription'], 'remove');
  t.strictSame(itemsOf(await phone.iq('get', query())), []);
  await deaf.sync();
  t.strictSame(deaf.pending(NS), [], 'who did not ask gets no pushes');
});

t.test('each fault of a roster set has its error, and changes nothing', async (t) => {
  const romeo = await node.login('mercutio', 'faults');
  await romeo.iq('get', query());
  const cases: readonly [what: string, inner: string, condition: string][] = [
    ['no item', '', 'bad-request'],
    ['two items', item('a@localhost') + item('b@localhost'), 'bad-request'],
    ['no jid', '<item/>', 'bad-request'],
    ['a jid that is none', item('a@b@c/@'), 'jid-malformed'],
    ['an overlong jid', item(`${'x'.repeat(1100)}@localhost`), 'jid-malformed'],
    ['a full jid', item('a@localhost/r'), 'bad-request'],
    ['the own jid', item('mercutio@localhost'), 'not-allowed'],
    ['a group twice', item('a@localhost', '', ['x', 'x']), 'bad-request'],
    ['a group without a name', item('a@localhost', '', ['']), 'not-acceptable'],
    ['an endless name', item('a@localhost', 'x'.repeat(2000)), 'not-acceptable'],
    ['the removal of a stranger', `<item jid='who@localhost' subscription='remove'/>`, 'item-not-found'],
  ];
  for (const [what, inner, condition] of cases)
    t.equal(conditionOf(await romeo.iq('set', query(inner))), condition, what);
  t.strictSame(itemsOf(await romeo.iq('get', query())), []);
  t.strictSame(
    romeo.pending((el) => el.attrs['type'] === 'set'),
    [],
  );
});

t.test('a client that knows a version gets only what changed since', async (t) => {
  const before = await node.login('benvolio', 'before');
  const empty = await before.iq('get', query('', ` ver=''`));
  t.ok(empty.getChild('query', NS)?.attrs['ver'], 'the whole roster comes with its version');
  await before.iq('set', query(item('a@localhost', 'A')));
  await before.iq('set', query(item('b@localhost', 'B')));
  await push(before);
  const held = (await push(before)).getChild('query', NS)?.attrs['ver'];
  await before.close();

  const same = await node.login('benvolio', 'same');
  t.equal((await same.iq('get', query('', ` ver='${held}'`))).getChild('query'), undefined, 'nothing is new');
  await same.iq('set', query(item('c@localhost', 'C')));
  await same.iq('set', query(`<item jid='a@localhost' subscription='remove'/>`));
  await same.close();

  const late = await node.login('benvolio', 'late');
  t.equal((await late.iq('get', query('', ` ver='${held}'`))).getChild('query'), undefined, 'the rest are pushes');
  const pushes = [await push(late), await push(late)].map((iq) => itemsOf(iq)[0]?.attrs);
  t.match(pushes, [{ jid: 'c@localhost' }, { jid: 'a@localhost', subscription: 'remove' }]);

  const lost = await late.iq('get', query('', ` ver='of-another-roster-9'`));
  t.strictSame(
    itemsOf(lost)
      .map((one) => one.attrs['jid'])
      .sort(),
    ['b@localhost', 'c@localhost'],
    'unknown: all of it',
  );
});

t.test('rosters and versions survive a restart', async (t) => {
  const romeo = await node.login('abram');
  await romeo.iq('set', query(item('sampson@localhost', 'Sampson', ['Montague'])));
  const full = await romeo.iq('get', query('', ` ver=''`));
  const ver = full.getChild('query', NS)?.attrs['ver'];
  await romeo.cut();
  await node.restart();
  const again = await node.login('abram');
  t.equal((await again.iq('get', query('', ` ver='${ver}'`))).getChild('query'), undefined);
  const items = itemsOf(await again.iq('get', query()));
  t.match(items[0]?.attrs, { jid: 'sampson@localhost', name: 'Sampson' });
});

t.test('nobody reads or writes the roster of somebody else', async (t) => {
  const tybalt = await node.login('tybalt');
  await node.users('juliet');
  for (const type of ['get', 'set'] as const) {
    const inner = type === 'get' ? '' : item('tybalt@localhost');
    const known = await tybalt.iq(type, query(inner), 'juliet@localhost');
    const unknown = await tybalt.iq(type, query(inner), 'nobody@localhost');
    t.equal(conditionOf(known), 'service-unavailable', type);
    t.equal(conditionOf(unknown), conditionOf(known), 'and the answer does not tell who exists');
  }
});
