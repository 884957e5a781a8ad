import type { Element } from 'ltx';
import { NS_MUC } from './muc-words.ts';
import { type FormField, type FormValues, formOf, formXml, readBoolean, readForm } from './xep0004-forms.ts';

/** Forms in which occupants ask a room for something: voice (XEP-0045 7.13, 8.6). */

export const REQUEST_FORM = `${NS_MUC}#request`;

/** What a submitted form of `muc#request` says. */
export type VoiceForm =
  /** of who wants voice */
  | { readonly t: 'request' }
  /** of a moderator; `jid` as in the form that came */
  | { readonly t: 'decision'; readonly allow: boolean; readonly nick: string; readonly jid: string | undefined }
  | { readonly t: 'bad'; readonly text: string };

/** @returns undefined when the message has no such form, or one that is cancelled */
export function parseVoiceForm(message: Element): VoiceForm | undefined {
  const form = formOf(message);
  if (form?.attrs['type'] !== 'submit') return undefined;
  const values = readForm(form);
  if (firstOf(values, 'FORM_TYPE') !== REQUEST_FORM) return undefined;
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
  const field = (name: string, type: FormField['type'], label: string, value: string): FormField => ({
    var: name,
    type,
    label,
    values: [value],
  });
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

function firstOf(values: FormValues, name: string): string | undefined {
  return values.get(name)?.[0];
}
