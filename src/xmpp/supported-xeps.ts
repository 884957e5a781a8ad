import type { XmppModule } from './module.ts';

type Spec = XmppModule['spec'];

/** RFCs first, then XEPs; each by number, and by what follows it. */
function order(spec: Spec): string {
  const number = /\d+/.exec(spec.id)?.[0] ?? '';
  return `${spec.id.startsWith('RFC') ? 0 : 1} ${number.padStart(5, '0')} ${spec.id}`;
}

/** A `|` would end a table cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

/** docs/supported-xeps.md, whole. A spec listed twice appears once; the first one's note counts. */
export function renderSupportedXeps(specs: readonly Spec[]): string {
  const byId = new Map<string, Spec>();
  for (const spec of specs) if (!byId.has(spec.id)) byId.set(spec.id, spec);
  const rows = [...byId.values()]
    .sort((a, b) => (order(a) < order(b) ? -1 : 1))
    .map(({ id, title, version, url, note }) => {
      return `| [${cell(id)}](${url}) | ${cell(title)} | ${version ?? ''} | ${cell(note ?? '')} |`;
    });
  return [
    '# What Rookery speaks',
    '',
    'Generated from the modules listed in src/xmpp/index.ts. Do not edit: run',
    '`node --import=tsx scripts/supported-xeps.ts` and commit what it writes.',
    '',
    '| Specification | Title | Version | Note |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
