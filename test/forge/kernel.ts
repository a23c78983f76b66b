import type { ReportFs } from '../../enclave/platform/report-fs.js';
import type { Scheduler } from '../../enclave/platform/serial-queue.js';

/** A file operation's failure as Node raises it. */
export function errno(code: string): Error {
  return Object.assign(new Error(`${code}: forged`), { code });
}

/** What stands behind the forged kernel: answers 64 bytes, or throws an errno. */
export interface ForgedProvider {
  readonly name: string;
  answer(inblob: Uint8Array): Promise<Uint8Array> | Uint8Array;
  readonly auxiliary?: Uint8Array;
  readonly privilegeFloor?: number;
}

interface Directory {
  inblob: Uint8Array | undefined;
  outblob: Uint8Array | undefined;
  privilege: number;
  generation: number;
}

/**
 * The report half of Linux `drivers/virt/coco/tsm.c`, as far as a driver can tell from outside: a
 * generation that every write raises, errors that surface at the read of `outblob`, reports made one
 * at a time. `make test-guest` runs the same driver on the real one.
 */
export class ForgedKernel implements ReportFs {
  readonly directories = new Map<string, Directory>();
  /** Register values of a TDX guest by path; empty where the kernel has none. */
  readonly registers = new Map<string, Uint8Array>();
  /** Called after each write to an `inblob`, for races. */
  afterWrite: (directory: Directory) => void = () => undefined;
  inFlight = 0;
  mostInFlight = 0;

  readonly provider: ForgedProvider | undefined;
  readonly refuseDirectory: string | undefined;

  constructor(provider: ForgedProvider | undefined, refuseDirectory?: string) {
    this.provider = provider;
    this.refuseDirectory = refuseDirectory;
  }

  async makeDirectory(path: string): Promise<void> {
    if (this.refuseDirectory !== undefined) throw errno(this.refuseDirectory);
    if (this.provider === undefined) throw errno('ENXIO');
    this.directories.set(path, {
      inblob: undefined,
      outblob: undefined,
      privilege: 0,
      generation: 0,
    });
  }

  async removeDirectory(path: string): Promise<void> {
    if (!this.directories.delete(path)) throw errno('ENOENT');
  }

  #find(path: string): [Directory, string] {
    const cut = path.lastIndexOf('/');
    const directory = this.directories.get(path.slice(0, cut));
    if (directory === undefined) throw errno('ENOENT');
    return [directory, path.slice(cut + 1)];
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    if (this.registers.has(path)) return this.extend(path, bytes);
    const [directory, attribute] = this.#find(path);
    directory.generation += 1;
    directory.outblob = undefined;
    if (attribute === 'privlevel') directory.privilege = Number(Buffer.from(bytes).toString());
    else if (attribute !== 'inblob') throw errno('EACCES');
    else if (bytes.length > 64) throw errno('EFBIG');
    else {
      directory.inblob = Uint8Array.from(bytes);
      this.afterWrite(directory);
    }
  }

  /** Overridden by tests of registers. */
  extend(_path: string, _digest: Uint8Array): void {
    throw errno('EACCES');
  }

  async read(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>> {
    const register = this.registers.get(path);
    if (register !== undefined) return Uint8Array.from(register);
    const [directory, attribute] = this.#find(path);
    const blob = await this.#attribute(directory, attribute);
    return Uint8Array.from(blob.subarray(0, limit + 1));
  }

  async #attribute(directory: Directory, attribute: string): Promise<Uint8Array> {
    if (attribute === 'provider') return Buffer.from(`${this.provider?.name}\n`);
    if (attribute === 'generation') return Buffer.from(`${directory.generation}\n`);
    if (attribute === 'privlevel_floor' && this.provider?.privilegeFloor !== undefined)
      return Buffer.from(`${this.provider.privilegeFloor}\n`);
    if (attribute === 'outblob') return this.#report(directory);
    if (attribute === 'auxblob' && this.provider?.auxiliary !== undefined)
      return this.provider.auxiliary;
    throw errno('ENOENT');
  }

  async #report(directory: Directory): Promise<Uint8Array> {
    const { inblob } = directory;
    if (inblob === undefined || this.provider === undefined) throw errno('EINVAL');
    if (inblob.length !== 64) throw errno('EINVAL');
    if (directory.privilege < (this.provider.privilegeFloor ?? 0)) throw errno('EINVAL');
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    try {
      directory.outblob ??= await this.provider.answer(inblob);
      return directory.outblob;
    } finally {
      this.inFlight -= 1;
    }
  }

  async canWrite(path: string): Promise<boolean> {
    return this.registers.has(path);
  }
}

/** A clock that moves only when a test says so, or at once past every pause. */
export class ForgedClock implements Scheduler {
  #now = 0;
  #next = 0;
  readonly #timers = new Map<number, { at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const id = this.#next++;
    this.#timers.set(id, { at: this.#now + milliseconds, callback });
    return () => this.#timers.delete(id);
  }

  /** Fires what falls due within the given time, in order, letting promises settle in between. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      await new Promise((resume) => setImmediate(resume));
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end);
      const [first] = due.sort(([, a], [, b]) => a.at - b.at);
      if (first === undefined) break;
      this.#timers.delete(first[0]);
      this.#now = first[1].at;
      first[1].callback();
    }
    this.#now = end;
  }
}
