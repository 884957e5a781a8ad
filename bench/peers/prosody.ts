import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from './peer.ts';

/** Prosody with its own file storage, hashed passwords, and no module that the load does not touch. */
export const prosody: Peer = {
  name: 'prosody',
  needs: '/usr/bin/prosody',
  prepare(folder, port, archive) {
    const data = join(folder, 'data');
    mkdirSync(data, { recursive: true });
    const file = join(folder, 'prosody.cfg.lua');
    writeFileSync(file, config({ folder, data, port, archive }));
    return {
      command: this.needs,
      args: ['-F', '--config', file],
      env: {},
      url: `ws://127.0.0.1:${port}/xmpp-websocket`,
      domain: 'localhost',
    };
  },
};

function config(at: { folder: string; data: string; port: number; archive: boolean }): string {
  const modules = ['roster', 'saslauth', 'disco', 'ping', 'smacks', 'websocket', 'register_ibr'];
  const lua = (list: string[]) => list.map((name) => `"${name}"`).join('; ');
  return `-- written by bench/peers/prosody.ts
run_as_root = true
pidfile = "${join(at.folder, 'prosody.pid')}"
data_path = "${at.data}"
certificates = "${at.data}"
log = { { levels = { min = "warn" }, to = "file", filename = "${join(at.folder, 'prosody.log')}" } }
modules_enabled = { ${lua(at.archive ? [...modules, 'mam'] : modules)} }
modules_disabled = { "s2s"; "tls"; "offline" }
c2s_ports = { }
s2s_ports = { }
https_ports = { }
http_ports = { ${at.port} }
http_interfaces = { "127.0.0.1" }
http_default_host = "localhost"
consider_websocket_secure = true
c2s_require_encryption = false
allow_registration = true
authentication = "internal_hashed"
default_archive_policy = true
max_archive_query_results = 250
VirtualHost "localhost"
Component "conference.localhost" "muc"
  modules_enabled = { ${lua(at.archive ? ['muc_mam'] : [])} }
  muc_log_by_default = ${at.archive}
  muc_room_default_history_length = 0
`;
}
