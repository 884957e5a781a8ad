import { createBookmarkList } from './bookmark-list.ts';
import { buildIqTable, type IqTable } from './iq-table.ts';
import { PAGE_DEFAULTS, type PageLimits } from './mam-page.ts';
import type { XmppModule } from './module.ts';
import { PERSONAL_LIMITS, type PersonalLimits } from './personal-limits.ts';
import type { NodeConfig } from './pubsub-config.ts';
import { type ItemPort, PEP_LIMITS, type PepLimits } from './pubsub-types.ts';
import { sessionModule } from './rfc3921-session.ts';
import type { RosterLimits } from './rfc6121-limits.ts';
import { presenceModule } from './rfc6121-presence.ts';
import { rosterHandler, rosterModule } from './rfc6121-roster.ts';
import { routingModule } from './rfc6121-routing.ts';
import { subscriptionModule } from './rfc6121-subscription.ts';
import { saslModule } from './sasl.ts';
import { anonymousModule } from './sasl-anonymous.ts';
import { plainModule } from './sasl-plain.ts';
import { scramModule } from './scram.ts';
import { elsewhere } from './spec-only.ts';
import { formsModule } from './xep0004-forms.ts';
import { lastActivityModule } from './xep0012-last-activity.ts';
import { type DiscoCatalogue, type DiscoItem, discoModule } from './xep0030-disco.ts';
import { mucModule, type RoomsPort } from './xep0045-muc.ts';
import { privateXmlModule } from './xep0049-private-xml.ts';
import { vcardModule } from './xep0054-vcard.ts';
import { rsmModule } from './xep0059-rsm.ts';
import { pubsubModule } from './xep0060-pubsub.ts';
import { registrationModule } from './xep0077-registration.ts';
import { dateTimeModule } from './xep0082-datetime.ts';
import { avatarModule } from './xep0084-avatar.ts';
import { chatStatesModule } from './xep0085-chat-states.ts';
import { type Software, versionModule } from './xep0092-version.ts';
import { capsElement, capsModule, capsVer } from './xep0115-caps.ts';
import { vcardAvatarsModule } from './xep0153-vcard-avatars.ts';
import { accountNodes, createPep, type Pep, type PepOptions, pepModule, pepParts } from './xep0163-pep.ts';
import { nickModule } from './xep0172-nick.ts';
import { receiptsModule } from './xep0184-receipts.ts';
import { blockingModule } from './xep0191-blocking.ts';
import { streamManagementModule } from './xep0198-stream-management.ts';
import { pingModule } from './xep0199-ping.ts';
import { entityTimeModule } from './xep0202-entity-time.ts';
import { delayModule } from './xep0203-delay.ts';
import { publicStorageModule } from './xep0222-public-storage.ts';
import { privateStorageModule } from './xep0223-private-storage.ts';
import { carbonsModule } from './xep0280-carbons.ts';
import { type ArchivePort, forwardModule, mamModule, mamPrefsModule } from './xep0313-mam.ts';
import { markersModule } from './xep0333-markers.ts';
import { hintsModule } from './xep0334-hints.ts';
import { csiModule } from './xep0352-csi.ts';
import { stanzaIdModule } from './xep0359-stanza-ids.ts';
import { httpUploadModule, type UploadPort } from './xep0363-http-upload.ts';
import { omemoModule } from './xep0384-omemo.ts';
import { createPhotos, onAvatarPublished, pepVcardModule } from './xep0398-pep-vcard.ts';
import { bookmarksModule } from './xep0402-bookmarks.ts';
import { occupantIdModule } from './xep0421-occupant-id.ts';
import { retractionModule } from './xep0424-retraction.ts';
import { moderationModule } from './xep0425-moderation.ts';
import { inboxModule } from './xep0430-inbox.ts';
import { fulltextModule } from './xep0431-fulltext.ts';
import { mucAvatarsModule } from './xep0486-muc-avatars.ts';
import { displayedSyncModule } from './xep0490-displayed-sync.ts';

/** What the protocol needs to know of the node it runs on. */
export interface ProtocolDeps {
  readonly software: Software;
  /** when the server started, ms since the epoch */
  readonly startedAtMs: number;
  readonly archive: ArchivePort;
  readonly archiveLimits?: PageLimits;
  readonly rosterLimits?: RosterLimits;
  /** the room service; absent: there is none */
  readonly rooms?: RoomsPort;
  /** where the items of accounts' nodes are */
  readonly items: ItemPort;
  readonly pepLimits?: PepLimits;
  /** a device published an item of its account's */
  readonly onPublished?: PepOptions['onPublished'];
  readonly personalLimits?: PersonalLimits;
  /** files of clients; absent when this node offers no uploads */
  readonly uploads?: UploadPort;
  /** services beside the server itself; none by default */
  readonly serverItems?: readonly DiscoItem[];
  /** modules that other parts bring along, such as rooms */
  readonly more?: readonly XmppModule[];
}

/** Everything the sessions and gateways use of the protocol's extensions. Built once, at start. */
export interface Protocol {
  readonly modules: readonly XmppModule[];
  readonly iqTable: IqTable;
  readonly catalogue: DiscoCatalogue;
  /** `<c/>` of the server, for the stream features */
  readonly caps: string;
  /** the nodes of accounts, for the sessions */
  readonly pep: Pep;
}

/** XEP-0115 `node` of the server's own capabilities. */
const CAPS_NODE = 'urn:rookery:server';

function featuresOf(modules: readonly XmppModule[], side: 'serverFeatures' | 'accountFeatures'): string[] {
  return [...new Set(modules.flatMap((module) => module[side] ?? []))].sort();
}

function rosterModuleWith(limits: RosterLimits | undefined): XmppModule {
  if (limits === undefined) return rosterModule;
  const handle = rosterHandler(limits);
  return { ...rosterModule, ...(rosterModule.iq && { iq: rosterModule.iq.map((route) => ({ ...route, handle })) }) };
}

/** Extensions that are nodes of accounts. */
const NODE_MODULES: readonly XmppModule[] = [
  pepModule,
  avatarModule,
  nickModule,
  publicStorageModule,
  privateStorageModule,
  omemoModule,
  bookmarksModule,
  displayedSyncModule,
];

function nodeDefaults(modules: readonly XmppModule[]): ReadonlyMap<string, Partial<NodeConfig>> {
  return new Map(modules.flatMap(({ pepNodes = {} }) => Object.entries(pepNodes)));
}

/** @throws Error when two modules claim the same iq */
export function buildProtocol(deps: ProtocolDeps): Protocol {
  const { items, pepLimits = PEP_LIMITS, more = [] } = deps;
  const defaults = nodeDefaults([...NODE_MODULES, ...more]);
  const pep = pepParts({
    port: items,
    limits: pepLimits,
    defaults,
    onPublished(session, node, item) {
      onAvatarPublished(session, node, item);
      deps.onPublished?.(session, node, item);
    },
  });
  const personal = deps.personalLimits ?? PERSONAL_LIMITS;
  const modules: XmppModule[] = [
    ...elsewhere,
    saslModule,
    scramModule,
    plainModule,
    anonymousModule,
    sessionModule,
    registrationModule,
    rosterModuleWith(deps.rosterLimits),
    subscriptionModule,
    presenceModule,
    routingModule,
    blockingModule(personal.blockedMax),
    vcardModule(deps.software.name, createPhotos(pep), personal.vcardBytesMax),
    vcardAvatarsModule,
    pepVcardModule,
    privateXmlModule(personal, createBookmarkList(pep)),
    discoModule(() => catalogue, accountNodes(pep)),
    capsModule,
    pingModule,
    versionModule(deps.software),
    lastActivityModule(deps.startedAtMs),
    entityTimeModule,
    dateTimeModule,
    delayModule,
    stanzaIdModule,
    chatStatesModule,
    receiptsModule,
    markersModule,
    hintsModule,
    carbonsModule,
    forwardModule,
    streamManagementModule,
    csiModule,
    rsmModule,
    mamModule(deps.archive, deps.archiveLimits ?? PAGE_DEFAULTS),
    fulltextModule,
    mamPrefsModule,
    formsModule,
    mucModule(deps.rooms),
    occupantIdModule,
    mucAvatarsModule,
    retractionModule,
    moderationModule,
    inboxModule(deps.archive, deps.archiveLimits ?? PAGE_DEFAULTS),
    pubsubModule(pep),
    ...NODE_MODULES,
    httpUploadModule(deps.uploads),
    ...more,
  ];
  const server = {
    identities: [{ category: 'server', type: 'im', name: deps.software.name }],
    features: featuresOf(modules, 'serverFeatures'),
  };
  const account = {
    identities: [
      { category: 'account', type: 'registered' },
      { category: 'pubsub', type: 'pep' },
    ],
    features: featuresOf(modules, 'accountFeatures'),
  };
  const ver = capsVer(server);
  const capsNode = `${CAPS_NODE}#${ver}`;
  const catalogue: DiscoCatalogue = { server, account, serverItems: deps.serverItems ?? [], capsNode };
  const caps = capsElement(CAPS_NODE, ver);
  return { modules, iqTable: buildIqTable(modules), catalogue, caps, pep: createPep(pep) };
}

function refuser(why: string): () => never {
  return () => {
    throw new Error(why);
  };
}

/** For where no archive may be asked. @param why what the Error says that is thrown when it is */
export function withoutArchive(why: string): ArchivePort {
  const unused = refuser(why);
  return {
    reader: unused,
    chatIdOf: unused,
    conversationOf: unused,
    fulltext: unused,
    inbox: unused,
    whenCommitted: unused,
    load: unused,
  };
}

/** The specs of all modules, for docs/supported-xeps.md: built without a node, so nothing of it may be run. */
export function supportedSpecs(): XmppModule['spec'][] {
  const unused = refuser('listed for its spec only');
  const archive = withoutArchive('listed for its spec only');
  const items: ItemPort = { index: unused, put: unused, del: unused, forget: unused, load: unused };
  const software: Software = { name: 'Rookery', version: '0' };
  return buildProtocol({ software, startedAtMs: 0, archive, items }).modules.map((module) => module.spec);
}
