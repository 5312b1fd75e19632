// Draws the state that the kernel sends and sends back what was pressed. Offsets are code points; JavaScript strings count UTF-16 units,
// so every text is cut by an array of its code points, and selections are counted in code points again.

const KEYS = { KeyA: "accept", KeyR: "reject", KeyU: "unsure", KeyC: "correct", KeyM: "missed" };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function segments(points, spans) {
  // Cut where any span begins or ends, so that nested and overlapping spans are each drawn whole.
  const inside = spans.filter(([start, end]) => start >= 0 && end <= points.length && start < end);
  const cuts = new Set([0, points.length]);
  for (const [start, end] of inside) cuts.add(start).add(end);
  const places = [...cuts].sort((one, other) => one - other);
  return places.slice(0, -1).map((start, place) => ({
    start,
    text: points.slice(start, places[place + 1]).join(""),
    marks: inside.filter(([from, to]) => from <= start && start < to).map(([, , kind]) => kind),
  }));
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;

class Page {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.editing = null;
    this.open = { strata: false, rest: false };
    this.draw = this.draw.bind(this);
    // JupyterLab listens for single letters too (A adds a cell, M makes it text): inside the widget they are ours.
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    root.classList.add("wb-review");
    root.tabIndex = 0;
    root.addEventListener("keydown", (event) => this.onKey(event));
    root.addEventListener("mouseup", () => this.onSelect());
    model.on("change:state", () => { this.editing = null; this.draw(true); });
    model.on("change:language", () => this.draw(false));
    this.draw(true);
  }

  get state() { return this.model.get("state"); }
  get language() { return this.model.get("language"); }
  say(key) { return this.model.get("words")[this.language][key] ?? key; }
  send(message) { this.model.send(message); }

  // ------------------------------------------------------------------------------------------------------------ actions

  onKey(event) {
    event.stopPropagation();
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
    if (event.key === "Escape" && this.editing) { event.preventDefault(); return this.edit(null); }
    if (event.key === "Enter" && this.editing && event.target.tagName !== "BUTTON") {
      event.preventDefault();
      return event.target.name === "search" ? this.search(event.target.value) : this.save();
    }
    if (typing || this.editing) return;
    const verdict = KEYS[event.code];
    if (verdict) this.press(verdict);
    else if (event.code === "KeyZ") this.send({ do: "undo" });
    else if (event.key === "ArrowRight" || event.key === "ArrowDown") this.send({ do: "go", by: 1 });
    else if (event.key === "ArrowLeft" || event.key === "ArrowUp") this.send({ do: "go", by: -1 });
    else return;
    event.preventDefault();
  }

  press(verdict) {
    const item = this.state.item;
    if (!item) return;
    if (verdict === "missed" || (verdict === "correct" && item.found)) return this.edit(verdict);
    this.send({ do: "decide", verdict });
  }

  edit(verdict) {
    const item = this.state.item;
    this.editing = verdict && {
      verdict,
      value: verdict === "correct" ? item.value : "",
      assertion: verdict === "correct" ? item.assertion : "present",
      start: verdict === "correct" ? item.start : -1,
      end: verdict === "correct" ? item.end : -1,
    };
    this.draw(verdict === null);
    (verdict ? this.root.querySelector(".wb-edit [data-first]") : this.root)?.focus({ preventScroll: true });
  }

  keep() {
    for (const name of ["value", "assertion"]) {
      const field = this.root.querySelector(`.wb-edit [name=${name}]`);
      if (field) this.editing[name] = field.value;
    }
  }

  save() {
    this.keep();
    const { verdict, value, assertion, start, end } = this.editing;
    this.send({ do: "decide", verdict, value, assertion, start, end });
    this.root.focus({ preventScroll: true });
  }

  setSpan(start, end) {
    const length = Array.from(this.state.item.text).length;
    this.keep();
    this.editing.start = Math.max(0, Math.min(start, length - 1));
    this.editing.end = Math.max(this.editing.start + 1, Math.min(end, length));
    this.draw(false);
  }

  search(words) {
    const points = Array.from(this.state.item.text), wanted = Array.from(words);
    if (!wanted.length) return;
    const count = points.length - wanted.length + 1;
    for (let step = 1; step <= count; step += 1) {
      const place = (Math.max(this.editing.start, -1) + step + count) % count;
      if (wanted.every((point, offset) => points[place + offset] === point)) {
        this.setSpan(place, place + wanted.length);
        const field = this.root.querySelector(".wb-edit [name=search]");
        field.value = words;
        return field.focus({ preventScroll: true });
      }
    }
  }

  onSelect() {
    if (!this.editing) return;
    const selection = document.getSelection();
    if (!selection || selection.isCollapsed || !selection.rangeCount) return;
    const range = selection.getRangeAt(0), note = this.root.querySelector(".wb-note");
    if (!note.contains(range.startContainer) || !note.contains(range.endContainer)) return;
    const start = this.pointAt(range.startContainer, range.startOffset), end = this.pointAt(range.endContainer, range.endOffset);
    if (start < end) this.setSpan(start, end);
  }

  pointAt(node, offset) {
    // The text before the place, in code points; titles and spans add no text of their own.
    const range = document.createRange();
    range.selectNodeContents(this.root.querySelector(".wb-note"));
    range.setEnd(node, offset);
    return Array.from(range.toString()).length;
  }

  // --------------------------------------------------------------------------------------------------------------- draw

  draw(moved) {
    const state = this.state, focused = this.root.contains(document.activeElement);
    if (!state || state.total === undefined) return;
    const scrolled = this.root.querySelector(".wb-note")?.scrollTop ?? 0;
    const body = state.item
      ? [element("div", { class: "wb-main" }, this.note(), this.side()), this.metrics(), this.strata()]
      : [element("p", { class: "wb-empty" }, this.say(state.adjudication ? "nothing" : "empty"))];
    this.root.replaceChildren(this.head(), ...body);
    const note = this.root.querySelector(".wb-note");
    if (note && moved) this.reveal(note);
    else if (note) note.scrollTop = scrolled;
    if (focused && moved) this.root.focus({ preventScroll: true });
  }

  reveal(note) {
    // After the page is laid out: at first the widget is not even in the document.
    const scroll = () => {
      if (!note.isConnected || !note.clientHeight) return false;
      const lit = note.querySelector(".wb-lit");
      const below = lit ? lit.getBoundingClientRect().top - note.getBoundingClientRect().top + note.scrollTop : 0;
      note.scrollTop = Math.max(0, below - note.clientHeight / 3);
      return true;
    };
    const watch = new ResizeObserver(() => { if (scroll()) watch.disconnect(); });
    watch.observe(note);
  }

  head() {
    const { done, total, place, reviewer, adjudication } = this.state;
    const bar = element("div", { class: "wb-bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": total, "aria-valuenow": done },
      element("div", { style: `width:${total ? (100 * done) / total : 0}%` }));
    return element("header", {},
      element("strong", {}, this.say(adjudication ? "adjudication" : "title")),
      element("span", { class: "wb-count" }, total ? `${place + 1} / ${total}` : ""),
      bar,
      element("span", { class: "wb-quiet" }, done === total && total ? this.say("done") : `${this.say("progress")} ${done} / ${total}`),
      element("span", { class: "wb-quiet" }, `${this.say("reviewer")} ${reviewer}`),
      element("button", { class: "wb-switch", type: "button", onclick: () => {
        this.model.set("language", this.language === "zh" ? "en" : "zh");
        this.model.save_changes();
      } }, this.say("switch")));
  }

  note() {
    const item = this.state.item;
    const main = this.editing ? [this.editing.start, this.editing.end, "lit"] : [item.start, item.end, "lit"];
    const spans = [main, ...item.others.map(([start, end]) => [start, end, "other"]),
      ...(this.editing && item.found ? [[item.start, item.end, "old"]] : []),
      ...item.others_said.filter((said) => said.start >= 0).map((said) => [said.start, said.end, "other"]),
      ...item.sections.map(([start, end]) => [start, end, "title"])];
    const box = element("div", { class: "wb-note", tabindex: 0, lang: "zh", role: "document", "aria-label": this.say("span") });
    for (const { text, marks } of segments(Array.from(item.text), spans)) {
      if (!marks.length) { box.append(text); continue; }
      const depth = marks.filter((mark) => mark === "other").length;
      box.append(element("span", { class: [...new Set(marks)].map((mark) => `wb-${mark}`).join(" "), "data-depth": depth || null }, text));
    }
    return element("section", { class: "wb-source" },
      element("p", { class: "wb-about" }, item.about.join(" · ")), box);
  }

  side() {
    const item = this.state.item;
    return element("section", { class: "wb-side" },
      element("h3", {}, item.variable[this.language]),
      item.description[this.language] ? element("p", { class: "wb-quiet" }, item.description[this.language]) : null,
      item.found ? this.answer() : element("div", { class: "wb-answer wb-none" },
        element("b", {}, this.say("not_found")), element("p", {}, this.say("ask_not_found"))),
      this.said(),
      this.state.fault ? element("p", { class: "wb-fault", role: "alert" }, this.say(`fault_${this.state.fault}`)) : null,
      this.editing ? this.form() : this.buttons());
  }

  answer() {
    const item = this.state.item;
    const rows = [];
    if (item.kind !== "presence") rows.push(["value", `${item.value ?? "—"} ${item.value_unit}`.trim()]);
    rows.push(["assertion", this.say(`assertion_${item.assertion}`)], ["confidence", item.confidence.toFixed(2)]);
    if (item.section) rows.push(["section", item.section]);
    return element("dl", { class: "wb-answer" }, ...rows.flatMap(([key, text], place) => [
      element("dt", {}, this.say(key)), element("dd", { class: place === 0 ? "wb-first" : "" }, text)]));
  }

  verdictText(said) {
    const item = this.state.item;
    const parts = [this.say(said.verdict === "accept" && !item.found ? "none_there" : said.verdict)];
    if (said.verdict === "correct" || said.verdict === "missed") {
      if (item.kind !== "presence" && said.value !== null) parts.push(`${said.value} ${item.unit}`.trim());
      parts.push(this.say(`assertion_${said.assertion}`));
    }
    return parts.join(" · ");
  }

  said() {
    const { decision, others_said: others } = this.state.item;
    const lines = others.map((each) => element("li", {}, element("b", {}, each.reviewer), ` ${this.verdictText(each)}`));
    return element("div", {},
      lines.length ? element("div", { class: "wb-they" }, element("p", { class: "wb-quiet" }, this.say("they_said")), element("ul", {}, ...lines)) : null,
      decision ? element("p", { class: "wb-decided" }, `${this.say("your_verdict")}：${this.verdictText(decision)}`) : null);
  }

  button(key, label, press, extra = "", disabled = false) {
    return element("button", { type: "button", class: `wb-key ${extra}`, onclick: press, disabled }, element("kbd", {}, key), label);
  }

  buttons() {
    const found = this.state.item.found;
    const letters = Object.fromEntries(Object.entries(KEYS).map(([code, verdict]) => [verdict, code.slice(3)]));
    return element("div", { class: "wb-buttons" },
      ...["accept", "reject", "correct", "missed", "unsure"].map((verdict) => this.button(letters[verdict],
        this.say(verdict === "accept" && !found ? "none_there" : verdict), () => this.press(verdict), `wb-${verdict}`,
        !found && (verdict === "reject" || verdict === "correct"))),
      this.button("Z", this.say("undo"), () => this.send({ do: "undo" }), "wb-plain"),
      this.button("←", this.say("previous"), () => this.send({ do: "go", by: -1 }), "wb-plain"),
      this.button("→", this.say("next"), () => this.send({ do: "go", by: 1 }), "wb-plain"));
  }

  choice(name, options, chosen, first) {
    const select = element("select", { name, "data-first": first });
    for (const [value, text] of options) select.append(element("option", { value, selected: value === chosen }, text));
    return select;
  }

  form() {
    const item = this.state.item, { verdict, value, assertion, start, end } = this.editing;
    const points = Array.from(item.text);
    const presence = item.kind === "presence";
    const rows = [];
    const row = (label, ...fields) => rows.push(element("label", {}, element("span", {}, label), ...fields));
    if (item.kind === "category") row(this.say("value"), this.choice("value", item.choices.map((name) => [name, name]), value, true));
    else if (!presence) {
      const field = element("input", { name: "value", "data-first": true, inputmode: item.kind === "quantity" ? "decimal" : null });
      field.value = value ?? "";
      row(this.say("value"), field, element("span", { class: "wb-quiet" }, item.unit));
    }
    row(this.say("assertion"), this.choice("assertion", item.assertions.map((name) => [name, this.say(`assertion_${name}`)]), assertion, presence));
    row(this.say("search"), element("input", { name: "search" }));
    const nudge = (text, from, to, label) => element("button", { type: "button", class: "wb-nudge", "aria-label": label, disabled: start < 0,
      onclick: () => this.setSpan(start + from, end + to) }, text);
    return element("div", { class: "wb-edit" },
      element("p", {}, this.say(`edit_${verdict}`)), ...rows,
      element("p", { class: "wb-chosen" }, start < 0 ? this.say("no_span") : points.slice(start, end).join("")),
      element("p", { class: "wb-nudges" },
        this.say("start"), nudge("◀", -1, 0, `${this.say("start")} −1`), nudge("▶", 1, 0, `${this.say("start")} +1`),
        this.say("end"), nudge("◀", 0, -1, `${this.say("end")} −1`), nudge("▶", 0, 1, `${this.say("end")} +1`)),
      element("div", { class: "wb-buttons" },
        this.button("Enter", this.say("save"), () => this.save(), "wb-accept"),
        this.button("Esc", this.say("cancel"), () => this.edit(null), "wb-plain")));
  }

  bound(interval) {
    if (interval.value === null) return element("td", { class: "wb-quiet" }, "—");
    return element("td", {}, element("b", {}, percent(interval.value)),
      element("small", {}, `${percent(interval.low)} – ${percent(interval.high)}`));
  }

  metrics() {
    const heads = ["variable", "judged", "precision", "recall", "f1", "more"];
    const row = (each) => element("tr", each.current ? { class: "wb-current" } : {},
      element("th", { scope: "row" }, each.variable[this.language]),
      element("td", {}, `${each.judged} / ${each.items}`),
      this.bound(each.precision), this.bound(each.recall), this.bound(each.f1),
      element("td", {}, each.more === null ? "—" : each.more === 0 ? this.say("enough") : `${each.more} ${this.say("items")}`));
    const table = (rows) => element("table", {},
      element("thead", {}, element("tr", {}, ...heads.map((key) => element("th", { scope: "col" }, this.say(key))))),
      element("tbody", {}, ...rows.map(row)));
    // A long set would push all else off the screen: what nobody has judged yet is folded away.
    const begun = this.state.metrics.filter((each) => each.current || each.judged);
    const rest = this.state.metrics.filter((each) => !begun.includes(each));
    const folded = rest.length ? [this.folded("rest", `${this.say("rest")} (${rest.length})`, table(rest))] : [];
    return element("section", { class: "wb-metrics" },
      element("h4", {}, this.say("metrics")), table(begun), ...folded,
      element("p", { class: "wb-quiet" }, this.say("method")));
  }

  folded(name, summary, ...content) {
    const box = element("details", { open: this.open[name] }, element("summary", {}, summary), ...content);
    box.addEventListener("toggle", () => { this.open[name] = box.open; });
    return box;
  }

  strata() {
    const rows = this.state.strata.map(([found, stratum, judged, items, stands]) => element("tr", {},
      element("th", { scope: "row" }, `${this.say(found ? "has_found" : "has_none")} · ${stratum}`),
      element("td", {}, `${judged} / ${items}`), element("td", {}, `${stands}`)));
    return this.folded("strata", this.say("strata"),
      element("table", {}, element("thead", {}, element("tr", {}, ...["stratum", "judged", "stands_for"].map((key) => element("th", { scope: "col" }, this.say(key))))),
        element("tbody", {}, ...rows)));
  }
}

export default {
  render({ model, el }) {
    const root = document.createElement("div");
    el.append(root);
    new Page(model, root);
  },
};
