// The map: a canvas of pixels set by hand, so that 20,000 points move as fast without a graphics processor.

const FURTHEST = 0.6, NEAREST = 400;

class PointMap {
  constructor(canvas, overlay, points) {
    Object.assign(this, { canvas, overlay, points });
    this.context = canvas.getContext("2d", { alpha: false });
    this.above = overlay.getContext("2d");
    this.layout = points.layouts[0];
    this.hovered = this.selected = null;
    this.shown = null; // a byte a point, null where all are shown
    this.labels = [];
    this.reset();
  }

  reset() {
    Object.assign(this, { x: 0.5, y: 0.5, zoom: 0.94 });
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2), box = this.canvas.getBoundingClientRect();
    const width = Math.max(1, Math.round(box.width * ratio)), height = Math.max(1, Math.round(box.height * ratio));
    if (width !== this.canvas.width || height !== this.canvas.height || !this.pixels) {
      for (const one of [this.canvas, this.overlay]) Object.assign(one, { width, height });
      this.pixels = this.context.createImageData(width, height);
      this.words = new Uint32Array(this.pixels.data.buffer);
    }
    this.ratio = ratio;
    this.side = Math.min(width, height);
  }

  setLayout(layout) {
    this.layout = layout;
    this.index = null;
    this.reset();
  }

  // Where a point stands, in pixels of the canvas.
  place(point) {
    const { places } = this.layout, scale = this.side * this.zoom;
    return [
      (places[2 * point] - this.x) * scale + this.canvas.width / 2,
      (this.y - places[2 * point + 1]) * scale + this.canvas.height / 2,
    ];
  }

  get radius() {
    const size = this.points.count > 8000 ? 1.6 : this.points.count > 2500 ? 2.2 : 3.2;
    return Math.min(size * Math.max(1, this.zoom) ** 0.3, 7) * this.ratio;
  }

  draw(colours, paper) {
    this.resize();
    const { words } = this, { width, height } = this.canvas, { places } = this.layout;
    const pack = (hex) => { const [r, g, b] = channels(hex); return (255 << 24) | (b << 16) | (g << 8) | r; };
    words.fill(pack(paper));
    const palette = colours.palette.map(pack), { of } = colours, { shown } = this;
    const scale = this.side * this.zoom, radius = this.radius, [offsets, weights, reach] = stamp(radius, width);
    for (let pass = shown ? 0 : 1; pass < 2; pass++) {
      for (let point = 0; point < this.points.count; point++) {
        if (shown && shown[point] !== pass) continue;
        const x = Math.round((places[2 * point] - this.x) * scale + width / 2);
        const y = Math.round((this.y - places[2 * point + 1]) * scale + height / 2);
        if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
        const colour = palette[pass ? of[point] : 0], thin = pass ? 0 : 2, centre = y * width + x;
        const red = colour & 0xff00ff, green = colour & 0xff00;
        for (let at = 0; at < offsets.length; at++) {
          const below = words[centre + offsets[at]], weight = weights[at] >> thin;
          const mixedRed = ((below & 0xff00ff) + (((red - (below & 0xff00ff)) * weight) >> 8)) & 0xff00ff;
          const mixedGreen = ((below & 0xff00) + (((green - (below & 0xff00)) * weight) >> 8)) & 0xff00;
          words[centre + offsets[at]] = 0xff000000 | mixedRed | mixedGreen;
        }
      }
    }
    this.context.putImageData(this.pixels, 0, 0);
    this.drawAbove();
  }

  // Rings, lines to neighbours and names of classes: redrawn without the points.
  drawAbove() {
    const { above, ratio } = this, { ink, paper } = this.colours;
    above.clearRect(0, 0, this.overlay.width, this.overlay.height);
    const ring = (point, radius, width) => {
      const [x, y] = this.place(point);
      above.lineWidth = width * ratio;
      above.beginPath();
      above.arc(x, y, this.radius + radius * ratio, 0, 2 * Math.PI);
      above.stroke();
    };
    above.strokeStyle = ink;
    if (this.selected !== null) {
      const [x, y] = this.place(this.selected);
      above.globalAlpha = 0.55;
      above.lineWidth = ratio;
      for (const [other] of this.points.neighbours(this.selected)) {
        above.beginPath();
        above.moveTo(x, y);
        above.lineTo(...this.place(other));
        above.stroke();
        ring(other, 1.5, 1.2);
      }
      above.globalAlpha = 1;
      ring(this.selected, 4, 2.4);
    }
    if (this.hovered !== null) ring(this.hovered, 3, 1.6);
    above.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    above.textAlign = "center";
    above.textBaseline = "middle";
    above.lineJoin = "round";
    above.lineWidth = 3.5 * ratio;
    above.strokeStyle = paper;
    above.fillStyle = ink;
    const taken = [];
    for (const { name, at } of this.labels) {
      const half = above.measureText(name).width / 2 + 4 * ratio;
      const [x, y] = this.apart(this.inside(this.placeOf(at), half), half, taken);
      taken.push({ x, y, half });
      above.strokeText(name, x, y);
      above.fillText(name, x, y);
    }
    if (this.cross) {
      above.strokeStyle = ink;
      above.lineWidth = 1.5 * ratio;
      const [x, y, size] = [this.overlay.width / 2, this.overlay.height / 2, 7 * ratio];
      above.beginPath();
      above.moveTo(x - size, y); above.lineTo(x + size, y); above.moveTo(x, y - size); above.lineTo(x, y + size);
      above.stroke();
    }
  }

  // Where a name stands on none of the `taken` ones, as near above or below as it can be; there if all of it is taken.
  apart([x, y], half, taken) {
    const high = 15 * this.ratio, lowest = this.canvas.height - high / 2;
    const free = (at) => taken.every((one) => Math.abs(one.x - x) >= one.half + half || Math.abs(one.y - at) >= high);
    for (let step = 0; step <= 2 * taken.length; step++) {
      const at = y + Math.ceil(step / 2) * (step % 2 ? high : -high);
      if (free(at) && (!step || (at >= high / 2 && at <= lowest))) return [x, at];
    }
    return [x, y];
  }

  // Where a name half as wide as `half` is whole on the canvas, as near to its row as it can be; a row that is not on it
  // keeps its name beside itself.
  inside([x, y], half) {
    const { width, height } = this.canvas, high = 11 * this.ratio;
    if (x < 0 || y < 0 || x > width || y > height) return [x, y];
    const kept = (at, room, size) => Math.max(room, Math.min(size - room, at));
    return [2 * half > width ? width / 2 : kept(x, half, width), kept(y, high, height)];
  }

  placeOf([x, y]) {
    const scale = this.side * this.zoom;
    return [(x - this.x) * scale + this.canvas.width / 2, (this.y - y) * scale + this.canvas.height / 2];
  }

  // The nearest shown point within `within` CSS pixels of a place on the page, or null.
  at(left, top, within = 14) {
    const box = this.canvas.getBoundingClientRect(), scale = this.side * this.zoom, { places } = this.layout;
    const x = ((left - box.left) * this.ratio - this.canvas.width / 2) / scale + this.x;
    const y = this.y - ((top - box.top) * this.ratio - this.canvas.height / 2) / scale;
    this.index = this.index || new Grid(places, this.points.count);
    return this.index.nearest(x, y, (within * this.ratio) / scale, this.shown);
  }

  moveBy(dx, dy) {
    const scale = this.side * this.zoom;
    this.x = Math.min(1.2, Math.max(-0.2, this.x - (dx * this.ratio) / scale));
    this.y = Math.min(1.2, Math.max(-0.2, this.y + (dy * this.ratio) / scale));
  }

  // Zoom by a factor so that what is under a place of the page stays there.
  zoomAt(factor, left, top) {
    const box = this.canvas.getBoundingClientRect(), before = this.side * this.zoom;
    this.zoom = Math.min(NEAREST, Math.max(FURTHEST, this.zoom * factor));
    const after = this.side * this.zoom;
    const dx = (left - box.left) * this.ratio - this.canvas.width / 2, dy = (top - box.top) * this.ratio - this.canvas.height / 2;
    this.x += dx / before - dx / after;
    this.y -= dy / before - dy / after;
  }

  bring(point) {
    // No further than needed: the rows around it are to stay in sight.
    const [x, y] = this.place(point), margin = 0.02 * this.side;
    const inside = (at, end) => Math.min(Math.max(at, margin), end - margin) - at;
    this.moveBy(inside(x, this.canvas.width) / this.ratio, inside(y, this.canvas.height) / this.ratio);
  }
}

// The pixels of a disc as offsets in the canvas, and how much of each it covers, of 256.
const stamps = new Map();
function stamp(radius, width) {
  const key = `${radius} ${width}`;
  if (!stamps.has(key)) {
    if (stamps.size > 50) stamps.clear();
    const reach = Math.ceil(radius + 0.5), offsets = [], weights = [];
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(x, y)));
        if (cover > 0.02) { offsets.push(y * width + x); weights.push(Math.round(cover * 205)); }
      }
    }
    stamps.set(key, [Int32Array.from(offsets), Uint8Array.from(weights), reach]);
  }
  return stamps.get(key);
}

// Points in cells, so that the one under the pointer is found without looking at all.
class Grid {
  constructor(places, count, side = 128) {
    Object.assign(this, { places, side, starts: new Uint32Array(side * side + 1), order: new Uint32Array(count) });
    const cells = Uint32Array.from({ length: count }, (_, point) => this.cell(places[2 * point + 1]) * side + this.cell(places[2 * point]));
    for (const cell of cells) this.starts[cell + 1]++;
    for (let at = 0; at < side * side; at++) this.starts[at + 1] += this.starts[at];
    const next = this.starts.slice();
    cells.forEach((cell, point) => { this.order[next[cell]++] = point; });
  }

  cell(value) {
    return Math.min(this.side - 1, Math.max(0, Math.floor(value * this.side)));
  }

  nearest(x, y, within, shown) {
    let best = null, least = within * within;
    for (let row = this.cell(y - within); row <= this.cell(y + within); row++) {
      for (let column = this.cell(x - within); column <= this.cell(x + within); column++) {
        const cell = row * this.side + column;
        for (let at = this.starts[cell]; at < this.starts[cell + 1]; at++) {
          const point = this.order[at];
          if (shown && !shown[point]) continue;
          const apart = (this.places[2 * point] - x) ** 2 + (this.places[2 * point + 1] - y) ** 2;
          if (apart <= least) { least = apart; best = point; }
        }
      }
    }
    return best;
  }
}
