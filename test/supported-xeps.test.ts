import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { supportedSpecs } from '../src/xmpp/index.ts';
import { renderSupportedXeps } from '../src/xmpp/supported-xeps.ts';

// From the working directory: the compiled test lies deeper than its source.
const committed = (): string => readFileSync(join(process.cwd(), 'docs/supported-xeps.md'), 'utf8');

t.test('docs/supported-xeps.md is what the modules say: run scripts/supported-xeps.ts', async (t) => {
  t.equal(committed(), renderSupportedXeps(supportedSpecs()));
});

t.test('specs are listed once, RFCs before XEPs, by number', async (t) => {
  const page = renderSupportedXeps([
    { id: 'XEP-0313', title: 'Archive', url: 'u313', version: '1.1.3', note: 'a|b' },
    { id: 'XEP-0030', title: 'Disco', url: 'u30' },
    { id: 'RFC 7395', title: 'WebSocket', url: 'u7395' },
    { id: 'RFC 6121 section 3', title: 'Subscriptions', url: 'u6121' },
    { id: 'XEP-0030', title: 'Disco again', url: 'u30' },
  ]);
  t.strictSame(
    page.split('\n').filter((line) => line.startsWith('| [')),
    [
      '| [RFC 6121 section 3](u6121) | Subscriptions |  |  |',
      '| [RFC 7395](u7395) | WebSocket |  |  |',
      '| [XEP-0030](u30) | Disco |  |  |',
      '| [XEP-0313](u313) | Archive | 1.1.3 | a\\|b |',
    ],
  );
});
