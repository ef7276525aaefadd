// What is shown of one run at a time: confusion matrices, time per operator, communication.

/// The colour of a cell: blue on the diagonal, red elsewhere, by its part of the row.
const cellStyle = (part, diagonal) => {
  const strength = Math.round(100 * Math.sqrt(part) * 0.85);
  const ink = diagonal ? "#2f7fd6" : "#d9534a";
  return part > 0 ? {background: `color-mix(in srgb, ${ink} ${strength}%, transparent)`} : {};
};

const matrixTable = (confusion) => {
  const {classes, matrix} = confusion;
  const sums = matrix.map((row) => row.reduce((a, b) => a + b, 0));
  const columnSums = classes.map((_, j) => matrix.reduce((sum, row) => sum + row[j], 0));
  const percent = (x, of) => (of > 0 ? `${(100 * x / of).toFixed(1)}%` : "–");
  const head = element("tr", {}, element("th", {}, "true ↓ taken for →"), classes.map((name) => element("th", {scope: "col"}, name)), element("th", {}, "recall"));
  const rows = matrix.map((row, i) => element("tr", {}, element("th", {scope: "row"}, classes[i]),
    row.map((count, j) => element("td", {style: cellStyle(sums[i] ? count / sums[i] : 0, i === j),
      title: `${classes[i]} taken for ${classes[j]}: ${count} of ${sums[i]}`}, numberText(count))),
    element("td", {}, percent(row[i], sums[i]))));
  const last = element("tr", {}, element("th", {}, "precision"), classes.map((_, j) => element("td", {}, percent(matrix[j][j], columnSums[j]))), element("td", {}));
  return element("div", {class: "scroll"}, element("table", {class: `matrix${classes.length > 24 ? " small" : ""}`},
    element("thead", {}, head), element("tbody", {}, rows, last)));
};

const confusionCard = (confusion) => {
  const {classes} = confusion;
  const worst = confusion.mistakes.slice(0, 10).map(([from, to, count]) =>
    element("tr", {}, element("td", {class: "wide"}, classes[from]), element("td", {class: "wide"}, classes[to]), element("td", {class: "n"}, numberText(count))));
  return card("Confusion matrix", `${confusion.split} data after step ${numberText(confusion.step)}; rows are the true classes`,
    element("div", {class: "beside"},
      confusion.matrix.length ? matrixTable(confusion) : element("p", {class: "soft"}, `${classes.length} classes are too many to draw.`),
      worst.length ? element("table", {class: "narrow"}, element("caption", {}, "Most frequent mistakes"),
        element("thead", {}, element("tr", {}, element("th", {}, "class"), element("th", {}, "taken for"), element("th", {class: "n"}, "samples"))),
        element("tbody", {}, worst)) : null));
};

/// A step as one bar: data, forward, backward and the rest.
const stepBar = (profile) => {
  const spans = profile.spans.filter(([name]) => name !== "step");
  const step = profile.spans.find(([name]) => name === "step")?.[1] ?? 0;
  const parts = spans.filter(([name]) => ["data", "forward", "backward", "all-reduce"].includes(name));
  const rest = step - parts.reduce((sum, [, ms]) => sum + ms, 0);
  const all = rest > 0 ? [...parts, ["other", rest]] : parts;
  const total = all.reduce((sum, [, ms]) => sum + ms, 0);
  if (!(total > 0)) return null;
  return element("div", {}, element("div", {class: "stack", role: "img", "aria-label": "parts of a step"},
    all.map(([name, ms], i) => element("i", {title: `${name}: ${ms.toFixed(3)} ms`, style: {width: `${100 * ms / total}%`, background: colour(i)}}))),
  element("div", {class: "keys"}, all.map(([name, ms], i) => element("span", {},
    element("i", {class: "dot", style: {background: colour(i)}}), `${name} ${numberText(ms)} ms (${(100 * ms / total).toFixed(1)}%)`))));
};

const operatorRows = (profile, most) => {
  const total = profile.operators.reduce((sum, row) => sum + (row[3] ?? 0), 0);
  const steps = profile.totals.steps || 1;
  const rowOf = (name, direction, calls, ms, gflops, gbs) => {
    const part = total > 0 ? 100 * ms / total : 0;
    return element("tr", {}, element("td", {class: "wide"}, name), element("td", {}, direction),
      element("td", {class: "n"}, numberText(calls / steps)), element("td", {class: "n"}, numberText(ms / steps)),
      element("td", {class: "share"}, element("i", {style: {width: `${part}%`}}), element("span", {}, `${part.toFixed(1)}%`)),
      element("td", {class: "n"}, gflops === null ? "" : numberText(gflops, 3)), element("td", {class: "n"}, gbs === null ? "" : numberText(gbs, 3)));
  };
  const rows = profile.operators.slice(0, most).map((row) => rowOf(...row));
  const rest = profile.operators.slice(most);
  if (rest.length) {
    rows.push(rowOf(`${rest.length} others`, "", rest.reduce((sum, row) => sum + row[2], 0), rest.reduce((sum, row) => sum + row[3], 0), null, null));
  }
  return rows;
};

const profileCard = (profile) => {
  if (!profile) return null;
  const titles = ["operator", "", "calls a step", "ms a step", "share of operators", "GFLOP/s", "GB/s"];
  const totals = profile.totals;
  const facts = [totals.parallelism ? `parallelism of backward ${numberText(totals.parallelism)} of at most ${numberText(totals.parallelism_bound)}` : "",
                 totals.peak_bytes ? `tensors take at most ${bytesText(totals.peak_bytes)}` : ""].filter(Boolean).join("; ");
  return card("Time per operator", `rank 0, mean of ${numberText(totals.steps)} sampled steps`, stepBar(profile),
    element("div", {class: "scroll"}, element("table", {}, element("thead", {}, element("tr", {}, titles.map((title, i) => element("th", {class: [2, 3, 5, 6].includes(i) ? "n" : ""}, title)))),
      element("tbody", {}, operatorRows(profile, 15)))), facts ? element("p", {class: "soft"}, facts) : null);
};

const communicationCard = (communication) => {
  const rows = Object.entries(communication).filter(([key]) => !/^(bucket|other)\./.test(key));
  if (!rows.length) return null;
  return card("Communication", "a step on average, rank 0", element("div", {class: "scroll"}, element("table", {}, element("tbody", {},
    rows.map(([key, value]) => element("tr", {}, element("td", {}, words(key)), element("td", {class: "n"}, key.endsWith("bytes") ? bytesText(value) : numberText(value))))))));
};
