/**
 * The oldest nghttp2 of a Node.js that no caller was seen to end: hostile frames corrupted memory of Node 20.20.2
 * (nghttp2 1.61.0, nghttp2/nghttp2#2509) and 22.23.3 (1.69.0, nodejs/node#64850), not of 24.21.0 and 26.10.0.
 */
const SINCE = [1, 70] as const;

/** Of `process.versions`. */
export interface NodeVersions {
  readonly node: string;
  readonly nghttp2?: string | undefined;
}

/** What an operator should change about this Node.js before strangers call it; undefined: nothing. */
export function adviceOnNode({ nghttp2 = '' }: NodeVersions): string | undefined {
  const [major = 0, minor = 0] = nghttp2.split('.').map(Number);
  if (major > SINCE[0] || (major === SINCE[0] && minor >= SINCE[1])) return undefined;
  return 'callers can end this Node.js by HTTP/2 frames that corrupt its memory: serve with 24.21 or later';
}
