import { describe, test } from 'node:test';
import { readCollateralText } from '../../attestation/endorsements/intel.js';
import { vectorCases, vectorFile, withoutVectors } from '../vectors.js';
import { withoutGo } from './peers.js';
import { askGo, askPhala, judge, type Question, withoutPhala } from './tdx-questions.js';

const appended = (quote: Uint8Array, tail: Uint8Array): Uint8Array =>
  Uint8Array.from([...quote, ...tail]);

/** Variations that differ from a genuine case in one thing that a careless verifier overlooks. */
const VARIATIONS: Readonly<Record<string, (genuine: Question) => Partial<Question>>> = {
  'zero padding': ({ quote }) => ({ quote: appended(quote, new Uint8Array(4096)) }),
  'trailing garbage': ({ quote }) => ({ quote: appended(quote, new Uint8Array(4096).fill(0xaa)) }),
  'a PCK CRL of one byte': ({ collateral }) => ({ collateral: { ...collateral, pck_crl: '00' } }),
  'the root’s CRL for the PCK’s': ({ collateral }) => ({
    collateral: { ...collateral, pck_crl: collateral.root_ca_crl },
  }),
  'a year later': ({ at }) => ({
    at: new Date(Date.parse(at) + 365 * 86_400_000).toISOString(),
  }),
  'a repeated member in the TCB info': ({ collateral }) => ({
    collateral: { ...collateral, tcb_info: collateral.tcb_info.replace('{', '{"version":3,') },
  }),
};
const VARIED = 'v4-outofdate';

function questions(): Question[] {
  const genuine = vectorCases('tdx').map(
    (name): Question => ({
      name,
      quote: new Uint8Array(vectorFile('tdx', name, 'quote.bin')),
      collateral: readCollateralText(vectorFile('tdx', name, 'collateral.json')),
      at: JSON.parse(vectorFile('tdx', name, 'case.json').toString()).verifyAt,
    }),
  );
  const base = genuine.find(({ name }) => name === VARIED);
  if (base === undefined) return genuine;
  const varied = Object.entries(VARIATIONS).map(([name, change]) => ({
    ...base,
    ...change(base),
    name,
  }));
  return [...genuine, ...varied];
}

describe('@phala/dcap-qvl 0.3.9', { skip: withoutPhala || withoutVectors }, () => {
  test('agrees, or is known to differ', async () => {
    const all = questions();
    await judge('dcap-qvl', all, askPhala(all), {
      'v4-debug-td':
        'A debug TD has a TCB status in Intel’s library (QuoteVerifier.cpp does not look at TDATTRIBUTES). Assay states it, and its policy refuses the TD.',
      'v5-service-td':
        'A service TD is no matter of the TCB in Intel’s library. Assay states the status, and its policy refuses what it does not expect.',
      'v4-module-outofdate':
        'isTdxTcbHigherOrEqual (TcbLevelCheck.cpp) compares from index 2 where TEE_TCB_SVN[1] is above zero: SVN 0 belongs to the module identity, whose level is OutOfDate.',
      'trailing garbage':
        'What follows a quote is not signed: Assay lets zero padding follow and nothing else.',
      'a PCK CRL of one byte':
        'Intel’s library returns STATUS_SGX_CRL_UNSUPPORTED_FORMAT for a list that does not parse.',
      'the root’s CRL for the PCK’s':
        'QuoteVerifier.cpp 4.1.2.4.6: the list’s issuer must be the PCK’s issuer, else STATUS_INVALID_PCK_CRL.',
    });
  });
});

describe('go-tdx-guest 0.3.1', { skip: withoutVectors || withoutGo('go-tdx-guest') }, () => {
  test('agrees, or is known to differ', async () => {
    const all = questions();
    const answers = askGo(all);
    const letters =
      'FMSPC is hexadecimal: Intel’s library compares bytes (QuoteVerifier.cpp 4.1.2.4.10), the peer compares text and refuses letters.';
    const version = 'Release 0.3.1 of the peer knows version 4 only; QuoteVerifier.cpp takes both.';
    await judge('go-tdx-guest', all, answers, {
      'v4-uptodate': letters,
      'v4-uptodate-at-eval19': letters,
      'v4-outofdate-at-eval20': letters,
      'v5-uptodate': version,
      'v5-service-td': version,
      'trailing garbage':
        'What follows a quote is not signed: Assay lets zero padding follow and nothing else.',
    });
  });
});
