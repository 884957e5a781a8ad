import t from 'tap';
import { ServerError } from './server-error.ts';

t.test('the defined condition is found in errors of every kind', async (t) => {
  for (const [xml, condition] of [
    [
      "<iq type='error'><query><username>u</username></query><error type='cancel'><conflict xmlns='s'/></error></iq>",
      'conflict',
    ],
    [
      "<presence type='error'><x xmlns='m'/><error type='auth'><text>no</text><forbidden/></error></presence>",
      'forbidden',
    ],
    ["<failure xmlns='sasl'><not-authorized/><text>no</text></failure>", 'not-authorized'],
    ["<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='s'/></failed>", 'item-not-found'],
    ["<failed xmlns='urn:xmpp:sm:3'/>", 'unknown'],
  ] as const) {
    t.equal(new ServerError('x', xml).condition, condition, xml);
  }
});
