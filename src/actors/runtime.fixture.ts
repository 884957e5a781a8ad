import { slowStore } from '../../test/sim/core-disk.ts';
import { soleDirectory } from '../cluster/directory.ts';
import type { LogStore, Op } from '../storage/log-store.ts';
import { createMemoryDisk, type MemoryDisk, openMemoryStore } from '../storage/log-store-memory.ts';
import { inProcessBus } from '../transport/bus.ts';
import { PAGE_DEFAULTS } from '../xmpp/mam-page.ts';
import type { IqRequest, SessionPort } from '../xmpp/module.ts';
import { ROSTER_LIMITS } from '../xmpp/rfc6121-limits.ts';
import { NS_SM } from '../xmpp/xep0198-stream-management.ts';
import { parseFrame } from '../xmpp/xml.ts';
import type { History } from './chat-retract.ts';
import type { ChatLimits } from './chat-state.ts';
import type { AccountAnswer, AccountAsk, BindAnswer, CloseReason, ConnPort, ResumeAnswer } from './messages.ts';
import { decideRegistration } from './registration.ts';
import { createRuntime, type Runtime, type RuntimeOptions } from './runtime.ts';
import type { GroupOptions } from './runtime-types.ts';
import type { SessionLimits } from './session-types.ts';

/** The actors of one node over the memory store, for tests: time stands still, the disk waits when told to. */

export const DOMAIN = 'test.example';
export const SHARDS = 8;

export const CHAT_LIMITS: ChatLimits = {
  dedupeMs: 86_400_000,
  dedupePerSenderMin: 64,
  dedupeMax: 100_000,
  waitingMax: 100,
  retractLookBackMax: 100,
  askTimeoutMs: 5000,
};

/** A chat whose committed messages do not matter. */
export const NO_HISTORY: History = { read: () => [] };

export const SESSION_LIMITS: SessionLimits = {
  resourcesMax: 5,
  unackedStanzasMax: 100,
  unackedBytesMax: 1_000_000,
  outQueueBytesMax: 100_000,
  inflightMax: 50,
  resumeMs: 60_000,
  ackEvery: 50,
  ackTimeoutMs: 30_000,
  sendsPerSecond: 0,
  sendsBurst: 10,
  iqsPerSecond: 0,
  iqsBurst: 1,
  presencesPerSecond: 0,
  presencesBurst: 1,
  catchUpPage: 10,
  catchUpMax: 1000,
  lateMs: 1000,
  heldMax: 10,
  roomsMax: 100,
  chatsMax: 1000,
  searchWordsMax: 100,
  indexWordsBytesMax: 1_048_576,
  indexLagMax: 1,
  conflict: 'replace',
  roster: ROSTER_LIMITS,
};

export const GROUP_OPTIONS: GroupOptions = {
  roomDomain: `conference.${DOMAIN}`,
  membersMax: 5,
  pointersFrom: 5,
  pointerMs: 1000,
  occupantsMax: 10,
  presenceMax: 4,
  historyMax: 20,
  historyDefault: 3,
  mayCreate: true,
  askEveryMs: 60_000,
  iqsMax: 5,
  iqTimeoutMs: 30_000,
  receiptsMs: 1000,
  page: PAGE_DEFAULTS,
  searchWordsMax: 100,
};

/** One socket of a client: what came, and how it was closed. */
export class TestConn implements ConnPort {
  out: string[] = [];
  closed: CloseReason | undefined;
  queuedBytes = 0;

  get closing(): boolean {
    return this.closed !== undefined;
  }

  send(xml: string): void {
    if (!this.closing) this.out.push(xml);
  }

  close(reason: CloseReason): void {
    this.closed ??= reason;
  }

  /** What came since the last call. */
  take(): string[] {
    return this.out.splice(0);
  }
}

/** A bound stream of a user. */
export class TestClient {
  readonly node: TestNode;
  readonly user: string;
  conn = new TestConn();
  sid = 0;
  smId = '';

  constructor(node: TestNode, user: string) {
    this.node = node;
    this.user = user;
  }

  frame(xml: string): void {
    this.node.runtime.toSession(this.user, { t: 'frame', sid: this.sid, frame: parseFrame(xml) });
  }

  /** Frames, then everything they cause; answers what came. */
  async send(...frames: string[]): Promise<string[]> {
    for (const xml of frames) this.frame(xml);
    await this.node.settle();
    return this.conn.take();
  }

  gone(clean = false): void {
    this.node.runtime.toSession(this.user, { t: 'gone', sid: this.sid, conn: this.conn, clean });
  }

  /** Takes the stream up on a new socket. */
  async resume(h: number): Promise<ResumeAnswer> {
    const answer = this.asksToResume(h);
    await this.node.settle();
    return answer;
  }

  async asksToResume(h: number): Promise<ResumeAnswer> {
    this.conn = new TestConn();
    const { conn, smId } = this;
    return new Promise((resolve) => {
      const reply = (answer: ResumeAnswer): void => {
        if (answer.ok) this.sid = answer.sid;
        resolve(answer);
      };
      this.node.runtime.toSession(this.user, { t: 'resume', conn, smId, h, reply });
    });
  }
}

export interface TestNodeOptions {
  readonly disk?: MemoryDisk;
  readonly session?: Partial<SessionLimits>;
  readonly chat?: Partial<ChatLimits>;
  readonly runtime?: Partial<RuntimeOptions>;
  readonly onIq?: (session: SessionPort, request: IqRequest) => boolean;
  /** more of the sessions' parts */
  readonly parts?: Partial<RuntimeOptions['sessionParts']>;
}

export class TestNode {
  readonly disk: MemoryDisk;
  readonly runtime: Runtime;
  readonly inner: LogStore;
  readonly store: ReturnType<typeof slowStore>;
  /** every op that was handed to the log, refused ones too */
  readonly ops: Op[] = [];
  readonly crashes: unknown[] = [];
  now = Date.UTC(2026, 0, 1);
  /** while true, nothing reaches the disk */
  held = false;
  #ids = 0;

  static async start(options: TestNodeOptions = {}): Promise<TestNode> {
    const disk = options.disk ?? createMemoryDisk();
    return new TestNode(disk, await openMemoryStore({ disk, shards: SHARDS }), options);
  }

  private constructor(disk: MemoryDisk, inner: LogStore, options: TestNodeOptions) {
    this.disk = disk;
    this.inner = inner;
    this.store = slowStore(inner, (ops) => this.ops.push(...ops));
    this.runtime = createRuntime({
      nodeId: 'n1',
      store: this.store.store,
      bus: inProcessBus('n1'),
      directory: soleDirectory(SHARDS, 'n1'),
      now: () => this.now,
      monotonicMs: () => this.now,
      mailboxMax: 1000,
      turnsMax: 1000,
      busyOps: Number.MAX_SAFE_INTEGER,
      busyTickMs: 0,
      idleMs: 60_000,
      entitiesMax: 1000,
      resendMs: 5000,
      resendMsMax: 60_000,
      sweepMs: 2 ** 31 - 1,
      rowsMax: 1000,
      chat: { ...CHAT_LIMITS, ...options.chat },
      session: { ...SESSION_LIMITS, ...options.session },
      sessionParts: {
        domain: DOMAIN,
        newId: () => `id${++this.#ids}`,
        dispatchIq: (session, request) => options.onIq?.(session, request) ?? false,
        registration: decideRegistration,
        setPassword: async () => 'busy',
        ...options.parts,
      },
      onCrash: (_kind, error) => this.crashes.push(error),
      ...options.runtime,
    });
  }

  /** Lets actors and, unless `held`, the disk work until nothing moves. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 10; quiet++) {
      while (!this.held && this.store.waiting > 0) {
        this.store.sync();
        quiet = 0;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async release(): Promise<void> {
    this.held = false;
    await this.settle();
  }

  /** Time passes, and the timer fires once. */
  async pass(ms: number): Promise<void> {
    this.now += ms;
    this.runtime.sweep();
    await this.settle();
  }

  async ask(user: string, ask: AccountAsk): Promise<AccountAnswer> {
    const answer = new Promise<AccountAnswer>((reply) => this.runtime.toSession(user, { t: 'account', ask, reply }));
    await this.settle();
    return answer;
  }

  async account(...names: string[]): Promise<string[]> {
    const users = names.map((name) => `${name}@${DOMAIN}`);
    for (const user of users) await this.ask(user, { t: 'create', row: { v: 1 } });
    return users;
  }

  async tryBind(client: TestClient, resource?: string): Promise<BindAnswer> {
    const { conn } = client;
    const answer = new Promise<BindAnswer>((reply) => {
      this.runtime.toSession(client.user, { t: 'bind', conn, resource, reply });
    });
    await this.settle();
    const bound = await answer;
    if (bound.ok) client.sid = bound.sid;
    return bound;
  }

  /** A bound stream; with presence and stream management unless told otherwise. */
  async bind(user: string, resource: string, { sm = true, priority = 0 as number | null } = {}): Promise<TestClient> {
    const client = new TestClient(this, user);
    await this.tryBind(client, resource);
    if (sm) {
      const [enabled] = await client.send(`<enable xmlns='${NS_SM}' resume='true'/>`);
      client.smId = / id='(.*?)'/.exec(enabled ?? '')?.[1] ?? '';
    }
    if (priority !== null) await client.send(presence(priority));
    client.conn.take();
    return client;
  }
}

export function presence(priority = 0): string {
  return `<presence xmlns='jabber:client'><priority>${priority}</priority></presence>`;
}

export function message(to: string, body: string, options: { oid?: string; id?: string; extra?: string } = {}): string {
  const { oid, id = body, extra = '' } = options;
  const origin = oid === undefined ? '' : `<origin-id xmlns='urn:xmpp:sid:0' id='${oid}'/>`;
  return `<message xmlns='jabber:client' to='${to}' type='chat' id='${id}'><body>${body}</body>${origin}${extra}</message>`;
}

export function composing(to: string): string {
  const state = `<composing xmlns='http://jabber.org/protocol/chatstates'/>`;
  return `<message xmlns='jabber:client' to='${to}' type='chat'>${state}</message>`;
}

export const REQUEST = `<r xmlns='${NS_SM}'/>`;
export const ack = (h: number): string => `<a xmlns='${NS_SM}' h='${h}'/>`;

/** Bodies of the messages among some stanzas, in order; errors as `!condition`, carbons as `>body`, states as `~`. */
export function bodies(stanzas: readonly string[]): string[] {
  return stanzas
    .filter((xml) => xml.startsWith('<message'))
    .map((xml) => {
      const condition = /<error[^>]*><([a-z-]+)/.exec(xml)?.[1];
      if (condition !== undefined) return `!${condition}`;
      const body = /<body>(.*?)<\/body>/.exec(xml)?.[1] ?? '~';
      return xml.includes('<forwarded ') ? `>${body}` : body;
    });
}

/** Archive ids in some stanzas, in order. */
export function ids(stanzas: readonly string[]): number[] {
  return stanzas.flatMap((xml) => [...xml.matchAll(/<stanza-id [^>]* id='(\d+)'/g)].map((found) => Number(found[1])));
}

/** The `h` of every `<a/>` among some frames. */
export function acks(frames: readonly string[]): number[] {
  return frames.filter((xml) => xml.startsWith('<a ')).map((xml) => Number(/ h='(\d+)'/.exec(xml)?.[1]));
}
