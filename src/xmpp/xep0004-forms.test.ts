import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { formOf, formXml, readBoolean, readForm } from './xep0004-forms.ts';

t.test('a form says its type, its fields and their options, escaped', async (t) => {
  const xml = formXml('form', 'urn:example', [
    { var: 'a', type: 'text-single', label: `"A" & co`, values: ['<1>'] },
    { var: 'b', type: 'list-single', values: [], options: [{ value: 'x', label: 'X' }] },
  ]);
  const form = formOf(parse(`<message>${xml}</message>`));
  t.equal(form?.attrs['type'], 'form');
  const [kind, a, b] = form?.getChildren('field') ?? [];
  t.match(kind?.attrs, { var: 'FORM_TYPE', type: 'hidden' });
  t.match(a?.attrs, { label: `"A" & co` });
  t.equal(a?.getChildText('value'), '<1>');
  t.equal(b?.getChild('option')?.getChildText('value'), 'x');
});

t.test('what was filled in is read by name; the first field of a name counts', async (t) => {
  const field = (name: string, ...values: string[]) =>
    `<field var='${name}'>${values.map((value) => `<value>${value}</value>`).join('')}</field>`;
  const inner = `${field('a', '1', '2')}${field('a', '3')}${field('empty')}<field><value>nameless</value></field>`;
  const values = readForm(parse(`<x xmlns='jabber:x:data' type='submit'>${inner}</x>`));
  t.same(
    [...values],
    [
      ['a', ['1', '2']],
      ['empty', []],
    ],
  );
});

t.test('booleans as the XEP writes them', async (t) => {
  for (const [text, value] of [
    ['1', true],
    ['true', true],
    ['0', false],
    ['false', false],
    ['yes', undefined],
  ] as const)
    t.equal(readBoolean(text), value, text);
});
