/** Why a server ends a client's socket; the session decides it, the gateway does it. */
export type CloseReason =
  /** a stream error (RFC 6120 4.9), then `<close/>`. `app` is an application condition as XML */
  | { readonly t: 'error'; readonly condition: string; readonly text?: string; readonly app?: string }
  /** the stream lives on elsewhere, or waits for a resume: the socket just goes */
  | { readonly t: 'detached'; readonly why: string }
  /** the stream is over, without an error */
  | { readonly t: 'end' };
