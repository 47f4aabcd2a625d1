// What Grafana draws with parts that its library does not give away: drawn simply, from the same data.
import React from 'react';
import { FieldType, dateTimeFormat, getFieldDisplayName } from '@grafana/data';
import { useTheme2 } from '@grafana/ui';

const LEGEND = 22;
const NAMES = 150;
const AXIS = 20;

function times(range, width, left) {
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const at = (ms) => left + ((ms - from) / (to - from)) * (width - left);
  const count = Math.max(2, Math.floor((width - left) / 110));
  const ticks = Array.from({ length: count }, (_, n) => from + ((n + 0.5) * (to - from)) / count);
  const format = to - from > 2 * 86_400_000 ? 'MM/DD HH:mm' : 'HH:mm';
  return { at, ticks, label: (ms) => dateTimeFormat(ms, { format, timeZone: 'utc' }) };
}

export function States({ data, range, width, height }) {
  const theme = useTheme2();
  const { at, ticks, label } = times(range, width, NAMES);
  const rowHeight = Math.min(34, (height - AXIS - LEGEND) / data.length);
  const shown = new Map();
  const rows = data.map((frame, number) => {
    const [time, value] = [frame.fields[0], frame.fields.find(({ type }) => type === FieldType.number)];
    const stepMs = time.values.length > 1 ? time.values[1] - time.values[0] : 60_000;
    const boxes = value.values.flatMap((state, n) => {
      if (state === null) return [];
      const display = value.display(state);
      shown.set(display.text, display.color);
      const [from, to] = [at(time.values[n]), at(time.values[n] + stepMs)];
      return [<rect key={n} x={from} y={number * rowHeight + 3} width={Math.max(to - from, 2)} height={rowHeight - 6} fill={display.color} opacity={0.85} />];
    });
    return (
      <g key={number}>
        <text x={NAMES - 10} y={number * rowHeight + rowHeight / 2 + 4} textAnchor="end" fontSize={12} fill={theme.colors.text.primary}>
          {getFieldDisplayName(value, frame, data)}
        </text>
        {boxes}
      </g>
    );
  });
  return (
    <svg width={width} height={height}>
      {rows}
      {ticks.map((ms) => (
        <text key={ms} x={at(ms)} y={data.length * rowHeight + 15} textAnchor="middle" fontSize={12} fill={theme.colors.text.secondary}>{label(ms)}</text>
      ))}
      {[...shown].map(([text, color], n) => (
        <g key={text} transform={`translate(${NAMES + n * 110}, ${height - 8})`}>
          <rect width={14} height={4} y={-6} fill={color} />
          <text x={20} fontSize={12} fill={theme.colors.text.primary}>{text}</text>
        </g>
      ))}
    </svg>
  );
}

export function Heat({ data, range, width, height, panel }) {
  const theme = useTheme2();
  const { at, ticks, label } = times(range, width, 70);
  const bound = (frame) => Number(frame.fields[1].labels.le.replace('+Inf', 'Infinity'));
  const sorted = [...data].sort((a, b) => bound(a) - bound(b));
  const counts = sorted.map((frame, n) => frame.fields[1].values.map((value, t) => Math.max(0, (value ?? 0) - (n ? (sorted[n - 1].fields[1].values[t] ?? 0) : 0))));
  const most = Math.max(...counts.flat(), 1e-9);
  const rowHeight = (height - AXIS - 4) / sorted.length;
  const unit = sorted[0].fields[1].display;
  const time = sorted[0].fields[0].values;
  const stepMs = time[1] - time[0];
  return (
    <svg width={width} height={height}>
      {counts.map((row, n) =>
        row.map((count, t) => {
          if (!count) return null;
          const [from, to] = [at(time[t] - stepMs), at(time[t])];
          if (from < 70) return null;
          return <rect key={`${n} ${t}`} x={from} y={(sorted.length - 1 - n) * rowHeight + 1} width={Math.max(to - from - 1, 1)} height={rowHeight - 1} fill={`hsl(213, 85%, ${theme.isDark ? 18 + 50 * Math.sqrt(count / most) : 92 - 52 * Math.sqrt(count / most)}%)`} />;
        }),
      )}
      {sorted.map((frame, n) => (
        <text key={n} x={62} y={(sorted.length - 1 - n) * rowHeight + rowHeight / 2 + 4} textAnchor="end" fontSize={11} fill={theme.colors.text.secondary}>
          {Number.isFinite(bound(frame)) ? `${unit(bound(frame)).text}${unit(bound(frame)).suffix ?? ''}` : '+Inf'}
        </text>
      ))}
      {ticks.map((ms) => (
        <text key={ms} x={at(ms)} y={height - 4} textAnchor="middle" fontSize={12} fill={theme.colors.text.secondary}>{label(ms)}</text>
      ))}
    </svg>
  );
}

export function Words({ panel }) {
  const theme = useTheme2();
  const html = panel.options.content
    .replaceAll('<', '&lt;')
    .replace(/\*\*(.+?)\*\*/g, '<strong>$1</strong>')
    .replace(/`(.+?)`/g, `<code style="background:${theme.colors.background.secondary}">$1</code>`);
  return <div style={{ padding: 8, lineHeight: 1.5 }} dangerouslySetInnerHTML={{ __html: html }} />;
}
