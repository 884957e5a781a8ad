import { type Answer, type FakeUser, ROMEO } from './extensions.fixture.ts';
import { NS_PUBSUB, NS_PUBSUB_OWNER } from './pubsub-types.ts';

/** Requests to a user's nodes, for tests of XEP-0060 and what is built on it. */

export const NOTE = `<note xmlns="urn:example:note">x</note>`;

export function pubsub(user: FakeUser, type: 'get' | 'set', inner: string, from?: string): Answer {
  const attrs = from === undefined ? '' : ` from='${from}' to='${ROMEO}'`;
  return user.ask(`<iq type='${type}' id='q'${attrs}><pubsub xmlns='${NS_PUBSUB}'>${inner}</pubsub></iq>`);
}

export function owner(user: FakeUser, type: 'get' | 'set', inner: string): Answer {
  return user.ask(`<iq type='${type}' id='q'><pubsub xmlns='${NS_PUBSUB_OWNER}'>${inner}</pubsub></iq>`);
}

export function options(fields: Readonly<Record<string, string>>): string {
  const inner = Object.entries(fields).map(
    ([name, value]) => `<field var='pubsub#${name}'><value>${value}</value></field>`,
  );
  const type = `<field var='FORM_TYPE'><value>${NS_PUBSUB}#publish-options</value></field>`;
  return `<publish-options><x xmlns='jabber:x:data' type='submit'>${type}${inner.join('')}</x></publish-options>`;
}

export function publish(user: FakeUser, node: string, id: string, payload = NOTE, more = ''): Answer {
  return pubsub(user, 'set', `<publish node='${node}'><item id='${id}'>${payload}</item></publish>${more}`);
}

/** Value of a field of a node's configuration. */
export function setting(user: FakeUser, node: string, field: string): string | undefined {
  const { body } = owner(user, 'get', `<configure node='${node}'/>`);
  const form = body.split('<field ').find((one) => one.startsWith(`var="pubsub#${field}"`));
  return /<value>([^<]*)<\/value><\/field>/.exec(form ?? '')?.[1];
}

/** `result`, or the condition of an error and what `pubsub#errors` adds. */
export function outcome({ outcome: is, body, appCondition: app }: Answer): string {
  if (is !== 'error') return is;
  return app === undefined ? body : `${body} ${/^<([a-z-]+)/.exec(app)?.[1]}`;
}

/** Ids of items in some XML. */
export const idsIn = (xml: string): string[] => [...xml.matchAll(/<item id="([^"]*)"/g)].map(([, id]) => id ?? '');
