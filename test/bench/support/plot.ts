import type { Row } from './row.js';

const COLOURS = ['#888888', '#d2691e', '#1f77b4', '#2ca02c', '#9467bd', '#17becf'] as const;
const PANEL = { width: 260, height: 180, left: 62, top: 46, columns: 3 } as const;
const CELL = { width: PANEL.width + PANEL.left + 16, height: PANEL.height + PANEL.top + 44 };

const short = (value: number): string =>
  value >= 1000
    ? `${Number((value / 1000).toPrecision(3))}k`
    : String(Number(value.toPrecision(3)));

/** A round number at or above a value: the upper end of an axis. */
function ceilingOf(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.5, 2, 3, 4, 5, 7.5, 10].find((step) => step * power >= value) ?? 10) * power;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${content}</text>`;
}

function panel(rows: readonly Row[], contenders: readonly string[], index: number): string {
  const left = PANEL.left + (index % PANEL.columns) * CELL.width;
  const top = PANEL.top + Math.floor(index / PANEL.columns) * CELL.height;
  const bottom = top + PANEL.height;
  const highest = ceilingOf(Math.max(...rows.flatMap(({ rounds }) => rounds)));
  const most = Math.max(2, ...rows.map(({ outstanding }) => outstanding));
  const x = (outstanding: number): number =>
    left + (Math.log2(outstanding) / Math.log2(most)) * PANEL.width;
  const y = (perSecond: number): number => bottom - (perSecond / highest) * PANEL.height;
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(share * highest);
    return (
      `<line x1="${left}" x2="${left + PANEL.width}" y1="${at}" y2="${at}" stroke="#e4e4e4"/>` +
      text(left - 6, at + 4, short(share * highest), 'text-anchor="end" fill="#555"')
    );
  });
  const steps = [...new Set(rows.map(({ outstanding }) => outstanding))].map((outstanding) =>
    text(x(outstanding), bottom + 15, String(outstanding), 'text-anchor="middle" fill="#555"'),
  );
  const curves = contenders.map((contender, i) => {
    const own = rows.filter((row) => row.contender === contender);
    const stroke = `stroke="${COLOURS[i % COLOURS.length]}"`;
    const [first] = own;
    if (own.length === 1 && first !== undefined) {
      const at = y(first.perSecond).toFixed(1);
      return `<line x1="${left}" x2="${left + PANEL.width}" y1="${at}" y2="${at}" ${stroke} stroke-dasharray="5 4"/>`;
    }
    const points = own.map(
      (row) => `${x(row.outstanding).toFixed(1)},${y(row.perSecond).toFixed(1)}`,
    );
    const spreads = own.map(({ outstanding, rounds }) => {
      const at = x(outstanding).toFixed(1);
      const [low, high] = [Math.min(...rounds), Math.max(...rounds)];
      return `<line x1="${at}" x2="${at}" y1="${y(low).toFixed(1)}" y2="${y(high).toFixed(1)}" ${stroke} stroke-opacity="0.5"/>`;
    });
    return `<polyline points="${points.join(' ')}" fill="none" ${stroke} stroke-width="2"/>${spreads.join('')}`;
  });
  return [
    text(left, top - 10, rows[0]?.model ?? '', 'font-weight="bold"'),
    ...marks,
    ...steps,
    ...curves,
    text(
      left + PANEL.width / 2,
      bottom + 30,
      'requests outstanding',
      'text-anchor="middle" fill="#555"',
    ),
  ].join('\n');
}

/**
 * Throughput against requests outstanding, a panel a model, as SVG. A vertical line spans the rounds of a
 * point; a dashed line is a contender of a single point.
 */
export function plot(rows: readonly Row[]): string {
  const models = [...new Set(rows.map(({ model }) => model))];
  const contenders = [...new Set(rows.map(({ contender }) => contender))];
  const panels = models.map((model, index) =>
    panel(
      rows.filter((row) => row.model === model),
      contenders,
      index,
    ),
  );
  const lines = Math.ceil(models.length / PANEL.columns);
  const [width, height] = [PANEL.columns * CELL.width + 16, lines * CELL.height + 40];
  const legend = contenders.map((contender, i) => {
    const at = PANEL.left + i * 170;
    const colour = COLOURS[i % COLOURS.length];
    return `<rect x="${at}" y="${height - 24}" width="12" height="12" fill="${colour}"/>${text(at + 18, height - 14, contender)}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="white"/>',
    text(PANEL.left, 20, 'Requests a second against requests outstanding', 'font-size="14"'),
    ...panels,
    ...legend,
    '</svg>\n',
  ].join('\n');
}
