/** The part that is used of a package that ships no types. */
declare module 'mime-types' {
  /** Media type by the ending of a file name, false when it is none that is known. */
  export function lookup(name: string): string | false;
}
