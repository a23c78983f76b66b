/** One measured point. */
export interface Row {
  readonly model: string;
  readonly contender: string;
  readonly outstanding: number;
  /** Median of the rounds. */
  readonly perSecond: number;
  readonly rounds: readonly number[];
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Processor milliseconds of the server for each request; NaN where it was not measured. */
  readonly cpu: number;
}
