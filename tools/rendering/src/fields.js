// Units, colours, thresholds and overrides, worked out by Grafana's own code.
import { FieldConfigOptionsRegistry, applyFieldOverrides, identityOverrideProcessor } from '@grafana/data';

const option = (id, path, isCustom = false) => ({
  id,
  path,
  isCustom,
  name: id,
  description: '',
  process: identityOverrideProcessor,
  shouldApply: () => true,
  editor: () => null,
  override: () => null,
  settings: {},
  getItemsCount: () => 0,
});

const CUSTOM = {
  drawStyle: 'line',
  lineWidth: 1,
  fillOpacity: 0,
  gradientMode: 'none',
  spanNulls: false,
  showPoints: 'never',
  pointSize: 5,
  axisPlacement: 'auto',
  axisLabel: '',
  axisColorMode: 'text',
  axisBorderShow: false,
  axisCenteredZero: false,
  scaleDistribution: { type: 'linear' },
  stacking: { mode: 'none', group: 'A' },
  hideFrom: { legend: false, tooltip: false, viz: false },
  thresholdsStyle: { mode: 'off' },
  lineInterpolation: 'linear',
};

const registry = new FieldConfigOptionsRegistry(() => [
  ...['unit', 'decimals', 'min', 'max', 'displayName', 'mappings', 'thresholds', 'color', 'noValue'].map((id) => option(id, id)),
  ...['cellOptions', 'align', ...Object.keys(CUSTOM)].map((name) => option(`custom.${name}`, name, true)),
]);

export function dressed(frames, panel, theme, timeZone = 'utc') {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  const isGraph = panel.type === 'timeseries';
  return applyFieldOverrides({
    data: frames,
    fieldConfig: {
      defaults: {
        color: { mode: isGraph ? 'palette-classic' : 'thresholds' },
        ...defaults,
        custom: isGraph ? { ...CUSTOM, ...defaults.custom } : { align: 'auto', cellOptions: { type: 'auto' }, ...defaults.custom },
      },
      overrides,
    },
    fieldConfigRegistry: registry,
    replaceVariables: (text) => text,
    theme,
    timeZone,
  });
}
