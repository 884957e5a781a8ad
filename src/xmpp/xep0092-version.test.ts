import t from 'tap';
import type { IqRequest } from './module.ts';
import { type Software, versionModule } from './xep0092-version.ts';

function answer(software: Software): string | undefined {
  let said: string | undefined;
  const request = {
    reply: (payload?: string) => {
      said = payload;
    },
  } as IqRequest;
  versionModule(software).iq?.[0]?.handle({} as never, request);
  return said;
}

t.test('the server tells its name and version, the system only when it is meant to', async (t) => {
  const plain = `<query xmlns='jabber:iq:version'><name>A &amp; B</name><version>1.0</version></query>`;
  t.equal(answer({ name: 'A & B', version: '1.0' }), plain);
  t.equal(answer({ name: 'A & B', version: '1.0', os: 'Linux' }), plain.replace('</query>', '<os>Linux</os></query>'));
});
