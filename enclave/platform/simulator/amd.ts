import { join } from 'node:path';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import {
  type ProductLine,
  type TcbComponents,
  tcbLayout,
} from '../../../attestation/evidence/snp-fields.js';
import {
  AMD_SIGNING,
  type Authority,
  authorityKeyId,
  type CertificateTemplate,
  caConstraint,
  crlPoint,
  type DistinguishedName,
  type ExtensionTemplate,
  type Issuer,
  issueCertificate,
  issueCrl,
  keyUsage,
  SIMULATED_DATES,
  SIMULATED_SUFFIX,
  subjectKeyId,
} from './certificates.js';
import { cachedBytes, cachedKeyPair } from './keys.js';

const ARC = '1.3.6.1.4.1.3704.1';

/** AMD's distinguished name with this common name. */
export function amdName(commonName: string): DistinguishedName {
  return [
    { OU: ['Engineering'] },
    { C: ['US'] },
    { L: ['Santa Clara'] },
    { ST: ['CA'] },
    { O: ['Advanced Micro Devices'] },
    { CN: [commonName] },
  ];
}

/** One product line's hierarchy: ARK over ASK (VCEKs) and ASVK (VLEKs), and the ARK's empty CRL. */
export interface AmdHierarchy {
  readonly product: ProductLine;
  readonly ark: Authority;
  readonly ask: Authority;
  readonly asvk: Authority;
  readonly crl: Uint8Array<ArrayBuffer>;
}

/** AMD's serial numbers are those of the ARK, the ASK and the ASVK in order. */
const ROLES = {
  ark: { prefix: 'ARK-', serialNumber: '010000', service: 'vcek' },
  ask: { prefix: 'SEV-', serialNumber: '010001', service: 'vcek' },
  asvk: { prefix: 'SEV-VLEK-', serialNumber: '010002', service: 'vlek' },
} as const;

async function authority(
  directory: string,
  product: ProductLine,
  role: keyof typeof ROLES,
  parent?: Authority,
): Promise<Authority> {
  const { prefix, serialNumber, service } = ROLES[role];
  const { publicKey, privateKey } = await cachedKeyPair(directory, `amd-${role}`, 'rsa-4096');
  const subject = amdName(`${prefix}${product}${SIMULATED_SUFFIX}`);
  const extensions =
    parent === undefined
      ? [keyUsage('keyCertSign', 'cRLSign'), await subjectKeyId(publicKey), caConstraint()]
      : [
          await subjectKeyId(publicKey),
          await authorityKeyId(parent.template.publicKey),
          caConstraint(0),
          keyUsage('keyCertSign'),
        ];
  const template: CertificateTemplate = {
    serialNumber,
    subject,
    ...SIMULATED_DATES,
    publicKey,
    extensions: [...extensions, crlPoint(`https://kdsintf.amd.com/${service}/v1/${product}/crl`)],
  };
  const issuer: Issuer = { name: subject, privateKey, signing: AMD_SIGNING };
  const der = await cachedBytes(join(directory, product), `${role}.der`, () =>
    issueCertificate(template, parent?.issuer ?? issuer),
  );
  return { der, template, issuer };
}

/**
 * The simulated hierarchy of a product line, the same for everyone who shares the directory. Its
 * names, key sizes, PSS parameters and extensions are AMD's (57230); its common names end in
 * SIMULATED, and its keys are files that anyone on the machine's account may read.
 */
export async function amdHierarchy(directory: string, product: ProductLine): Promise<AmdHierarchy> {
  const [ark, ,] = await Promise.all([
    authority(directory, product, 'ark'),
    cachedKeyPair(directory, 'amd-ask', 'rsa-4096'),
    cachedKeyPair(directory, 'amd-asvk', 'rsa-4096'),
  ]);
  const [ask, asvk, crl] = await Promise.all([
    authority(directory, product, 'ask', ark),
    authority(directory, product, 'asvk', ark),
    cachedBytes(join(directory, product), 'crl.der', () =>
      issueCrl(
        {
          thisUpdate: SIMULATED_DATES.notBefore,
          nextUpdate: SIMULATED_DATES.notAfter,
          revoked: [],
        },
        ark.issuer,
      ),
    ),
  ]);
  return { product, ark, ask, asvk, crl };
}

/** DER INTEGER of a number from 0 to 255. */
export function derInteger(value: number): Uint8Array {
  return value < 0x80 ? Uint8Array.of(2, 1, value) : Uint8Array.of(2, 2, 0, value);
}

/** DER IA5String of fewer than 128 characters. */
export function derIa5(text: string): Uint8Array {
  return Uint8Array.of(0x16, text.length, ...utf8(text));
}

/** What a VCEK or VLEK is certified for. */
export type VekSubject = {
  readonly product: ProductLine;
  /** As in the certificate, for example `Milan-B0`. */
  readonly productName: string;
  readonly tcb: TcbComponents;
} & (
  | { readonly kind: 'VCEK'; readonly hwid: Uint8Array }
  | { readonly kind: 'VLEK'; readonly cspId: string }
);

const SPL_NUMBERS = { bootLoader: 1, tee: 2, snp: 3, microcode: 8, fmc: 9 } as const;

/** AMD's extensions for a VCEK or VLEK, in the order of genuine certificates (57230). */
function vekExtensionTemplates(subject: VekSubject): ExtensionTemplate[] {
  const { product, productName, tcb } = subject;
  const sinceTurin = tcbLayout(product).includes('fmc');
  const reserved = sinceTurin ? [5, 6, 7] : [4, 5, 6, 7];
  const spl = (number: number, value: number): ExtensionTemplate => ({
    oid: `${ARC}.3.${number}`,
    value: derInteger(value),
  });
  const named = (name: keyof typeof SPL_NUMBERS) => spl(SPL_NUMBERS[name], tcb[name] ?? 0);
  return [
    { oid: `${ARC}.1`, value: derInteger(sinceTurin ? 1 : 0) },
    { oid: `${ARC}.2`, value: derIa5(productName) },
    ...(sinceTurin ? [named('fmc')] : []),
    named('bootLoader'),
    named('tee'),
    ...(sinceTurin ? [named('snp')] : []),
    ...reserved.map((number) => spl(number, 0)),
    ...(sinceTurin ? [] : [named('snp')]),
    named('microcode'),
    subject.kind === 'VCEK'
      ? { oid: `${ARC}.4`, value: subject.hwid }
      : { oid: `${ARC}.5`, value: derIa5(subject.cspId) },
  ];
}

/** Template of a VCEK or VLEK certificate. AMD's serial is zero, which our issuer cannot write. */
export function vekTemplate(subject: VekSubject, publicKey: CryptoKey): CertificateTemplate {
  return {
    serialNumber: '01',
    subject: amdName(`SEV-${subject.kind}`),
    ...SIMULATED_DATES,
    publicKey,
    extensions: vekExtensionTemplates(subject),
  };
}
