import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../../vectors.js';
import { type Bar, barLine, type Cost } from './measure.js';
import { plot } from './plot.js';
import type { Row } from './row.js';

const figure = (value: number): string =>
  Number.isNaN(value) ? '–' : value.toFixed(value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0);

const spread = ({ rounds }: Row): string =>
  [Math.min(...rounds), Math.max(...rounds)].map(figure).join(' – ');

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Stands above the bars. */
const BARS =
  'A bar is open where its figure may lie on either side of the limit, with a confidence of 95 %.';

/** What figures depend on beside the code: others' work on the same cores falsifies them. */
const machine = (): string =>
  `Node ${process.version}, ${availableParallelism()} cores, load average ${loadavg().map(figure).join(', ')}.`;

/**
 * What a benchmark found: each figure printed, and appended to build/bench/NAME.jsonl, as soon as it is
 * there; at the end Markdown tables beside it, and a plot where there are throughputs.
 */
export class Report {
  readonly rows: Row[] = [];
  readonly #bars: Bar[] = [];
  readonly #others: string[] = [];
  readonly #path: string;

  constructor(name: string) {
    const folder = join(repositoryRoot, 'build', 'bench');
    mkdirSync(folder, { recursive: true });
    this.#path = join(folder, name);
    writeFileSync(`${this.#path}.jsonl`, '');
    console.log(machine());
  }

  add(row: Row): void {
    this.rows.push(row);
    this.#json(row);
    console.log(
      `${row.model.padEnd(15)} ${String(row.outstanding).padStart(2)} outstanding  ` +
        `${row.contender.padEnd(28)} ${figure(row.perSecond).padStart(6)}/s (${spread(row)})  ` +
        `p50 ${figure(row.p50)} ms, p99 ${figure(row.p99)} ms, CPU ${figure(row.cpu)} ms`,
    );
  }

  /** Figures that are no throughput. */
  table(
    title: string,
    head: readonly string[],
    rows: readonly (readonly (string | number)[])[],
  ): void {
    for (const row of rows) {
      this.#json({ title, ...Object.fromEntries(head.map((key, i) => [key, row[i]])) });
    }
    const cells = rows.map((row) =>
      row.map((cell) => (typeof cell === 'number' ? figure(cell) : cell)),
    );
    this.#others.push(`## ${title}\n\n${table(head, cells)}\n`);
    console.log(`\n${title}\n${table(head, cells)}\n`);
  }

  /** What contenders cost, side by side. */
  costs(title: string, costs: readonly Cost[]): void {
    const rows = costs.map(({ name, median, best }) => [name, median, best]);
    this.table(title, ['contender', 'median ms', 'best tenth ms'], rows);
  }

  /** States whether a figure is on the right side of its limit. */
  bar(bar: Bar): void {
    this.#bars.push(bar);
    this.#json(bar);
  }

  /** One contender's throughput over another's in each round; empty where either was not measured. */
  ratios(model: string, outstanding: number, contender: string, over: string): readonly number[] {
    const rounds = (name: string): readonly number[] =>
      this.row(model, outstanding, name)?.rounds ?? [];
    const below = rounds(over);
    return rounds(contender).map((rate, i) => rate / (below[i] ?? Number.NaN));
  }

  row(model: string, outstanding: number, contender: string): Row | undefined {
    return this.rows.find(
      (row) =>
        row.model === model && row.outstanding === outstanding && row.contender === contender,
    );
  }

  /** Writes the tables and the plot; the figures lie there already. */
  write(): void {
    const bars = this.#bars.map(barLine).join('\n');
    writeFileSync(
      `${this.#path}.md`,
      [
        `${machine()}\n`,
        ...(this.rows.length > 0 ? [this.#throughput()] : []),
        ...this.#others,
        ...(bars === '' ? [] : [`## Bars\n\n${BARS}\n\n\`\`\`\n${bars}\n\`\`\`\n`]),
      ].join('\n'),
    );
    if (this.rows.length > 0) writeFileSync(`${this.#path}.svg`, plot(this.rows));
    const kinds = this.rows.length > 0 ? '{jsonl,md,svg}' : '{jsonl,md}';
    console.log(`${bars === '' ? '' : `\nBars\n${bars}\n`}\nwritten: ${this.#path}.${kinds}`);
  }

  #throughput(): string {
    const throughput = table(
      ['model', 'outstanding', 'server', 'requests/s', 'spread', 'p50 ms', 'p99 ms', 'CPU ms'],
      this.rows.map((row) => [
        row.model,
        String(row.outstanding),
        row.contender,
        figure(row.perSecond),
        spread(row),
        figure(row.p50),
        figure(row.p99),
        figure(row.cpu),
      ]),
    );
    return [
      'Medians over rounds; spread is the slowest and the fastest round; CPU is processor time of the',
      `server for each request.\n\n${throughput}\n`,
    ].join('\n');
  }

  #json(entry: object): void {
    appendFileSync(`${this.#path}.jsonl`, `${JSON.stringify(entry)}\n`);
  }
}
