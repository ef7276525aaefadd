// Curves over steps, drawn by uPlot. All charts share smoothing, hidden runs and the logarithmic scale of the loss.

const view = {smoothing: 0, logarithmic: false, hidden: new Set(), zoom: new Map(), run: null, lastStep: 1, charts: [], drawTimeline: null};

/// Exponential moving average without the bias towards its start; gaps stay gaps.
const smoothed = (values, weight) => {
  let sum = 0, total = 0;
  return values.map((value) => {
    if (value === null || value === undefined) return value;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
};

const withAlpha = (hex, alpha) => hex + Math.round(alpha * 255).toString(16).padStart(2, "0");

/// What uPlot needs of the curves: their common steps, and a value or nothing for each. All charts begin at step 0 and end at
/// the last step of any run.
const table = (curves) => {
  const ends = [[0, view.lastStep], [null, null]];
  return uPlot.join([ends, ...curves.map((curve) => [curve.x, curve.y])]).toSpliced(1, 1);
};

/// The values that a chart shows, between `chart.from` and `chart.to` where it has them. A constant has room around it.
const rangeOf = (chart, logarithmic) => (_, min, max) => {
  if (!Number.isFinite(min) || !Number.isFinite(max)) return [0, 1];
  if (logarithmic) return uPlot.rangeLog(min, max, 10, true);
  const low = Math.min(min, chart.from ?? min), room = max > low ? 0.08 * (max - low) : Math.abs(max) / 10 || 1;
  const bottom = low >= 0 ? Math.max(0, low - room) : low - room;
  return [bottom, max <= chart.to ? Math.min(max + room, chart.to + room / 4) : max + room];
};

/// The curves as uPlot draws them: with smoothing each has a pale one behind it.
const layers = (curves, smooth) =>
  curves.flatMap((curve) => {
    if (!smooth || view.smoothing === 0 || curve.x.length < 10) return [{...curve, pale: false}];
    return [{...curve, pale: true}, {...curve, y: smoothed(curve.y, view.smoothing), pale: false}];
  });

const seriesOf = (layer, format) => ({
  label: layer.label,
  show: !view.hidden.has(layer.run),
  stroke: () => (layer.pale ? withAlpha(colour(layer.colour), 0.28) : colour(layer.colour)),
  width: layer.pale ? 1 : 1.8,
  dash: layer.dash ? [6, 4] : undefined,
  points: {show: layer.x.length < 40 && !layer.pale, size: layer.dash ? 8 : 6, ...(layer.dash ? {fill: () => colour(layer.colour)} : {})},
  value: (_, x) => (x === null || x === undefined ? "" : format(x)),
});

const axisOf = (format, extra) => ({
  stroke: () => cssColour("--soft"),
  grid: {stroke: () => cssColour("--grid"), width: 1},
  ticks: {stroke: () => cssColour("--grid"), width: 1},
  font: "12px system-ui, 'DejaVu Sans', sans-serif",
  ...(format ? {values: (_, ticks) => ticks.map((x) => (x === null ? null : format(x)))} : {}),
  ...extra,
});

const shortSteps = (x) => (x >= 1e6 ? `${x / 1e6}M` : x >= 1e4 ? `${x / 1e3}k` : numberText(x));

/// Charts are as wide as their cards. What is not drawn yet has no width.
const widthOf = (place) => Math.max(220, Math.floor(place.clientWidth || 480));

const optionsOf = (chart, drawn, width) => {
  const logarithmic = chart.logarithmic && view.logarithmic;
  const zoomed = view.zoom.get(chart.title);
  return {
    width, height: 240,
    scales: {x: {time: false, ...(zoomed ? {min: zoomed[0], max: zoomed[1]} : {})}, y: {distr: logarithmic ? 3 : 1, range: rangeOf(chart, logarithmic)}},
    axes: [axisOf(shortSteps, {label: "step", labelSize: 18, labelFont: "12px system-ui, sans-serif", size: 34}),
           axisOf(chart.format, {size: 62})],
    series: [{label: "step", value: (_, x) => (x === null || x === undefined ? "" : numberText(x))},
             ...drawn.map((layer) => seriesOf(layer, chart.format))],
    legend: {show: true, live: true},
    cursor: {drag: {x: true, y: false}, sync: {key: "steps", setSeries: false}, focus: {prox: 24}},
    focus: {alpha: 0.35},
    hooks: {setScale: [(u, key) => rememberZoom(chart, u, key)]},
  };
};

const rememberZoom = (chart, u, key) => {
  const x = u.data[0];
  if (key !== "x" || x.length < 2) return;
  const {min, max} = u.scales.x;
  if (min > x[0] || max < x[x.length - 1]) view.zoom.set(chart.title, [min, max]);
  else view.zoom.delete(chart.title);
};

const hidePale = (plot, drawn) => {
  const rows = plot.root.querySelectorAll(".u-legend .u-series");
  drawn.forEach((layer, i) => {
    if (layer.pale && rows[i + 1]) rows[i + 1].style.display = "none";
  });
};

/// A chart: {title, note, curves: [{label, run, colour, dash, x, y}], format, smooth, logarithmic, from, to}.
const drawChart = (chart) => {
  const place = element("div", {class: "plot"});
  const draw = () => {
    chart.plot?.destroy();
    const positive = chart.curves.every((curve) => curve.y.every((y) => y === null || y > 0));
    const drawn = layers(chart.curves, chart.smooth);
    const shown = {...chart, logarithmic: chart.logarithmic && positive};
    chart.drawn = drawn;
    chart.plot = new uPlot(optionsOf(shown, drawn, widthOf(place)), table(drawn), place);
    hidePale(chart.plot, drawn);
    place.dataset.points = String(Math.max(...chart.curves.map((curve) => curve.x.length)));
  };
  chart.draw = draw;
  chart.place = place;
  view.charts.push(chart);
  return card(chart.title, chart.note, place);
};

const resizeCharts = new ResizeObserver((entries) => {
  for (const entry of entries) {
    const chart = view.charts.find((one) => one.place === entry.target);
    if (chart?.plot && widthOf(entry.target) !== chart.plot.width) {
      chart.plot.setSize({width: widthOf(entry.target), height: 240});
    }
  }
});

/// Draws the charts, whose places are in the page by now.
const drawAll = () => {
  for (const chart of view.charts) {
    chart.draw();
    resizeCharts.observe(chart.place);
  }
  view.drawTimeline?.();
};

const forgetCharts = () => {
  resizeCharts.disconnect();
  for (const chart of view.charts) chart.plot?.destroy();
  view.charts = [];
  view.drawTimeline = null;
};

const showRuns = () => {
  for (const chart of view.charts) {
    chart.drawn.forEach((layer, i) => chart.plot.setSeries(i + 1, {show: !view.hidden.has(layer.run)}));
    hidePale(chart.plot, chart.drawn);
  }
};
