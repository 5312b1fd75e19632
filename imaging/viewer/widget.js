// Shows the pictures that the kernel draws and asks it for slices and measurements. Places are shares of a picture's width and height:
// millimetres and values are the kernel's. One question a pane is under way at a time; what is asked meanwhile waits, the last wins.

const KEPT = 96, PATIENCE_MS = 20000, SMALLEST = 0.05, NOTCH = 40;

function element(tag, attributes = {}, ...children) {
  const made = tag === "svg" || ["line", "circle", "text", "g"].includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value") made.value = value;
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

function put(parent, ...children) {
  // What had the focus has it again.
  const named = (one) => one.dataset.name ?? one.name, had = parent.contains(document.activeElement) && named(document.activeElement);
  parent.replaceChildren(...children.filter(Boolean));
  if (had) [...parent.querySelectorAll("button, input")].find((one) => named(one) === had)?.focus({ preventScroll: true });
}

const fill = (text, ...values) => values.reduce((said, value) => said.replace("{}", value), text);
const short = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

class Kernel {
  // Questions and answers over the widget's messages; pictures that were seen are kept for a while, so that a cine asks once.
  constructor(model) {
    this.model = model;
    this.waiting = new Map();
    this.kept = new Map();
    this.count = 0;
    this.mark = Math.random().toString(36).slice(2, 10);
    this.hear = (content, buffers) => { const answer = this.waiting.get(content.id); if (answer) { this.waiting.delete(content.id); answer(content, buffers); } };
    model.on("msg:custom", this.hear);
  }

  close() { this.model.off("msg:custom", this.hear); }

  ask(message) {
    return new Promise((resolve, reject) => {
      const id = `${this.mark}-${this.count += 1}`;
      const late = setTimeout(() => { this.waiting.delete(id); reject(new Error("busy")); }, PATIENCE_MS);
      this.waiting.set(id, (content, buffers) => {
        clearTimeout(late);
        if (content.fault) reject(new Error(content.fault)); else resolve({ told: content, buffer: buffers?.[0] });
      });
      this.model.send({ id, ...message });
    });
  }

  async picture(message) {
    const key = JSON.stringify(message);
    let found = this.kept.get(key);
    if (!found) {
      const { told, buffer } = await this.ask(message);
      found = { told, blob: new Blob([buffer], { type: "image/jpeg" }) };
    }
    this.kept.delete(key);
    this.kept.set(key, found);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    return { told: found.told, bitmap: await createImageBitmap(found.blob) };
  }
}

class Pane {
  // What was looked at before the layout changed goes on: place, window, inversion.
  constructor(page, series, plane, before) {
    Object.assign(this, { page, series, index: null, point: null, box: null, drawn: null, measures: [], busy: false, again: false, playing: false, rolled: 0, fault: "" });
    this.plane = plane ?? this.about.plane;
    this.window = before?.window ?? this.about.window;
    this.inverted = before?.inverted ?? false;
    this.point = before?.point ?? this.about.start;
    this.index = this.point ? null : Math.floor(this.count / 2);
    this.build();
  }

  get about() { return this.page.series[this.series]; }
  get planes() { return this.about.planes; }
  get flat() { return this.planes.find(({ name }) => name === this.plane); }
  get count() { return this.flat.count; }
  get at() { return this.index ?? this.drawn?.index ?? 0; }
  say(...path) { return this.page.say(...path); }

  build() {
    this.canvas = element("canvas");
    this.lines = element("svg");
    this.corners = Object.fromEntries(["label", "windowed", "where", "read"].map((name) => [name, element("div", { class: `wb-corner wb-${name}` })]));
    this.letters = ["left", "right", "top", "bottom"].map((side) => element("div", { class: `wb-letter wb-${side}` }));
    this.stage = element("div", { class: "wb-stage", tabindex: 0, onwheel: (event) => this.wheel(event), onpointerdown: (event) => this.press(event),
      onpointermove: (event) => this.hover(event), onpointerleave: () => { this.under = null; this.corners.read.textContent = ""; }, onkeydown: (event) => this.page.key(event, this),
      ondblclick: () => this.reset(), onfocus: () => this.page.choose(this), oncontextmenu: (event) => event.preventDefault() },
      this.canvas, this.lines, ...this.letters, ...Object.values(this.corners));
    this.slider = element("input", { type: "range", min: 0, max: this.count - 1, step: 1, value: this.at, "aria-label": "slice", oninput: (event) => this.go(Number(event.target.value)) });
    this.play = this.about.moves && element("button", { type: "button", class: "wb-play", onclick: () => this.toggle() });
    this.notice = element("div", { class: "wb-notice" });
    this.root = element("div", { class: "wb-pane" }, this.notice, this.stage, element("div", { class: "wb-under" }, this.play, this.count > 1 && this.slider));
    this.caption();
  }

  caption() {
    const { about } = this;
    const said = [...(about.placed ? [] : [this.say(about.moves ? "moments" : "no_affine")]), ...about.notices];
    this.notice.textContent = said.join(" ");
    this.notice.hidden = !said.length;
    if (this.play) this.play.textContent = this.say(this.playing ? "stop" : "play");
    this.write();
  }

  // ------------------------------------------------------------------------------------------------------------ what is asked

  get wanted() {
    // What the screen has room for, in steps, so that a change of a few pixels asks for no other picture.
    const { clientWidth, clientHeight } = this.stage, { aspect } = this.flat, width = Math.min(clientWidth, clientHeight / aspect);
    const side = width * Math.max(1, aspect) * (globalThis.devicePixelRatio || 1);
    return clamp(64 * Math.ceil(side / 64), 256, this.page.limit);
  }

  request() {
    const { series, plane, index, point, window, inverted, box, page, wanted } = this;
    const masked = page.mask.on && this.about.mask.length > 0;
    return { do: "show", series, plane, index, point, window, inverted, box, size: wanted, mask: masked ? { opacity: page.mask.opacity, outline: page.mask.outline } : null };
  }

  async refresh(lead = false) {
    this.lead = this.lead || lead;
    if (!this.stage.clientWidth) return; // asked again when it has a size
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    do {
      this.again = false;
      const leads = this.lead;
      this.lead = false;
      try {
        const { told, bitmap } = await this.page.kernel.picture(this.request());
        this.fault = "";
        this.show(told, bitmap, leads);
      } catch (error) {
        this.fault = this.page.words.faults[error.message] ? error.message : "request";
        this.playing = false;
        this.caption();
      }
    } while (this.again);
    this.busy = false;
  }

  show(told, bitmap, leads) {
    this.drawn = told;
    if (!this.again) Object.assign(this, { index: told.index, point: told.point }); // else something newer is wanted already
    Object.assign(this.canvas, { width: bitmap.width, height: bitmap.height });
    this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    this.slider.value = this.at;
    this.fit();
    this.write();
    this.stage.dataset.index = told.index;
    if (leads) this.page.follow(this, told.point);
  }

  go(index) {
    const chosen = clamp(index, 0, this.count - 1);
    if (chosen === this.index) return;
    this.index = chosen;
    this.slider.value = chosen;
    this.refresh(true);
  }

  turn(plane) {
    Object.assign(this, { plane, index: null, box: null, measures: [] });
    if (!this.point) this.index = Math.floor(this.count / 2);
    this.slider.max = this.count - 1;
    this.refresh(true);
  }

  follow(point) {
    Object.assign(this, { point, index: null });
    this.refresh();
  }

  reset() {
    Object.assign(this, { box: null, measures: [], window: this.about.window, inverted: false });
    this.write();
    this.refresh();
    this.page.bar();
  }

  async toggle() {
    this.playing = !this.playing;
    this.caption();
    while (this.playing && this.root.isConnected) {
      const begun = performance.now();
      this.index = (this.at + 1) % this.count;
      await this.refresh();
      await new Promise((resolve) => { setTimeout(resolve, Math.max(4, 1000 / this.about.rate - (performance.now() - begun))); });
    }
  }

  // ------------------------------------------------------------------------------------------------------------- what is drawn

  fit() {
    const { clientWidth, clientHeight } = this.stage, { width, height } = this.canvas;
    const scale = Math.min(clientWidth / width, clientHeight / height);
    this.area = { width: width * scale, height: height * scale, left: (clientWidth - width * scale) / 2, top: (clientHeight - height * scale) / 2 };
    for (const one of [this.canvas, this.lines]) Object.assign(one.style, Object.fromEntries(Object.entries(this.area).map(([name, value]) => [name, `${value}px`])));
  }

  resize() {
    if (this.drawn) { this.fit(); this.sketch(); }
    if (this.size !== this.wanted) this.refresh();
    this.size = this.wanted;
  }

  write() {
    const { flat, drawn, about, corners, window } = this;
    corners.label.textContent = [about.label, this.say("planes", flat.name) + (flat.oblique ? `${fill(this.say("oblique"), flat.oblique)}` : "")].filter(Boolean).join("\n");
    corners.windowed.textContent = window ? fill(this.say("window"), short(window[0]), short(window[1])) : this.say("colour");
    const number = drawn && fill(this.say(about.moves ? "frame" : "slice"), drawn.index + 1, flat.count), place = drawn?.position;
    corners.where.textContent = drawn ? [number, place && `${place[0]} ${place[1].toFixed(1)} mm`].filter(Boolean).join("　") : "";
    if (drawn?.outside) corners.where.textContent += `\n${this.say("outside")}`;
    if (this.fault) corners.where.textContent = this.say("faults", this.fault);
    corners.where.classList.toggle("wb-fault", Boolean(this.fault || drawn?.outside));
    this.letters.forEach((made, side) => { made.textContent = flat.letters?.[side] ?? ""; });
    this.sketch();
  }

  sketch() {
    if (!this.area) return;
    const shapes = [], { width, height } = this.area, { mark } = this.drawn;
    if (mark && this.page.crossed) {
      const [x, y] = this.pixel(mark);
      shapes.push(element("line", { class: "wb-cross", x1: x, x2: x, y1: 0, y2: height }), element("line", { class: "wb-cross", x1: 0, x2: width, y1: y, y2: y }));
    }
    for (const each of this.measures) {
      if (each.plane !== this.plane || each.index !== this.drawn.index) continue;
      const [x1, y1] = this.pixel(each.from), [x2, y2] = this.pixel(each.to);
      shapes.push(each.kind === "distance" ? element("line", { x1, y1, x2, y2 }) : element("circle", { cx: x1, cy: y1, r: Math.hypot(x2 - x1, y2 - y1) }));
      const left = clamp(x2 + 8, 4, width - 150), top = clamp(y2, 16, height - 40);
      (each.said ?? []).forEach((line, row) => shapes.push(element("text", { x: left, y: top + 16 * row }, line)));
    }
    this.lines.replaceChildren(...shapes);
  }

  pixel([x, y]) {
    const [left, top, right, bottom] = this.box ?? [0, 0, 1, 1];
    return [((x - left) / (right - left)) * this.area.width, ((y - top) / (bottom - top)) * this.area.height];
  }

  share(event) {
    const bounds = this.canvas.getBoundingClientRect(), [left, top, right, bottom] = this.box ?? [0, 0, 1, 1];
    return [left + ((event.clientX - bounds.left) / bounds.width) * (right - left), top + ((event.clientY - bounds.top) / bounds.height) * (bottom - top)];
  }

  // ------------------------------------------------------------------------------------------------------------ what is pressed

  wheel(event) {
    event.preventDefault();
    event.stopPropagation();
    if (event.ctrlKey) return this.zoom(event.deltaY < 0 ? 1.25 : 0.8, this.share(event));
    // A notch of a mouse is one slice, however many pixels it stands for; a finger's small moves add up.
    const moved = event.deltaY * (event.deltaMode === 1 ? 40 : 1), way = Math.sign(moved);
    this.rolled = way === Math.sign(this.rolled) ? this.rolled + moved : moved;
    if (Math.abs(moved) < NOTCH && Math.abs(this.rolled) < NOTCH) return;
    this.rolled = 0;
    this.go(this.at + way * Math.max(1, Math.round(Math.abs(moved) / (3 * NOTCH))));
  }

  zoom(by, [x, y] = [0.5, 0.5]) {
    const [left, top, right, bottom] = this.box ?? [0, 0, 1, 1], side = clamp((right - left) / by, SMALLEST, 1), share = side / (right - left);
    const from = (low, at) => clamp(at - (at - low) * share, 0, 1 - side);
    const corner = [from(left, clamp(x, 0, 1)), from(top, clamp(y, 0, 1))];
    this.box = side >= 0.999 ? null : [...corner, Math.min(1, corner[0] + side), Math.min(1, corner[1] + side)];
    this.refresh();
  }

  press(event) {
    if (!this.drawn || event.button > 1) return;
    this.stage.focus({ preventScroll: true });
    this.stage.setPointerCapture(event.pointerId);
    event.preventDefault();
    const tool = event.button === 1 ? "pan" : this.page.tool, start = { x: event.clientX, y: event.clientY, at: this.share(event), window: this.window, box: this.box };
    const measure = ["distance", "circle"].includes(tool) && { kind: tool, plane: this.plane, index: this.drawn.index, from: start.at, to: start.at };
    if (measure) this.measures = [...this.measures.filter(({ said }) => said), measure];
    if (tool === "point") this.locate(start.at);
    const move = (now) => this.drag(tool, start, now, measure);
    const end = () => {
      this.stage.removeEventListener("pointermove", move);
      if (measure) this.measure(measure);
    };
    this.stage.addEventListener("pointermove", move);
    this.stage.addEventListener("pointerup", end, { once: true });
    this.stage.addEventListener("pointercancel", end, { once: true });
  }

  drag(tool, start, event, measure) {
    const [right, down] = [event.clientX - start.x, event.clientY - start.y];
    if (tool === "window" && start.window) {
      const [centre, width] = start.window;
      this.setWindow([centre + (down * width) / 300, Math.max(width * Math.exp(right / 200), 1e-6)]);
    } else if (tool === "pan" && start.box) {
      const [left, top, far, low] = start.box, across = clamp(-(right / this.area.width) * (far - left), -left, 1 - far), along = clamp(-(down / this.area.height) * (low - top), -top, 1 - low);
      this.box = [left + across, top + along, far + across, low + along];
      this.refresh();
    } else if (tool === "point") this.locate(this.share(event));
    else if (measure) { measure.to = this.share(event); this.sketch(); }
  }

  setWindow(window) {
    this.page.windowed(this, window);
  }

  async measure(one) {
    const { series, plane } = this, unit = this.about.placed ? "mm" : this.say("pixels"), of = this.about.unit && ` ${this.about.unit}`;
    if (Math.hypot(...this.pixel(one.to).map((value, side) => value - this.pixel(one.from)[side])) < 3) { this.measures = this.measures.filter((each) => each !== one); return this.sketch(); }
    try {
      const { told } = await this.page.kernel.ask({ do: one.kind, series, plane, index: one.index, from: one.from, to: one.to });
      one.said = one.kind === "distance" ? [`${told.length.toFixed(1)} ${unit}`] : [fill(this.say("mean"), short(told.mean), short(told.deviation)) + of,
        fill(this.say("range"), short(told.lowest), short(told.highest)) + of, fill(this.say("area"), told.radius.toFixed(1), unit, told.voxels)];
    } catch (error) { one.said = [this.say("faults", error.message) ?? error.message]; }
    this.sketch();
  }

  async locate(at) {
    if (this.locating) return;
    this.locating = true;
    try {
      const { told } = await this.page.kernel.ask({ do: "read", series: this.series, plane: this.plane, index: this.drawn.index, at });
      if (told.point) { this.point = told.point; this.page.crossed = true; this.refresh(true); }
    } catch { /* the next move asks again */ }
    this.locating = false;
  }

  hover(event) {
    if (event.buttons || !this.drawn) return;
    const at = this.share(event);
    this.under = at.some((value) => value < 0 || value > 1) ? null : at;
    if (this.under) this.read(); else this.corners.read.textContent = "";
  }

  async read() {
    if (this.reading) return;
    this.reading = true;
    for (let last = null; this.under && this.under !== last;) {
      last = this.under;
      try {
        const { told } = await this.page.kernel.ask({ do: "read", series: this.series, plane: this.plane, index: this.drawn.index, at: last });
        this.corners.read.textContent = told.value === null ? "" : `${Array.isArray(told.value) ? told.value.join(", ") : short(told.value)} ${this.about.unit}`;
      } catch { this.corners.read.textContent = ""; }
      await new Promise((resolve) => { setTimeout(resolve, 90); });
    }
    this.reading = false;
  }
}

class Page {
  constructor(model, root) {
    Object.assign(this, { model, root, kernel: new Kernel(model), tool: "window", panes: [], mask: { on: true, opacity: 0.35, outline: true }, linked: false, crossed: false });
    this.layout = model.get("settings").layout;
    root.classList.add("wb-viewer");
    // JupyterLab listens for single letters and Enter too: inside the viewer they are ours.
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    root.addEventListener("keydown", (event) => event.stopPropagation());
    this.head = element("header");
    this.foot = element("div", { class: "wb-presets" });
    this.grid = element("div", { class: "wb-grid" });
    this.legend = element("div", { class: "wb-legend" });
    root.append(this.head, this.foot, this.grid, this.legend);
    this.spoken = () => { this.bar(); this.panes.forEach((pane) => pane.caption()); };
    model.on("change:language", this.spoken);
    this.sized = new ResizeObserver(() => this.panes.forEach((pane) => pane.resize()));
    this.arrange(this.layout);
  }

  close() {
    for (const pane of this.panes) pane.playing = false;
    this.sized.disconnect();
    this.model.off("change:language", this.spoken);
    this.kernel.close();
  }

  get series() { return this.model.get("series"); }
  get limit() { return this.model.get("settings").limit; }
  get language() { return this.model.get("language"); }
  get words() { return this.model.get("words")[this.language]; }
  say(...path) { return path.reduce((found, key) => found?.[key], this.words) ?? path.at(-1); }

  get layouts() {
    return ["one", ...(this.series[0].planes.length > 1 ? ["three"] : []), ...(this.series.length > 1 ? ["side"] : [])];
  }

  get tools() {
    const can = { point: this.active.about.placed, window: this.active.window !== null };
    return Object.keys(this.words.tools).filter((name) => can[name] ?? true);
  }

  arrange(layout) {
    for (const pane of this.panes) pane.playing = false;
    this.layout = this.layouts.includes(layout) ? layout : "one";
    const first = this.active?.series ?? 0;
    const three = this.layout === "three" && this.series[first].planes.length > 1;
    const before = this.panes, made = (series, plane) => new Pane(this, series, plane, before.find((pane) => pane.series === series));
    if (three) this.panes = this.series[first].planes.map(({ name }) => made(first, name));
    else this.panes = this.layout === "side" ? this.series.slice(0, 2).map((_, place) => made(place)) : [made(first)];
    this.crossed = three;
    this.linked = this.linkable === true;
    this.sized.disconnect();
    this.grid.className = `wb-grid wb-${this.panes.length}`;
    this.grid.replaceChildren(...this.panes.map((pane) => pane.root));
    this.active = null;
    this.choose(this.panes[0]);
    for (const pane of this.panes) { this.sized.observe(pane.stage); pane.refresh(pane === this.panes[0] && (three || this.tied)); }
  }

  // Whether a point in mm is the same in all series: true, null where nobody knows, or false.
  get linkable() {
    const said = this.panes.map((pane) => pane.about.linked);
    return said.includes(false) ? false : said.includes(null) ? null : true;
  }

  get tied() { return this.layout === "three" || (this.layout === "side" && this.linked && this.linkable !== false); }

  follow(lead, point) {
    if (!this.tied || !point) return;
    for (const pane of this.panes) if (pane !== lead) pane.follow(point);
  }

  windowed(pane, window) {
    for (const each of this.layout === "three" ? this.panes : [pane]) { each.window = window; each.write(); each.refresh(); }
    this.bar();
  }

  choose(pane) {
    if (this.active === pane) return;
    this.active = pane;
    for (const each of this.panes) each.root.classList.toggle("wb-active", each === pane && this.panes.length > 1);
    this.bar();
  }

  // --------------------------------------------------------------------------------------------------------------------- controls

  bar() {
    if (!this.tools.includes(this.tool)) this.tool = "pan";
    put(this.head,
      this.choices("layouts", this.layouts, this.layout, (name) => this.arrange(name)),
      this.layout !== "three" && this.active.planes.length > 1 && this.choices("planes", this.active.planes.map(({ name }) => name), this.active.plane, (name) => { this.active.turn(name); this.bar(); }),
      this.series.length > 1 && this.layout !== "side" && this.listed(),
      this.choices("tools", this.tools, this.tool, (name) => { this.tool = name; this.bar(); }),
      element("span", { class: "wb-space" }),
      this.layout === "side" && this.box("linked", this.tied, () => { this.linked = !this.linked; this.bar(); if (this.tied) this.active.refresh(true); }, { false: this.say("not_linked"), null: this.say("unsure") }[this.linkable], this.linkable === false),
      this.active.window && this.box("invert", this.active.inverted, () => this.invert()),
      element("span", { class: "wb-help", role: "note", title: this.say("help") }, "?"),
      element("button", { class: "wb-link wb-switch", type: "button", onclick: () => { this.model.set("language", this.language === "zh" ? "en" : "zh"); this.model.save_changes(); } }, this.say("switch")));
    this.presets();
    this.masks();
  }

  choices(kind, names, chosen, act) {
    if (kind === "layouts" && names.length < 2) return null;
    return element("span", { class: "wb-choices", role: "group" }, ...names.map((name) => element("button", { type: "button", "data-name": name, "aria-pressed": String(name === chosen),
      title: kind === "tools" ? this.say("tips", name) : null, onclick: () => act(name) }, this.say(kind, name))));
  }

  listed() {
    const made = element("select", { class: "wb-series", onchange: (event) => { this.active = { series: Number(event.target.value) }; this.arrange(this.layout); } },
      ...this.series.map((each, place) => element("option", { value: place }, each.label || String(place + 1))));
    made.value = this.active.series;
    return made;
  }

  box(name, on, act, tip = null, unable = false) {
    return element("label", { class: "wb-check", title: tip }, element("input", { type: "checkbox", name: `wb-${name}`, checked: on, disabled: unable, onchange: act }), this.say(name));
  }

  presets() {
    const { window, about } = this.active;
    this.foot.hidden = !window;
    if (!window) return;
    const number = (place) => element("input", { type: "number", name: `wb-number-${place}`, step: "any", value: Number(window[place].toPrecision(5)), onkeydown: (event) => { if (event.key === "Enter") event.target.blur(); }, onchange: (event) => {
      const typed = Number(event.target.value), next = window.map((value, at) => (at === place ? typed : value));
      if (event.target.value !== "" && Number.isFinite(typed) && next[1] > 0) this.windowed(this.active, next); else this.bar();
    } });
    const [centre, width] = this.say("window").split("{}");
    put(this.foot, ...about.presets.map(([name, ...values], place) => element("button", { type: "button", "data-name": name, title: `${short(values[0])} / ${short(values[1])}${place < 9 ? `  [${place + 1}]` : ""}`,
      "aria-pressed": String(values[0] === window[0] && values[1] === window[1]), onclick: () => this.windowed(this.active, values) }, this.say("windows", name))),
      element("span", { class: "wb-free" }, centre, number(0), ` ${width.trim()} `, number(1), ` ${about.unit}`));
  }

  masks() {
    const { mask } = this, used = this.active.about.mask;
    this.legend.hidden = !used.length;
    if (!used.length) return;
    const again = () => this.panes.forEach((pane) => pane.refresh());
    put(this.legend, this.box("mask", mask.on, (event) => { mask.on = event.target.checked; again(); }),
      element("label", { class: "wb-check" }, this.say("opacity"), element("input", { type: "range", name: "wb-opacity", min: 0, max: 1, step: 0.05, value: mask.opacity, oninput: (event) => { mask.opacity = Number(event.target.value); again(); } })),
      this.box("outline", mask.outline, (event) => { mask.outline = event.target.checked; again(); }),
      ...used.map(([name, colour]) => element("span", { class: "wb-name" }, element("i", { style: `background: rgb(${colour.join(" ")})` }), name)));
  }

  invert() {
    const pane = this.active;
    for (const each of this.layout === "three" ? this.panes : [pane]) { each.inverted = !each.inverted; each.refresh(); }
    this.bar();
  }

  key(event, pane) {
    event.stopPropagation();
    if (event.isComposing || event.metaKey || event.altKey || event.ctrlKey) return;
    const jump = Math.max(1, Math.round(pane.count / 10));
    const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: jump, PageUp: -jump, Home: -pane.count, End: pane.count }[event.key];
    const preset = /^[1-9]$/.test(event.key) && pane.about.presets[Number(event.key) - 1];
    if (steps) pane.go(pane.at + steps);
    else if (preset) this.windowed(pane, preset.slice(1));
    else if (event.key === " " && pane.about.moves) pane.toggle();
    else if (event.code === "KeyI" && pane.window) this.invert();
    else if (event.code === "KeyM" && pane.about.mask.length) { this.mask.on = !this.mask.on; this.bar(); this.panes.forEach((each) => each.refresh()); }
    else if (event.key === "+" || event.key === "=") pane.zoom(1.25);
    else if (event.key === "-") pane.zoom(0.8);
    else if (event.key === "Escape") { pane.measures = []; pane.sketch(); }
    else return;
    event.preventDefault();
  }
}

export default { render({ model, el }) { const page = new Page(model, el); return () => page.close(); } };
