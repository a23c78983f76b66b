import { concat, utf8 } from '../../../../attestation/encoding/bytes.js';
import { toPem } from '../../../../attestation/encoding/pem.js';
import type { CollateralText } from '../../../../attestation/endorsements/intel.js';
import {
  type CertificateTemplate,
  type Issuer,
  issueCertificate,
} from '../../../../enclave/platform/simulator/certificates.js';
import { type IntelHierarchy, intelName } from '../../../../enclave/platform/simulator/intel.js';
import { forgedIntel, type IntelFault, strangerIssuer, strangerKey } from '../../../forge/intel.js';
import { type TdxCase, tdxCases } from '../../../forge/tdx-case.js';

type Name = keyof IntelHierarchy;
const ROLE = 'TDX_CERTIFICATE_ROLE';
const template = (
  name: Name,
  change: (template: CertificateTemplate) => CertificateTemplate,
): IntelFault => ({ certificates: { [name]: { template: change } } });

const box = await forgedIntel();
const stranger = await strangerKey();
const p384 = await strangerKey('p-384');
tdxCases('keys are of P-256', [
  {
    name: 'PCK of P-384',
    fault: template('pck', (old) => ({ ...old, publicKey: p384.publicKey })),
    code: ROLE,
  },
  {
    name: 'PCK CA of P-384',
    fault: template('platformCa', (old) => ({ ...old, publicKey: p384.publicKey })),
    code: ROLE,
  },
  {
    name: 'another PCK than signed the QE report',
    fault: template('pck', (old) => ({ ...old, publicKey: stranger.publicKey })),
    code: 'TDX_QE_REPORT_SIGNATURE',
  },
]);

const strangerAs = await strangerIssuer(intelName('placeholder'));
const signedByStranger = (name: Name, parent: Name): IntelFault => ({
  certificates: {
    [name]: {
      issuer: (intel: IntelHierarchy) => ({ ...strangerAs, name: intel[parent].issuer.name }),
    },
  },
});
const namedAfter = (name: Name, other: string, parent: Name): IntelFault => ({
  certificates: {
    [name]: {
      issuer: (intel: IntelHierarchy): Issuer => ({
        ...intel[parent].issuer,
        name: intelName(other),
      }),
    },
  },
});
tdxCases('every certificate is signed by the one above it', [
  { name: 'PCK', fault: signedByStranger('pck', 'platformCa'), code: 'TDX_CERTIFICATE_SIGNATURE' },
  {
    name: 'PCK CA',
    fault: signedByStranger('platformCa', 'root'),
    code: 'TDX_CERTIFICATE_SIGNATURE',
  },
  {
    name: 'TCB signing',
    fault: signedByStranger('tcbSigning', 'root'),
    code: 'TDX_CERTIFICATE_SIGNATURE',
  },
  {
    name: 'PCK signed by the root',
    fault: { certificates: { pck: { issuer: ({ root }) => root.issuer } } },
    code: 'TDX_CHAIN_NAMES',
  },
  {
    name: 'PCK names another issuer',
    fault: namedAfter('pck', 'Intel SGX PCK Processor CA', 'platformCa'),
    code: 'TDX_CHAIN_NAMES',
  },
  {
    name: 'PCK CA names another issuer',
    fault: namedAfter('platformCa', 'Intel SGX Root CB', 'root'),
    code: 'TDX_CHAIN_NAMES',
  },
  {
    name: 'TCB signing names another issuer',
    fault: namedAfter('tcbSigning', 'Intel SGX Root CB', 'root'),
    code: 'TDX_CHAIN_NAMES',
  },
]);

const pemOf = (intel: IntelHierarchy, names: readonly Name[]): string =>
  names.map((name) => toPem(intel[name].der, 'CERTIFICATE')).join('');

/** A quote whose chain is this; the chain is not covered by the quote's signature. */
const quoteChain = (names: readonly Name[]): IntelFault => ({
  members: (members) => ({ ...members, pckChain: utf8(pemOf(box, names)) }),
});
const collateralChain = (
  member: 'pck_crl_issuer_chain' | 'tcb_info_issuer_chain' | 'qe_identity_issuer_chain',
  names: readonly Name[],
): IntelFault => ({
  collateral: (collateral, intel) => ({ ...collateral, [member]: pemOf(intel, names) }),
});

tdxCases('chains are whole, in order, and end in a trusted root', [
  {
    name: 'without the root',
    fault: quoteChain(['pck', 'platformCa']),
    code: 'TDX_CHAIN_LENGTH',
  },
  { name: 'leaf alone', fault: quoteChain(['pck']), code: 'TDX_CHAIN_LENGTH' },
  { name: 'no certificate', fault: quoteChain([]), code: 'TDX_CHAIN_FORMAT' },
  {
    name: 'a certificate too many',
    fault: quoteChain(['pck', 'platformCa', 'root', 'root']),
    code: 'TDX_CHAIN_FORMAT',
  },
  {
    name: 'root first',
    fault: quoteChain(['root', 'platformCa', 'pck']),
    code: 'TDX_ROOT_UNTRUSTED',
  },
  {
    name: 'leaf and CA swapped',
    fault: quoteChain(['platformCa', 'pck', 'root']),
    code: ROLE,
  },
  {
    name: 'TCB signing in the place of the PCK',
    fault: quoteChain(['tcbSigning', 'platformCa', 'root']),
    code: ROLE,
  },
  {
    name: 'chain is no PEM',
    fault: { members: (members) => ({ ...members, pckChain: utf8('garbage') }) },
    code: 'TDX_CHAIN_FORMAT',
  },
  {
    name: 'chain of more than 64 KiB',
    fault: {
      members: (members) => ({
        ...members,
        pckChain: concat(members.pckChain, new Uint8Array(64 * 1024)),
      }),
    },
    code: 'TDX_CHAIN_FORMAT',
  },
  {
    name: 'certificate is no DER',
    fault: {
      members: (members) => ({
        ...members,
        pckChain: utf8(toPem(Uint8Array.of(0x30, 3, 1), 'CERTIFICATE').repeat(3)),
      }),
    },
    code: 'X509_CERTIFICATE',
  },
  {
    name: 'another root is trusted',
    fault: { roots: (intel) => [intel.platformCa.der] },
    code: 'TDX_ROOT_UNTRUSTED',
  },
  { name: 'no root is trusted', fault: { roots: () => [] }, code: 'TDX_ROOT_UNTRUSTED' },
  ...(['tcb_info_issuer_chain', 'qe_identity_issuer_chain'] as const).flatMap(
    (member): TdxCase[] => [
      {
        name: `${member} of the PCK CA`,
        fault: collateralChain(member, ['platformCa', 'root']),
        code: ROLE,
      },
      {
        name: `${member} without the root`,
        fault: collateralChain(member, ['tcbSigning']),
        code: 'TDX_CHAIN_LENGTH',
      },
      {
        name: `${member} with an intermediate`,
        fault: collateralChain(member, ['tcbSigning', 'platformCa', 'root']),
        code: 'TDX_CHAIN_LENGTH',
      },
    ],
  ),
  {
    name: 'pck_crl_issuer_chain of the TCB signer',
    fault: collateralChain('pck_crl_issuer_chain', ['tcbSigning', 'root']),
    code: ROLE,
  },
]);

const revoke = (intel: IntelHierarchy, name: Name) => ({
  revoked: [
    { serialNumber: intel[name].template.serialNumber, date: new Date('2025-01-01T00:00:00Z') },
  ],
});
tdxCases('revoked certificates are refused', [
  { name: 'PCK', fault: { pckCrl: revoke(box, 'pck') }, code: 'TDX_CERTIFICATE_REVOKED' },
  {
    name: 'PCK CA',
    fault: { rootCrl: revoke(box, 'platformCa') },
    code: 'TDX_CERTIFICATE_REVOKED',
  },
  {
    name: 'TCB signing',
    fault: { rootCrl: revoke(box, 'tcbSigning') },
    code: 'TDX_CERTIFICATE_REVOKED',
  },
  { name: 'another PCK', fault: { pckCrl: revoke(box, 'tcbSigning') }, code: null },
  { name: 'another CA', fault: { rootCrl: revoke(box, 'pck') }, code: null },
]);

/** The same key and name under another serial number, as an authority has them that was issued twice. */
const issuedAnew = async (name: 'platformCa' | 'tcbSigning'): Promise<string> => {
  const { template } = box[name];
  const again = { ...template, serialNumber: `5a${template.serialNumber}` };
  return toPem(await issueCertificate(again, box.root.issuer), 'CERTIFICATE');
};
const again = {
  platformCa: await issuedAnew('platformCa'),
  tcbSigning: await issuedAnew('tcbSigning'),
};
const places: readonly (readonly [string, keyof typeof again, IntelFault])[] = [
  [
    'the quote’s PCK CA',
    'platformCa',
    {
      members: (members) => ({
        ...members,
        pckChain: utf8(pemOf(box, ['pck']) + again.platformCa + pemOf(box, ['root'])),
      }),
    },
  ],
  ...(
    [
      ['the issuer of the PCK CRL', 'platformCa', 'pck_crl_issuer_chain'],
      ['the signer of TCB info', 'tcbSigning', 'tcb_info_issuer_chain'],
      ['the signer of the QE identity', 'tcbSigning', 'qe_identity_issuer_chain'],
    ] as const
  ).map(
    ([name, authority, chain]) =>
      [
        name,
        authority,
        {
          collateral: (collateral: CollateralText) => ({
            ...collateral,
            [chain]: again[authority] + pemOf(box, ['root']),
          }),
        },
      ] as const,
  ),
];
tdxCases(
  'each authority of one name is held to the revocation list by itself',
  places.flatMap(([name, authority, fault]): TdxCase[] => {
    const { serialNumber } = box[authority].template;
    const date = new Date('2025-01-01T00:00:00Z');
    const revoked = [{ serialNumber: `5a${serialNumber}`, date }];
    return [
      { name: `${name} is another certificate`, fault, code: null },
      {
        name: `${name} alone is revoked`,
        fault: { ...fault, rootCrl: { revoked } },
        code: 'TDX_CERTIFICATE_REVOKED',
      },
    ];
  }),
);
