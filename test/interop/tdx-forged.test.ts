import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex } from '../../attestation/encoding/bytes.js';
import type { CertificateTemplate } from '../../enclave/platform/simulator/certificates.js';
import { intelName, SIMULATED_PLATFORM } from '../../enclave/platform/simulator/intel.js';
import { forgedIntel, forgeTdx, type IntelFault, strangerIssuer } from '../forge/intel.js';
import { all, each, set } from '../forge/json.js';
import { withoutGo } from './peers.js';
import { askGo, askPhala, judge, type Question, withoutPhala } from './tdx-questions.js';

/* What no genuine quote shows, under the root of an Intel in a box: needs no genuine evidence. */

const AT = '2026-11-21T00:00:00Z';
const { root, pck, platformCa, tcbSigning } = await forgedIntel();
const stranger = await strangerIssuer(root.issuer.name);
const svn = (hex: string) => fromHex(hex.padEnd(32, '0'));
const platform = (status: string): IntelFault => ({
  tcbInfo: set('tcbLevels.0.tcbStatus', status),
});
const module = (status: string) => set('tdxModuleIdentities.0.tcbLevels.0.tcbStatus', status);
const revoke = (serialNumber: string) => ({
  revoked: [{ serialNumber, date: new Date('2025-01-01T00:00:00Z') }],
});
const early = '2026-11-20T00:00:00Z';
const late = '2026-11-22T00:00:00Z';
const garbled = (offset: number): IntelFault => ({
  bytes: (quote) => quote.map((byte, i) => (i === offset ? byte ^ 1 : byte)),
});

const FAULTS: Readonly<Record<string, IntelFault>> = {
  'flawless, version 4': {},
  'flawless, version 5, TD 1.5': { version: 5 },
  'flawless, version 5, TD 1.0': {
    version: 5,
    report: (report) => ({ ...report, td15: undefined }),
  },
  'authentication data of 0 bytes': { qeAuthenticationData: new Uint8Array() },
  'authentication data of 1000 bytes': { qeAuthenticationData: new Uint8Array(1000) },
  'platform SWHardeningNeeded': platform('SWHardeningNeeded'),
  'platform ConfigurationNeeded': platform('ConfigurationNeeded'),
  'platform ConfigurationAndSWHardeningNeeded': platform('ConfigurationAndSWHardeningNeeded'),
  'platform OutOfDate': platform('OutOfDate'),
  'platform OutOfDateConfigurationNeeded': platform('OutOfDateConfigurationNeeded'),
  'platform Revoked': platform('Revoked'),
  'module OutOfDate': { tcbInfo: module('OutOfDate') },
  'module OutOfDate, platform ConfigurationNeeded': {
    tcbInfo: all(set('tcbLevels.0.tcbStatus', 'ConfigurationNeeded'), module('OutOfDate')),
  },
  'module Revoked': { tcbInfo: module('Revoked') },
  'QE OutOfDate': { qeIdentity: set('tcbLevels.0.tcbStatus', 'OutOfDate') },
  'QE Revoked': { qeIdentity: set('tcbLevels.0.tcbStatus', 'Revoked') },
  'advisories of three parts': {
    tcbInfo: all(
      set('tcbLevels.0.advisoryIDs', ['INTEL-SA-00001']),
      set('tdxModuleIdentities.0.tcbLevels.0.advisoryIDs', ['INTEL-SA-00002']),
    ),
    qeIdentity: set('tcbLevels.0.advisoryIDs', ['INTEL-SA-00003']),
  },
  'relaunch advised': {
    version: 5,
    report: (report) => ({
      ...report,
      teeTcbSvn: svn('030103'),
      td15: { teeTcbSvn2: svn('050103'), mrServiceTd: new Uint8Array(48) },
    }),
    tcbInfo: all(
      each('tdxModuleIdentities.0.tcbLevels', ([level]) => [level ?? null, level ?? null]),
      set('tdxModuleIdentities.0.tcbLevels.1.tcb.isvsvn', 2),
      set('tdxModuleIdentities.0.tcbLevels.1.tcbStatus', 'OutOfDate'),
    ),
  },
  'TDX component 0 of the level above the quote’s': {
    tcbInfo: set('tcbLevels.0.tcb.tdxtcbcomponents.0.svn', 9),
  },
  'TDX component 2 of the level above the quote’s': {
    tcbInfo: set('tcbLevels.0.tcb.tdxtcbcomponents.2.svn', 9),
  },
  'no SGX level': { tcbInfo: set('tcbLevels.0.tcb.sgxtcbcomponents.0.svn', 9) },
  'no PCESVN': { platform: { pceSvn: 1 } },
  'no level of the module': { tcbInfo: set('tdxModuleIdentities.0.tcbLevels.0.tcb.isvsvn', 9) },
  'no level of the QE': { qeReport: { isvSvn: 1 } },
  'no identity of the module': { tcbInfo: set('tdxModuleIdentities.0.id', 'TDX_09') },
  'signer of the module': { tcbInfo: set('tdxModuleIdentities.0.mrsigner', '01'.repeat(48)) },
  'signer of the QE': { qeReport: { mrSigner: new Uint8Array(32) } },
  'product of the QE': { qeReport: { isvProdId: 9 } },
  'another FMSPC': { platform: { fmspc: '00906ed50000' } },
  'another PCEID': { platform: { pceId: '0100' } },
  'a debug TD': {
    report: (report) => ({ ...report, tdAttributes: fromHex('0100001000000000') }),
  },
  'TCB info no longer valid': { tcbInfo: set('nextUpdate', early) },
  'TCB info not yet valid': { tcbInfo: set('issueDate', late) },
  'QE identity no longer valid': { qeIdentity: set('nextUpdate', early) },
  'QE identity not yet valid': { qeIdentity: set('issueDate', late) },
  'PCK CRL no longer valid': { pckCrl: { nextUpdate: new Date(early) } },
  'root CRL no longer valid': { rootCrl: { nextUpdate: new Date(early) } },
  'PCK revoked': { pckCrl: revoke(pck.template.serialNumber) },
  'PCK CA revoked': { rootCrl: revoke(platformCa.template.serialNumber) },
  'TCB signing certificate revoked': { rootCrl: revoke(tcbSigning.template.serialNumber) },
  'PCK of a stranger': { certificates: { pck: { issuer: () => stranger } } },
  'PCK CA of a stranger': { certificates: { platformCa: { issuer: () => stranger } } },
  'TCB info of QE identity’s id': { tcbInfo: set('id', 'SGX') },
  'TCB info of version 2': { tcbInfo: set('version', 2) },
  'CRLs in each other’s place': {
    collateral: (given) => ({ ...given, pck_crl: given.root_ca_crl, root_ca_crl: given.pck_crl }),
  },
  'a changed TCB info': {
    collateral: (given) => ({
      ...given,
      tcb_info: set('tcbEvaluationDataNumber', 99)(given.tcb_info),
    }),
  },
  'a changed TD report': garbled(200),
  'a changed quote signature': garbled(640),
  'a changed QE report': garbled(780),
  'zero padding': { padding: 100 },
  'trailing bytes': { bytes: (quote) => Uint8Array.from([...quote, 1, 2, 3]) },
  'a CA with another name': {
    certificates: {
      platformCa: {
        template: (template) => ({ ...template, subject: intelName('Intel SGX Other CA') }),
      },
    },
  },
};

async function forge(name: string, fault: IntelFault): Promise<Question> {
  const { quote, collateral, roots } = await forgeTdx(fault);
  const [trusted] = roots;
  if (typeof collateral === 'string' || collateral instanceof Uint8Array || trusted === undefined) {
    return assert.fail('expected collateral by its members, and a root');
  }
  return { name, quote, collateral, at: AT, root: trusted };
}

const AUTHENTICATION =
  'QuoteVerifier.cpp 4.1.2.4.13 hashes the authentication data that there is; the peer reads 32 bytes of it.';
const REVOKED =
  'Intel’s library returns STATUS_TCB_REVOKED as a status. Assay states it, and no policy can accept it.';
const MODULE =
  'checkTdxModuleTcbStatus (TdxModuleCheck.cpp) judges the module by the identity of its version; the peer does not look.';
const INDEX =
  'isTdxTcbHigherOrEqual (TcbLevelCheck.cpp) compares from index 2 where TEE_TCB_SVN[1] is above zero.';
const EXPIRED_CRL =
  'Intel’s library returns STATUS_SGX_CRL_EXPIRED for a list behind its nextUpdate; the peer does not look.';

/** Where the peer differs, and the rule of Intel's quote verification library that decides. */
const DIFFERENCES = {
  'authentication data of 0 bytes': AUTHENTICATION,
  'authentication data of 1000 bytes': AUTHENTICATION,
  'platform Revoked': REVOKED,
  'QE Revoked': REVOKED,
  'module OutOfDate': MODULE,
  'module OutOfDate, platform ConfigurationNeeded': MODULE,
  'module Revoked': MODULE,
  'no level of the module': MODULE,
  'no identity of the module':
    'QuoteVerifier.cpp 4.1.2.4.11: without an identity of the module’s version, STATUS_TDX_MODULE_MISMATCH.',
  'signer of the module':
    'QuoteVerifier.cpp 4.1.2.4.11.1: MRSIGNERSEAM must be the identity’s, else STATUS_TDX_MODULE_MISMATCH.',
  'advisories of three parts':
    'The module’s level has advisories too, and Assay’s list is of all levels that matched.',
  'relaunch advised': INDEX,
  'TDX component 0 of the level above the quote’s': INDEX,
  'another PCEID':
    'QuoteVerifier.cpp 4.1.2.4.10: PCEID must be that of the TCB info, else STATUS_TCB_INFO_MISMATCH.',
  'a debug TD':
    'QuoteVerifier.cpp does not look at TDATTRIBUTES. Assay states the status, and its policy refuses the TD.',
  'PCK CRL no longer valid': EXPIRED_CRL,
  'root CRL no longer valid': EXPIRED_CRL,
  'CRLs in each other’s place':
    'QuoteVerifier.cpp 4.1.2.4.6: the list’s issuer must be the PCK’s issuer, else STATUS_INVALID_PCK_CRL.',
  'trailing bytes':
    'What follows a quote is not signed: Assay lets zero padding follow and nothing else.',
  'a CA with another name':
    'Intel’s library looks for a PCK CA by its common name, Platform or Processor CA (X509Constants.h).',
};

const VERSION = 'Release 0.3.1 of the peer knows version 4 only; QuoteVerifier.cpp takes both.';
const ISSUED =
  'What Intel has not yet issued says nothing of the time in question: Assay judges issueDate as well, the peer nextUpdate alone.';

/** The same of go-tdx-guest, which tells a status only where it is not the one it accepts. */
const GO_DIFFERENCES = {
  'flawless, version 5, TD 1.5': VERSION,
  'flawless, version 5, TD 1.0': VERSION,
  'relaunch advised': VERSION,
  'module OutOfDate, platform ConfigurationNeeded':
    'convergeTcbStatusWithTdxModuleStatus (TdxModuleCheck.cpp) makes OutOfDateConfigurationNeeded of the two; the peer states the module’s status alone.',
  'signer of the module': DIFFERENCES['signer of the module'],
  'TCB info not yet valid': ISSUED,
  'QE identity not yet valid': ISSUED,
  'trailing bytes': DIFFERENCES['trailing bytes'],
};

const GENUINE_NAMES = {
  root: 'Intel SGX Root CA',
  platformCa: 'Intel SGX PCK Platform CA',
  tcbSigning: 'Intel SGX TCB Signing',
} as const;

const forged = (
  change: (fault: IntelFault) => IntelFault = (fault) => fault,
): Promise<Question[]> =>
  Promise.all(Object.entries(FAULTS).map(([name, fault]) => forge(name, change(fault))));

/** The same fault as the Go peer can be asked: it compares Intel's names and FMSPCs as texts. */
function forGo({ tcbInfo, certificates, ...fault }: IntelFault): IntelFault {
  const digits = set('fmspc', SIMULATED_PLATFORM.fmspc);
  const named = (name: keyof typeof GENUINE_NAMES) => {
    const own = certificates?.[name];
    const template = (old: CertificateTemplate): CertificateTemplate => {
      const genuine = { ...old, subject: intelName(GENUINE_NAMES[name]) };
      return own?.template?.(genuine) ?? genuine;
    };
    return { ...own, template };
  };
  return {
    ...fault,
    tcbInfo: tcbInfo === undefined ? digits : all(digits, tcbInfo),
    certificates: {
      ...certificates,
      root: named('root'),
      platformCa: named('platformCa'),
      tcbSigning: named('tcbSigning'),
    },
  };
}

describe('@phala/dcap-qvl 0.3.9 under a root of our own', { skip: withoutPhala }, () => {
  test('agrees on forged quotes, or is known to differ', async () => {
    const questions = await forged();
    await judge('dcap-qvl', questions, askPhala(questions), DIFFERENCES);
  });
});

describe('go-tdx-guest 0.3.1 under a root of our own', { skip: withoutGo('go-tdx-guest') }, () => {
  test('agrees on forged quotes, or is known to differ', async () => {
    const questions = await forged(forGo);
    await judge('go-tdx-guest', questions, askGo(questions), GO_DIFFERENCES);
  });
});
