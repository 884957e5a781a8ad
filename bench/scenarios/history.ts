import { prepareAccounts } from '../accounts.ts';
import type { Client } from '../client.ts';
import { type Context, closeAll, loginAll } from '../context.ts';
import { Load } from '../load.ts';
import { mamPage, type PageQuery } from '../mam.ts';
import { Meter, nowUs } from '../meter.ts';
import type { Phase } from '../report.ts';
import { attr, element } from '../scan.ts';

export interface HistoryOptions {
  readonly messages: number;
  readonly page: number;
  readonly body: number;
  /** seconds, each phase */
  readonly duration: number;
  readonly skipLoad: boolean;
}

/** Messages under way while the archive is filled. */
const loadWindow = 200;
/** Most seconds the filling may take. */
const loadSecondsMax = 3_600;

/** Pages of the archive of one chat: from the newest backwards, and from its middle backwards. */
export async function history(context: Context<HistoryOptions>): Promise<void> {
  const { options, report, progress, signal } = context;
  const accounts = await prepareAccounts(options, 2, progress, signal);
  const clients = await loginAll(context, accounts);
  try {
    if (!options.skipLoad) report.phases.push(await fill(context, clients));
    if (signal.aborted) return;
    const reader = clients[0]!;
    const peer = `${accounts[1]!.user}@${options.domain}`;
    report.phases.push(await pages(context, reader, 'newest backwards', { with: peer, max: options.page, before: '' }));
    const before = await middleId(reader, peer);
    report.phases.push(await pages(context, reader, 'middle backwards', { with: peer, max: options.page, before }));
  } finally {
    closeAll(clients);
  }
}

/** Sends `messages` one way; ends when the last has arrived, so the archive is complete. */
async function fill({ options, target, progress, signal }: Context<HistoryOptions>, clients: Client[]): Promise<Phase> {
  const meter = new Meter(target.measured ?? target.pid);
  const peer = `${clients[1]!.options.account.user}@${options.domain}`;
  const load = new Load({
    topology: {
      senders: [0],
      flows: [0],
      copies: 1,
      flow: (receiver, sender) => (receiver === 1 && sender === 0 ? 0 : -1),
      closes: () => true,
      head: () => `<message xmlns='jabber:client' to='${peer}' type='chat' id='`,
    },
    outstanding: Math.min(loadWindow, options.messages),
    countMax: options.messages,
    bodyBytes: options.body,
    warmupMs: 0,
    durationMs: loadSecondsMax * 1000,
    send: (i, xml) => clients[i]!.send(xml),
    meter,
    progress,
    signal,
  });
  clients.forEach((client, i) => {
    client.onStanza = (xml) => load.receive(i, xml);
  });
  const phase = await load.drive('fill', options.name);
  for (const client of clients) client.onStanza = () => {};
  return phase;
}

/** Id of a message in the middle of the archive, by time: half-way between the oldest and the newest. */
async function middleId(client: Client, peer: string): Promise<string> {
  const query = { with: peer, max: 1 };
  const stamps = [await mamPage(client, query), await mamPage(client, { ...query, before: '' })].map((page) =>
    Date.parse(attr(element(page.results[0] ?? '', 'delay') ?? '', 'stamp') ?? ''),
  );
  const middle = (stamps[0]! + stamps[1]!) / 2;
  if (!Number.isFinite(middle)) throw new Error('the archive is empty, or its messages carry no time');
  const page = await mamPage(client, { ...query, end: new Date(middle).toISOString(), before: '' });
  return page.first;
}

/** Reads page after page backwards for the duration; begins again at `from` when the oldest is reached. */
async function pages(
  { options, target, progress, signal }: Context<HistoryOptions>,
  client: Client,
  name: string,
  from: PageQuery,
): Promise<Phase> {
  const meter = new Meter(target.measured ?? target.pid);
  let query = from;
  let messages = 0;
  meter.start();
  const end = performance.now() + options.duration * 1000;
  while (performance.now() < end && !signal.aborted) {
    const since = nowUs();
    const page = await mamPage(client, query);
    meter.done(since, nowUs());
    messages += page.results.length;
    if (meter.operations === 1 && page.results.length === 0) throw new Error(`${name}: an empty page`);
    query = page.complete || page.first === '' ? from : { ...from, before: page.first };
    progress.show(`${name}: ${meter.operations} pages`);
  }
  const phase = meter.stop(name, options.name, 'page');
  phase.extra = {
    'messages per page': messages / phase.operations,
    ...(phase.server === undefined ? {} : { 'CPU ms per page': phase.server.perOperationUs / 1000 }),
  };
  return phase;
}
