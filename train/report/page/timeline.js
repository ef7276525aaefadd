// The timeline of a step: a row for each thread, slices inside slices below them. Drag to zoom, double click for all.

const ROW = 18;
const KIND_COLOURS = {forward: 0, backward: 1, task: 2, pass: 4, span: 8};

const timelineRows = (timeline) => {
  let y = 0;
  return timeline.threads.map((thread) => {
    const depth = Math.max(0, ...thread.slices.map((slice) => slice[2]));
    const row = {name: thread.name, top: y + 16, slices: thread.slices};
    y += 16 + (depth + 1) * ROW + 8;
    row.bottom = y;
    return row;
  });
};

const timelineHeight = (rows) => rows[rows.length - 1].bottom + 18;

const drawTimeline = (canvas, timeline, rows, range) => {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = timelineHeight(rows);
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  const c = canvas.getContext("2d");
  c.scale(ratio, ratio);
  c.font = "11px system-ui, 'DejaVu Sans', sans-serif";
  c.textBaseline = "middle";
  const x = (us) => (us - range[0]) / (range[1] - range[0]) * width;
  for (const row of rows) {
    c.fillStyle = cssColour("--soft");
    c.fillText(row.name, 2, row.top - 8);
    for (const [start, us, depth, name, kind] of row.slices) {
      const from = Math.max(0, x(start)), to = Math.min(width, x(start + us));
      if (to <= 0 || from >= width) continue;
      c.fillStyle = withAlpha(colour(KIND_COLOURS[timeline.names[kind]] ?? 8), 0.75);
      c.fillRect(from, row.top + depth * ROW, Math.max(0.7, to - from - 0.4), ROW - 2);
      if (to - from > 40) writeName(c, timeline.names[name], from, row.top + depth * ROW, to - from);
    }
  }
  drawTicks(c, range, x, height, width);
};

const writeName = (c, name, left, top, width) => {
  c.save();
  c.beginPath();
  c.rect(left, top, width - 3, ROW);
  c.clip();
  c.fillStyle = darkScheme.matches ? "#0b0e12" : "#ffffff";
  c.fillText(name, left + 4, top + ROW / 2 - 1);
  c.restore();
};

const drawTicks = (c, range, x, height, width) => {
  const rough = (range[1] - range[0]) / Math.max(2, width / 130);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) ?? 10 * power;
  c.fillStyle = cssColour("--soft");
  for (let at = Math.ceil(range[0] / step) * step; at < range[1]; at += step) {
    c.fillRect(x(at), height - 16, 1, 4);
    if (x(at) < width - 56) c.fillText(at === 0 ? "0" : microsecondsText(at), x(at) + 3, height - 7);
  }
};

const sliceAt = (rows, range, width, px, py) => {
  const us = range[0] + px / width * (range[1] - range[0]);
  const row = rows.find((one) => py >= one.top && py < one.bottom);
  if (!row) return null;
  const depth = Math.floor((py - row.top) / ROW), slack = (range[1] - range[0]) / width;
  return row.slices.find((slice) => slice[2] === depth && us >= slice[0] - slack && us <= slice[0] + slice[1] + slack) ?? null;
};

const tipText = (timeline, [start, us, , name, kind, detail]) =>
  [`${timeline.names[name]} (${timeline.names[kind]})`, `${microsecondsText(us)}, from ${microsecondsText(start)}`, timeline.names[detail]].filter(Boolean).join(" · ");

const timelineCard = (timeline) => {
  if (!timeline || !timeline.threads.length || !(timeline.us > 0)) return null;
  const rows = timelineRows(timeline);
  const canvas = element("canvas", {role: "img", "aria-label": "timeline of a step", style: {height: `${timelineHeight(rows)}px`}});
  const tip = element("div", {class: "tip", hidden: ""});
  let range = [0, timeline.us], pressed = null;
  const redraw = () => drawTimeline(canvas, timeline, rows, range);
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("mousedown", (event) => { pressed = place(event)[0]; });
  canvas.addEventListener("mouseup", (event) => {
    const [a, b] = [pressed, place(event)[0]].sort((p, q) => p - q);
    if (pressed !== null && b - a > 5) {
      const at = (px) => range[0] + px / canvas.clientWidth * (range[1] - range[0]);
      range = [at(Math.max(0, a)), at(b)];
      redraw();
    }
    pressed = null;
  });
  canvas.addEventListener("dblclick", () => { range = [0, timeline.us]; redraw(); });
  canvas.addEventListener("mousemove", (event) => {
    const [px, py] = place(event), slice = sliceAt(rows, range, canvas.clientWidth, px, py);
    tip.hidden = slice === null;
    if (slice) tip.textContent = tipText(timeline, slice);
    Object.assign(tip.style, {left: `${Math.min(px + 12, canvas.clientWidth * 0.6)}px`, top: `${py + 16}px`});
  });
  canvas.addEventListener("mouseleave", () => { tip.hidden = true; });
  view.drawTimeline = redraw;
  new ResizeObserver(redraw).observe(canvas);
  const kinds = ["forward", "backward", "task", "pass", "span"].filter((kind) => timeline.names.includes(kind));
  return card("Timeline of a step", `${microsecondsText(timeline.us)} on rank 0; drag to zoom, double click for all`,
    element("div", {class: "keys"}, kinds.map((kind) => element("span", {}, element("i", {class: "dot", style: {background: colour(KIND_COLOURS[kind])}}), kind))),
    element("div", {class: "timeline"}, canvas, tip),
    timeline.left_out ? element("p", {class: "soft"}, `${numberText(timeline.left_out)} short slices are left out.`) : null);
};
