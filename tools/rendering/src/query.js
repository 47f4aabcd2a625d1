// Prometheus's answers as Grafana's data frames.
import { FieldType, dateMath, dateTime, rangeUtil } from '@grafana/data';

const SCRAPE_S = 5;

export function timeRange(since) {
  const to = dateTime();
  return { from: dateMath.parse(since) ?? dateTime(to).subtract(1, 'h'), to, raw: { from: since, to: 'now' } };
}

export function stepOf(range, width, least) {
  const points = Math.max(width / 3, 50);
  const leastMs = least ? rangeUtil.intervalToMs(least) : SCRAPE_S * 1000;
  return rangeUtil.roundInterval(Math.max((range.to.valueOf() - range.from.valueOf()) / points, leastMs)) / 1000;
}

function filled(expression, stepS) {
  // as Grafana's documentation has it: four scrapes at least, and never less than a step and a scrape
  const rateS = Math.max(stepS + SCRAPE_S, 4 * SCRAPE_S);
  return expression
    .replaceAll('$__rate_interval', `${Math.ceil(rateS)}s`)
    .replaceAll('$__interval', `${Math.ceil(stepS)}s`)
    .replace(/\$\{?\w+\}?/g, '.+');
}

async function ask(url, values) {
  const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(values) });
  const body = await answer.json();
  if (body.status !== 'success') throw new Error(body.error);
  return body.data.result;
}

const named = (legend, labels) => legend.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? '');

export async function frames(prometheus, panel, range, width) {
  const stepS = stepOf(range, width, panel.interval);
  const answers = await Promise.all(panel.targets.map((target) => series(prometheus, target, range, stepS)));
  return answers.flat();
}

async function series(prometheus, target, range, stepS) {
  const query = filled(target.expr, stepS);
  const legend = target.legendFormat ?? '';
  if (target.format === 'table') return [await rows(prometheus, target, query)];
  const [from, to] = [range.from, range.to].map((at) => Math.floor(at.valueOf() / 1000 / stepS) * stepS);
  const found = target.instant
    ? await ask(`${prometheus}/api/v1/query`, { query })
    : await ask(`${prometheus}/api/v1/query_range`, { query, start: from, end: to, step: stepS });
  return found.map(({ metric, value, values }) => {
    const points = new Map((values ?? [value]).map(([at, text]) => [at, Number(text)]));
    const times = target.instant ? [value[0]] : Array.from({ length: (to - from) / stepS + 1 }, (_, n) => from + n * stepS);
    const name = named(legend, metric) || 'Value';
    return {
      refId: target.refId,
      length: times.length,
      fields: [
        { name: 'Time', type: FieldType.time, config: {}, values: times.map((at) => at * 1000) },
        {
          name,
          type: FieldType.number,
          labels: metric,
          config: { displayNameFromDS: name },
          values: times.map((at) => points.get(at) ?? null),
        },
      ],
    };
  });
}

async function rows(prometheus, target, query) {
  const found = await ask(`${prometheus}/api/v1/query`, { query });
  const labels = [...new Set(found.flatMap(({ metric }) => Object.keys(metric)))];
  return {
    refId: target.refId,
    length: found.length,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: found.map(({ value }) => value[0] * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        config: {},
        values: found.map(({ metric }) => metric[label] ?? ''),
      })),
      {
        name: `Value #${target.refId}`,
        type: FieldType.number,
        config: {},
        values: found.map(({ value }) => Number(value[1])),
      },
    ],
  };
}
