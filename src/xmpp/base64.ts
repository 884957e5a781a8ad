/**
 * Strict base64 (RFC 4648 4, RFC 6120 6.4): no white space, padded, no stray bits. Undefined for anything else; Buffer
 * alone would skip over what it does not know.
 */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
