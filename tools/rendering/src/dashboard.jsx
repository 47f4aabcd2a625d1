// The grid: 24 columns, 38 pixels a row, as Grafana lays panels out.
import React, { useEffect, useMemo, useState } from 'react';
import { EventBusSrv } from '@grafana/data';
import { PanelChrome, PanelContextProvider, useTheme2 } from '@grafana/ui';
import { frames, timeRange } from './query.js';
import { dressed } from './fields.js';
import { Drawing } from './drawing.jsx';

const [ROW, GAP, MARGIN] = [30, 8, 16];
const context = { eventsScope: 'global', eventBus: new EventBusSrv(), sync: () => 0, onToggleSeriesVisibility: () => {} };

export function Dashboard({ dashboard, prometheus, since, width, open }) {
  const theme = useTheme2();
  const range = useMemo(() => timeRange(since), [since]);
  const column = (width - 2 * MARGIN - 23 * GAP) / 24;
  const shown = dashboard.panels.flatMap((panel) => (open ? [panel, ...(panel.panels ?? [])] : [panel]));
  const height = Math.max(...shown.map(({ gridPos: at }) => at.y + at.h)) * (ROW + GAP) + 2 * MARGIN + 40;
  const [done, setDone] = useState(0);
  const expected = shown.filter(({ type }) => type !== 'row').length;
  useEffect(() => {
    if (done >= expected) document.title = 'drawn';
  }, [done, expected]);
  return (
    <PanelContextProvider value={context}>
      <div style={{ position: 'relative', width, height, color: theme.colors.text.primary }}>
        <h1 style={{ position: 'absolute', left: MARGIN, top: 14, margin: 0, fontSize: 18, fontWeight: 500 }}>{dashboard.title}</h1>
        {shown.map((panel) => {
          const { x, y, w, h } = panel.gridPos;
          const box = {
            position: 'absolute',
            left: MARGIN + x * (column + GAP),
            top: MARGIN + 36 + y * (ROW + GAP),
            width: w * (column + GAP) - GAP,
            height: h * (ROW + GAP) - GAP,
          };
          return (
            <div key={`${panel.title} ${y}`} style={box}>
              {panel.type === 'row' ? (
                <div style={{ lineHeight: `${ROW}px`, fontWeight: 500, color: theme.colors.text.primary }}>
                  {panel.collapsed && !open ? '›' : '⌄'}&ensp;{panel.title}
                </div>
              ) : (
                <Panel
                  panel={panel}
                  prometheus={prometheus}
                  range={range}
                  width={box.width}
                  height={box.height}
                  onDone={() => setDone((count) => count + 1)}
                />
              )}
            </div>
          );
        })}
      </div>
    </PanelContextProvider>
  );
}

function Panel({ panel, prometheus, range, width, height, onDone }) {
  const theme = useTheme2();
  const [data, setData] = useState(panel.type === 'text' ? [] : null);
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    const asked = panel.targets ? frames(prometheus, panel, range, width) : Promise.resolve([]);
    asked
      .then((found) => setData(dressed(found, panel, theme)))
      .catch((error) => setTrouble(String(error)))
      .finally(onDone);
  }, []);
  return (
    <PanelChrome title={panel.title} width={width} height={height} padding={panel.type === 'table' ? 'none' : 'md'}>
      {(innerWidth, innerHeight) => {
        if (trouble) return <div style={{ color: theme.colors.error.text }}>{trouble}</div>;
        if (data === null) return null;
        return <Drawing panel={panel} data={data} range={range} width={innerWidth} height={innerHeight} />;
      }}
    </PanelChrome>
  );
}
