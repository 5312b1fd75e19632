// Draws the state that the kernel sends and sends back what was pressed; nothing is decided here.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value") made.value = value;
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

class Page {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.tab = "form";
    root.classList.add("wb-registry");
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    root.addEventListener("keydown", (event) => event.stopPropagation());
    model.on("change:state", () => this.draw());
    this.draw();
  }

  get state() { return this.model.get("state"); }
  say(key, value) { return (this.model.get("words")[this.model.get("language")][key] ?? key).replace("{}", value); }
  send(what, rest = {}) { this.model.send({ do: what, ...rest }); }

  draw() {
    const { state } = this, scrolled = [...this.root.querySelectorAll("[data-keep]")].map((kept) => [kept.dataset.keep, kept.scrollTop]);
    const searching = document.activeElement?.name === "wb-search" && this.root.contains(document.activeElement);
    this.root.replaceChildren(
      element("header", {}, element("strong", {}, `${this.say("title")} · ${state.title}`), this.tabs(), element("span", { class: "wb-space" }),
        element("span", { class: "wb-quiet" }, this.say("editor") + state.editor),
        element("button", { class: "wb-link", type: "button", onclick: () => this.send("language", { to: this.model.get("language") === "zh" ? "en" : "zh" }) }, this.say("switch"))),
      this.tab === "form" ? this.body() : this.tab === "due" ? this.due() : this.journal());
    for (const [name, top] of scrolled) { const kept = this.root.querySelector(`[data-keep="${name}"]`); if (kept) kept.scrollTop = top; }
    if (searching) { const box = this.root.querySelector("[name='wb-search']"); box?.focus(); box?.setSelectionRange(box.value.length, box.value.length); }
  }

  tabs() {
    const count = { due: this.state.due.length, journal: this.state.journal.length };
    return element("span", { role: "tablist" }, ...["form", "due", "journal"].flatMap((name) => [
      element("button", { type: "button", role: "tab", "aria-selected": String(this.tab === name), onclick: () => { this.tab = name; this.draw(); } },
        this.say(name) + (count[name] ? ` ${count[name]}` : "")), " "]));
  }

  body() {
    return element("div", { class: "wb-body" }, this.list(), this.form(), this.side());
  }

  list() {
    const { persons, person, late, total, search } = this.state;
    return element("div", { class: "wb-list" },
      element("input", { name: "wb-search", placeholder: this.say("search"), value: search, oninput: (event) => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.send("search", { text: event.target.value }), 250);
      } }),
      element("ul", { "data-keep": "list" }, ...persons.map((each) => element("li", {},
        element("button", { type: "button", "aria-selected": String(each === person), onclick: () => this.send("open", { person: each }) },
          each, late.includes(each) && element("span", { class: "wb-dot", title: this.say("due") }))))),
      total > persons.length && element("p", { class: "wb-quiet" }, this.say("more", persons.length)));
  }

  shown(field, value) {
    if (value === null || value === undefined || value === "") return element("span", { class: "wb-missing" }, this.say("none"));
    if (field.kind === "yes_no") return value ? this.say("yes") : this.say("no");
    const chosen = field.choices.find(([name]) => name === value);
    if (chosen) return chosen[1];
    return typeof value === "number" ? String(Number(value.toPrecision(6))) : value;
  }

  form() {
    const { groups, person, index, item, visits } = this.state;
    return element("div", { class: "wb-form", "data-keep": "form" },
      element("strong", {}, `${this.say("patient")} ${person}`), index && element("span", { class: "wb-quiet" }, `　${this.say("index")} ${index}`),
      ...groups.flatMap(([name, fields]) => [element("h4", {}, name), element("div", { class: "wb-fields" }, ...fields.map((field) =>
        element("button", { type: "button", class: "wb-field", "data-item": field.name, "aria-pressed": String(field.name === item), onclick: () => this.send("item", { item: field.name }) },
          element("span", { class: "wb-label" }, field.label),
          element("span", { class: "wb-value" },
            field.corrected && field.source !== null && element("s", {}, this.shown(field, field.source), " "),
            element("span", { class: field.corrected ? "wb-changed" : null }, this.shown(field, field.value)),
            field.unit && element("span", { class: "wb-unit" }, ` ${field.unit}`)))))]),
      element("h4", {}, this.say("outcome")), this.ending(),
      visits.length > 0 && element("h4", {}, this.say("visits")), visits.length > 0 && this.visits());
  }

  ending() {
    const [label, state, date] = this.state.ending;
    return element("div", { class: "wb-fields" }, element("div", { class: "wb-field wb-ending" }, element("span", { class: "wb-label" }, label),
      element("span", { class: "wb-value" }, state, date && element("span", { class: "wb-unit" }, ` ${date}`))));
  }

  visits() {
    const asked = this.state.visits[0].items;
    return element("table", {}, element("thead", {}, element("tr", {}, ...["visits", "date", "state"].map((key) => element("th", {}, this.say(key))),
      ...asked.map((item) => element("th", {}, item.unit ? `${item.label} (${item.unit})` : item.label)))),
      element("tbody", {}, ...this.state.visits.map((visit) => this.visit(visit))));
  }

  visit(visit) {
    const made = element("input", { type: "date", value: visit.made || "", name: `wb-made-${visit.day}` });
    const state = element("select", { name: `wb-state-${visit.day}` }, ...["done", "lost", "died"].map((name) => element("option", { value: name }, this.say(name))));
    if (["done", "lost", "died"].includes(visit.state)) state.value = visit.state;
    const looks = visit.state === "late" ? "wb-late" : visit.state === "done" ? "wb-done" : null;
    return element("tr", {}, element("td", {}, this.say("day", visit.day), element("div", { class: "wb-quiet" }, visit.date)),
      element("td", {}, made), element("td", {}, element("div", { class: looks }, visit.label), state, " ",
        element("button", { type: "button", name: `wb-visit-${visit.day}`, onclick: () => this.send("visit", { day: visit.day, state: state.value, made: made.value }) }, this.say("save"))),
      ...visit.items.map((item) => element("td", {}, this.box(item, item.value, (value) => this.send("correct", { item: item.name, day: visit.day, value })))));
  }

  box(field, value, changed) {
    const choices = field.kind === "yes_no" ? [["1", this.say("yes")], ["0", this.say("no")]] : field.choices;
    const now = value === null || value === undefined ? "" : String(value);
    if (!choices.length) return element("input", { type: field.kind === "date" ? "date" : "text", size: 9, value: now, onchange: (event) => changed(event.target.value) });
    const box = element("select", { onchange: (event) => changed(event.target.value) }, element("option", { value: "" }, this.say("none")), ...choices.map(([name, label]) => element("option", { value: name }, label)));
    box.value = now;
    return box;
  }

  side() {
    const { item, groups, fault } = this.state, field = groups.flatMap(([, fields]) => fields).find(({ name }) => name === item);
    if (!field) return element("div", { class: "wb-side" }, element("p", { class: "wb-quiet" }, this.say("pick")), this.fault(fault));
    let typed = null;
    const box = this.box(field, field.value, (value) => { typed = value; });
    const reason = element("input", { name: "wb-reason", value: "" });
    box.setAttribute("name", "wb-value");
    const save = () => this.send("correct", { item, value: typed ?? box.value, reason: reason.value });
    return element("div", { class: "wb-side" }, element("h3", {}, field.label, field.unit && element("span", { class: "wb-quiet" }, ` ${field.unit}`)),
      field.corrected && element("p", {}, element("span", { class: "wb-changed" }, this.say("corrected")), ` ${field.by} ${field.at} ${field.reason}`),
      element("h4", {}, this.say("source")), this.records(),
      element("div", { class: "wb-edit" }, element("span", { class: "wb-quiet" }, this.say("value")), box,
        element("span", { class: "wb-quiet" }, this.say("reason")), reason,
        element("div", { class: "wb-buttons" }, element("button", { type: "button", class: "wb-main", name: "wb-save", onclick: save }, this.say(field.group === "added" ? "enter" : "correct")),
          field.corrected && element("button", { type: "button", name: "wb-withdraw", onclick: () => this.send("withdraw", { item }) }, this.say("withdraw")))),
      this.fault(fault));
  }

  fault(text) { return text ? element("p", { class: "wb-fault", role: "alert" }, text) : null; }

  records() {
    if (!this.state.evidence.length) return element("p", { class: "wb-quiet" }, this.say("nosource"));
    return element("ul", { class: "wb-records" }, ...this.state.evidence.map(([time, table, name, value, unit, key, text, start, end]) =>
      element("li", {}, element("div", {}, element("strong", {}, `${value} ${unit}`), `　${name}`), element("div", { class: "wb-quiet" }, `${time}　${table}${key ? ` #${key}` : ""}`),
        text && this.quote(text, start, end))));
  }

  quote(text, start, end) {
    const points = [...text]; // offsets are code points
    if (start < 0) return element("blockquote", {}, text);
    return element("blockquote", {}, points.slice(0, start).join(""), element("mark", {}, points.slice(start, end).join("")), points.slice(end).join(""));
  }

  rows(heads, rows, none) {
    if (!rows.length) return element("p", { class: "wb-quiet" }, this.say(none));
    return element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", {}, head)))), element("tbody", {}, ...rows));
  }

  due() {
    return this.rows([this.say("patient"), this.say("visits"), this.say("date"), this.say("state")], this.state.due.map(([person, day, date, state]) => element("tr", {},
      element("td", {}, element("button", { class: "wb-link", type: "button", onclick: () => { this.tab = "form"; this.send("open", { person }); } }, person)),
      element("td", {}, this.say("day", day)), element("td", {}, date), element("td", {}, state))), "nothing");
  }

  journal() {
    return this.rows(["at", "by", "patient", "item", "was", "value", "reason"].map((key) => this.say(key)), this.state.journal.map(
      ([at, by, kind, person, item, day, was, value, state, reason]) => element("tr", {}, ...[at.slice(0, 16).replace("T", " "), by, person,
        `${item ?? this.say("visits")}${day === null ? "" : ` ${this.say("day", day)}`}${kind === "withdrawn" ? `（${this.say("withdraw")}）` : ""}`,
        was ?? "", value ?? (state ? this.say(state) : ""), reason ?? ""].map((text) => element("td", {}, String(text))))), "empty");
  }
}

export default { render({ model, el }) { new Page(model, el); } };
