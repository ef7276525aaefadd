// Which charts a report has: the loss and the metrics, what the optimizer does, and what the machine does.

const STEP_CHARTS = [
  ["lr", "Learning rate", "", numberText, false],
  ["grad_norm", "Gradient norm", "all parameters, before clipping", numberText, true],
  ["samples_per_second", "Throughput", "samples per second", numberText, true],
  ["peak_bytes", "Memory", "most bytes of tensors in a step, rank 0", bytesText, false],
  ["stall_seconds", "Waiting for data", "time in a step", durationText, true],
];

/// Metrics that are parts of a whole, 0 to 1.
const isPart = (name) => /^(accuracy|precision|recall|f1|top_?\d+)/.test(name);

/// What a point of a long run's curves is.
const meanNote = (data) => {
  const most = Math.max(1, ...data.runs.flatMap((run) => Object.values(run.steps).map((curve) => curve.mean_of)));
  return most > 1 ? `each point of a curve of steps is the mean of ${numberText(most)}` : "";
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

const splitsOf = (curves) => [...new Set(curves.map((curve) => curve.of))];

/// Of several splits, as validation and test, the first stands in the note and the others in the labels.
const labelled = (curves) => {
  const [first] = splitsOf(curves);
  return curves.map((curve) => (curve.of !== first && curve.label !== curve.of ? {...curve, label: `${curve.label} ${curve.of}`} : curve));
};

const chartOf = (title, note, curves, format = numberText, extra = {}) => {
  if (!curves.length) return null;
  const shown = labelled(curves);
  const several = shown.some((curve, i) => curve.label !== curves[i].label);
  return {title, note: several ? `${splitsOf(curves)[0]} unless the legend says other` : note, curves: shown, format, ...extra};
};

const lossCharts = (data) => {
  const training = stepCurves(data, "loss", "training");
  const evaluated = evaluationCurves(data, "loss", 1);
  const extra = {smooth: true, logarithmic: true};
  if (data.runs.length === 1) return [chartOf("Loss", "", [...training, ...evaluated], numberText, extra)];
  return [chartOf("Training loss", "", training, numberText, extra),
          chartOf(splitsOf(evaluated).length > 1 ? "Evaluation loss" : words(`${evaluated[0]?.of} loss`), "", evaluated, numberText, {logarithmic: true})];
};

const metricNames = (data) =>
  [...new Set(data.runs.flatMap((run) => Object.values(run.evaluations).flatMap((curves) => Object.keys(curves))))]
    .filter((name) => name !== "loss");

const allCharts = (data) => {
  const known = new Set(["loss", ...STEP_CHARTS.map(([name]) => name)]);
  const others = [...new Set(data.runs.flatMap((run) => Object.keys(run.steps)))].filter((name) => !known.has(name));
  return {
    results: [...lossCharts(data),
              ...metricNames(data).map((name) => chartOf(words(name), "", evaluationCurves(data, name, 1), numberText, isPart(name) ? {to: 1} : {}))].filter(Boolean),
    training: [...STEP_CHARTS.map(([name, title, note, format, smooth]) =>
                 chartOf(title, note, stepCurves(data, name, title), format, {smooth, from: 0})),
               ...others.map((name) => chartOf(words(name), "", stepCurves(data, name, words(name)), numberText, {smooth: true}))]
      .filter(Boolean),
  };
};
