import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../vectors.js';

/** One measured point. */
export interface Row {
  readonly model: string;
  readonly contender: string;
  readonly outstanding: number;
  readonly perSecond: number;
  /** Slowest and fastest round. */
  readonly spread: readonly [number, number];
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Processor milliseconds of the server for each request; NaN where it is not ours to ask. */
  readonly cpu: number;
}

const number = (value: number): string =>
  Number.isNaN(value) ? '–' : value.toFixed(value < 100 ? 2 : 0);

function markdown(rows: readonly Row[]): string {
  const head =
    '| model | outstanding | server | requests/s (median) | spread | p50 ms | p99 ms | CPU ms/request |';
  const lines = rows.map(
    (row) =>
      `| ${row.model} | ${row.outstanding} | ${row.contender} | ${number(row.perSecond)} | ` +
      `${row.spread.map(number).join(' – ')} | ${number(row.p50)} | ${number(row.p99)} | ${number(row.cpu)} |`,
  );
  return `${[head, '|---|---|---|---|---|---|---|---|', ...lines].join('\n')}\n`;
}

const COLOURS = ['#888888', '#1f77b4', '#d62728', '#2ca02c', '#9467bd'] as const;

/** Throughput against requests outstanding, relative to the best point of each model. */
function plot(rows: readonly Row[]): string {
  const models = [...new Set(rows.map(({ model }) => model))];
  const contenders = [...new Set(rows.map(({ contender }) => contender))];
  const [width, height, gap] = [220, 160, 50];
  const panels = models.map((model, panel) => {
    const own = rows.filter((row) => row.model === model);
    const best = Math.max(...own.map(({ perSecond }) => perSecond));
    const x = (outstanding: number): number =>
      gap + panel * (width + gap) + (Math.log2(outstanding) / 6) * width;
    const y = (perSecond: number): number => gap + height - (perSecond / best) * height;
    const lines = contenders.map((contender, index) => {
      const points = own
        .filter((row) => row.contender === contender)
        .map((row) => `${x(row.outstanding).toFixed(1)},${y(row.perSecond).toFixed(1)}`);
      const colour = COLOURS[index % COLOURS.length];
      return `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`;
    });
    const title = `<text x="${x(1)}" y="${gap - 12}">${model}: 1 to 64 outstanding, best ${number(best)}/s</text>`;
    const frame = `<rect x="${x(1)}" y="${gap}" width="${width}" height="${height}" fill="none" stroke="#ccc"/>`;
    return [title, frame, ...lines].join('\n');
  });
  const legend = contenders.map(
    (contender, index) =>
      `<text x="${gap + index * 180}" y="${height + 2 * gap - 10}" fill="${COLOURS[index % COLOURS.length]}">${contender}</text>`,
  );
  const total = gap + models.length * (width + gap);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${total}" height="${height + 2 * gap}" font-family="sans-serif" font-size="11">`,
    ...panels,
    ...legend,
    '</svg>\n',
  ].join('\n');
}

/** Writes build/bench/<name>.json, .md and .svg, and prints the table. */
export function writeReport(name: string, rows: readonly Row[]): void {
  const folder = join(repositoryRoot, 'build', 'bench');
  mkdirSync(folder, { recursive: true });
  const table = markdown(rows);
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(rows, null, 2)}\n`);
  writeFileSync(join(folder, `${name}.md`), table);
  writeFileSync(join(folder, `${name}.svg`), plot(rows));
  console.log(`\n${table}`);
}
