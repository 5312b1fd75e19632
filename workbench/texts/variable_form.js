// Draws the fields that the kernel names; what is typed goes to the kernel, which tries the variable out and answers with the outcomes.

const PAUSE_MS = 400;

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

const parts = (text, cut) => text.split(cut).map((part) => part.trim()).filter(Boolean);
const number = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text));

// How a field's value is written in its box, and read from it again.
const WRITE = {
  list: (value) => (value ?? []).join("，"),
  lines: (value) => (value ?? []).join("\n"),
  categories: (value) => Object.entries(value ?? {}).map(([name, words]) => `${name}: ${(words.words ?? words).join("，")}`
    + (words.assertion ? ` @ ${words.assertion.join("，")}` : "")).join("\n"),
};
const READ = {
  list: (text) => parts(text, /[,，、\n]/),
  lines: (text) => parts(text, /\n/),
  number,
  categories: (text) => Object.fromEntries(parts(text, /\n/).map((line) => {
    const [, name, rest] = line.match(/^([^:：]*)[:：]?(.*)$/);
    const [words, assertion] = rest.split("@").map((half) => parts(half, /[,，、]/));
    return [name.trim(), assertion ? { words, assertion } : words];
  })),
};

class Form {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    root.classList.add("wb-form");
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    root.addEventListener("keydown", (event) => event.stopPropagation());
    this.form = { ...model.get("state").form };
    this.tests = model.get("state").tests.map((test) => ({ ...test }));
    model.on("change:state", () => this.results());
    model.on("change:language", () => this.draw());
    this.draw();
  }

  get language() { return this.model.get("language"); }
  say(key, otherwise = key) { return this.model.get("words")[this.language][key] ?? otherwise; }

  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send("try"), PAUSE_MS);
  }

  send(what) {
    clearTimeout(this.timer);
    this.turn = (this.turn ?? 0) + 1;
    this.saved.textContent = this.say("trying");
    this.model.send({ do: what, form: this.form, tests: this.tests, turn: this.turn });
  }

  draw() {
    const more = element("div", { class: "wb-fields" }), groups = element("div", { class: "wb-fields" });
    const kind = this.form["value.kind"] || "presence";
    for (const field of this.model.get("fields")) {
      if (field.kinds.includes(kind)) (field.rare ? more : groups).append(this.field(field));
    }
    const used = this.model.get("fields").some(({ rare, path }) => rare && [this.form[path]].flat().some((value) => value !== null && value !== undefined));
    groups.append(element("details", { open: this.unfolded ?? used, ontoggle: (event) => { this.unfolded = event.target.open; } },
      element("summary", {}, this.say("more")), more));
    this.problem = element("p", { class: "wb-problem", role: "alert" });
    this.saved = element("p", { class: "wb-saved", role: "status" });
    this.yaml = element("pre");
    this.list = element("ol", { class: "wb-tests" });
    this.score = element("span", { class: "wb-quiet" });
    this.drawTests();
    this.root.replaceChildren(
      element("header", {}, element("strong", {}, this.say("definition")),
        element("button", { type: "button", class: "wb-link", onclick: () => {
          this.model.set("language", this.language === "zh" ? "en" : "zh");
          this.model.save_changes();
        } }, this.say("switch"))),
      element("div", { class: "wb-halves" },
        groups,
        element("section", {},
          element("h4", {}, this.say("tests"), " ", this.score), this.list,
          element("button", { type: "button", class: "wb-add", onclick: () => {
            this.tests.push({ text: "", expect: null });
            this.draw();
            this.list.lastChild.querySelector("textarea").focus();
          } }, `+ ${this.say("add")}`),
          this.problem,
          element("div", { class: "wb-foot" }, element("button", { type: "button", class: "wb-save", onclick: () => this.send("save") }, this.say("save")), this.saved),
          element("details", {}, element("summary", {}, "YAML"), this.yaml))));
    this.results();
  }

  drawTests() {
    this.list.replaceChildren(...this.tests.map((test, place) => this.test(test, place)));
  }

  field(field) {
    const { path, how, choices, hint } = field, value = this.form[path];
    const set = (found) => {
      this.form[path] = found;
      if (path === "value.kind") { this.draw(); this.root.querySelector("[name='value.kind']").focus(); }
      if (path === "value.categories") this.drawTests();
      this.changed();
    };
    let box;
    if (how === "choice") {
      box = element("select", { name: path, onchange: (event) => set(event.target.value || null) },
        element("option", { value: "" }, this.say("unset")),
        ...choices.map((name) => element("option", { value: name, selected: name === value }, this.say(`choice_${name}`))));
      box.value = value ?? "";
    } else if (how === "many") {
      const chosen = new Set(value ?? []);
      box = element("span", { class: "wb-many" }, ...choices.map((name) => element("label", {},
        element("input", { type: "checkbox", name: path, checked: chosen.has(name), onchange: (event) => {
          if (event.target.checked) chosen.add(name); else chosen.delete(name);
          set([...chosen]);
        } }), this.say(`choice_${name}`))));
    } else if (how === "range") {
      const range = [...(value ?? [null, null])];
      box = element("span", { class: "wb-range" }, ...["low", "high"].map((end, place) => element("input", {
        name: `${path}.${end}`, inputmode: "decimal", value: range[place] ?? "", "aria-label": this.say(end), placeholder: this.say(end),
        oninput: (event) => { range[place] = number(event.target.value); set([...range]); } })));
    } else {
      const long = how === "lines" || how === "categories";
      box = element(long ? "textarea" : "input", { name: path, rows: long ? 3 : null, placeholder: hint, spellcheck: "false",
        value: (WRITE[how] ?? ((text) => text ?? ""))(value),
        oninput: (event) => set((READ[how] ?? ((text) => text))(event.target.value)) });
    }
    return element(how === "many" ? "div" : "label", { class: "wb-field" }, element("span", {}, field[this.language]), box);
  }

  expected(test) {
    // One of a few words is chosen; anything else is typed.
    const kind = this.form["value.kind"] || "presence", expect = test.expect ?? "";
    const set = (event) => { test.expect = event.target.value; this.changed(); };
    const words = { presence: this.model.get("fields").find(({ path }) => path === "assertion").choices,
      category: Object.keys(this.form["value.categories"] ?? {}) }[kind];
    if (!words || Array.isArray(expect)) {
      return element("input", { value: Array.isArray(expect) ? JSON.stringify(expect) : expect, placeholder: this.say("nothing"),
        readonly: Array.isArray(expect), oninput: set });
    }
    const options = ["", ...words, ...(expect === "" || words.includes(expect) ? [] : [expect])];
    return element("select", { onchange: set }, ...options.map((word) => element("option", { value: word, selected: word === expect },
      word === "" ? this.say("nothing") : kind === "presence" ? this.say(`choice_${word}`, word) : word)));
  }

  test(test, place) {
    return element("li", {},
      element("textarea", { rows: 2, "aria-label": this.say("text"), value: test.text,
        oninput: (event) => { test.text = event.target.value; this.changed(); } }),
      element("div", { class: "wb-row" },
        element("label", {}, this.say("expect"), this.expected(test)),
        element("span", { class: "wb-got" }),
        element("button", { type: "button", class: "wb-link", "aria-label": this.say("remove"), onclick: () => {
          this.tests.splice(place, 1);
          this.draw();
          this.changed();
        } }, "×")));
  }

  results() {
    const { turn, outcomes, problem, field, yaml, saved } = this.model.get("state");
    if (turn && turn < this.turn) return; // an answer to what has been changed since
    const wrong = this.model.get("fields").find(({ path }) => field === path || field.startsWith(`${path}.`));
    this.root.querySelectorAll("[aria-invalid]").forEach((box) => box.removeAttribute("aria-invalid"));
    if (wrong) this.root.querySelectorAll(`[name^="${wrong.path}"]`).forEach((box) => box.setAttribute("aria-invalid", "true"));
    const sentence = field.match(/^tests\[(\d+)\]/);
    const where = wrong ? wrong[this.language] : sentence ? `${this.say("tests")} ${Number(sentence[1]) + 1}` : field;
    this.problem.textContent = problem && `${this.say("mend")}${where && `「${where}」`}：${problem}`;
    this.saved.textContent = saved ? `✓ ${this.say("saved")} ${saved}` : "";
    this.yaml.textContent = yaml;
    const given = [...this.list.children].filter((_, place) => this.tests[place].text.trim());
    this.score.textContent = outcomes.length ? `${outcomes.filter((one) => one.passed).length} / ${outcomes.length} ${this.say("passed")}` : "";
    given.forEach((row, place) => {
      const got = row.querySelector(".wb-got"), outcome = outcomes[place];
      row.className = outcome ? (outcome.passed ? "wb-pass" : "wb-fail") : "";
      const value = outcome?.got === null || outcome?.got === undefined ? this.say("nothing") : outcome.got;
      const known = this.model.get("words")[this.language][`choice_${value}`];
      got.textContent = outcome ? `${outcome.passed ? "✓" : "✗"} ${known ?? value}${!outcome.passed && outcome.why.length
        ? `（${outcome.why.map((why) => this.model.get("words")[this.language][`choice_${why}`] ?? why).join("，")}）` : ""}` : "";
    });
  }
}

export default {
  render({ model, el }) {
    const root = document.createElement("div");
    el.append(root);
    new Form(model, root);
  },
};
