import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { marker } from './xep0333-markers.ts';

const NS = `xmlns='urn:xmpp:chat-markers:0'`;

t.test('the marker that a message carries', async (t) => {
  const table: [inner: string, found: ReturnType<typeof marker>][] = [
    [`<displayed ${NS} id='m1'/>`, { t: 'displayed', id: 'm1' }],
    [`<received ${NS} id='m1'/>`, { t: 'received', id: 'm1' }],
    [`<received ${NS} id='m1'/><displayed ${NS} id='m2'/>`, { t: 'displayed', id: 'm2' }],
    [`<displayed ${NS}/>`, undefined],
    [`<displayed xmlns='urn:other' id='m1'/>`, undefined],
    [`<markable ${NS}/>`, undefined],
  ];
  for (const [inner, found] of table) t.same(marker(parse(`<message>${inner}</message>`)), found, inner);
});
