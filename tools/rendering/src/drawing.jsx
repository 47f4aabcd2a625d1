// Each type of panel by the component that Grafana draws it with, where its library has one.
import React from 'react';
import { FieldType, getFieldDisplayName, outerJoinDataFrames, reduceField } from '@grafana/data';
import { BarGauge, BigValue, Table, TimeSeries, VizRepeater, useTheme2 } from '@grafana/ui';
import { dressed } from './fields.js';
import { Heat, States, Words } from './own.jsx';

const valueField = (frame) => frame.fields.find(({ type }) => type === FieldType.number);
const last = (field) => reduceField({ field, reducers: ['lastNotNull'] }).lastNotNull;

export function Drawing(given) {
  const kind = { stat: Stat, timeseries: Graph, bargauge: Bars, table: Listing, 'state-timeline': States, heatmap: Heat, text: Words };
  const Kind = kind[given.panel.type];
  if (given.panel.type !== 'text' && !given.data.some((frame) => frame.length > 0)) return <Empty text={given.panel.fieldConfig?.defaults?.noValue} />;
  return <Kind {...given} />;
}

function Empty({ text }) {
  const theme = useTheme2();
  return <div style={{ color: theme.colors.text.secondary, textAlign: 'center', paddingTop: 8 }}>{text ?? 'No data'}</div>;
}

function Stat({ panel, data, width, height }) {
  const theme = useTheme2();
  const field = valueField(data[0]);
  const isNamed = panel.options.textMode === 'value_and_name';
  const value = { ...field.display(last(field)), title: isNamed ? getFieldDisplayName(field, data[0], data) : undefined };
  const sparkline =
    panel.options.graphMode === 'area' && field.values.length > 1
      ? { x: data[0].fields[0], y: field }
      : undefined;
  return (
    <BigValue
      value={value}
      sparkline={sparkline}
      width={width}
      height={height}
      theme={theme}
      colorMode={panel.options.colorMode}
      graphMode={sparkline ? 'area' : 'none'}
      textMode={panel.options.textMode}
      justifyMode="auto"
    />
  );
}

function Graph({ panel, data, range, width, height }) {
  return (
    <TimeSeries
      frames={data}
      structureRev={1}
      timeRange={range}
      timeZone="utc"
      width={width}
      height={height}
      legend={{ ...panel.options.legend, calcs: panel.options.legend.calcs ?? [] }}
      options={panel.options}
    />
  );
}

function Bars({ panel, data, width, height }) {
  const theme = useTheme2();
  const values = data.map((frame) => {
    const field = valueField(frame);
    return { field, display: { ...field.display(last(field)), title: getFieldDisplayName(field, frame, data) } };
  });
  const most = Math.max(...values.map(({ display }) => display.numeric), 1e-9);
  return (
    <VizRepeater
      source={values}
      getValues={() => values}
      renderCounter={0}
      width={width}
      height={height}
      orientation="horizontal"
      itemSpacing={8}
      renderValue={({ value, width: itsWidth, height: itsHeight }) => (
        <BarGauge
          theme={theme}
          value={value.display}
          width={itsWidth}
          height={Math.min(itsHeight, 34)}
          orientation="horizontal"
          field={{ ...value.field.config, min: 0, max: value.field.config.max ?? most }}
          display={value.field.display}
          displayMode="basic"
          valueDisplayMode="text"
          itemSpacing={8}
          showUnfilled
          isOverflow={false}
          text={{ titleSize: 13 }}
          alignmentFactors={{ title: values.map(({ display }) => display.title).sort((a, b) => b.length - a.length)[0], text: values.map(({ display }) => display.text).sort((a, b) => b.length - a.length)[0] }}
        />
      )}
    />
  );
}

function Listing({ panel, data, width, height }) {
  const theme = useTheme2();
  const [join, organize] = ['joinByField', 'organize'].map((id) => panel.transformations.find((step) => step.id === id)?.options);
  const joined = join && data.length > 1 ? outerJoinDataFrames({ frames: data, joinBy: (field) => field.name === join.byField }) : data[0];
  const fields = joined.fields
    .filter((field) => !/^Time/.test(field.name))
    .map((field) => {
      const name = organize.renameByName[field.name] ?? organize.renameByName['Value'] ?? field.name;
      return { ...field, name: field.type === FieldType.number ? name : (organize.renameByName[field.name] ?? field.name), config: { ...field.config } };
    });
  // overrides go by the names that the transformations give, so they are worked out once more
  return <Table data={dressed([{ ...joined, fields }], panel, theme)[0]} width={width} height={height} cellHeight="sm" />;
}
