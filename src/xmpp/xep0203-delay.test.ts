import t from 'tap';
import { delayElement } from './xep0203-delay.ts';

t.test('a delay names when, who held the stanza, and why', async (t) => {
  const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  const stamp = `stamp='2026-01-02T03:04:05.678Z'`;
  t.equal(delayElement(at), `<delay xmlns='urn:xmpp:delay' ${stamp}/>`);
  t.equal(delayElement(at, `x'y`), `<delay xmlns='urn:xmpp:delay' from='x&apos;y' ${stamp}/>`);
  t.equal(delayElement(at, 'x', 'a < b'), `<delay xmlns='urn:xmpp:delay' from='x' ${stamp}>a &lt; b</delay>`);
});
