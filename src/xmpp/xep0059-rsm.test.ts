import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { parseCount, parseRsm, renderRsm } from './xep0059-rsm.ts';

const query = (inner: string) =>
  parse(`<query xmlns='jabber:iq:search'><set xmlns='http://jabber.org/protocol/rsm'>${inner}</set></query>`);

t.test('a set asks for what its children say', async (t) => {
  const table: [string, unknown][] = [
    ['', {}],
    ['<max>10</max>', { max: 10 }],
    ['<max>0</max>', { max: 0 }],
    ['<max>10</max><after>peterpan@neverland.lit</after>', { max: 10, after: 'peterpan@neverland.lit' }],
    ['<max>10</max><before>peter@pixyland.org</before>', { max: 10, before: 'peter@pixyland.org' }],
    ['<max>10</max><before/>', { max: 10, before: '' }],
    ['<max>10</max><index>371</index>', { max: 10, index: 371 }],
    ['<after>1</after><before>9</before>', { after: '1', before: '9' }],
    ['<max>-1</max>', '<max/> is not a count'],
    ['<max>ten</max>', '<max/> is not a count'],
    ['<max/>', '<max/> is not a count'],
    ['<max>99999999999999999999</max>', '<max/> is not a count'],
    ['<max>1</max><max>2</max>', 'more than one <max/>'],
    ['<index>1.5</index>', '<index/> is not a count'],
    ['<index>3</index><after>7</after>', '<index/> beside an id'],
  ];
  for (const [inner, expected] of table) t.strictSame(parseRsm(query(inner)), expected, inner);
  t.strictSame(parseRsm(parse(`<query xmlns='jabber:iq:search'/>`)), {}, 'no set at all');
});

t.test('a set answers with what is known', async (t) => {
  const set = (inner: string) => `<set xmlns='http://jabber.org/protocol/rsm'>${inner}</set>`;
  t.equal(
    renderRsm({ first: 'a&b', last: 'z', index: 0, count: 800 }),
    set(`<first index='0'>a&amp;b</first><last>z</last><count>800</count>`),
  );
  t.equal(renderRsm({ first: '1', last: '2' }), set('<first>1</first><last>2</last>'));
  t.equal(renderRsm({ count: 790 }), set('<count>790</count>'));
});

t.test('a count is a non-negative integer', async (t) => {
  for (const [text, expected] of [
    ['7', 7],
    [' 7 ', 7],
    ['+7', 7],
    ['', undefined],
    ['7e3', undefined],
  ] as const) {
    t.equal(parseCount(text), expected, text);
  }
});
