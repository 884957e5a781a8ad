import { SaxesParser } from 'saxes';
import t from 'tap';
import {
  closeXml,
  FRAMING_NS,
  featuresXml,
  isClose,
  openXml,
  readOpen,
  STREAM_CONDITIONS,
  STREAM_NS,
  STREAMS_ERROR_NS,
  streamErrorXml,
} from './rfc7395-framing.ts';
import { parseFrame } from './xml.ts';

const NS = `xmlns='${FRAMING_NS}'`;

t.test('a good open is read, its domain normalised', async (t) => {
  const { el } = parseFrame(`<open ${NS} to='Example.ORG' from='Me@example.org' version='1.0' xml:lang='de-AT'/>`);
  t.match(readOpen(el), { ok: true, to: 'example.org', from: { full: 'me@example.org' }, lang: 'de-AT' });
  const plain = parseFrame(`<open ${NS} to='x' version='1.2' xml:lang='not a tag'></open>`).el;
  t.same(readOpen(plain), { ok: true, to: 'x', from: undefined, lang: undefined });
});

t.test('a bad open is refused with the condition of RFC 6120 4.9.3', async (t) => {
  const table: [xml: string, condition: string][] = [
    ["<open to='x' version='1.0'/>", 'invalid-namespace'],
    [`<stream:stream xmlns:stream='${STREAM_NS}' to='x' version='1.0'/>`, 'invalid-namespace'],
    [`<close ${NS} to='x' version='1.0'/>`, 'bad-format'],
    [`<open ${NS} version='1.0'/>`, 'improper-addressing'],
    [`<open ${NS} to='' version='1.0'/>`, 'host-unknown'],
    [`<open ${NS} to='a@x' version='1.0'/>`, 'host-unknown'],
    [`<open ${NS} to='x/r' version='1.0'/>`, 'host-unknown'],
    [`<open ${NS} to='x y' version='1.0'/>`, 'host-unknown'],
    [`<open ${NS} to='x' from='@' version='1.0'/>`, 'invalid-from'],
    [`<open ${NS} to='x'/>`, 'unsupported-version'],
    [`<open ${NS} to='x' version='0.9'/>`, 'unsupported-version'],
    [`<open ${NS} to='x' version='one'/>`, 'unsupported-version'],
  ];
  for (const [xml, condition] of table) t.match(readOpen(parseFrame(xml).el), { ok: false, condition }, xml);
});

t.test('close is known by name and namespace', async (t) => {
  t.ok(isClose(parseFrame(`<close ${NS}/>`).el));
  t.ok(isClose(parseFrame(`<f:close xmlns:f='${FRAMING_NS}'/>`).el));
  t.notOk(isClose(parseFrame('<close/>').el));
  t.notOk(isClose(parseFrame(`<open ${NS}/>`).el));
});

t.test('open and close are written escaped', async (t) => {
  const open = parseFrame(openXml({ from: 'x', id: 'a"b', to: 'me@x' })).el;
  t.same({ ...open.attrs }, { xmlns: FRAMING_NS, from: 'x', to: 'me@x', id: 'a"b', version: '1.0', 'xml:lang': 'en' });
  t.equal(closeXml(), `<close xmlns="${FRAMING_NS}"/>`);
  t.equal(parseFrame(closeXml('wss://y/?a&b')).el.attrs['see-other-uri'], 'wss://y/?a&b');
});

t.test('every stream error and the features parse, in their namespaces', async (t) => {
  for (const condition of STREAM_CONDITIONS) {
    const { el } = parseFrame(streamErrorXml(condition, 'why < how', '<app xmlns="urn:app"/>'));
    t.ok(el.is('error', STREAM_NS));
    t.ok(el.getChild(condition, STREAMS_ERROR_NS));
    t.equal(el.getChildText('text', STREAMS_ERROR_NS), 'why < how');
    t.ok(el.getChild('app', 'urn:app'));
  }
  const features = featuresXml(['<a xmlns="urn:a"/>', '<b xmlns="urn:b"/>']);
  new SaxesParser({ xmlns: true }).write(features).close();
  t.equal(parseFrame(features).el.getChildElements().length, 2);
  t.equal(parseFrame(featuresXml([])).el.getNS(), STREAM_NS);
});
