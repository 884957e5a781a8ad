import t from 'tap';
import { converseUpload } from './converse-upload.ts';
import { onOneNode } from './site.ts';

await onOneNode(t, converseUpload);
