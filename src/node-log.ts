import type { Log } from './base/log.ts';
import type { Config } from './config.ts';
import type { StoreHooks } from './storage/store-hooks.ts';
import { VERSION } from './version.ts';

/** What happens to the disk, for the operator. */
export function storeHooks(log: Log): StoreHooks {
  return {
    onEvent: ({ t, ...event }) => {
      if (t === 'reopened' || t === 'disk-ok') log.warn(event, `storage: ${t}`);
      else log.error(event, `storage: ${t}`);
    },
  };
}

/** The first line of a node's log. @param tookMs milliseconds from opening the folder to open doors */
export function logStarted(log: Log, { node, listen, storage }: Config, port: number, tookMs: number): void {
  const { id, domain, shards } = node;
  const where = { host: listen.host, port, tls: listen.tlsCertFile !== '' };
  const facts = { ...where, shards, freeBytesMin: storage.freeBytesMin, tookMs: Math.round(tookMs) };
  log.info({ node: id, version: VERSION, domain, ...facts }, 'started');
}
