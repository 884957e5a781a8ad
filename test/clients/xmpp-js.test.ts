import t from 'tap';
import { onOneNode } from './site.ts';
import { xmppJs } from './xmpp-js.ts';
import { xmppJsRooms } from './xmpp-js-rooms.ts';

await onOneNode(t, [...xmppJs, ...xmppJsRooms]);
