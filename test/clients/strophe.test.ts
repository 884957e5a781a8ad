import t from 'tap';
import { onOneNode } from './site.ts';
import { strophe } from './strophe.ts';

await onOneNode(t, strophe);
