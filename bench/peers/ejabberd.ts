import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from './peer.ts';

/**
 * ejabberd with Mnesia and SCRAM-stored passwords. Started by `erl` itself, not by ejabberdctl: no distribution, so
 * no node name, cookie or port mapper is needed, and the process started is the one to measure and to end.
 */
export const ejabberd: Peer = {
  name: 'ejabberd',
  needs: '/usr/sbin/ejabberdctl',
  prepare(folder, port, archive) {
    const spool = join(folder, 'spool');
    const logs = join(folder, 'logs');
    for (const dir of [spool, logs]) mkdirSync(dir, { recursive: true });
    const file = join(folder, 'ejabberd.yml');
    writeFileSync(file, config(port, archive));
    return {
      command: '/usr/bin/erl',
      args: ['+K', 'true', '+P', '250000', '+Q', '65536', '-noinput', '-mnesia', 'dir', `"${spool}"`, '-s', 'ejabberd'],
      env: {
        HOME: folder,
        ERL_LIBS: '/usr/lib/x86_64-linux-gnu',
        ERL_CRASH_DUMP: join(logs, 'erl_crash.dump'),
        EJABBERD_CONFIG_PATH: file,
        EJABBERD_LOG_PATH: join(logs, 'ejabberd.log'),
        EJABBERD_PID_PATH: join(folder, 'ejabberd.pid'),
        CONTRIB_MODULES_PATH: join(folder, 'modules'),
      },
      url: `ws://127.0.0.1:${port}/xmpp-websocket`,
      domain: 'localhost',
    };
  },
};

function config(port: number, archive: boolean): string {
  return `# written by bench/peers/ejabberd.ts
hosts: [localhost]
loglevel: warning
auth_method: internal
auth_password_format: scram
acme: {auto: false}
listen:
  -
    port: ${port}
    ip: 127.0.0.1
    module: ejabberd_http
    request_handlers: {/xmpp-websocket: ejabberd_http_ws}
modules:
  mod_disco: {}
  mod_ping: {}
  mod_roster: {}
  mod_register: {access: all, ip_access: all}
  mod_stream_mgmt: {resend_on_timeout: false, resume_timeout: 60}
  mod_muc:
    history_size: 0
    max_users: 5000
    min_message_interval: 0
    default_room_options: {mam: ${archive}, persistent: false}
${archive ? '  mod_mam: {default: always, db_type: mnesia}\n' : ''}registration_timeout: infinity
`;
}
