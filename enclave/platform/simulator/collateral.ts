import { toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { type Authority, type CrlTemplate, issueCrl, SIMULATED_DATES } from './certificates.js';
import { type IntelHierarchy, SIMULATED_PLATFORM } from './intel.js';

/** An RFC 3339 time to the second, as Intel writes it. */
function time(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

const [issueDate, nextUpdate] = [time(SIMULATED_DATES.notBefore), time(SIMULATED_DATES.notAfter)];
const level = { tcbDate: '2024-11-13T00:00:00Z', tcbStatus: 'UpToDate' };
const components = (svns: readonly number[]) =>
  Array.from({ length: 16 }, (_, i) => ({ svn: svns[i] ?? 0 }));

/** TDX module's signer and attributes; Intel's own signer is all zeros. */
const module = {
  mrsigner: '0'.repeat(96),
  attributes: '0'.repeat(16),
  attributesMask: 'F'.repeat(16),
};

/** TCB Info V3 (Intel PCS API v4) that finds the simulated platform up to date. */
function simulatedTcbInfo() {
  return {
    id: 'TDX',
    version: 3,
    issueDate,
    nextUpdate,
    fmspc: SIMULATED_PLATFORM.fmspc.toUpperCase(),
    pceId: SIMULATED_PLATFORM.pceId,
    tcbType: 0,
    tcbEvaluationDataNumber: 18,
    tdxModule: module,
    tdxModuleIdentities: [
      { id: 'TDX_01', ...module, tcbLevels: [{ tcb: { isvsvn: 4 }, ...level }] },
    ],
    tcbLevels: [
      {
        tcb: {
          sgxtcbcomponents: components(SIMULATED_PLATFORM.componentSvns),
          pcesvn: SIMULATED_PLATFORM.pceSvn,
          tdxtcbcomponents: components([5, 0, 3]),
        },
        ...level,
      },
    ],
  };
}

/** Enclave Identity V2 (Intel PCS API v4) of the simulated quoting enclave. */
export function simulatedQeIdentity() {
  return {
    id: 'TD_QE',
    version: 2,
    issueDate,
    nextUpdate,
    tcbEvaluationDataNumber: 18,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: 'DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5',
    isvprodid: 2,
    tcbLevels: [{ tcb: { isvsvn: 4 }, ...level }],
  };
}

/** Everything that a simulated PCS answers with, before it is signed. */
export interface CollateralTemplate {
  /** Exact texts to sign. */
  readonly tcbInfo: string;
  readonly qeIdentity: string;
  readonly rootCrl: CrlTemplate;
  readonly pckCrl: CrlTemplate;
}

const noneRevoked: CrlTemplate = {
  thisUpdate: SIMULATED_DATES.notBefore,
  nextUpdate: SIMULATED_DATES.notAfter,
  revoked: [],
};

/** Collateral under which the simulated platform is up to date and nothing is revoked. */
export function simulatedCollateral(): CollateralTemplate {
  return {
    tcbInfo: JSON.stringify(simulatedTcbInfo()),
    qeIdentity: JSON.stringify(simulatedQeIdentity()),
    rootCrl: noneRevoked,
    pckCrl: noneRevoked,
  };
}

async function sign(text: string, { issuer }: Authority): Promise<string> {
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  return toHex(new Uint8Array(await crypto.subtle.sign(algorithm, issuer.privateKey, utf8(text))));
}

/** Signs collateral; the members are those of the collateral file. */
export async function issueCollateral(hierarchy: IntelHierarchy, template: CollateralTemplate) {
  const { root, platformCa, tcbSigning } = hierarchy;
  const chain = (...authorities: readonly Authority[]): string =>
    authorities.map(({ der }) => toPem(der, 'CERTIFICATE')).join('');
  const [rootCrl, pckCrl, tcbInfoSignature, qeIdentitySignature] = await Promise.all([
    issueCrl(template.rootCrl, root.issuer),
    issueCrl(template.pckCrl, platformCa.issuer),
    sign(template.tcbInfo, tcbSigning),
    sign(template.qeIdentity, tcbSigning),
  ]);
  return {
    pck_crl_issuer_chain: chain(platformCa, root),
    root_ca_crl: toHex(rootCrl),
    pck_crl: toHex(pckCrl),
    tcb_info_issuer_chain: chain(tcbSigning, root),
    tcb_info: template.tcbInfo,
    tcb_info_signature: tcbInfoSignature,
    qe_identity_issuer_chain: chain(tcbSigning, root),
    qe_identity: template.qeIdentity,
    qe_identity_signature: qeIdentitySignature,
  };
}
