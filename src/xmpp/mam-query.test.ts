import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { parseMamQuery, renderMamForm } from './mam-query.ts';

const FORM = `<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>`;
const field = (name: string, ...values: string[]) =>
  `<field var='${name}'>${values.map((value) => `<value>${value}</value>`).join('')}</field>`;
const form = (...fields: string[]) => `<x xmlns='jabber:x:data' type='submit'>${FORM}${fields.join('')}</x>`;
const read = (inner: string, attrs = '') =>
  parseMamQuery(parse(`<query xmlns='urn:xmpp:mam:2'${attrs}>${inner}</query>`), 3);

t.test('a query says what it wants', async (t) => {
  t.match(read('', ` queryid='f27'`), { queryid: 'f27', flip: false, rsm: {} });
  const whole = read(
    form(
      field('with', 'Juliet@Capulet.lit/balcony'),
      field('start', '2010-06-07T00:00:00Z'),
      field('end', '2010-07-07T13:23:54Z'),
      field('before-id', '9'),
      field('after-id', '2'),
      field('ids', '3', '4', '3', ''),
    ) + `<set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set><flip-page/>`,
  );
  t.match(whole, {
    with: { bare: 'juliet@capulet.lit', resource: 'balcony' },
    start: Date.UTC(2010, 5, 7),
    end: Date.UTC(2010, 6, 7, 13, 23, 54),
    beforeId: '9',
    afterId: '2',
    ids: ['3', '4'],
    flip: true,
    rsm: { max: 10, before: '' },
  });
});

t.test('a field left blank in the form is no filter', async (t) => {
  const query = read(form(field('with', ''), field('start'), field('after-id', ' ')));
  t.match(query, { with: undefined, start: undefined, afterId: undefined });
});

t.test('what is no valid query gets the condition the XEP names', async (t) => {
  const table: [string, string, string][] = [
    ['an unknown field', form(field('include-groupchat', 'true')), 'feature-not-implemented'],
    ['a field in Clark notation', form(field('{http://example.com/}free-text-search', 'x')), 'feature-not-implemented'],
    ['no FORM_TYPE', `<x xmlns='jabber:x:data' type='submit'>${field('with', 'a@b')}</x>`, 'bad-request'],
    ['another FORM_TYPE', form().replace('mam:2', 'mam:1'), 'bad-request'],
    ['a form of another type', form().replace('submit', 'form'), 'bad-request'],
    ['two forms', form() + form(), 'bad-request'],
    ['a field twice', form(field('with', 'a@b'), field('with', 'a@b')), 'bad-request'],
    ['a field without var', form('<field><value>x</value></field>'), 'bad-request'],
    ['two values', form(field('start', '2010-06-07T00:00:00Z', '2010-06-07T00:00:00Z')), 'bad-request'],
    ['a bad time', form(field('start', 'yesterday')), 'bad-request'],
    ['a date without time', form(field('end', '2010-06-07')), 'bad-request'],
    ['a bad JID', form(field('with', '@capulet.lit')), 'jid-malformed'],
    ['ids without one', form(field('ids')), 'bad-request'],
    ['too many ids', form(field('ids', '1', '2', '3', '4')), 'policy-violation'],
    ['a bad set', `<set xmlns='http://jabber.org/protocol/rsm'><max>x</max></set>`, 'bad-request'],
  ];
  for (const [name, inner, condition] of table) t.match(read(inner), { error: condition }, name);
  t.match(read('', ` node='princely_musings'`), { error: 'item-not-found' }, 'a node');
});

t.test('the form names every field, and an open list of ids', async (t) => {
  const query = parse(renderMamForm());
  const fields = query.getChild('x', 'jabber:x:data')?.getChildren('field') ?? [];
  t.strictSame(
    fields.map(({ attrs }) => `${attrs['var']} ${attrs['type']}`),
    [
      'FORM_TYPE hidden',
      'with jid-single',
      'start text-single',
      'end text-single',
      'before-id text-single',
      'after-id text-single',
      'ids list-multi',
      '{urn:xmpp:fulltext:0}fulltext text-single',
    ],
  );
  t.match(renderMamForm(), `<open/>`);
});
