// A dashboard drawn with Grafana's own components: ?dashboard=UID&prometheus=URL&theme=dark|light&width=1600
import React from 'react';
import { createRoot } from 'react-dom/client';
import { createTheme, ThemeContext } from '@grafana/data';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { Dashboard } from './dashboard.jsx';

const asked = new URLSearchParams(location.search);
const theme = createTheme({ colors: { mode: asked.get('theme') ?? 'dark' } });
const files = import.meta.glob('../../../grafana/dashboards/*.json', { eager: true, import: 'default' });
const found = Object.values(files).find((each) => each.uid === asked.get('dashboard'));

document.body.style.background = theme.colors.background.canvas;
createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <Dashboard
      dashboard={found}
      prometheus={asked.get('prometheus')}
      since={asked.get('since') ?? found.time.from}
      width={Number(asked.get('width') ?? 1600)}
      open={asked.get('open') === 'rows'}
    />
    <PortalContainer />
  </ThemeContext.Provider>,
);
