import t from 'tap';
import { onOneNode } from './site.ts';
import { strophe } from './strophe.ts';
import { stropheRooms } from './strophe-rooms.ts';

await onOneNode(t, [...strophe, ...stropheRooms]);
