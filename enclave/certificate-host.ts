import { isIP } from 'node:net';
import * as z from 'zod';

const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
/**
 * A DNS name of a certificate (RFC 5280, 4.2.1.6), with a wildcard as its first label or without; `_` is
 * no letter of host names, and private networks have it. One that ends in a number is an address.
 */
const DNS_NAME = new RegExp(
  `^(?!(?:.*\\.)?\\d+$)(?=.{1,253}$)(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`,
);

/** True for IPv4 and IPv6 without a zone, which has no place in a certificate. */
function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}

/** What an operator may have a TLS certificate name: a DNS name in ASCII or an IP address. */
export const certificateHost = z.string().refine((text) => DNS_NAME.test(text) || isAddress(text), {
  error: ({ input }) =>
    `expected a DNS name such as enclave.example, *.example or xn--mnchen-3ya.example, or an IP address, without scheme and port, not ${JSON.stringify(input)}`,
});
