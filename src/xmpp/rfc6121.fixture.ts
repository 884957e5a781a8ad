import { Element } from 'ltx';
import { withoutBlocked } from './blocklist.ts';
import { parseJid } from './jid.ts';
import type { AvailablePresence, IqRequest, PeerMessage, SessionPort, StanzaCondition, StreamPort } from './module.ts';
import type { RosterLimits } from './rfc6121-limits.ts';
import { onPeer, onUnknownAccount, type PeerReason, type PresencePeerMessage } from './rfc6121-peer.ts';
import { onClientPresence, onStreamGone, type PresenceOutcome } from './rfc6121-presence.ts';
import { rosterHandler } from './rfc6121-roster.ts';

/** Sessions wired together through their ports, for tests: messages queue until `settle`, rows are frozen. */

export const DOMAIN = 'example.org';

type Row = readonly [string, unknown];

function freeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) freeze(part);
    Object.freeze(value);
  }
  return value;
}

/** One element with text or element children: `el('presence', {to}, el('show', {}, 'away'))`. */
export function el(name: string, attrs: Record<string, string> = {}, ...children: (Element | string)[]): Element {
  const element = new Element(name, attrs);
  for (const child of children) {
    if (typeof child === 'string') element.t(child);
    else element.cnode(child);
  }
  return element;
}

export class FakeStream implements StreamPort {
  readonly resource: string;
  readonly jid: string;
  presence: AvailablePresence | undefined;
  directed: Set<string> | undefined;
  carbons = false;
  inactive = false;
  interested = false;
  blocklist = false;
  lastActive = 0;
  /** what the client got, in order; answers to its iqs as `reply:…` and `error:…` */
  out: string[] = [];
  readonly #session: FakeSession;

  constructor(session: FakeSession, resource: string) {
    this.#session = session;
    this.resource = resource;
    this.jid = `${session.user}/${resource}`;
  }

  /** What came since the last call. */
  take(): string[] {
    const out = this.out;
    this.out = [];
    return out;
  }

  presenceOf(attrs: Record<string, string> = {}, ...children: Element[]): PresenceOutcome {
    const stanza = el('presence', { xmlns: 'jabber:client', ...attrs }, ...children);
    const inner = children.map(String).join('');
    return onClientPresence(this.#session, this, stanza, inner, this.#session.world.limits);
  }

  roster(type: 'get' | 'set', attrs: Record<string, string> = {}, ...items: Element[]): string {
    return this.#session.roster(type, this, el('query', { xmlns: 'jabber:iq:roster', ...attrs }, ...items));
  }

  gone(): void {
    this.#session.live.splice(this.#session.live.indexOf(this), 1);
    onStreamGone(this.#session, this);
  }
}

export class FakeSession implements SessionPort {
  readonly user: string;
  readonly domain = DOMAIN;
  readonly world: World;
  readonly rows = new Map<string, unknown>();
  readonly live: FakeStream[] = [];
  writes = 0;
  posts = 0;

  constructor(world: World, user: string) {
    this.world = world;
    this.user = user;
  }

  get now(): number {
    return this.world.now;
  }
  get<T>(key: string): T | undefined {
    return this.rows.get(key) as T | undefined;
  }
  entries<T>(prefix: string): [string, T][] {
    const found = [...this.rows].filter(([key]) => key.startsWith(prefix)) as [string, T][];
    return found.sort(([a], [b]) => (a < b ? -1 : 1));
  }
  put(key: string, value: unknown): void {
    this.writes += 1;
    this.rows.set(key, freeze(structuredClone(value)));
  }
  del(key: string): void {
    this.writes += 1;
    this.rows.delete(key);
  }
  streams(): readonly FakeStream[] {
    return this.live;
  }
  stream(resource: string): FakeStream | undefined {
    return this.live.find((stream) => stream.resource === resource);
  }
  send(stream: StreamPort, xml: string): void {
    (stream as FakeStream).out.push(xml);
  }
  tell(bareJid: string, msg: PeerMessage): void {
    const message = withoutBlocked(this, msg);
    if (message !== undefined) this.world.queue.push({ to: bareJid, message, idx: 0 });
  }
  post(bareJid: string, message: PeerMessage): void {
    this.posts += 1;
    const envelope = { to: bareJid, message, idx: this.world.nextIdx() };
    this.world.posted.push(envelope);
    this.world.queue.push(envelope);
  }
  putStored(): never {
    throw new Error('nothing here is stored apart');
  }
  readStored(): never {
    throw new Error('nothing here is stored apart');
  }
  blocklistChanges(): boolean {
    return true;
  }
  newId(): string {
    return this.world.newId();
  }

  /** A client binds a resource; with `presence` it is available at once. */
  connect(resource: string, priority?: number): FakeStream {
    const stream = new FakeStream(this, resource);
    this.live.push(stream);
    if (priority !== undefined) stream.presenceOf({}, el('priority', {}, String(priority)));
    return stream;
  }

  roster(type: 'get' | 'set', stream: FakeStream | undefined, payload: Element): string {
    const from = stream?.jid ?? 'eve@example.org/x';
    const iq = el('iq', { xmlns: 'jabber:client', type, id: 'q1' }, payload);
    let answer = '';
    const request: IqRequest = {
      iq,
      payload,
      type,
      id: 'q1',
      from: parseJid(from),
      to: parseJid(this.user),
      stream,
      reply: (xml = '') => {
        answer = `reply:${xml}`;
        stream?.out.push(answer);
      },
      error: (condition: StanzaCondition) => {
        answer = `error:${condition}`;
        stream?.out.push(answer);
      },
    };
    rosterHandler(this.world.limits)(this, request);
    return answer;
  }

  /** Rows as they are, for comparing before and after. */
  snapshot(): Row[] {
    return structuredClone([...this.rows].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

interface Envelope {
  readonly to: string;
  readonly message: PeerMessage;
  readonly idx: number;
}

export class World {
  now = 1_000_000;
  readonly sessions = new Map<string, FakeSession>();
  readonly queue: Envelope[] = [];
  /** everything that was posted, for replays */
  readonly posted: Envelope[] = [];
  readonly limits: RosterLimits | undefined;
  #idx = 0;
  #id = 0;

  constructor(limits?: RosterLimits) {
    this.limits = limits;
  }

  user(name: string): FakeSession {
    const session = new FakeSession(this, `${name}@${DOMAIN}`);
    this.sessions.set(session.user, session);
    return session;
  }
  nextIdx(): number {
    this.#idx += 1;
    return this.#idx;
  }
  newId(): string {
    this.#id += 1;
    return `id${this.#id}`;
  }

  deliver({ to, message, idx }: Envelope): PeerReason | 'unknown' {
    const msg = message as PresencePeerMessage;
    const session = this.sessions.get(to);
    if (session !== undefined) return onPeer(session, msg, idx, this.limits);
    for (const answer of onUnknownAccount(DOMAIN, msg)) {
      this.queue.push({ to: answer.to, message: answer, idx: this.nextIdx() });
    }
    return 'unknown';
  }

  /** Delivers until nothing is left; `tellsFirst`: what is only told overtakes what is posted. */
  settle(tellsFirst = false): PeerReason[] {
    const reasons: PeerReason[] = [];
    while (this.queue.length > 0) {
      const at = tellsFirst ? this.queue.findIndex((envelope) => envelope.idx === 0) : 0;
      const [envelope] = this.queue.splice(Math.max(at, 0), 1);
      const reason = this.deliver(envelope!);
      if (reason !== 'unknown') reasons.push(reason);
      if (reasons.length > 10_000) throw new Error('the sessions answer each other for ever');
    }
    return reasons;
  }

  /** Posts everything again that was ever posted, as a restart would. */
  replay(): PeerReason[] {
    this.queue.push(...this.posted);
    return this.settle();
  }
}
