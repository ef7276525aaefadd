// Puts the report together, and with `backflow report --follow` asks for newer data.
//
// The data: {generator, made, differing: [key], runs: [{name, label, directory, status, step, epoch, notes, differences,
//   steps: {name: curve}, evaluations: {split: {name: curve}}, confusion: [...], final: {...}, profile, communication,
//   timeline, environment: [[key, value]], config, log}]}. A curve: {x, y, mean_of, least, most, last}.

const grid = (charts) => element("div", {class: "grid"}, charts.map(drawChart));

const toolbar = (data) => {
  const chips = data.runs.map((run, i) => element("button", {
    type: "button", class: "chip", "aria-pressed": String(!view.hidden.has(i)), title: "show or hide this run",
    onclick: (event) => {
      if (!view.hidden.delete(i)) view.hidden.add(i);
      event.currentTarget.setAttribute("aria-pressed", String(!view.hidden.has(i)));
      showRuns();
    }}, element("i", {class: "dot", style: {background: colour(i)}}), run.label));
  const smoothing = element("input", {type: "range", min: "0", max: "0.98", step: "0.02", value: String(view.smoothing),
    oninput: (event) => { view.smoothing = Number(event.target.value); view.charts.filter((c) => c.smooth).forEach((c) => c.draw()); }});
  const logarithmic = element("input", {type: "checkbox", ...(view.logarithmic ? {checked: ""} : {}),
    onchange: (event) => { view.logarithmic = event.target.checked; view.charts.filter((c) => c.logarithmic).forEach((c) => c.draw()); }});
  return element("div", {class: "bar"}, data.runs.length > 1 ? element("div", {class: "chips"}, chips) : null,
    element("label", {}, "smoothing", smoothing), element("label", {}, logarithmic, "logarithmic loss"),
    element("span", {class: "hint"}, "drag in a chart to zoom, double click for all"));
};

const runDetails = (data, place) => {
  const run = data.runs[view.run];
  place.replaceChildren(...[...run.confusion.map(confusionCard), profileCard(run.profile), timelineCard(run.timeline),
    communicationCard(run.communication),
    element("section", {class: "card"}, textDetails("Configuration", run.config), textDetails("End of log.txt", run.log),
      element("p", {class: "soft"}, run.directory))].filter(Boolean));
};

const detailsPart = (data) => {
  const place = element("div");
  view.run = Math.min(view.run ?? bestRun(data), data.runs.length - 1);
  const picker = element("select", {"aria-label": "run", onchange: (event) => { view.run = Number(event.target.value); runDetails(data, place); }},
    data.runs.map((run, i) => element("option", {value: String(i), ...(i === view.run ? {selected: ""} : {})}, run.label)));
  runDetails(data, place);
  return [element("h2", {}, data.runs.length > 1 ? "Details of " : "Details", data.runs.length > 1 ? picker : ""), place];
};

const titleOf = (data) => {
  const names = new Set(data.runs.map((run) => run.config.match(/^name = "(.*)"$/m)?.[1] ?? run.name));
  return names.size === 1 ? [...names][0] : `${data.runs.length} runs`;
};

const part = (title, ...children) => (children.some(Boolean) ? [element("h2", {}, title), ...children.filter(Boolean)] : []);

const show = (data) => {
  const open = new Set([...document.querySelectorAll("details[open]")].map((one) => one.dataset.key));
  const scroll = scrollY;
  forgetCharts();
  document.title = `${titleOf(data)} – Backflow report`;
  document.querySelector("h1").textContent = titleOf(data);
  document.querySelector("#about").textContent =
    `${data.runs.length === 1 ? "1 run" : `${data.runs.length} runs`} · ${data.generator} · ${data.made}`;
  view.lastStep = Math.max(1, ...data.runs.map((run) => run.step));
  const charts = allCharts(data);
  const compared = differencesTable(data);
  document.querySelector("main").replaceChildren(...[
    notesCard(data), ...part(data.runs.length > 1 ? "Runs" : "Summary", element("section", {class: "card"}, runsTable(data), resultsDetails(data))),
    element("h2", {}, "Curves"), toolbar(data), element("p", {class: "hint"}, meanNote(data)), grid(charts.results),
    ...part("Training and machine", charts.training.length ? grid(charts.training) : null),
    ...detailsPart(data),
    ...part("Differences of the configurations", compared ? element("section", {class: "card"}, compared) : null),
    ...part("Environment", element("section", {class: "card"}, pairsTable(data, (run) => run.environment))),
  ].filter(Boolean));
  document.querySelectorAll("details").forEach((one) => { one.open = open.has(one.dataset.key); });
  drawAll();
  scrollTo(0, scroll);
  document.documentElement.dataset.ready = String(view.charts.length);
  document.documentElement.dataset.height = String(document.documentElement.scrollHeight);
};

/// Asks for data newer than `version` every two seconds.
const follow = (state) => {
  const live = document.querySelector("#live");
  const ask = async () => {
    try {
      const answer = await fetch(`data?since=${state.version}`);
      if (answer.status === 200) {
        state.version = Number(answer.headers.get("Backflow-Version"));
        state.data = await answer.json();
        show(state.data);
      }
      live.textContent = `live, asked at ${new Date().toLocaleTimeString()}`;
      live.className = "live";
    } catch {
      live.textContent = "the program that serves this page has ended";
      live.className = "live lost";
    }
    setTimeout(ask, 2000);
  };
  ask();
};

const state = {version: 0, data: JSON.parse(document.querySelector("#data").textContent)};
view.smoothing = state.data.runs.some((run) => (run.steps.loss?.x.length ?? 0) > 200) ? 0.8 : 0;
show(state.data);
darkScheme.addEventListener("change", () => show(state.data));
if (document.documentElement.dataset.follow === "true") follow(state);
