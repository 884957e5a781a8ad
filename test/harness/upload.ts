import { type ClientRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { Element } from 'ltx';
import { escapeAttr } from '../../src/xmpp/stanza.ts';
import type { Client } from './client.ts';

export const NS_UPLOAD = 'urn:xmpp:http:upload:0';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpAsk {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer | string;
}

/** On a connection of its own, the path as it stands in the URL: nothing is put in order on the way. */
export function http(url: string, { method = 'GET', headers = {}, body }: HttpAsk = {}): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const asked = begin(url, method, { ...(body !== undefined && { 'content-length': body.length }), ...headers });
    asked.on('error', reject);
    asked.on('response', async (response) => {
      const got = await buffer(response).catch(reject);
      if (got) resolve({ status: response.statusCode ?? 0, headers: response.headers, body: got });
    });
    asked.end(body);
  });
}

/** A request whose body the test writes itself. */
export function begin(url: string, method: string, headers: OutgoingHttpHeaders): ClientRequest {
  const [, host = '', path = '/'] = /^http:\/\/([^/]+)(\/.*)?$/.exec(url) ?? [];
  const [name = '', port] = host.split(':');
  return request({ host: name, port, path, method, headers, agent: false });
}

export interface SlotRequest {
  readonly name?: string;
  readonly size: number | string;
  readonly type?: string;
}

/** Asks for a slot; the answer, result or error. */
export function askSlot(client: Client, { name = 'photo.jpg', size, type }: SlotRequest): Promise<Element> {
  const media = type === undefined ? '' : ` content-type='${escapeAttr(type)}'`;
  const payload = `<request xmlns='${NS_UPLOAD}' filename='${escapeAttr(name)}' size='${size}'${media}/>`;
  return client.iq('get', payload, 'upload.localhost');
}

/** @throws Error with the answer when it is none */
export async function slotOf(
  client: Client,
  asked: SlotRequest,
): Promise<{ readonly put: string; readonly get: string }> {
  const answer = await askSlot(client, asked);
  const slot = answer.getChild('slot', NS_UPLOAD);
  const [put, get] = ['put', 'get'].map((name) => slot?.getChild(name)?.attrs['url']);
  if (put === undefined || get === undefined) throw new Error(`no slot: ${answer.toString()}`);
  return { put, get };
}
