import type { XmppModule } from './module.ts';
import { formatStamp } from './xep0082-datetime.ts';

const NS_TIME = 'urn:xmpp:time';

export const entityTimeModule: XmppModule = {
  spec: {
    id: 'XEP-0202',
    title: 'Entity Time',
    version: '2.0',
    url: 'https://xmpp.org/extensions/xep-0202.html',
    note: 'the server keeps UTC',
  },
  serverFeatures: [NS_TIME],
  iq: [
    {
      ns: NS_TIME,
      name: 'time',
      types: ['get'],
      targets: ['server'],
      handle: (session, request) =>
        request.reply(`<time xmlns='${NS_TIME}'><tzo>+00:00</tzo><utc>${formatStamp(session.now)}</utc></time>`),
    },
  ],
};
