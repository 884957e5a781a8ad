/**
 * Names of entities, and of the rows and streams they keep. Bare JIDs have no '/', so a '/' after one ends it and no
 * user's prefix is another's.
 */

/** Chat of two users: the sorted pair of their bare JIDs (one JID twice: notes to oneself). */
export function directChatId(a: string, b: string): string {
  return a < b ? `${a}/${b}` : `${b}/${a}`;
}

/**
 * Chat of two users as occupants of a room (XEP-0045 7.5). It is none with their direct one: what a user sees of a chat
 * by its address (inbox, archive, read marks) would tell who is behind a nick.
 */
export function occupantsChatId(a: string, b: string, room: string): string {
  return `${directChatId(a, b)}/${room}`;
}

/** The room in which two users talk, undefined of any other chat. */
export function roomOfPair(chatId: string): string | undefined {
  const end = chatId.indexOf('/', chatId.indexOf('/') + 1);
  return end === -1 ? undefined : chatId.slice(end + 1);
}

/** Bare JIDs have no '/': a chat of two is named by both, a group by its own. */
export function isDirect(chatId: string): boolean {
  return chatId.includes('/');
}

/** The group of a room; other chats that are not direct have no room. */
export function isRoom(chatId: string, roomDomain: string | undefined): boolean {
  return roomDomain !== undefined && !isDirect(chatId) && chatId.endsWith(`@${roomDomain}`);
}

/** The bare JIDs of a direct chat, one when it is a chat with oneself. */
export function directMembers(chatId: string): string[] {
  const [a = '', b = ''] = chatId.split('/', 2);
  return a === b ? [a] : [a, b];
}

/** The other side of a direct chat, or oneself. */
export function directPeer(chatId: string, user: string): string {
  const members = directMembers(chatId);
  return members.find((member) => member !== user) ?? user;
}

/** Bare JID under which the user knows a chat: of the other side, of the group, of the room in which two talk. */
export function addressOf(chatId: string, user: string): string {
  if (!isDirect(chatId)) return chatId;
  return roomOfPair(chatId) ?? directPeer(chatId, user);
}

export const sessionKey = (bareJid: string): string => `session:${bareJid}`;
export const chatKey = (chatId: string): string => `chat:${chatId}`;

/** Prefix of all rows of a user. */
export const userRows = (bareJid: string): string => `S/${bareJid}/`;
/** Row of a user that is not loaded with its session but read when it is asked for (session-rows.ts). */
export const storedRow = (bareJid: string, key: string): string => `D/${bareJid}/${key}`;
/** Row of a chat: members and creation. */
export const chatRow = (chatId: string): string => `C/${chatId}`;
/** Stream of a chat's messages, seq = chatSeq. */
export const messageStream = (chatId: string): string => `m/${chatId}`;
/** Stream of a user's inbox, seq = inboxSeq. */
export const inboxStream = (bareJid: string): string => `i/${bareJid}`;
/** Stream that numbers a user's archived messages of one chat, so that one chat can be paged by itself. */
export const indexStream = (bareJid: string, chatId: string): string => `x/${bareJid}/${chatId}`;
/** Row that lists an account of the shard, for `rookery user list`; its value is when it was made, ms since the epoch. */
export const accountIndexRow = (bareJid: string): string => `A/${bareJid}`;
/** Prefix of the rows of a user's node (XEP-0163), one an item, in the order of their numbers. Not among `userRows`. */
export const itemRows = (bareJid: string, node: number): string => `P/${bareJid}/${node}/`;
/** Row of an item: its number has as many digits as the highest, so that the order of keys is theirs. */
export const itemRow = (bareJid: string, node: number, seq: number): string =>
  itemRows(bareJid, node) + String(seq).padStart(String(Number.MAX_SAFE_INTEGER).length, '0');
/** Row that tells which resources of a user are available, so that the shard's next leader knows who is gone. */
export const onlineRow = (bareJid: string): string => `O/${bareJid}`;

/** Prefix of all rows of a group but its messages. */
export const groupRows = (room: string): string => `G/${room}/`;
/** Row that lists a public group of the shard, for the service's list of rooms; its value is the room's name. */
export const roomIndexRow = (room: string): string => `R/${room}`;
