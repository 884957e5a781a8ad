export interface Family {
  readonly help: string;
  readonly type: string;
  /** `name{labels}` as it is written → value; a histogram's buckets, sum and count are samples of their own */
  readonly samples: ReadonlyMap<string, number>;
}

const LABELS = /^\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*"(?:,(?!\})|(?=\})))*\}$/;

/**
 * Prometheus text format 0.0.4, read strictly. @throws Error naming the first line that no scraper would take
 */
export function parsePrometheus(text: string): Map<string, Family> {
  const families = new Map<string, { help: string; type: string; samples: Map<string, number> }>();
  const seen = new Set<string>();
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = '', rest = ''] = comment;
      const family = families.get(name) ?? { help: '', type: '', samples: new Map() };
      if (family.samples.size > 0) throw new Error(`comment behind its samples: ${line}`);
      families.set(name, { ...family, [kind === 'HELP' ? 'help' : 'type']: rest });
      continue;
    }
    // prom-client writes Nan, and scrapers read it in any case.
    const sample = /^([a-zA-Z_:][\w:]*)(\{.*\})? (nan|[+-]Inf|[-+\d.e]+)$/i.exec(line);
    const [, name = '', labels = '', value = ''] = sample ?? [];
    if (sample === null || (labels !== '' && !LABELS.test(labels))) throw new Error(`no sample: ${line}`);
    const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''));
    if (family === undefined || family.type === '') throw new Error(`sample without a type: ${line}`);
    if (seen.has(name + labels)) throw new Error(`twice: ${line}`);
    seen.add(name + labels);
    family.samples.set(name + labels, Number(value.replace('Inf', 'Infinity')));
  }
  return families;
}
