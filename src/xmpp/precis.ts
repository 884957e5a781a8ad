/**
 * The two string profiles of addresses (RFC 8265 over the PRECIS framework, RFC 8264): UsernameCaseMapped for
 * localparts, OpaqueString for resources. Unicode is as new as the ICU of this Node: unassigned there, refused here.
 *
 * Two rules are stricter than the profiles: ZERO WIDTH (NON-)JOINER is refused everywhere instead of judged by its
 * neighbours' joining types, and the bidi rule (RFC 5893 2) knows a letter's direction by its script.
 */

/** RFC 8264 9.10 (OldHangulJamo), 9.13 (PrecisIgnorableProperties), and what 9.6 (Exceptions) disallows. */
const NEVER =
  /[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]|\p{Default_Ignorable_Code_Point}|\p{Noncharacter_Code_Point}/u;
/** ASCII7, LetterDigits, and the exceptions that are valid though their category is not. */
const IDENTIFIER =
  /^[!-~\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}\u00b7\u0375\u05f3\u05f4\u06fd\u06fe\u0f0b\u3007\u30fb]+$/u;
const FREEFORM = /^[\p{L}\p{N}\p{M}\p{S}\p{P}\p{Zs}]+$/u;
/** Characters with a halfwidth or fullwidth decomposition (RFC 8264 5.2.1). */
const WIDE = /[\u3000\uff01-\uffee]/g;
const NON_ASCII_SPACE = /[^\P{Zs} ]/gu;

/** RFC 5892 A.3–A.9: characters that are valid only in their own script's company. True when one is out of place. */
function outOfContext(text: string): boolean {
  return (
    /(?<!l)\u00b7|\u00b7(?!l)/u.test(text) ||
    /\u0375(?!\p{Script=Greek})/u.test(text) ||
    /(?<!\p{Script=Hebrew})[\u05f3\u05f4]/u.test(text) ||
    (text.includes('\u30fb') && !/[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(text)) ||
    (/[\u0660-\u0669]/.test(text) && /[\u06f0-\u06f9]/.test(text))
  );
}

const RTL =
  '\\p{Script=Hebrew}\\p{Script=Arabic}\\p{Script=Syriac}\\p{Script=Thaana}\\p{Script=Nko}\\p{Script=Adlam}\\p{Script=Hanifi_Rohingya}\\p{Script=Mandaic}\\p{Script=Samaritan}';
const RTL_LETTER = new RegExp(`(?=\\p{L})[${RTL}]`, 'u');
const LTR_LETTER = new RegExp(`(?=\\p{L})[^${RTL}]`, 'u');
const RTL_START = new RegExp(`^(?=\\p{L})[${RTL}]`, 'u');
const RTL_END = new RegExp(`[${RTL}\\p{Nd}]\\p{Mn}*$`, 'u');

/** RFC 5893 2, rules 1 to 4, for a text with right-to-left letters. Others need no check (RFC 8265 3.3.2). */
function breaksBidiRule(text: string): boolean {
  if (!RTL_LETTER.test(text)) return false;
  if (!RTL_START.test(text) || LTR_LETTER.test(text) || !RTL_END.test(text)) return true;
  return /[0-9\u06f0-\u06f9]/.test(text) && /[\u0660-\u0669]/.test(text);
}

/** RFC 8264 9.17: a character that compatibility normalisation would change. */
function hasCompat(text: string): boolean {
  for (const char of text) if (char.normalize('NFKC') !== char) return true;
  return false;
}

/** Rules are applied until nothing changes, at most three times more (RFC 8264 7). */
function stable(text: string, rules: (text: string) => string): string | undefined {
  let now = rules(text);
  for (let round = 0; round < 3; round += 1) {
    const next = rules(now);
    if (next === now) return now;
    now = next;
  }
  return undefined;
}

/** The text by UsernameCaseMapped (RFC 8265 3.3), or undefined when the profile refuses it or nothing is left. */
export function usernameCaseMapped(text: string): string | undefined {
  const mapped = stable(text, (now) =>
    now
      .replace(WIDE, (char) => char.normalize('NFKC'))
      .toLowerCase()
      .normalize('NFC'),
  );
  if (mapped === undefined || !IDENTIFIER.test(mapped) || NEVER.test(mapped) || hasCompat(mapped)) return undefined;
  return outOfContext(mapped) || breaksBidiRule(mapped) ? undefined : mapped;
}

/** The text by OpaqueString (RFC 8265 4.2), or undefined when the profile refuses it or nothing is left. */
export function opaqueString(text: string): string | undefined {
  const mapped = stable(text, (now) => now.replace(NON_ASCII_SPACE, ' ').normalize('NFC'));
  if (mapped === undefined || !FREEFORM.test(mapped) || NEVER.test(mapped)) return undefined;
  return outOfContext(mapped) ? undefined : mapped;
}
