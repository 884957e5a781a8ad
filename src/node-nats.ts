import { readFile } from 'node:fs/promises';
import { EXIT, ExitError, messageOf } from './base/errors.ts';
import type { Config } from './config.ts';
import type { NatsOptions } from './transport/nats-link.ts';

/** What an operator set about NATS, with the files read. @throws ExitError (usage) naming the setting of one that cannot be */
export async function natsOptionsOf({ cluster }: Pick<Config, 'cluster'>): Promise<NatsOptions> {
  const text = async (setting: `nats${string}File` & keyof Config['cluster']): Promise<string | undefined> => {
    const file = cluster[setting];
    try {
      return file === '' ? undefined : await readFile(file, 'utf8');
    } catch (error) {
      throw new ExitError(`cannot read cluster.${setting}: ${messageOf(error)}`, EXIT.usage, { cause: error });
    }
  };
  const set = <K extends string>(key: K, value: string | undefined): { [P in K]?: string } =>
    (value === undefined || value === '' ? {} : { [key]: value }) as { [P in K]?: string };
  const tls = {
    ...set('ca', await text('natsCaFile')),
    ...set('cert', await text('natsCertFile')),
    ...set('key', await text('natsKeyFile')),
  };
  return {
    urls: cluster.natsUrls,
    ...set('user', cluster.natsUser),
    ...set('password', cluster.natsPassword),
    ...set('token', cluster.natsToken),
    ...set('creds', await text('natsCredsFile')),
    ...set('nkey', (await text('natsNkeyFile'))?.trim()),
    ...(Object.keys(tls).length > 0 && { tls }),
  };
}
