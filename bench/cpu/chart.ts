/** The kernels as bars, for README: the same figures make the same file. */
import * as echarts from 'echarts';
import type { Figure } from '../index.ts';

const COLOURS = ['#2563eb', '#9ca3af', '#d97706'];

export function chart(figures: readonly Figure[]): string {
  const shown = figures.filter(each => each.peers !== undefined);
  const peers = shown[0]?.peers?.map(peer => peer.name) ?? [];
  const series = [
    { name: 'Irpwright', data: shown.map(each => each.value) },
    ...peers.map((name, n) => ({ name, data: shown.map(each => each.peers![n]!.value) })),
  ];
  const drawing = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 860, height: 380 });
  try {
    drawing.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      color: COLOURS,
      textStyle: { fontFamily: 'sans-serif' },
      title: { text: 'Million guest instructions a second (logarithmic)', left: 'center', textStyle: { fontSize: 14 } },
      legend: { bottom: 4, itemGap: 24 },
      grid: { left: 60, right: 16, top: 40, bottom: 64 },
      xAxis: { type: 'category', data: shown.map(each => each.name), axisLabel: { interval: 0 } },
      yAxis: { type: 'log', min: 10 },
      series: series.map(({ name, data }) => ({
        type: 'bar',
        name,
        barGap: '8%',
        label: { show: true, position: 'top', fontSize: 10 },
        data: data.map(value => Number(value.toPrecision(3))),
      })),
    });
    // Styles are numbered through all drawings of a process.
    const styles = new Map<string, string>();
    const svg = drawing.renderToSVGString().replace(/\bzr\d+-cls-\d+/g, style => {
      if (!styles.has(style)) styles.set(style, `style-${styles.size}`);
      return styles.get(style)!;
    });
    // A title for those who do not see it; the hover styles mean nothing in a page's image.
    return svg
      .replace(/<style\s*>.*?<\/style>\s*/s, '')
      .replace(/^(<svg[^>]*>)/, '$1\n<title>Million guest instructions a second</title>');
  } finally {
    // Without this its timer keeps the process alive.
    drawing.dispose();
  }
}
