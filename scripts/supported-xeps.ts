import { writeFileSync } from 'node:fs';
import { supportedSpecs } from '../src/xmpp/index.ts';
import { renderSupportedXeps } from '../src/xmpp/supported-xeps.ts';

writeFileSync(new URL('../docs/supported-xeps.md', import.meta.url), renderSupportedXeps(supportedSpecs()));
