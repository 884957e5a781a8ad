import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { receipt } from './xep0184-receipts.ts';

const NS = `xmlns='urn:xmpp:receipts'`;

t.test('the receipt that a message carries, or its wish for one', async (t) => {
  const table: [inner: string, found: ReturnType<typeof receipt>][] = [
    [`<request ${NS}/>`, { t: 'request' }],
    [`<received ${NS} id='m1'/>`, { t: 'received', id: 'm1' }],
    [`<received ${NS}/>`, undefined],
    [`<received ${NS} id=''/>`, undefined],
    [`<request xmlns='urn:other'/>`, undefined],
    ['<body>received</body>', undefined],
  ];
  for (const [inner, found] of table) t.same(receipt(parse(`<message>${inner}</message>`)), found, inner);
});
