// The points as the page holds them: arrays from base64, columns, colours and what matches a search.

const TYPES = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f32: Float32Array, f64: Float64Array };
const MISSING = -1;

function unpack(packed) {
  const text = atob(packed.data), bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const array = new TYPES[packed.type](bytes.buffer);
  if (packed.low === undefined) return array;
  const step = (packed.high - packed.low) / 65535;
  return Float64Array.from(array, (value) => packed.low + value * step);
}

function number(value) {
  if (!Number.isFinite(value)) return "\u2013";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-4 ? value.toPrecision(4) : String(Number(value.toPrecision(6)));
}

// Seconds since 1970 as a date, with the time of day where it is asked for.
function moment(seconds, whole) {
  if (!Number.isFinite(seconds)) return "\u2013";
  const [date, time] = new Date(seconds * 1000).toISOString().split("T");
  return whole ? date : `${date} ${time.slice(0, Number.isInteger(seconds) ? 8 : 12)}`;
}

class Column {
  constructor(about) {
    Object.assign(this, { name: about.name, source: about.source, kind: about.kind, levels: about.levels });
    if (about.values) this.values = unpack(about.values);
    else this.values = Int32Array.from(unpack(about.codes), (code) => code - 1);
    const whole = this.kind === "dates" && this.values.every((value) => !Number.isFinite(value) || value % 86400 === 0);
    this.said = this.kind === "dates" ? (value) => moment(value, whole) : number;
  }

  text(point) {
    const value = this.values[point];
    if (!this.levels) return this.said(value);
    return value === MISSING ? "\u2013" : this.levels[value] || "(empty)";
  }

  // How far apart two rows are: in deviations of a number or a date, or 1 for other classes. Texts that nearly every row
  // has of its own, as names, always differ, which says least.
  apart(one, other) {
    const a = this.values[one], b = this.values[other];
    if (this.levels) return a === b ? 0 : this.kind === "texts" ? 0.01 : 1;
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b) ? 0 : 1;
    return Math.abs(a - b) / this.deviation;
  }

  get deviation() {
    if (this.spread === undefined) {
      let count = 0, sum = 0, squares = 0;
      for (const value of this.values) if (!Number.isNaN(value)) { count++; sum += value; }
      const mean = sum / Math.max(count, 1);
      for (const value of this.values) if (!Number.isNaN(value)) squares += (value - mean) ** 2;
      this.spread = Math.sqrt(squares / Math.max(count, 1)) || 1;
    }
    return this.spread;
  }

  // The points that a text matches: part of a text or of a date, or the same number.
  matches(wanted, keep) {
    if (this.kind === "numbers") {
      const value = Number(wanted);
      if (wanted === "" || Number.isNaN(value)) return;
      const near = this.values instanceof Float32Array ? Math.fround(value) : value;
      this.values.forEach((one, point) => { if (one === near) keep(point); });
      return;
    }
    if (this.kind === "dates") {
      if (wanted) this.values.forEach((one, point) => { if (Number.isFinite(one) && this.said(one).includes(wanted)) keep(point); });
      return;
    }
    const lower = wanted.toLowerCase();
    const found = this.levels.map((level) => level.toLowerCase().includes(lower));
    this.values.forEach((code, point) => { if (code !== MISSING && found[code]) keep(point); });
  }
}

class Points {
  constructor(content) {
    this.rows = unpack(content.rows);
    this.count = this.rows.length;
    this.layouts = content.layouts.map((one) => ({ name: one.name, note: one.note, places: unpack(one.places) }));
    this.each = this.count ? content.neighbours.shape[1] : 0;
    this.near = unpack(content.neighbours);
    this.cosines = unpack(content.cosines);
    this.columns = content.columns.map((about) => new Column(about));
    this.label = this.columns.find((one) => one.source === "label");
  }

  neighbours(point) {
    const from = point * this.each;
    return Array.from(this.near.subarray(from, from + this.each), (other, rank) => [other, this.cosines[from + rank]]);
  }

  // "12" or "#12" is a row, "column:text" looks in one column, anything else in all of them.
  search(query) {
    const found = new Set(), keep = (point) => found.add(point), text = query.trim();
    const row = /^#?(\d+)$/.exec(text);
    if (row) this.rows.forEach((one, point) => { if (one === Number(row[1])) keep(point); });
    if (text.startsWith("#")) return [...found];
    const colon = text.indexOf(":"), name = text.slice(0, colon).trim().toLowerCase();
    const named = colon > 0 && this.columns.filter((one) => one.name.toLowerCase() === name);
    if (named && named.length) named.forEach((one) => one.matches(text.slice(colon + 1).trim(), keep));
    else this.columns.forEach((one) => one.matches(text, keep));
    // The row of that number comes before rows that hold it.
    return [...found].sort((a, b) => (row ? (this.rows[b] === Number(row[1])) - (this.rows[a] === Number(row[1])) : 0) || a - b);
  }

  // How many points stand about each one on a layout, as a fraction of the densest place.
  density(layout) {
    const side = 96, counts = new Float64Array(side * side), { places } = layout;
    const cell = (point) => {
      const x = Math.min(side - 1, Math.floor(places[2 * point] * side));
      return Math.min(side - 1, Math.floor(places[2 * point + 1] * side)) * side + x;
    };
    for (let point = 0; point < this.count; point++) counts[cell(point)]++;
    let smooth = counts;
    for (let time = 0; time < 3; time++) smooth = blurred(smooth, side);
    const about = Float64Array.from({ length: this.count }, (_, point) => smooth[cell(point)]);
    const most = about.reduce((a, b) => Math.max(a, b), 0) || 1;
    return about.map((value) => value / most);
  }
}

function blurred(values, side) {
  const out = new Float64Array(values.length);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          const there = x + dx >= 0 && x + dx < side && y + dy >= 0 && y + dy < side;
          if (there) sum += values[(y + dy) * side + x + dx];
        }
      }
      out[y * side + x] = sum / 9;
    }
  }
  return out;
}
