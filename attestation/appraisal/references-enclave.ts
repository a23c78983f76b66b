/** Where the rules on what an enclave states of itself, and on its receipts, are written down. */
export const CHAIN_OF_TRUST = {
  evidence: 'docs/chain-of-trust.md, Evidence',
  reportData: 'docs/chain-of-trust.md, Report data',
  freshness: 'docs/chain-of-trust.md, Freshness',
  manifest: 'docs/chain-of-trust.md, Manifest',
  launchPolicy: 'docs/chain-of-trust.md, Launch policy',
  models: 'docs/chain-of-trust.md, Models',
  events: 'docs/chain-of-trust.md, Run-time events',
  claims: 'docs/chain-of-trust.md, Claims and receipts',
  proof: 'docs/chain-of-trust.md, Proof files',
} as const;
