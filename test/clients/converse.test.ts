import t from 'tap';
import { converse } from './converse.ts';
import { converseRooms } from './converse-rooms.ts';
import { onOneNode } from './site.ts';

await onOneNode(t, [...converse, ...converseRooms]);
