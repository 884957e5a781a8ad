import type { Element } from 'ltx';
import { NS_MUC } from './muc-words.ts';
import { type FormField, type FormValues, formOf, formXml, readBoolean, readForm } from './xep0004-forms.ts';

/** Forms in which users ask a room for something: voice (XEP-0045 7.13, 8.6), membership and a nick (7.10, 9.9). */

export const REQUEST_FORM = `${NS_MUC}#request`;
export const REGISTER_FORM = `${NS_MUC}#register`;

/** What a submitted form of `muc#request` says. */
export type VoiceForm =
  /** of who wants voice */
  | { readonly t: 'request' }
  /** of a moderator; `jid` as in the form that came */
  | { readonly t: 'decision'; readonly allow: boolean; readonly nick: string; readonly jid: string | undefined }
  | { readonly t: 'bad'; readonly text: string };

/** @returns undefined when the message has no such form, or one that is cancelled */
export function parseVoiceForm(message: Element): VoiceForm | undefined {
  const values = submitted(message, REQUEST_FORM);
  if (values === undefined) return undefined;
  const role = firstOf(values, 'muc#role');
  if (role !== undefined && role !== 'participant')
    return { t: 'bad', text: 'only the role of a participant is given' };
  const allow = firstOf(values, 'muc#request_allow');
  if (allow === undefined) return role === undefined ? { t: 'bad', text: 'the form says no role' } : { t: 'request' };
  const allowed = readBoolean(allow.trim());
  const nick = firstOf(values, 'muc#roomnick');
  if (allowed === undefined || nick === undefined) return { t: 'bad', text: 'the form needs a nick and a decision' };
  return { t: 'decision', allow: allowed, nick, jid: firstOf(values, 'muc#jid') };
}

/** What moderators are asked. @param jid full JID of who wants voice, `nick` what it is called in the room */
export function voiceForm(jid: string, nick: string): string {
  return formXml(
    'form',
    REQUEST_FORM,
    [
      field('muc#role', 'list-single', 'Requested role', 'participant'),
      field('muc#jid', 'jid-single', 'User', jid),
      field('muc#roomnick', 'text-single', 'Nick in the room', nick),
      field('muc#request_allow', 'boolean', 'Grant voice to this user', '0'),
    ],
    'Request for voice',
  );
}

/** @param nick as it is suggested, '' when none is */
export function registerForm(nick: string): string {
  return formXml('form', REGISTER_FORM, [field(NICK, 'text-single', 'Desired nick', nick)], 'Registration');
}

/** The nick that a submitted form asks for; undefined when `parent` has no such form. */
export function parseRegisterForm(parent: Element): string | undefined {
  const values = submitted(parent, REGISTER_FORM);
  return values && firstOf(values, NICK);
}

/** What administrators are asked about a user who wants to be a member. @param user bare JID */
export function approvalForm(user: string, nick: string): string {
  return formXml(
    'form',
    REGISTER_FORM,
    [
      field('muc#jid', 'jid-single', 'User', user),
      field(NICK, 'text-single', 'Desired nick', nick),
      field('muc#register_allow', 'boolean', 'Let this user be a member', '0'),
    ],
    'Request for membership',
  );
}

/** What an administrator says to that; undefined when the message is none. */
export function parseApproval(
  message: Element,
): { readonly allow: boolean; readonly jid: string; readonly nick: string } | undefined {
  const values = submitted(message, REGISTER_FORM);
  if (values === undefined) return undefined;
  const allow = readBoolean(firstOf(values, 'muc#register_allow')?.trim()) === true;
  return { allow, jid: firstOf(values, 'muc#jid') ?? '', nick: firstOf(values, NICK) ?? '' };
}

const NICK = 'muc#register_roomnick';

function field(name: string, type: FormField['type'], label: string, value: string): FormField {
  return { var: name, type, label, values: [value] };
}

/** Values of a submitted form of that type. */
function submitted(parent: Element, formType: string): FormValues | undefined {
  const form = formOf(parent);
  if (form?.attrs['type'] !== 'submit') return undefined;
  const values = readForm(form);
  return firstOf(values, 'FORM_TYPE') === formType ? values : undefined;
}

function firstOf(values: FormValues, name: string): string | undefined {
  return values.get(name)?.[0];
}
