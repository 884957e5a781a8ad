import { resolve } from 'node:path';
import type { Config } from '../config.ts';
import { isLoopback } from '../http/client-address.ts';
import type { RunningNode } from './io.ts';

const EVERYWHERE: readonly string[] = ['0.0.0.0', '::'];

/** Where to go, what is open, and what to worry about, as lines. */
export function banner(config: Config, node: RunningNode): string[] {
  const { listen, registration } = config;
  const lines = ['', `Rookery serves ${config.node.domain}`, ''];
  const row = (name: string, value: string) => lines.push(`  ${name.padEnd(13)} ${value}`);
  if (listen.webClient) row('web client', reachable(node.webUrl));
  for (const [i, url] of node.webSocketUrls.entries()) row(i === 0 ? 'WebSocket' : '', reachable(url));
  if (EVERYWHERE.includes(listen.host)) row('', 'and at every other address of this machine');
  row('data folder', resolve(config.node.dataDir));
  row('registration', registrationText(registration.open));
  if (config.profile !== 'default') row('profile', `${config.profile}: rate and login limits are lifted`);
  lines.push('', ...warnings(config), 'Ctrl-C stops it.', '');
  return lines;
}

/** A wildcard is nothing to connect to; loopback is. */
function reachable(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}

function registrationText(open: Config['registration']['open']): string {
  switch (open) {
    case 'loopback':
      return 'open to this machine only; others: rookery user add <name>';
    case 'everyone':
      return 'open to everyone who can connect';
    case 'closed':
      return 'closed; rookery user add <name>';
  }
}

function warnings({ listen }: Config): string[] {
  const local = listen.host === 'localhost' || isLoopback(listen.host);
  if (local || listen.tlsCertFile !== '') return [];
  if (listen.trustedProxies.length > 0) return [];
  return [
    `!!! LISTENING ON ${listen.host} WITHOUT TLS: messages cross the network in the clear, and password login (PLAIN)`,
    '!!! is refused there. Set listen.tlsCertFile and listen.tlsKeyFile, or put a TLS proxy in front and name it in',
    '!!! listen.trustedProxies.',
    '',
  ];
}
