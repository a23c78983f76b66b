/**
 * How the machine monitor initialises a virtual processor. `qemu`: KVM of Linux 6.10 and later,
 * which encrypts the initial x87 and SSE control words into the save area; `qemu-before-6.10` leaves
 * them zero. `ec2` and `gce`: Amazon's and Google's monitors.
 */
export type Vmm = 'qemu' | 'qemu-before-6.10' | 'ec2' | 'gce';

/** First instruction of the first processor, as after a reset. */
const RESET_VECTOR = 0xfffffff0;

interface InitialState {
  readonly codeAttributes: (resetAddress: number) => number;
  readonly stackAttributes: number;
  readonly taskAttributes: number;
  readonly pat: bigint;
  /** RDX after reset, where it is not the processor's CPUID signature: family 6. */
  readonly fixedRdx?: number;
  readonly mxcsr: number;
  readonly fcw: number;
}

const PAT_AFTER_RESET = 0x0007_0406_0007_0406n;
const QEMU: InitialState = {
  codeAttributes: () => 0x9b,
  stackAttributes: 0x93,
  taskAttributes: 0x8b,
  pat: PAT_AFTER_RESET,
  mxcsr: 0x1f80,
  fcw: 0x37f,
};
const STATES: Readonly<Record<Vmm, InitialState>> = {
  qemu: QEMU,
  'qemu-before-6.10': { ...QEMU, mxcsr: 0, fcw: 0 },
  ec2: {
    ...QEMU,
    codeAttributes: (resetAddress) => (resetAddress === RESET_VECTOR ? 0x9a : 0x9b),
    stackAttributes: 0x92,
    taskAttributes: 0x83,
    fixedRdx: 0x600,
    mxcsr: 0,
    fcw: 0,
  },
  gce: { ...QEMU, pat: 0x0007_0106n, fixedRdx: 0x600, mxcsr: 0, fcw: 0 },
};

/** Whether the processor's CPUID signature is in the save areas that this monitor makes. */
export function savesSignature(vmm: Vmm): boolean {
  return STATES[vmm].fixedRdx === undefined;
}

/** Offsets into the save area: AMD APM volume 2 (24593), appendix B, table B-4. */
const SEGMENTS = { es: 0, cs: 0x10, ss: 0x20, ds: 0x30, fs: 0x40, gs: 0x50 } as const;
const GDTR = 0x60;
const LDTR = 0x70;
const IDTR = 0x80;
const TR = 0x90;
const EFER = 0xd0;
const CR4 = 0x148;
const CR0 = 0x158;
const DR7 = 0x160;
const DR6 = 0x168;
const RFLAGS = 0x170;
const RIP = 0x178;
const G_PAT = 0x268;
const RDX = 0x310;
const SEV_FEATURES = 0x3b0;
const XCR0 = 0x3e8;
const MXCSR = 0x408;
const X87_FCW = 0x410;

/** The 4 KiB save area of one virtual processor at launch. */
function saveArea(
  vmm: Vmm,
  instruction: number,
  signature: number,
  features: bigint,
): Uint8Array<ArrayBuffer> {
  const state = STATES[vmm];
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  const segment = (offset: number, selector: number, attributes: number, base: number): void => {
    view.setUint16(offset, selector, true);
    view.setUint16(offset + 2, attributes, true);
    view.setUint32(offset + 4, 0xffff, true);
    view.setBigUint64(offset + 8, BigInt(base), true);
  };
  const quad = (offset: number, value: bigint): void => view.setBigUint64(offset, value, true);

  for (const offset of Object.values(SEGMENTS)) segment(offset, 0, 0x93, 0);
  segment(SEGMENTS.cs, 0xf000, state.codeAttributes(instruction), (instruction & 0xffff0000) >>> 0);
  segment(SEGMENTS.ss, 0, state.stackAttributes, 0);
  segment(GDTR, 0, 0, 0);
  segment(IDTR, 0, 0, 0);
  segment(LDTR, 0, 0x82, 0);
  segment(TR, 0, state.taskAttributes, 0);
  quad(EFER, 0x1000n); // SVME, which KVM forces
  quad(CR4, 0x40n); // MCE, which KVM forces
  quad(CR0, 0x10n);
  quad(DR7, 0x400n);
  quad(DR6, 0xffff0ff0n);
  quad(RFLAGS, 2n);
  quad(RIP, BigInt(instruction & 0xffff));
  quad(G_PAT, state.pat);
  quad(RDX, BigInt(state.fixedRdx ?? signature));
  quad(SEV_FEATURES, features);
  quad(XCR0, 1n);
  view.setUint32(MXCSR, state.mxcsr, true);
  view.setUint16(X87_FCW, state.fcw, true);
  return page;
}

/** Save areas of all processors: the first starts at the reset vector, the rest where OVMF says. */
export function saveAreas(
  vmm: Vmm,
  count: number,
  resetAddress: number,
  signature: number,
  features: bigint,
): Uint8Array[] {
  const first = saveArea(vmm, RESET_VECTOR, signature, features);
  const other = saveArea(vmm, resetAddress, signature, features);
  return Array.from({ length: count }, (_, index) => (index === 0 ? first : other));
}
