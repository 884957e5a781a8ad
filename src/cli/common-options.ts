import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { codeOf, EXIT, ExitError, messageOf } from '../base/errors.ts';
import { type Config, type ConfigOverrides, loadConfig } from '../config.ts';

/** Flags that find a node's configuration and data folder; every command has them. */
export interface CommonFlags {
  readonly config?: string;
  readonly dataDir?: string;
  readonly domain?: string;
}

export function withCommonOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'settings on top of cluster.config.ts: .json, .js or .mjs (or ROOKERY_CONFIG)')
    .option('-d, --data-dir <folder>', 'data folder (or ROOKERY_DATA_DIR)')
    .option('--domain <name>', 'domain served (or ROOKERY_DOMAIN)');
}

/** @throws ConfigError with all faults; ExitError when the file cannot be read */
export async function configOf(
  env: NodeJS.ProcessEnv,
  flags: CommonFlags,
  more: ConfigOverrides = {},
): Promise<Config> {
  const file = flags.config ?? env['ROOKERY_CONFIG'];
  const overrides = { ...more, node: { ...more.node, dataDir: flags.dataDir, domain: flags.domain } };
  return loadConfig(env, overrides, file === undefined ? {} : await readConfigFile(file));
}

async function readConfigFile(file: string): Promise<unknown> {
  try {
    if (file.endsWith('.json')) return JSON.parse(readFileSync(file, 'utf8'));
    const module = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown };
    return module.default;
  } catch (error) {
    const hint =
      codeOf(error) === 'ERR_UNKNOWN_FILE_EXTENSION'
        ? 'this version of Node does not read TypeScript; use .json, .js or .mjs, or edit cluster.config.ts'
        : messageOf(error);
    throw new ExitError(`cannot read the config file ${file}: ${hint}`, EXIT.usage, { cause: error });
  }
}

/** An option's whole number. Text that is none is passed on, so that the configuration tells what is allowed. */
export function numberOrText(text: string): number {
  return (/^\d+$/.test(text) ? Number(text) : text) as number;
}
