// Elements, numbers and colours. Text of a run goes into the page as text alone, never as HTML.

const element = (tag, options = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(made.style, value);
    else made.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) made.append(child);  // strings become text nodes
  }
  return made;
};

const card = (title, note, ...children) =>
  element("section", {class: "card"}, element("h3", {}, title, note ? element("small", {}, note) : null), ...children);

/// 1234567 as "1,234,567", 0.000123 as "1.23e-4", with `digits` significant ones.
const numberText = (x, digits = 4) => {
  if (x === null || x === undefined) return "–";
  if (typeof x !== "number") return String(x);
  if (Number.isInteger(x) && Math.abs(x) < 1e15) return x.toLocaleString("en-US");
  const size = Math.abs(x);
  if (size >= 1e6 || size < 1e-3) return x.toExponential(digits - 1).replace("e+", "e").replace(/\.?0+e/, "e");
  return size >= 1000 ? Math.round(x).toLocaleString("en-US") : Number(x.toPrecision(digits)).toString();
};

const bytesText = (x) => {
  if (x === null || x === undefined) return "–";
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (Math.abs(x) < 1000) return `${Number(x.toPrecision(4))} ${unit}`;
    x /= 1000;
  }
  return `${Number(x.toPrecision(4))} TB`;
};

const secondsText = (s) => {
  if (s === null || s === undefined) return "–";
  if (s < 60) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts[0] ? `${parts[0]} h ${parts[1]} min` : `${parts[1]} min ${parts[2]} s`;
};

const microsecondsText = (us) =>
  us >= 1e6 ? `${Number((us / 1e6).toPrecision(4))} s` : us >= 1e3 ? `${Number((us / 1e3).toPrecision(4))} ms` : `${Number(us.toPrecision(3))} µs`;

const durationText = (s) => (s === 0 ? "0" : microsecondsText(1e6 * s));

const words = (name) => {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
};

const darkScheme = matchMedia("(prefers-color-scheme: dark)");

// Colours that people who confuse red and green can tell apart (Okabe and Ito), lighter on dark.
const PALETTES = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5fd0", "#a07800", "#3a8fb7", "#8c564b", "#444c56", "#e0479e"],
  dark: ["#56b4e9", "#ff9e4a", "#3fd0a0", "#f0a6cf", "#b3a2ff", "#e6c229", "#8fd3f0", "#d0a090", "#c3cad3", "#ff8bc2"],
};
const colour = (i) => {
  const palette = PALETTES[darkScheme.matches ? "dark" : "light"];
  return palette[i % palette.length];
};
const cssColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
