import { NS_MUC, type Role } from './muc-words.ts';
import { type FormField, type FormValues, formXml, readBoolean } from './xep0004-forms.ts';

/** A room's configuration and its form (XEP-0045 10.1, 15.5.3). */
export interface RoomConfig {
  readonly name: string;
  readonly description: string;
  /** listed by the service */
  readonly public: boolean;
  /** stays when the last occupant leaves */
  readonly persistent: boolean;
  /** only members may join */
  readonly membersOnly: boolean;
  readonly moderated: boolean;
  /** '' when none is needed */
  readonly password: string;
  /** occupants at once */
  readonly maxUsers: number;
  /** who sees real JIDs: everybody is non-anonymous, moderators semi-anonymous */
  readonly whois: 'anyone' | 'moderators';
  /** occupants with voice may set the subject, not moderators alone */
  readonly changeSubject: boolean;
  /** members may invite, not admins alone; counts in members-only rooms */
  readonly invites: boolean;
  readonly privateMessages: 'anyone' | 'participants' | 'moderators' | 'none';
  /** presence of these roles is broadcast */
  readonly presenceOf: readonly Exclude<Role, 'none'>[];
  /** who may fetch the list of members */
  readonly memberList: 'anyone' | 'participants' | 'moderators';
  /** members read what was said before they joined */
  readonly pastForNew: boolean;
}

export const CONFIG_FORM = `${NS_MUC}#roomconfig`;
const INFO_FORM = `${NS_MUC}#roominfo`;

/** Lengths that a form may fill in, UTF-16 units. */
const NAME_MAX = 256;
const DESCRIPTION_MAX = 4096;

/** @param maxUsers most occupants the service allows in a room */
export function defaultConfig(maxUsers: number): RoomConfig {
  return {
    name: '',
    description: '',
    public: true,
    persistent: true,
    membersOnly: false,
    moderated: false,
    password: '',
    maxUsers,
    whois: 'moderators',
    changeSubject: false,
    invites: true,
    privateMessages: 'anyone',
    presenceOf: ['moderator', 'participant', 'visitor'],
    memberList: 'participants',
    pastForNew: false,
  };
}

/** Names of the fields: those of the XEP, and one of this server's own. */
const FIELD = {
  name: 'muc#roomconfig_roomname',
  description: 'muc#roomconfig_roomdesc',
  public: 'muc#roomconfig_publicroom',
  persistent: 'muc#roomconfig_persistentroom',
  membersOnly: 'muc#roomconfig_membersonly',
  moderated: 'muc#roomconfig_moderatedroom',
  protected: 'muc#roomconfig_passwordprotectedroom',
  password: 'muc#roomconfig_roomsecret',
  maxUsers: 'muc#roomconfig_maxusers',
  whois: 'muc#roomconfig_whois',
  changeSubject: 'muc#roomconfig_changesubject',
  invites: 'muc#roomconfig_allowinvites',
  privateMessages: 'muc#roomconfig_allowpm',
  presenceOf: 'muc#roomconfig_presencebroadcast',
  memberList: 'muc#roomconfig_getmemberlist',
  pastForNew: '{urn:rookery:muc}roomconfig_pastfornew',
} as const;

const BROADCAST: readonly Exclude<Role, 'none'>[] = ['moderator', 'participant', 'visitor'];
const PRIVATE: readonly RoomConfig['privateMessages'][] = ['anyone', 'participants', 'moderators', 'none'];
const LISTERS: readonly RoomConfig['memberList'][] = ['anyone', 'participants', 'moderators'];
const SEERS: readonly RoomConfig['whois'][] = ['moderators', 'anyone'];

/** The form that owners fill in. @param usersMax most occupants the service allows */
export function configForm(config: RoomConfig, room: string, usersMax: number): string {
  const text = (name: string, label: string, value: string, type: FormField['type'] = 'text-single'): FormField => ({
    var: name,
    type,
    label,
    values: [value],
  });
  const choice = (name: string, label: string, value: boolean): FormField =>
    text(name, label, value ? '1' : '0', 'boolean');
  const list = (name: string, label: string, values: readonly string[], all: readonly string[]): FormField => ({
    var: name,
    type: name === FIELD.presenceOf ? 'list-multi' : 'list-single',
    label,
    values,
    options: all.map((value) => ({ value, label: value })),
  });
  const sizes = [...new Set([10, 20, 30, 50, 100, 1000, usersMax, config.maxUsers])]
    .filter((size) => size <= usersMax)
    .sort((a, b) => a - b)
    .map(String);
  return formXml(
    'form',
    CONFIG_FORM,
    [
      text(FIELD.name, 'Name', config.name),
      text(FIELD.description, 'Description', config.description),
      choice(FIELD.public, 'Listed by the service', config.public),
      choice(FIELD.persistent, 'Stays when everybody has left', config.persistent),
      choice(FIELD.membersOnly, 'For members only', config.membersOnly),
      choice(FIELD.moderated, 'Moderated', config.moderated),
      choice(FIELD.protected, 'A password is needed to enter', config.password !== ''),
      text(FIELD.password, 'Password', config.password, 'text-private'),
      list(FIELD.maxUsers, 'Most occupants', [String(config.maxUsers)], sizes),
      list(FIELD.whois, 'Who sees real addresses', [config.whois], SEERS),
      choice(FIELD.changeSubject, 'Occupants may change the subject', config.changeSubject),
      choice(FIELD.invites, 'Members may invite others', config.invites),
      list(FIELD.privateMessages, 'Who may send private messages', [config.privateMessages], PRIVATE),
      list(FIELD.presenceOf, 'Roles whose presence is broadcast', config.presenceOf, BROADCAST),
      list(FIELD.memberList, 'Who may fetch the list of members', [config.memberList], LISTERS),
      choice(FIELD.pastForNew, 'New members read what was said before', config.pastForNew),
    ],
    `Configuration of ${room}`,
  );
}

/**
 * The configuration after a submitted form; fields that are absent stay as they are (XEP-0045 10.1.3).
 * @returns what is wrong with it, for people, when a value is none that its field takes
 */
export function applyForm(before: RoomConfig, form: FormValues, usersMax: number): RoomConfig | string {
  const formType = form.get('FORM_TYPE')?.[0];
  if (formType !== undefined && formType !== CONFIG_FORM) return `FORM_TYPE must be ${CONFIG_FORM}`;
  const faults: string[] = [];
  const bad = <T>(name: string, fallback: T): T => {
    faults.push(`${name} has a value that it does not take`);
    return fallback;
  };
  const text = (name: string, value: string, max: number): string => {
    const [given] = form.get(name) ?? [];
    if (given === undefined) return form.has(name) ? '' : value;
    return given.length <= max ? given : bad(name, value);
  };
  const choice = (name: string, value: boolean): boolean => {
    if (!form.has(name)) return value;
    return readBoolean(form.get(name)?.[0]?.trim()) ?? bad(name, value);
  };
  const oneOf = <T extends string>(name: string, value: T, all: readonly T[]): T => {
    const [given] = form.get(name) ?? [];
    if (given === undefined) return value;
    return all.includes(given as T) ? (given as T) : bad(name, value);
  };
  const password = text(FIELD.password, before.password, NAME_MAX);
  const isProtected = choice(FIELD.protected, form.has(FIELD.password) ? password !== '' : before.password !== '');
  if (isProtected && password === '') faults.push('a password-protected room needs a password');
  const [users] = form.get(FIELD.maxUsers) ?? [];
  const wanted = users === undefined ? before.maxUsers : users === '' || users === 'none' ? usersMax : Number(users);
  const maxUsers = Number.isInteger(wanted) && wanted > 0 ? Math.min(wanted, usersMax) : bad(FIELD.maxUsers, usersMax);
  const roles = form.get(FIELD.presenceOf);
  const presenceOf = roles === undefined ? before.presenceOf : BROADCAST.filter((role) => roles.includes(role));
  const config: RoomConfig = {
    name: text(FIELD.name, before.name, NAME_MAX),
    description: text(FIELD.description, before.description, DESCRIPTION_MAX),
    public: choice(FIELD.public, before.public),
    persistent: choice(FIELD.persistent, before.persistent),
    membersOnly: choice(FIELD.membersOnly, before.membersOnly),
    moderated: choice(FIELD.moderated, before.moderated),
    password: isProtected ? password : '',
    maxUsers,
    whois: oneOf(FIELD.whois, before.whois, SEERS),
    changeSubject: choice(FIELD.changeSubject, before.changeSubject),
    invites: choice(FIELD.invites, before.invites),
    privateMessages: oneOf(FIELD.privateMessages, before.privateMessages, PRIVATE),
    presenceOf,
    memberList: oneOf(FIELD.memberList, before.memberList, LISTERS),
    pastForNew: choice(FIELD.pastForNew, before.pastForNew),
  };
  return faults.length === 0 ? config : faults.join('; ');
}

/** What disco says of a room (XEP-0045 6.4): features and the form of room information. */
export function roomInfo(
  config: RoomConfig,
  about: { readonly subject: string; readonly occupants: number; readonly avatar?: readonly string[] },
): { features: readonly string[]; form: string } {
  const features = [
    config.public ? 'muc_public' : 'muc_hidden',
    config.persistent ? 'muc_persistent' : 'muc_temporary',
    config.membersOnly ? 'muc_membersonly' : 'muc_open',
    config.moderated ? 'muc_moderated' : 'muc_unmoderated',
    config.password === '' ? 'muc_unsecured' : 'muc_passwordprotected',
    config.whois === 'anyone' ? 'muc_nonanonymous' : 'muc_semianonymous',
  ];
  // XEP-0486: not there without one.
  const { avatar: hashes = [] } = about;
  const avatar: FormField = {
    var: 'muc#roominfo_avatarhash',
    type: 'text-multi',
    label: 'Avatar hash',
    values: hashes,
  };
  const form = formXml('result', INFO_FORM, [
    { var: 'muc#roominfo_description', label: 'Description', values: [config.description] },
    { var: 'muc#roominfo_subject', label: 'Subject', values: [about.subject] },
    { var: 'muc#roominfo_occupants', label: 'Occupants', values: [String(about.occupants)] },
    { var: FIELD.name, label: 'Name', values: [config.name] },
    { var: FIELD.changeSubject, label: 'Subject may be changed', values: [config.changeSubject ? '1' : '0'] },
    ...(hashes.length === 0 ? [] : [avatar]),
  ]);
  return { features, form };
}
