/** How environment variables name settings. `ROOKERY_` + the path in capitals: `limits.idlePingMs` → ROOKERY_LIMITS_IDLE_PING_MS. */
const PREFIX = 'ROOKERY_';

/** Variables that are no setting: the config file of `rookery`, and whatever tests of this project hand themselves. */
const OTHERS = ['ROOKERY_CONFIG'];
const OTHERS_PREFIX = 'ROOKERY_TEST_';

const ALIASES: Readonly<Record<string, string>> = {
  ROOKERY_DATA_DIR: 'node.dataDir',
  ROOKERY_DOMAIN: 'node.domain',
  ROOKERY_HOST: 'listen.host',
  ROOKERY_PORT: 'listen.port',
  ROOKERY_TLS_CERT: 'listen.tlsCertFile',
  ROOKERY_TLS_KEY: 'listen.tlsKeyFile',
  ROOKERY_REGISTRATION: 'registration.open',
};

export interface EnvFault {
  /** the variable at fault */
  readonly env: string;
  readonly message: string;
}

export interface EnvSettings {
  /** setting path → value, of the type the setting's default has (or the raw text when it does not look like it) */
  readonly values: ReadonlyMap<string, unknown>;
  readonly faults: readonly EnvFault[];
}

/** The variable that sets `path`. */
export function envNameOf(path: string): string {
  return (
    PREFIX +
    path
      .replaceAll('.', '_')
      .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
      .toUpperCase()
  );
}

/** As `envNameOf`, with the short alias when there is one. */
export function envNamesOf(path: string): string[] {
  const aliases = Object.keys(ALIASES).filter((alias) => ALIASES[alias] === path);
  return [...aliases, envNameOf(path)];
}

/**
 * Reads every ROOKERY_ variable. One that names no setting is a fault: a misspelt limit must not be ignored.
 * @param defaults setting path → default value
 */
export function readEnv(env: NodeJS.ProcessEnv, defaults: ReadonlyMap<string, unknown>): EnvSettings {
  const paths = new Map(Object.entries(ALIASES));
  for (const path of defaults.keys()) paths.set(envNameOf(path), path);
  const values = new Map<string, unknown>();
  const setBy = new Map<string, string>();
  const faults: EnvFault[] = [];
  for (const [name, raw] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || raw === undefined) continue;
    if (OTHERS.includes(name) || name.startsWith(OTHERS_PREFIX)) continue;
    const path = paths.get(name);
    if (path === undefined) {
      faults.push({ env: name, message: `is not a setting${didYouMean(name, [...paths.keys(), ...OTHERS])}` });
      continue;
    }
    const value = parse(raw.trim(), defaults.get(path));
    const other = setBy.get(path);
    if (other !== undefined && String(values.get(path)) !== String(value))
      faults.push({ env: name, message: `says something else than ${other}; both set ${path}` });
    values.set(path, value);
    setBy.set(path, name);
  }
  return { values, faults };
}

/** Text that does not fit the type stays text, and the schema says what is allowed. */
function parse(raw: string, example: unknown): unknown {
  if (Array.isArray(example)) return raw === '' ? [] : raw.split(',').map((item) => item.trim());
  if (typeof example === 'number') return /^-?\d+(\.\d+)?$/.test(raw) ? Number(raw) : raw;
  if (typeof example === 'boolean') {
    if (/^(true|yes|on|1)$/i.test(raw)) return true;
    return /^(false|no|off|0)$/i.test(raw) ? false : raw;
  }
  return raw;
}

/** `; did you mean X?` for the nearest of `known`, or nothing when none is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .filter(({ candidate, distance }) => distance <= Math.max(2, Math.floor(candidate.length / 4)))
    .sort((a, b) => a.distance - b.distance)[0];
  return near === undefined ? '' : `; did you mean ${near.candidate}?`;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(swap, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
