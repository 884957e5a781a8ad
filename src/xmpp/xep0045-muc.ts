import type { IqHandler, SessionPort, XmppModule } from './module.ts';
import { NS_MUC } from './muc-words.ts';
import { NS_DISCO_INFO, NS_DISCO_ITEMS, renderInfo, renderItems } from './xep0030-disco.ts';
import { NS_VCARD } from './xep0054-vcard.ts';
import { parseRsm, renderRsm } from './xep0059-rsm.ts';
import { NS_OCCUPANT_ID } from './xep0421-occupant-id.ts';

/** The room service as a whole (XEP-0045 6.2, 6.3); what is sent to a room is the room's (src/actors/group-*.ts). */

export interface ListedRoom {
  /** bare JID */
  readonly jid: string;
  /** '' when it has none */
  readonly name: string;
}

export interface RoomsPort {
  /** All public rooms in the order of their JIDs; `done` gets undefined when part of them is out of reach. */
  list(session: SessionPort, done: (rooms: readonly ListedRoom[] | undefined) => void): void;
}

/** Rooms in one answer; clients ask for more with XEP-0059. */
const PAGE_MAX = 500;

function itemsHandler(port: RoomsPort): IqHandler {
  return (session, request) => {
    if (request.payload.attrs['node'] !== undefined) return request.error('item-not-found', 'no such node');
    const rsm = parseRsm(request.payload);
    if (typeof rsm === 'string') return request.error('bad-request', rsm);
    port.list(session, (rooms) => {
      if (rooms === undefined) return request.error('resource-constraint', 'part of the rooms is out of reach');
      const { after, before, index = 0 } = rsm;
      const max = Math.min(rsm.max ?? PAGE_MAX, PAGE_MAX);
      const back = before !== undefined;
      let from = after === undefined ? index : rooms.filter(({ jid }) => jid <= after).length;
      if (back) {
        const end = before === '' ? rooms.length : rooms.filter(({ jid }) => jid < before).length;
        from = Math.max(0, end - max);
      }
      const page = rooms.slice(from, from + max);
      const [first] = page;
      const last = page.at(-1);
      const ends = first && last && { first: first.jid, last: last.jid, index: from };
      const more = page.length < rooms.length ? renderRsm({ ...ends, count: rooms.length }) : '';
      request.reply(
        renderItems(
          page.map(({ jid, name }) => (name === '' ? { jid } : { jid, name })),
          undefined,
          more,
        ),
      );
    });
  };
}

/** @param port absent: the service is not offered, and the module only listed */
export function mucModule(port: RoomsPort | undefined): XmppModule {
  const info: IqHandler = (_session, request) => {
    const node = request.payload.attrs['node'];
    if (node !== undefined) return request.error('item-not-found', 'no such node');
    const identities = [{ category: 'conference', type: 'text', name: 'Chat rooms' }];
    request.reply(
      renderInfo({ identities, features: [NS_DISCO_INFO, NS_DISCO_ITEMS, NS_MUC, NS_OCCUPANT_ID, NS_VCARD] }),
    );
  };
  const get = { name: 'query', types: ['get'], targets: ['conference'] } as const;
  return {
    spec: {
      id: 'XEP-0045',
      title: 'Multi-User Chat',
      version: '1.35.3',
      url: 'https://xmpp.org/extensions/xep-0045.html',
      note: 'affiliations are the membership; every member gets every message in the inbox, present or not',
    },
    ...(port && {
      iq: [
        { ...get, ns: NS_DISCO_INFO, handle: info },
        { ...get, ns: NS_DISCO_ITEMS, handle: itemsHandler(port) },
      ],
    }),
  };
}
