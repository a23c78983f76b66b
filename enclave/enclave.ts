import { equalBytes } from '../attestation/encoding/bytes.js';
import { reportData } from '../attestation/evidence/binding.js';
import { BundleForm } from '../attestation/evidence/bundle.js';
import type { Manifest } from '../attestation/evidence/manifest.js';
import type { ManifestModel } from '../attestation/evidence/manifest-model.js';
import { manifestEntry } from '../attestation/receipt/claims.js';
import type { Turns } from '../src/system/turns.js';
import type { Admission } from './admission.js';
import { type Caller, Challenger } from './challenge.js';
import { Issuer, type IssuerOptions } from './issuer.js';
import type { EnclaveKeys } from './keys.js';
import { makeStatement, type Statement } from './manifest.js';
import type { Platform } from './platform/platform.js';
import type { RuntimeLog } from './runtime-log.js';

/** What `bootEnclave` prepared. */
export interface EnclaveParts {
  readonly platform: Platform;
  readonly keys: EnclaveKeys;
  readonly software: Manifest['software'];
  /** Evidence is made, and what it covers is changed, in turns. */
  readonly turns: Turns;
  readonly runtimeLog: RuntimeLog;
  readonly admission: Admission;
  /** How much of the log memory keeps, and where the rest goes. */
  readonly log: IssuerOptions;
  /** The launch policy's canonical form and its SHA-256 digest; null where none is enforced. */
  readonly policy: { readonly canonical: Uint8Array; readonly digest: Uint8Array } | null;
}

/** An enclave that has stated itself: it answers nonces with evidence and claims with receipts. */
export class Enclave {
  readonly keys: EnclaveKeys;
  /** Decides which further models may be loaded. */
  readonly admission: Admission;
  readonly issuer: Issuer;
  readonly #parts: EnclaveParts;
  readonly #challenger = new Challenger((challenge) => this.#attest(challenge));
  #statement: Statement;

  private constructor(parts: EnclaveParts, statement: Statement, issuer: Issuer) {
    this.keys = parts.keys;
    this.admission = parts.admission;
    this.issuer = issuer;
    this.#parts = parts;
    this.#statement = statement;
  }

  /** States the first manifest and starts the epoch's log with it. */
  static async begin(parts: EnclaveParts, models: readonly ManifestModel[]): Promise<Enclave> {
    const statement = state(parts, models);
    const issuer = await Issuer.start(
      parts.keys.signing,
      manifestEntry(statement.digest),
      parts.log,
    );
    return new Enclave(parts, statement, issuer);
  }

  /** What the enclave states of itself now. */
  get manifest(): Manifest {
    return this.#statement.manifest;
  }

  get manifestBytes(): Uint8Array {
    return this.#statement.bytes;
  }

  /** SHA-256 of the manifest's bytes. */
  get manifestDigest(): Uint8Array {
    return this.#statement.digest;
  }

  /** Hardware reports made, and nonces that they answered. */
  get evidenceCounts(): { readonly reports: number; readonly answers: number } {
    return this.#challenger.counts;
  }

  /**
   * States these models: a new manifest with an entry in the log, unless nothing changed. Rejects where
   * the log does not take it; what was stated before then stands.
   */
  restate(models: readonly ManifestModel[]): Promise<Statement> {
    return this.#parts.turns.take(async () => {
      const next = state(this.#parts, models);
      if (equalBytes(next.bytes, this.#statement.bytes)) return this.#statement;
      await this.issuer.append(manifestEntry(next.digest));
      this.#statement = next;
      return next;
    });
  }

  /**
   * An evidence bundle for a verifier's nonce, in pieces, which callers that ask together share but for a few
   * hundred bytes: nobody may change them. Rejects as `Challenger.answer` does.
   */
  async evidence(nonce: Uint8Array, caller?: Caller): Promise<readonly Uint8Array[]> {
    const { evidence, position } = await this.#challenger.answer(nonce, caller);
    return evidence.encode(position);
  }

  /** No model is admitted and nothing is restated while the hardware makes its report. */
  #attest(challenge: Uint8Array): Promise<BundleForm> {
    const { platform, policy, runtimeLog, turns } = this.#parts;
    return turns.take(async () => {
      const { bytes: manifest } = this.#statement;
      // A log that has yet to tell of an unload is true: nobody is refused evidence for it.
      await runtimeLog.tellUnloads().catch(() => undefined);
      const eventLog = runtimeLog.encode();
      const evidence = await platform.attest(reportData(challenge, manifest));
      return new BundleForm({
        tee: platform.tee,
        report: evidence.report,
        ...(evidence.runtimeClaims && { runtimeClaims: evidence.runtimeClaims }),
        endorsements: evidence.endorsements ?? null,
        manifest,
        eventLog,
        launchPolicy: policy?.canonical ?? null,
      });
    });
  }
}

function state({ keys, policy, software }: EnclaveParts, models: readonly ManifestModel[]) {
  return makeStatement(keys, models, policy?.digest ?? null, software);
}
