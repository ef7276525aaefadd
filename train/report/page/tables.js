// The table of runs, configurations, environments, notes.

const numeric = (text) => text !== "" && Number.isFinite(Number(text));

/// A table whose columns are sorted by a click. A column: {title, of: row => value, show: value => text, best: "low"|"high"}.
const sortableTable = (columns, rows) => {
  let by = null, falling = false;
  const body = element("tbody");
  const isNumber = columns.map((column) => rows.every((row) => column.of(row) === null || typeof column.of(row) === "number"));
  const best = columns.map((column) => {
    const values = rows.map(column.of).filter((x) => typeof x === "number");
    if (!column.best || rows.length < 2 || values.length === 0) return null;
    return column.best === "low" ? Math.min(...values) : Math.max(...values);
  });
  const fill = () => {
    const order = [...rows];
    if (by !== null) {
      const of = columns[by].of;
      order.sort((a, b) => {
        const [x, y] = [of(a), of(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", {numeric: true})) * (falling ? -1 : 1);
      });
    }
    body.replaceChildren(...order.map((row) => element("tr", {}, columns.map((column, i) => {
      const value = column.of(row);
      const shown = column.show ? column.show(value, row) : value === null ? "–" : typeof value === "number" ? numberText(value) : value;
      return element("td", {class: `${isNumber[i] ? "n" : "wide"}${best[i] !== null && value === best[i] ? " best" : ""}`}, shown);
    }))));
  };
  const sortBy = (i) => {
    falling = by === i ? !falling : columns[i].best === "high";
    by = i;
    fill();
  };
  const head = element("tr", {}, columns.map((column, i) =>
    element("th", {class: isNumber[i] ? "n" : "", scope: "col"}, element("button", {type: "button", title: "sort", onclick: () => sortBy(i)}, column.title))));
  fill();
  return element("div", {class: "scroll"}, element("table", {}, element("thead", {}, head), body));
};

const lowerIsBetter = (name) => /(loss|error|mae|mse|l1|huber|perplexity)$/.test(name);

const statusText = (status) =>
  element("span", {class: status === "finished" ? "finished" : status === "running" ? "running" : "unfinished"}, status);

/// The final numbers, and the last ones of evaluations for runs that have none.
const resultOf = (run, name) => {
  if (typeof run.final[name] === "number") return run.final[name];
  const [split, ...rest] = name.split("_");
  return run.evaluations[split]?.[rest.join("_")]?.last ?? null;
};

const resultNames = (data) => {
  const skip = new Set(["steps", "seconds", "step", "epoch"]);
  const names = data.runs.flatMap((run) => [
    ...Object.entries(run.evaluations).flatMap(([split, curves]) => Object.keys(curves).map((name) => `${split}_${name}`)),
    ...Object.keys(run.final).filter((name) => typeof run.final[name] === "number" && !skip.has(name))]);
  return [...new Set(names)];
};

/// For each split the loss and the metric that comes first.
const mainResults = (data) => {
  const names = resultNames(data), splits = new Set(names.map((name) => name.split("_")[0]));
  return [...splits].flatMap((split) => {
    const own = names.filter((name) => name.startsWith(`${split}_`));
    const loss = own.filter((name) => name === `${split}_loss`);
    return [...loss, ...own.filter((name) => !loss.includes(name)).slice(0, 1)];
  }).slice(0, 6);
};

/// The number of the run with the best metric, or the first.
const bestRun = (data) => {
  const names = mainResults(data), name = names.find((one) => !lowerIsBetter(one)) ?? names[0];
  const values = data.runs.map((run) => (name ? resultOf(run, name) : null)), numbers = values.filter((x) => x !== null);
  if (!numbers.length) return 0;
  return values.indexOf(lowerIsBetter(name) ? Math.min(...numbers) : Math.max(...numbers));
};

/// A row for each metric and a column for each run; nothing where the table of runs has all.
const resultsDetails = (data) => {
  const names = resultNames(data);
  if (names.length === mainResults(data).length) return null;
  const rowOf = (name) => {
    const values = data.runs.map((run) => resultOf(run, name)), numbers = values.filter((x) => x !== null);
    const best = lowerIsBetter(name) ? Math.min(...numbers) : Math.max(...numbers);
    return element("tr", {}, element("td", {}, words(name)),
      values.map((x) => element("td", {class: data.runs.length > 1 && x === best ? "n best" : "n"}, numberText(x))));
  };
  return element("details", {"data-key": "metrics"}, element("summary", {}, "All metrics"),
    element("div", {class: "scroll"}, element("table", {class: "narrow"},
      element("thead", {}, element("tr", {}, ["metric", ...data.runs.map((run) => run.label)].map((title, i) => element("th", {class: i ? "n" : ""}, title)))),
      element("tbody", {}, names.map(rowOf)))));
};

const runsTable = (data) => sortableTable([
  {title: "Run", of: (run) => run.name, show: (name, run) => element("span", {},
    element("i", {class: "dot", style: {display: "inline-block", background: colour(data.runs.indexOf(run)), marginRight: "6px"}}), name)},
  ...data.differing.slice(0, 12).map((key, i) => ({
    title: key, of: (run) => numeric(run.differences[i]) ? Number(run.differences[i]) : run.differences[i] || "–",
    show: (_, run) => run.differences[i] || "–"})),
  {title: "Status", of: (run) => run.status, show: statusText},
  {title: "Steps", of: (run) => run.step},
  {title: "Epochs", of: (run) => run.epoch},
  {title: "Training loss", of: (run) => run.steps.loss?.last ?? null, best: "low"},
  ...mainResults(data).map((name) => ({title: words(name), of: (run) => resultOf(run, name), best: lowerIsBetter(name) ? "low" : "high"})),
  {title: "Time", of: (run) => run.final.seconds ?? null, show: secondsText},
], data.runs);

const notesCard = (data) => {
  const notes = data.runs.flatMap((run) => run.notes.map((note) => (data.runs.length > 1 ? `${run.label}: ${note}` : note)));
  return notes.length ? element("section", {class: "card notes"}, element("ul", {}, notes.map((note) => element("li", {}, note)))) : null;
};

/// Keys by runs; rows in which the runs differ are marked. Runs that are all alike have one column.
const pairsTable = (data, pairs) => {
  const keys = [...new Set(data.runs.flatMap((run) => pairs(run).map(([key]) => key)))];
  const columns = data.runs.map((run) => new Map(pairs(run)));
  const differ = (key) => columns.some((column) => column.get(key) !== columns[0].get(key));
  const one = data.runs.length === 1 || !keys.some(differ);
  const shown = one ? columns.slice(0, 1) : columns;
  const titles = one ? [data.runs.length > 1 ? "all runs" : "value"] : data.runs.map((run) => run.label);
  return element("div", {class: "scroll"}, element("table", {},
    element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "key"), titles.map((title) => element("th", {scope: "col"}, title)))),
    element("tbody", {}, keys.map((key) => element("tr", {class: !one && differ(key) ? "differs" : ""},
      element("td", {}, key), shown.map((column) => element("td", {class: "wide"}, column.get(key) ?? "–")))))));
};

const differencesTable = (data) => {
  if (data.runs.length < 2) return null;
  if (!data.differing.length) return element("p", {class: "soft"}, "All runs have the same configuration.");
  return pairsTable(data, (run) => data.differing.map((key, i) => [key, run.differences[i] || "–"]));
};

const textDetails = (title, text) =>
  text ? element("details", {"data-key": title}, element("summary", {}, title), element("pre", {}, text)) : null;
