// Which colour each point has, and the legend that says so.

const STOPS = ["#440154", "#3e4a89", "#26828e", "#35b779", "#b8de29"];
const SHADES = 64;
const OWN_COLOUR = 10;
const LISTED = 60;

function theme() {
  const root = document.documentElement, style = getComputedStyle(root);
  // The map needs all six digits.
  const value = (name) => style.getPropertyValue(name).trim().replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
  const dark = matchMedia("screen and (prefers-color-scheme: dark)").matches && !root.classList.contains("printed");
  const classes = Array.from({ length: OWN_COLOUR }, (_, at) => value(`--p${at}`));
  return { paper: value("--paper"), ink: value("--ink"), missing: value("--missing"), classes, shades: scale(dark) };
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// Viridis; on a dark page its darkest end is cut off, on a light one the lightest is not in it.
function scale(dark) {
  return Array.from({ length: SHADES }, (_, at) => {
    const along = dark ? 0.18 + (0.82 * at) / (SHADES - 1) : at / (SHADES - 1);
    const place = along * (STOPS.length - 1), low = Math.min(Math.floor(place), STOPS.length - 2);
    const [from, to] = [channels(STOPS[low]), channels(STOPS[low + 1])];
    const mixed = from.map((value, channel) => Math.round(value + (to[channel] - value) * (place - low)));
    return "#" + mixed.map((value) => value.toString(16).padStart(2, "0")).join("");
  });
}

// Returns { palette, of: place in the palette of each point, legend, ranges }; the palette's first is "missing".
function coloured(points, column, colours) {
  if (!column) return { palette: [colours.missing, colours.classes[0]], of: new Uint16Array(points.count).fill(1) };
  return column.levels ? byClass(points, column, colours) : byNumber(column, colours);
}

function byClass(points, column, colours) {
  const counts = new Uint32Array(column.levels.length);
  let missing = 0;
  for (const code of column.values) if (code === MISSING) missing++; else counts[code]++;
  const common = [...counts.keys()].filter((code) => counts[code]).sort((a, b) => counts[b] - counts[a] || a - b);
  const own = common.slice(0, OWN_COLOUR).sort((a, b) => a - b);
  const place = new Uint16Array(column.levels.length);
  own.forEach((code, at) => { place[code] = at + 1; });
  const legend = [...own, ...common.slice(OWN_COLOUR, LISTED)].map((code) => ({
    name: column.levels[code] || "(empty)", count: counts[code], colour: place[code] ? colours.classes[place[code] - 1] : colours.missing, code,
  }));
  if (missing) legend.push({ name: "no value", count: missing, colour: colours.missing, code: MISSING });
  const unlisted = Math.max(0, common.length - LISTED);
  const of = Uint16Array.from(column.values, (code) => (code === MISSING ? 0 : place[code]));
  return { palette: [colours.missing, ...colours.classes], of, legend, unlisted };
}

function byNumber(column, colours) {
  const known = Array.from(column.values).filter(Number.isFinite).sort((a, b) => a - b);
  const at = (fraction) => known[Math.round(fraction * (known.length - 1))];
  // A few far values do not make all others one colour.
  const [low, high] = known.length ? [at(0.02), at(0.98)] : [0, 1];
  const span = high - low || 1;
  const of = Uint16Array.from(column.values, (value) => {
    if (!Number.isFinite(value)) return 0;
    return 1 + Math.round(Math.min(1, Math.max(0, (value - low) / span)) * (SHADES - 1));
  });
  const range = { low, high, least: at(0), most: at(1), missing: column.values.length - known.length };
  return { palette: [colours.missing, ...colours.shades], of, range };
}
