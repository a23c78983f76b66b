import { toPem } from '../../../../attestation/encoding/pem.js';
import { issueCertificate } from '../../../../enclave/platform/simulator/certificates.js';
import type { IntelHierarchy } from '../../../../enclave/platform/simulator/intel.js';
import { forgedIntel, type IntelFault, strangerIssuer, strangerKey } from '../../../forge/intel.js';
import { tdxCases } from '../../../forge/tdx-case.js';

const OTHER = 'COLLATERAL_PCK_CHAIN';
const FORMAT = 'COLLATERAL_FORMAT';
const pem = (certificates: readonly { readonly der: Uint8Array }[]): string =>
  certificates.map(({ der }) => toPem(der, 'CERTIFICATE')).join('');
const chainOf = ({ pck, platformCa, root }: IntelHierarchy) => [pck, platformCa, root];

/** Collateral that states this chain as that of the quote. */
const stated = (chain: (intel: IntelHierarchy) => string): IntelFault => ({
  collateral: (collateral, intel) => ({ ...collateral, pck_certificate_chain: chain(intel) }),
});

const box = await forgedIntel();
const { template } = box.pck;
const anew = { ...template, serialNumber: `5a${template.serialNumber}` };
/** A PCK certificate of the same platform and key, as Intel issues one after a TCB recovery. */
const reissued = { der: await issueCertificate(anew, box.platformCa.issuer) };
const stranger = await strangerIssuer(box.platformCa.issuer.name);
const { publicKey } = await strangerKey();
const elsewhere = {
  der: await issueCertificate({ ...template, publicKey }, box.platformCa.issuer),
};

tdxCases('collateral may state the chain of the quote', [
  { name: 'none', code: null },
  { name: 'as it is', fault: stated((intel) => pem(chainOf(intel))), code: null },
  {
    name: 'with a zero byte at its end, as quoting libraries write it',
    fault: stated((intel) => `${pem(chainOf(intel))}\0`),
    code: null,
  },
  {
    name: 'in a file',
    fault: { ...stated((intel) => pem(chainOf(intel))), file: (all) => JSON.stringify(all) },
    code: null,
  },
  {
    name: 'with other line breaks',
    fault: stated((intel) => pem(chainOf(intel)).replaceAll('\n', '\r\n')),
    code: null,
  },
]);

tdxCases('collateral may state no other chain', [
  {
    name: 'of a platform that is as genuine',
    fault: stated(({ platformCa, root }) => pem([elsewhere, platformCa, root])),
    code: OTHER,
  },
  {
    name: 'of the same platform, with its key',
    fault: stated(({ platformCa, root }) => pem([reissued, platformCa, root])),
    code: OTHER,
  },
  {
    name: 'without the root',
    fault: stated(({ pck, platformCa }) => pem([pck, platformCa])),
    code: OTHER,
  },
  { name: 'root first', fault: stated((intel) => pem(chainOf(intel).reverse())), code: OTHER },
  {
    name: 'one that holds where that of the quote does not',
    fault: {
      ...stated(() => pem(chainOf(box))),
      certificates: { pck: { issuer: () => stranger } },
    },
    code: OTHER,
  },
]);

tdxCases('the stated chain is PEM and nothing else', [
  { name: 'empty', fault: stated(() => ''), code: FORMAT },
  { name: 'text before it', fault: stated((intel) => `x\n${pem(chainOf(intel))}`), code: FORMAT },
  {
    name: 'one certificate more',
    fault: stated((intel) => pem([...chainOf(intel), intel.root])),
    code: FORMAT,
  },
  {
    name: 'no certificate inside',
    fault: stated(({ platformCa, root }) => pem([{ der: new Uint8Array(9) }, platformCa, root])),
    code: 'X509_CERTIFICATE',
  },
]);
