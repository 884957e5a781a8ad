import t from 'tap';
import { asksForReceipts, NS_GROUP_RECEIPTS, pageById, parseReceiptsQuery, renderNotice } from './group-receipts.ts';
import { parseChecked } from './xml.ts';

const query = (attrs: string, inner = '') =>
  parseReceiptsQuery(parseChecked(`<receipts xmlns='${NS_GROUP_RECEIPTS}' ${attrs}>${inner}</receipts>`).el);

t.test('a query names one message by the id that the room gave it', async (t) => {
  t.same(query(`id='12'`), { seq: 12, rsm: {} });
  t.match(query(''), { error: 'bad-request' });
  t.match(query(`id=''`), { error: 'bad-request' });
  for (const id of ['0', '-1', '1.5', 'abc', '9'.repeat(20)]) t.match(query(`id='${id}'`), { error: 'item-not-found' });
  const set = `<set xmlns='http://jabber.org/protocol/rsm'><max>x</max></set>`;
  t.match(query(`id='1'`, set), { error: 'bad-request' });
});

t.test('presence asks for notices with an element of this namespace only', async (t) => {
  const presence = (ns: string) =>
    parseChecked(`<presence xmlns='jabber:client'><receipts xmlns='${ns}'/></presence>`).el;
  t.ok(asksForReceipts(presence(NS_GROUP_RECEIPTS)));
  t.notOk(asksForReceipts(presence('urn:xmpp:receipts')));
});

t.test('a notice has one element a message', async (t) => {
  const xml = renderNotice([
    [3, { total: 9, delivered: 8, read: 7 }],
    [5, { total: 9, delivered: 8, read: 0 }],
  ]);
  const { el } = parseChecked(xml);
  t.same(
    el.getChildren('message').map(({ attrs: { id, total, delivered, read } }) => [id, total, delivered, read]),
    [
      ['3', '9', '8', '7'],
      ['5', '9', '8', '0'],
    ],
  );
});

t.test('pages go forth and back, and on from an id that is gone', async (t) => {
  const page = (rsm: Parameters<typeof pageById>[2]) =>
    pageById(['a', 'c', 'e', 'g'], (one) => one, rsm, { usual: 3, most: 3 });
  t.same(page({}), { page: ['a', 'c', 'e'], rsm: { first: 'a', last: 'e', index: 0, count: 4 } });
  t.same(page({ max: 100 }).page, ['a', 'c', 'e'], 'no more than may be');
  t.same(page({ after: 'e' }), { page: ['g'], rsm: { first: 'g', last: 'g', index: 3, count: 4 } });
  t.same(page({ after: 'b', max: 1 }).page, ['c']);
  t.same(page({ after: 'z' }), { page: [], rsm: { count: 4 } });
  t.same(page({ before: '', max: 2 }), { page: ['e', 'g'], rsm: { first: 'e', last: 'g', index: 2, count: 4 } });
  t.same(page({ before: 'e', max: 1 }).page, ['c']);
  t.same(page({ before: 'f', after: 'a' }).page, ['c', 'e']);
  t.same(page({ index: 3 }).page, ['g']);
  t.same(page({ max: 0 }), { page: [], rsm: { count: 4 } });
});
