// The page at work: what is hovered, chosen, coloured and searched. Text goes in as text, never as markup.

const SHOWN_IN_TIP = 8, ANYWHERE = 1e5, RESULTS = 12, DENSITY = "\u0000density", STEP = 60;
const get = (id) => document.getElementById(id);

class Explorer {
  constructor(content) {
    this.points = new Points(content);
    this.rows = new Rows(this.points, content.pictures);
    this.map = new PointMap(get("canvas"), get("overlay"), this.points);
    this.lists = content.lists;
    this.isolated = this.results = null;
    this.fillTools();
    this.fillLists();
    this.listen();
    this.recolour();
    this.showCard();
  }

  // ---- choices

  fillTools() {
    const groups = { label: "Labels", run: "The run", audit: "Audit", data: "Columns" };
    const colour = get("colour");
    colour.append(element("option", { value: "" }, "nothing"));
    for (const [source, title] of Object.entries(groups)) {
      const group = element("optgroup", { label: title });
      this.points.columns.forEach((column, at) => {
        if (column.source === source) group.append(element("option", { value: at }, column.name));
      });
      if (source === "run") group.append(element("option", { value: DENSITY }, "density on the map"));
      if (group.children.length) colour.append(group);
    }
    const first = this.points.columns.findIndex((one) => one.source === "label");
    const scored = this.points.columns.findIndex((one) => one.source === "run" && one.kind === "numbers");
    colour.value = String(first >= 0 ? first : scored >= 0 ? scored : "");
    this.points.layouts.forEach((layout, at) => get("layout").append(element("option", { value: at }, layout.name)));
  }

  get column() {
    const chosen = get("colour").value;
    if (chosen === "") return null;
    if (chosen !== DENSITY) return this.points.columns[Number(chosen)];
    const layout = this.map.layout;
    layout.density = layout.density || this.points.density(layout);
    return { name: "density on the map", kind: "numbers", values: layout.density, said: number, text: (point) => number(layout.density[point]) };
  }

  recolour() {
    this.colours = theme();
    this.coloured = coloured(this.points, this.column, this.colours);
    this.map.colours = this.colours;
    this.map.labels = this.names();
    get("canvas").setAttribute("aria-label", this.description());
    get("layout-note").textContent = this.map.layout.note;
    this.fillLegend();
    this.draw();
  }

  description() {
    const by = this.column ? `, coloured by ${this.column.name}` : "";
    return `Map of ${this.points.count.toLocaleString("en")} embeddings by ${this.map.layout.name}${by}. ` +
      "Arrow keys move it, plus and minus zoom, Enter chooses the row in the middle.";
  }

  // The names of few classes stand on the row nearest to the middle of a class, as the middle of several groups is empty:
  // colours alone do not say which is which.
  names() {
    const column = this.column, { places } = this.map.layout;
    if (!column || column.kind !== "classes" || column.levels.length > 16) return [];
    return column.levels.flatMap((name, code) => {
      const rows = [];
      column.values.forEach((one, point) => { if (one === code) rows.push([places[2 * point], places[2 * point + 1]]); });
      if (!rows.length) return [];
      const [x, y] = [0, 1].map((axis) => rows.map((row) => row[axis]).sort((a, b) => a - b)[rows.length >> 1]);
      const away = (row) => (row[0] - x) ** 2 + (row[1] - y) ** 2;
      const at = rows.reduce((best, row) => (away(row) < away(best) ? row : best));
      return [{ name: name.length > 18 ? name.slice(0, 17) + "\u2026" : name, at }];
    });
  }

  fillLegend() {
    const legend = get("legend"), { range } = this.coloured;
    legend.replaceChildren();
    if (range) {
      const stops = this.colours.shades.filter((_, at) => at % 9 === 0).join(", ");
      const bar = element("span", { class: "scale" });
      bar.style.background = `linear-gradient(to right, ${stops})`;
      const write = this.column.said, said = `${write(range.least)} to ${write(range.most)}` + (range.missing ? `, ${number(range.missing)} without a value` : "");
      legend.append(element("span", {}, write(range.low)), bar, element("span", {}, write(range.high)), element("small", {}, said));
    }
    for (const entry of this.coloured.legend || []) {
      const swatch = element("i");
      swatch.style.background = entry.colour;
      const button = element("button", { type: "button", "aria-pressed": this.isolated === entry.code }, swatch, entry.name, element("small", {}, number(entry.count)));
      button.addEventListener("click", () => {
        this.isolated = this.isolated === entry.code ? null : entry.code;
        this.filter();
        this.fillLegend();
        [...legend.querySelectorAll("button")][this.coloured.legend.indexOf(entry)].focus();
      });
      legend.append(button);
    }
    if (this.coloured.unlisted) legend.append(element("small", {}, `and ${this.coloured.unlisted} more`));
  }

  // ---- which points are shown

  filter() {
    const column = this.column;
    if (this.isolated === null && !this.results) this.map.shown = null;
    else {
      const found = this.results && new Set(this.results);
      this.map.shown = Uint8Array.from({ length: this.points.count }, (_, point) =>
        (this.isolated === null || column.values[point] === this.isolated) && (!found || found.has(point)) ? 1 : 0);
    }
    this.draw();
  }

  search() {
    const query = get("search").value.trim(), list = get("results");
    this.results = query ? this.points.search(query) : null;
    list.replaceChildren();
    get("found").textContent = this.results ? `${number(this.results.length)} of ${number(this.points.count)} rows` : "";
    for (const point of (this.results || []).slice(0, RESULTS)) list.append(this.thumb(point, ""));
    this.filter();
  }

  // ---- rows

  thumb(point, said, others) {
    const made = this.rows.thumb(point, said, others);
    made.addEventListener("click", () => this.select(point, true));
    made.addEventListener("pointerenter", () => this.hover(point));
    made.addEventListener("pointerleave", () => this.hover(null));
    return made;
  }

  hover(point, left, top) {
    if (this.map.hovered !== point) {
      this.map.hovered = point;
      get("canvas").dataset.hovered = point === null ? "" : this.points.rows[point];
      this.map.drawAbove();
    }
    const tip = get("tip");
    tip.hidden = point === null || left === undefined;
    if (tip.hidden) return;
    if (tip.dataset.point !== String(point)) {
      tip.dataset.point = point;
      const picture = this.rows.picture(point, this.rows.kind === "series" ? 200 : 88), first = this.column;
      const columns = this.points.columns.filter((one) => one !== first);
      tip.replaceChildren(element("b", {}, `row ${this.points.rows[point].toLocaleString("en")}`));
      if (picture) tip.append(picture);
      tip.append(this.rows.values_(point, [...(first ? [first] : []), ...columns].slice(0, SHOWN_IN_TIP)));
      if (columns.length > SHOWN_IN_TIP) tip.append(element("small", {}, "click for all values"));
    }
    const box = get("view").getBoundingClientRect(), width = tip.offsetWidth, height = tip.offsetHeight;
    const x = left - box.left, y = top - box.top;
    tip.style.left = `${Math.max(0, x + 16 + width > box.width ? x - width - 12 : x + 16)}px`;
    tip.style.top = `${Math.max(0, Math.min(y + 12, box.height - height))}px`;
  }

  select(point, scroll = false) {
    this.map.selected = point;
    get("canvas").dataset.selected = point === null ? "" : this.points.rows[point];
    this.hover(null);
    if (point !== null) this.map.bring(point);
    this.showCard();
    this.draw();
    // On a narrow page the row stands below the map, out of sight.
    const below = get("card").offsetTop > get("view").offsetTop + get("view").offsetHeight;
    if (scroll) get(below ? "card" : "map").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  showCard() {
    const card = get("card"), point = this.map.selected;
    card.replaceChildren();
    if (point === null) {
      card.append(element("p", { class: "note" }, "Point at a row to see it; click it, or press Enter, for its ten nearest neighbours. Drag to move; zoom with +, \u2212, Ctrl and the wheel, or two fingers."));
      return;
    }
    const near = this.points.neighbours(point), others = [point, ...near.map(([other]) => other)];
    const close = element("button", { type: "button", class: "close", "aria-label": "close" }, "\u00d7");
    close.addEventListener("click", () => this.select(null));
    card.append(close, element("h3", {}, `Row ${this.points.rows[point].toLocaleString("en")}`));
    const picture = this.rows.picture(point, this.rows.kind === "series" ? 290 : 132, others);
    if (picture) card.append(picture);
    else if (this.rows.kind === "images") card.append(element("p", { class: "note" }, "The page keeps no picture of this row."));
    const about = this.rows.about(point);
    if (about) card.append(about);
    card.append(this.rows.values_(point, this.points.columns));
    if (!near.length) return;
    card.append(element("h4", {}, `Its ${near.length} nearest, by cosine`));
    const list = element("div", { class: "thumbs", id: "neighbours" });
    const table = this.points.columns.some((one) => one.source === "data") && !this.rows.kind;
    if (table) list.classList.add("listed");
    for (const [other, cosine] of near) {
      const differs = table ? `, ${this.rows.difference(point, other)}` : "";
      list.append(this.thumb(other, cosine.toFixed(3) + differs, others));
    }
    card.append(list);
  }

  fillLists() {
    for (const list of this.lists) {
      const place = document.querySelector(`[data-list="${CSS.escape(list.name)}"]`);
      list.rows.forEach((point, at) => place.append(this.thumb(point, list.said[at] || "")));
    }
  }

  // ---- drawing and input

  draw() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.map.draw(this.coloured, this.colours.paper);
    });
  }

  zoom(factor, left, top) {
    const box = get("canvas").getBoundingClientRect();
    this.map.zoomAt(factor, left ?? box.left + box.width / 2, top ?? box.top + box.height / 2);
    this.draw();
  }

  key(event) {
    const moves = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    const box = get("canvas").getBoundingClientRect(), { key } = event;
    if (moves[key]) this.map.moveBy(...moves[key]);
    else if (key === "+" || key === "=") this.map.zoomAt(1.4, box.left + box.width / 2, box.top + box.height / 2);
    else if (key === "-") this.map.zoomAt(1 / 1.4, box.left + box.width / 2, box.top + box.height / 2);
    else if (key === "0") this.map.reset();
    else if (key === "Escape") this.select(null);
    else if (key === "Enter") {
      const point = this.map.at(box.left + box.width / 2, box.top + box.height / 2, ANYWHERE);
      if (point !== null) this.select(point);
    } else return;
    event.preventDefault();
    const middle = this.map.at(box.left + box.width / 2, box.top + box.height / 2, ANYWHERE);
    if (moves[key]) this.hover(middle, box.left + box.width / 2, box.top + box.height / 2);
    this.draw();
  }

  listen() {
    const canvas = get("canvas"), fingers = new Map();
    let moved = 0, span = 0;
    get("colour").addEventListener("change", () => { this.isolated = null; this.recolour(); this.filter(); });
    get("layout").addEventListener("change", (event) => {
      this.map.setLayout(this.points.layouts[Number(event.target.value)]);
      this.recolour();
    });
    get("search").addEventListener("input", () => this.search());
    get("search").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && this.results && this.results.length) this.select(this.results[0], true);
      if (event.key === "Escape") { event.target.value = ""; this.search(); }
    });
    get("closer").addEventListener("click", () => this.zoom(1.5));
    get("further").addEventListener("click", () => this.zoom(1 / 1.5));
    get("whole").addEventListener("click", () => { this.map.reset(); this.draw(); });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => { this.map.cross = canvas.matches(":focus-visible"); this.map.drawAbove(); });
    canvas.addEventListener("blur", () => { this.map.cross = false; this.map.drawAbove(); });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
      event.preventDefault();
      this.hover(null);
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0022)), event.clientX, event.clientY);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (fingers.size === 1) moved = 0;
      span = distance(fingers);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) { this.hover(this.map.at(event.clientX, event.clientY), event.clientX, event.clientY); return; }
      const dx = event.clientX - before[0], dy = event.clientY - before[1];
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      moved += Math.hypot(dx, dy);
      if (moved > 4) this.hover(null);
      this.map.moveBy(dx / fingers.size, dy / fingers.size);
      if (fingers.size === 2 && span) {
        const [[ax, ay], [bx, by]] = [...fingers.values()];
        this.map.zoomAt(distance(fingers) / span, (ax + bx) / 2, (ay + by) / 2);
        span = distance(fingers);
      }
      this.draw();
    });
    const lift = (event) => {
      if (fingers.delete(event.pointerId) && event.type === "pointerup" && moved <= 4 && !fingers.size) {
        this.select(this.map.at(event.clientX, event.clientY));
      }
      span = distance(fingers);
    };
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);
    canvas.addEventListener("pointerleave", () => { if (!fingers.size) this.hover(null); });
    addEventListener("resize", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    const print = (begins) => {
      document.documentElement.classList.toggle("printed", begins);
      this.recolour();
      this.map.draw(this.coloured, this.colours.paper);
    };
    addEventListener("beforeprint", () => print(true));
    addEventListener("afterprint", () => print(false));
  }

  // For tests and benchmarks: where a row stands on the page, and what a drawn frame takes.
  where(row) {
    const box = get("canvas").getBoundingClientRect(), [x, y] = this.map.place(this.points.rows.indexOf(row));
    return [box.left + x / this.map.ratio, box.top + y / this.map.ratio];
  }

  async pan(frames) {
    const begin = performance.now();
    let drawing = 0;
    for (let frame = 0; frame < frames; frame++) {
      await new Promise(requestAnimationFrame);
      const start = performance.now();
      this.map.moveBy(frame % 40 < 20 ? 6 : -6, frame % 80 < 40 ? 3 : -3);
      this.map.draw(this.coloured, this.colours.paper);
      drawing += performance.now() - start;
    }
    return { frames_a_second: (1000 * frames) / (performance.now() - begin), milliseconds_a_frame: drawing / frames };
  }
}

function distance(fingers) {
  if (fingers.size !== 2) return 0;
  const [[ax, ay], [bx, by]] = [...fingers.values()];
  return Math.hypot(ax - bx, ay - by);
}

const content = get("points");
if (content) window.explorer = new Explorer(JSON.parse(content.textContent));
