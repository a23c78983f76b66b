import { amdName } from '../../enclave/platform/simulator/amd.js';
import type {
  CertificateTemplate,
  ExtensionTemplate,
  Issuer,
} from '../../enclave/platform/simulator/certificates.js';
import { type AmdFault, keyFor } from './amd.js';

/** AMD's arc (57230). */
export const ARC = '1.3.6.1.4.1.3704.1';
export const before = (date: Date): Date => new Date(date.getTime() - 1000);
export const after = (date: Date): Date => new Date(date.getTime() + 1000);

/** A change of a certificate before it is signed. */
export type Change = (template: CertificateTemplate) => CertificateTemplate;

export const extensions =
  (change: (list: readonly ExtensionTemplate[]) => readonly ExtensionTemplate[]): Change =>
  (template) => ({ ...template, extensions: change(template.extensions) });

export const replaced = (suffix: string, value: Uint8Array): Change =>
  extensions((list) =>
    list.map((item) => (item.oid === `${ARC}.${suffix}` ? { ...item, value } : item)),
  );
export const without = (suffix: string): Change =>
  extensions((list) => list.filter((item) => item.oid !== `${ARC}.${suffix}`));
export const added = (...more: readonly ExtensionTemplate[]): Change =>
  extensions((list) => [...list, ...more]);
export const named =
  (commonName: string): Change =>
  (template) => ({
    ...template,
    subject: amdName(commonName),
  });
export const dated =
  (notBefore: Date, notAfter: Date): Change =>
  (template) => ({
    ...template,
    notBefore,
    notAfter,
  });

export const signingWith =
  (algorithm: { name: 'RSA-PSS' | 'RSASSA-PKCS1-v1_5'; hash: string; saltLength: number }) =>
  async (issuer: Issuer): Promise<Issuer> => ({
    ...issuer,
    privateKey: await keyFor(issuer.privateKey, algorithm),
    signing: algorithm,
  });

/** Another authority's key under this authority's name. */
export const signedByStranger: NonNullable<AmdFault['vekIssuer']> = (issuer, amd) => ({
  ...issuer,
  privateKey:
    amd.ark.issuer.privateKey === issuer.privateKey
      ? amd.ask.issuer.privateKey
      : amd.ark.issuer.privateKey,
});
