import t from 'tap';
import { onOneNode } from './site.ts';
import { xmppJs } from './xmpp-js.ts';

await onOneNode(t, xmppJs);
