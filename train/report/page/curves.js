// Which charts a report has: the loss and the metrics, what the optimizer does, and what the machine does.

const STEP_CHARTS = [
  ["lr", "Learning rate", "", numberText, false],
  ["grad_norm", "Gradient norm", "of all parameters, before clipping", numberText, true],
  ["samples_per_second", "Throughput", "samples per second", numberText, true],
  ["peak_bytes", "Memory", "most bytes of tensors in a step, rank 0", bytesText, false],
  ["stall_seconds", "Waiting for data", "seconds of a step", numberText, true],
];

const meanNote = (curves) => {
  const most = Math.max(1, ...curves.map((curve) => curve.mean_of));
  return most > 1 ? `a point is the mean of ${numberText(most)} values` : "";
};

const curveOf = (data, run, curve, label, options = {}) => ({
  x: curve.x, y: curve.y, mean_of: curve.mean_of, run,
  of: label, label: data.runs.length > 1 ? data.runs[run].label : label,
  colour: data.runs.length > 1 ? run : options.colour ?? 0, dash: options.dash ?? false,
});

const stepCurves = (data, name, label) =>
  data.runs.flatMap((run, i) => (run.steps[name]?.x.length ? [curveOf(data, i, run.steps[name], label)] : []));

const evaluationCurves = (data, name, from = 0) =>
  data.runs.flatMap((run, i) =>
    Object.entries(run.evaluations).flatMap(([split, curves], j) =>
      curves[name]?.x.length ? [curveOf(data, i, curves[name], split, {colour: from + j, dash: split !== "validation" && j > 0})] : []));

/// Curves of several splits, as validation and test, have them in their labels.
const labelled = (curves) => {
  const several = new Set(curves.map((curve) => curve.of)).size > 1;
  return curves.map((curve) => (several && curve.label !== curve.of ? {...curve, label: `${curve.label}: ${curve.of}`} : curve));
};

const chartOf = (title, note, curves, format = numberText, extra = {}) =>
  curves.length ? {title, note: [note, meanNote(curves)].filter(Boolean).join("; "), curves: labelled(curves), format, ...extra} : null;

const lossCharts = (data) => {
  const training = stepCurves(data, "loss", "training");
  const evaluated = evaluationCurves(data, "loss", 1);
  const extra = {smooth: true, logarithmic: true};
  if (data.runs.length === 1) return [chartOf("Loss", "", [...training, ...evaluated], numberText, extra)];
  return [chartOf("Training loss", "", training, numberText, extra),
          chartOf("Loss on data that is not trained on", "", evaluated, numberText, {logarithmic: true})];
};

const metricNames = (data) =>
  [...new Set(data.runs.flatMap((run) => Object.values(run.evaluations).flatMap((curves) => Object.keys(curves))))]
    .filter((name) => name !== "loss");

const allCharts = (data) => {
  const known = new Set(["loss", ...STEP_CHARTS.map(([name]) => name)]);
  const others = [...new Set(data.runs.flatMap((run) => Object.keys(run.steps)))].filter((name) => !known.has(name));
  return {
    results: [...lossCharts(data),
              ...metricNames(data).map((name) => chartOf(words(name), "", evaluationCurves(data, name, 1)))].filter(Boolean),
    training: [...STEP_CHARTS.map(([name, title, note, format, smooth]) =>
                 chartOf(title, note, stepCurves(data, name, title), format, {smooth})),
               ...others.map((name) => chartOf(words(name), "", stepCurves(data, name, words(name)), numberText, {smooth: true}))]
      .filter(Boolean),
  };
};
