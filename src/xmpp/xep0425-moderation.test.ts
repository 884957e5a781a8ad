import t from 'tap';
import { parse } from './extensions.fixture.ts';
import { moderationXml, parseModeration } from './xep0425-moderation.ts';

const NS = 'urn:xmpp:message-moderate:1';
const RETRACT = `<retract xmlns='urn:xmpp:message-retract:1'/>`;

t.test('a request names a message and retraction', async (t) => {
  const cases: readonly [xml: string, parsed: unknown][] = [
    [`<moderate xmlns='${NS}' id='7'>${RETRACT}</moderate>`, { id: '7', reason: undefined }],
    [`<moderate xmlns='${NS}' id='7'>${RETRACT}<reason>spam</reason></moderate>`, { id: '7', reason: 'spam' }],
    [`<moderate xmlns='${NS}' id='7'>${RETRACT}<reason/></moderate>`, { id: '7', reason: undefined }],
    [`<moderate xmlns='${NS}' id='7'/>`, undefined],
    [`<moderate xmlns='${NS}' id=''>${RETRACT}</moderate>`, undefined],
    [`<moderate xmlns='${NS}'>${RETRACT}</moderate>`, undefined],
    [`<moderate xmlns='${NS}' id='7'><retract/></moderate>`, undefined],
    [`<moderated xmlns='${NS}' id='7'>${RETRACT}</moderated>`, undefined],
  ];
  for (const [xml, parsed] of cases) t.strictSame(parseModeration(parse(xml)), parsed, xml);
});

t.test('a reason has a bound', async (t) => {
  const long = `<moderate xmlns='${NS}' id='7'>${RETRACT}<reason>${'x'.repeat(5000)}</reason></moderate>`;
  t.equal(parseModeration(parse(long))?.reason?.length, 1000);
});

t.test('the room says what was taken back, by whom and why', async (t) => {
  const xml = moderationXml({ id: '7', reason: 'a < b' }, { by: "room@x/it's", occupantId: 'o1' });
  const retract = parse(xml);
  t.ok(retract.is('retract', 'urn:xmpp:message-retract:1'));
  t.equal(retract.attrs['id'], '7');
  const moderated = retract.getChild('moderated', NS);
  t.equal(moderated?.attrs['by'], "room@x/it's");
  t.equal(moderated?.getChild('occupant-id', 'urn:xmpp:occupant-id:0')?.attrs['id'], 'o1');
  t.equal(retract.getChildText('reason'), 'a < b');
});
