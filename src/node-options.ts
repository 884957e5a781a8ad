import type { ChatLimits } from './actors/chat-state.ts';
import type { RuntimeOptions } from './actors/runtime.ts';
import type { GroupOptions } from './actors/runtime-types.ts';
import type { SessionLimits } from './actors/session-types.ts';
import type { Config } from './config.ts';
import type { StoreOptionsInput } from './storage/options.ts';
import type { ListenerOptions } from './transport/listener.ts';
import { SPAN } from './xmpp/fulltext-rows.ts';
import type { LoginLimitOptions } from './xmpp/login-limit-options.ts';
import { PAGE_DEFAULTS } from './xmpp/mam-page.ts';
import type { PersonalLimits } from './xmpp/personal-limits.ts';
import { PEP_LIMITS, type PepLimits } from './xmpp/pubsub-types.ts';
import { ROSTER_LIMITS, type RosterLimits } from './xmpp/rfc6121-limits.ts';
import { FRAME_LIMITS, type FrameLimits } from './xmpp/xml.ts';

/** The operator's settings as the parts want them: units and names change here and nowhere else. */

const HOUR_MS = 3_600_000;

export function storeOptionsOf(config: Config): StoreOptionsInput {
  const { busyTickMs: _tick, ...storage } = config.storage;
  return { ...storage, folder: config.node.dataDir, shards: config.node.shards };
}

/** What the runtime takes from the operator; bounds that nobody needs to turn are named here. */
export function runtimeOptionsOf(
  config: Config,
): Omit<RuntimeOptions, 'store' | 'bus' | 'directory' | 'now' | 'monotonicMs' | 'sessionParts' | 'onCrash'> {
  const { actors, storage } = config;
  return {
    nodeId: config.node.id,
    mailboxMax: config.limits.mailboxMax,
    turnsMax: 100_000,
    busyOps: 3,
    busyTickMs: storage.busyTickMs,
    idleMs: actors.passivateAfterMs,
    entitiesMax: actors.loadedMax,
    resendMs: 5000,
    resendMsMax: 60_000,
    sweepMs: actors.sweepMs,
    // Beside contacts and chats there is room for what other extensions keep.
    rowsMax: config.limits.rosterItemsMax + config.limits.chatsPerUserMax + 100_000,
    chat: chatLimitsOf(config),
    session: sessionLimitsOf(config),
    groups: groupOptionsOf(config),
  };
}

function chatLimitsOf(config: Config): ChatLimits {
  return {
    dedupeMs: config.dedupe.hours * HOUR_MS,
    dedupePerSenderMin: config.dedupe.perSenderMin,
    dedupeMax: config.dedupe.entriesMax,
    waitingMax: 1000,
    askTimeoutMs: 5000,
    retractLookBackMax: config.limits.retractLookBackMax,
  };
}

/** Domain of the rooms, a service of the node's own domain. */
export function roomDomainOf({ node }: Config): string {
  return `conference.${node.domain}`;
}

function groupOptionsOf(config: Config): GroupOptions {
  const { groups, archive } = config;
  const { searchWordsMax, indexWordsBytesMax: _, ...page } = archive;
  return {
    roomDomain: roomDomainOf(config),
    membersMax: groups.membersMax,
    pointersFrom: groups.pointersFrom,
    pointerMs: groups.pointerMs,
    occupantsMax: groups.occupantsMax,
    presenceMax: groups.presenceMax,
    historyMax: groups.historyMax,
    historyDefault: groups.historyDefault,
    mayCreate: groups.create === 'everyone',
    askEveryMs: groups.occupantCheckMs,
    iqsMax: groups.iqsMax,
    iqTimeoutMs: groups.iqTimeoutMs,
    receiptsMs: groups.receiptsMs,
    page: { ...PAGE_DEFAULTS, ...page },
    searchWordsMax,
  };
}

function sessionLimitsOf(config: Config): SessionLimits {
  const { limits } = config;
  return {
    resourcesMax: limits.resourcesPerUserMax,
    unackedStanzasMax: limits.unackedStanzasMax,
    unackedBytesMax: limits.unackedBytesMax,
    outQueueBytesMax: limits.outQueueBytesMax,
    inflightMax: 1000,
    resumeMs: limits.resumeSeconds * 1000,
    ackEvery: 50,
    ackTimeoutMs: limits.idleTimeoutMs,
    sendsPerSecond: limits.sendsPerSecond,
    sendsBurst: limits.sendsBurst,
    iqsPerSecond: limits.iqsPerSecond,
    iqsBurst: limits.iqsBurst,
    presencesPerSecond: limits.presencesPerSecond,
    presencesBurst: limits.presencesBurst,
    catchUpPage: 100,
    catchUpMax: 1000,
    lateMs: 1000,
    heldMax: 200,
    roomsMax: config.groups.roomsPerDeviceMax,
    chatsMax: limits.chatsPerUserMax,
    searchWordsMax: config.archive.searchWordsMax,
    indexWordsBytesMax: config.archive.indexWordsBytesMax,
    indexLagMax: SPAN,
    conflict: config.bind.conflict,
    roster: rosterLimitsOf(config),
  };
}

export function pepLimitsOf({ pep }: Config): PepLimits {
  return { ...PEP_LIMITS, ...pep };
}

export function rosterLimitsOf({ limits }: Config): RosterLimits {
  return { ...ROSTER_LIMITS, rosterItemsMax: limits.rosterItemsMax, directedMax: limits.directedPresenceMax };
}

export function personalLimitsOf({ limits }: Config): PersonalLimits {
  const { blockedMax, vcardBytesMax, privateItemsMax, privateBytesMax } = limits;
  return { blockedMax, vcardBytesMax, privateItemsMax, privateBytesMax };
}

export function frameLimitsOf(config: Config): FrameLimits {
  const { depthMax, attrsMax, elementsMax } = config.limits;
  return { ...FRAME_LIMITS, depthMax, attrsMax, elementsMax };
}

export function listenerOptionsOf(config: Config, frameLimits: FrameLimits): ListenerOptions {
  const { stanzaBytesMax, loginBytesMax, authTimeoutMs, idlePingMs, idleTimeoutMs } = config.limits;
  return {
    stanzaBytesMax,
    loginBytesMax,
    frameLimits,
    authTimeoutMs,
    idlePingMs,
    idleTimeoutMs,
    closeTimeoutMs: 2000,
    sweepMs: 1000,
  };
}

export function loginLimitsOf(config: Config): LoginLimitOptions {
  const { limits, login } = config;
  return {
    connectionsMax: limits.connectionsMax,
    connectionsPerAddressMax: limits.connectionsPerAddressMax,
    unauthenticatedMax: limits.unauthenticatedMax,
    unauthenticatedPerAddressMax: limits.unauthenticatedPerAddressMax,
    connectionsPerAddressPerSecond: limits.connectionsPerAddressPerSecond,
    connectionsPerAddressBurst: limits.connectionsPerAddressBurst,
    registrationsPerAddressPerHour: config.registration.perAddressPerHourMax,
    accountFailuresFree: login.accountFailuresFree,
    addressFailuresFree: login.addressFailuresFree,
    failureDelayMs: login.failureDelayMs,
    failureDelayMsMax: login.failureDelayMsMax,
    accountDelayMs: login.accountDelayMs,
    accountDelayMsMax: login.accountDelayMsMax,
    waitMsMax: login.waitMsMax,
    failuresForgetMs: login.failuresForgetMs,
    entriesMax: login.entriesMax,
  };
}
