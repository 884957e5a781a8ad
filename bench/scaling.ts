import { readFileSync, writeFileSync } from 'node:fs';
import { currentInputs } from './scaling/inputs.ts';
import { blocks, filled } from './scaling/render.ts';

/**
 * What 500 million connections would take, computed from named figures: `npm run docs:scaling` prints the tables and
 * writes them into docs/scaling.md. Figures of bench/results replace those written down in scaling/inputs.ts.
 */
const DOCUMENT = 'docs/scaling.md';

const computed = blocks(currentInputs('bench/results'));
writeFileSync(DOCUMENT, filled(readFileSync(DOCUMENT, 'utf8'), computed));
process.stdout.write(`${Object.values(computed).join('\n\n')}\n\nwritten: ${DOCUMENT}\n`);
