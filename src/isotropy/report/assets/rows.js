// Rows as they are seen: a picture, a series or values, on a card, in a list or beside the pointer.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value; else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

class Rows {
  constructor(points, content) {
    this.points = points;
    this.kind = content ? content.kind : null;
    if (this.kind === "images") {
      Object.assign(this, content);
      this.tiles = new Map();
      unpack(content.place).forEach((point, tile) => this.tiles.set(point, tile));
    }
    if (this.kind === "series") {
      Object.assign(this, { channels: content.channels, channelsInAll: content.of, shape: content.values.shape });
      this.values = unpack(content.values);
      this.range = unpack(content.range);
      this.steps = unpack(content.steps);
    }
  }

  name(point) {
    const label = this.points.label, row = `row ${this.points.rows[point].toLocaleString("en")}`;
    return label ? `${row}, ${label.name} ${label.text(point)}` : row;
  }

  // A picture of a row, `size` CSS pixels wide, or null. `others` are drawn beside it: series share one scale.
  picture(point, size, others = [point]) {
    if (this.kind === "images") return this.tiles.has(point) ? this.image(point, size) : null;
    return this.kind === "series" ? this.series(point, size, others) : null;
  }

  image(point, size) {
    const tile = this.tiles.get(point), [width, height] = this.tile, scale = size / Math.max(width, height);
    const across = this.columns, column = tile % across, row = Math.floor(tile / across);
    const made = element("span", { class: "picture", role: "img", "aria-label": `picture of ${this.name(point)}` });
    Object.assign(made.style, {
      width: `${width * scale}px`, height: `${height * scale}px`,
      backgroundImage: `url("${this.src}")`, backgroundSize: `${across * width * scale}px auto`,
      backgroundPosition: `${-column * width * scale}px ${-row * height * scale}px`,
      imageRendering: Math.max(width, height) <= 32 ? "pixelated" : "auto",
    });
    return made;
  }

  bounds(points, channel) {
    let low = Infinity, high = -Infinity;
    for (const point of points) {
      const at = (point * this.shape[1] + channel) * 2;
      low = Math.min(low, this.range[at]);
      high = Math.max(high, this.range[at + 1]);
    }
    return [low, high];
  }

  series(point, size, others) {
    const [, channels, steps] = this.shape, height = Math.max(26, Math.round(size * (channels > 1 ? 0.3 : 0.42)));
    const space = "http://www.w3.org/2000/svg", drawing = document.createElementNS(space, "svg");
    drawing.setAttribute("viewBox", `0 0 ${size} ${height * channels}`);
    drawing.setAttribute("width", size);
    drawing.setAttribute("height", height * channels);
    drawing.setAttribute("class", "series");
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", `series of ${this.name(point)}`);
    for (let channel = 0; channel < channels; channel++) {
      const [low, high] = this.bounds(others, channel), from = point * channels + channel;
      const [own, most] = [this.range[2 * from], this.range[2 * from + 1]];
      let path = "", down = false;
      for (let step = 0; step < steps; step++) {
        const byte = this.values[from * steps + step];
        if (byte === 255) { down = false; continue; }
        const value = own + (byte / 254) * (most - own);
        const y = height * channel + 2 + (1 - (value - low) / (high - low || 1)) * (height - 4);
        path += `${down ? "L" : "M"}${((step / Math.max(1, steps - 1)) * size).toFixed(1)} ${y.toFixed(1)}`;
        down = true;
      }
      const line = document.createElementNS(space, "path");
      line.setAttribute("d", path);
      line.setAttribute("class", `channel${channel}`);
      drawing.append(line);
    }
    return drawing;
  }

  // What the lines of a series are, and between which values they run.
  about(point) {
    if (this.kind !== "series") return null;
    const list = element("p", { class: "note about" }, `${number(this.steps[point])} steps. `);
    this.channels.forEach((name, channel) => {
      const [low, high] = this.bounds([point], channel);
      list.append(element("i", { class: `channel${channel}` }), `${name} ${number(low)} to ${number(high)}. `);
    });
    const more = this.channelsInAll - this.channels.length;
    if (more) list.append(`${more} more channels are not drawn.`);
    return list;
  }

  values_(point, columns) {
    const list = element("dl", { class: "values" });
    for (const column of columns) {
      list.append(element("div", {}, element("dt", {}, column.name), element("dd", {}, column.text(point))));
    }
    return list;
  }

  // In a few words how another row of a table differs.
  difference(point, other) {
    const columns = this.points.columns.filter((one) => one.source === "data");
    const apart = columns.map((column) => [column.apart(point, other), column]).filter(([far]) => far > 0);
    apart.sort((a, b) => b[0] - a[0]);
    if (!columns.length) return "";
    if (!apart.length) return "the same values";
    return apart.slice(0, 3).map(([, column]) => `${column.name} ${column.text(other)}`).join(", ");
  }

  // A row as a button; `said` stands below.
  thumb(point, said, others, size = 68) {
    const made = element("button", { type: "button", class: "thumb", "data-point": point, "aria-label": `${this.name(point)}: ${said}` });
    const picture = this.picture(point, this.kind === "series" ? 118 : size, others);
    if (picture) made.append(picture);
    const label = this.points.label;
    const row = `row ${this.points.rows[point].toLocaleString("en")}`;
    made.append(element("b", {}, label ? label.text(point) : row));
    if (label) made.append(element("span", {}, row));
    if (said) made.append(element("small", {}, said));
    return made;
  }
}
