// The page's script: asks the server and shows what it says. All text is put in as text (textContent), never as HTML:
// what is typed and what a vocabulary holds are other people's.
"use strict";

const words = JSON.parse(document.body.dataset.words);
const form = document.getElementById("ask");
const field = document.getElementById("text");
const problem = document.getElementById("problem");
const hint = document.getElementById("hint");
const status = document.getElementById("status");
const heard = document.getElementById("heard");
const answers = document.getElementById("answers");
const top_ = document.getElementById("top");
const button = form.querySelector(".main");

// Nats at which a piece is shown in the full colour.
const DEAR = 10;

const say = (name, values = {}) => (words[name] ?? "").replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
const mode = () => form.elements.mode.value;
const percent = (share) => (share > 0 && share < 0.0005 ? "< 0.1%" : `${(100 * share).toFixed(1)}%`);

function make(tag, name, ...inside) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...inside);
  return made;
}

function korean(made) {
  made.lang = "ko";
  return made;
}

function bar(share) {
  const inner = make("i");
  inner.style.setProperty("--share", share);
  const made = make("span", "bar", inner);
  made.setAttribute("aria-hidden", "true");
  return made;
}

// A list of words, each of them its pieces: lines break between words.
function cut(pieces) {
  const list = korean(make("ul", "cut"));
  for (const piece of pieces) {
    const shown = make("span", piece.part, make("span", "piece", piece.text));
    if (piece.cost !== null) {
      shown.classList.add("cost");
      shown.style.setProperty("--heat", Math.max(0, Math.min(piece.cost / DEAR, 1)));
      shown.append(make("small", "", piece.cost.toFixed(1)));
    }
    if (piece.part === "inner" && list.lastChild) list.lastChild.append(shown);
    else list.append(make("li", "", shown));
  }
  return list;
}

function keys(found) {
  const parts = new Set(found.flatMap((answer) => answer.pieces.map((piece) => piece.part)));
  const list = make("ul", "cut");
  const samples = { word: "가", inner: "##가", gap: form.querySelector("[data-insert]").dataset.insert, unknown: "[UNK]" };
  for (const [part, sample] of Object.entries(samples)) {
    if (!parts.has(part)) continue;
    list.append(make("li", "", make("span", part, make("span", "piece", sample)), make("span", "", say(`key_${part}`))));
  }
  if (found.some((answer) => answer.total !== undefined)) {
    list.append(make("li", "", make("span", "scale"), make("span", "", say("key_cost", { most: DEAR }))));
  }
  return make("div", "keys", list);
}

// Models side by side, their parts in rows: `parts` makes the elements of one model, as many for each.
function sideBySide(found, parts) {
  const models = make("div", "models");
  for (const answer of found) {
    const own = parts(answer);
    const model = make("article", "model", make("h2", found.length > 1 ? "" : "unseen", answer.model), ...own);
    model.style.gridRow = `span ${own.length + 1}`;
    models.append(model);
  }
  return models;
}

function gapTable(gap, number, several) {
  const table = make("table");
  const name = several ? say("gap_number", { number }) : say("gap");
  table.append(make("caption", "", `${name} `, make("small", "", say(gap.whole ? "whole_word" : "one_piece"))));
  const body = make("tbody");
  for (const guess of gap.guesses) {
    const head = korean(make("th", "", guess.piece));
    head.scope = "row";
    if (guess.pieces.length > 1) head.append(" ", make("small", "", guess.pieces.join(" ")));
    body.append(make("tr", "", head, make("td", "room", bar(guess.probability)), make("td", "figure", percent(guess.probability))));
  }
  table.append(body);
  return table;
}

function unknowns(characters) {
  const told = characters.length ? say("unknown", { characters: characters.join(" ") }) : "";
  return make("p", told ? "notice unknowns" : "", told);
}

const SHOW = {
  fill({ answers: found }) {
    const several = found[0].gaps.length > 1;
    const shown = sideBySide(found, (answer) => [
      cut(answer.pieces),
      unknowns(answer.unknown_characters),
      ...answer.gaps.map((gap, number) => gapTable(gap, number + 1, several)),
    ]);
    const best = found.map((answer) => {
      const said = answer.gaps.map((gap) => (gap.guesses[0] ? `${gap.guesses[0].piece} ${percent(gap.guesses[0].probability)}` : ""));
      return `${answer.model}: ${said.join(", ")}`;
    });
    return [[keys(found), shown], best.join("; ")];
  },

  cost({ answers: found }) {
    const told = (answer) => {
      const mean = answer.total / answer.pieces.length;
      return { total: answer.total.toFixed(1), mean: mean.toFixed(2), count: answer.pieces.length };
    };
    const shown = sideBySide(found, (answer) => [cut(answer.pieces), make("p", "total", say("total", told(answer)))]);
    return [[keys(found), shown], found.map((answer) => `${answer.model}: ${say("total", told(answer))}`).join("; ")];
  },

  josa({ models, judged, left_out: leftOut }) {
    const parts = [];
    if (judged.length) parts.push(josaTable(models, judged));
    else parts.push(make("p", "", say("no_josa")));
    if (leftOut.length) {
      const list = make("ul");
      for (const [place, reason] of leftOut) {
        list.append(make("li", "", korean(make("b", "", place)), `: ${words[`left_out: ${reason}`] ?? reason}`));
      }
      const more = make("details", "", make("summary", "", say("left_out", { count: leftOut.length })), list);
      more.open = true;
      parts.push(more);
    }
    const said = judged.map((one) => `${one.noun}${one.typed} ${one.shares.map(percent).join(" / ")}`);
    return [parts, said.join("; ") || say("no_josa")];
  },
};

function josaTable(models, judged) {
  const table = make("table", "josa");
  const heads = [say("josa_head"), ...models].map((name) => {
    const head = make("th", "name", name);
    head.scope = "col";
    return head;
  });
  table.append(make("caption", "", `${say("josa_caption")} `, make("small", "", say("josa_note"))));
  table.append(make("thead", "", make("tr", "", ...heads)));
  const body = make("tbody");
  for (const one of judged) {
    const other = make("small", "", `↔ ${one.noun}${one.other}`);
    const head = korean(make("th", "", one.noun, make("b", one.right ? "" : "breach", one.typed), " ", other));
    head.scope = "row";
    if (!one.right) head.append(make("small", "breach", say("josa_breach", { form: one.noun + one.other })));
    // Orange where a model and the rule disagree.
    const cells = one.shares.map((share) => {
      const agrees = share >= 0.5 === one.right;
      const cell = make("td", agrees ? "share" : "share doubted", percent(share), bar(share));
      if (!agrees) cell.append(make("small", "", say("josa_doubted")));
      return cell;
    });
    body.append(make("tr", "", head, ...cells));
  }
  table.append(body);
  return table;
}

function fail(code, told) {
  problem.textContent = say(words[`error_${code}`] ? `error_${code}` : "error_text", { told });
  field.setAttribute("aria-invalid", "true");
  answers.replaceChildren();
  status.textContent = "";
  heard.textContent = "";
  field.focus();
}

async function ask() {
  if (button.getAttribute("aria-disabled") === "true") return;
  const asked = mode();
  const question = { text: field.value };
  if (asked === "fill") question.top = Number(top_.value);
  button.setAttribute("aria-disabled", "true");
  answers.setAttribute("aria-busy", "true");
  problem.textContent = "";
  field.removeAttribute("aria-invalid");
  status.textContent = heard.textContent = say("asking");
  const began = performance.now();
  try {
    const reply = await fetch(`/api/${asked}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(question),
    });
    const found = await reply.json();
    if (!reply.ok) return fail(found.code, found.error);
    const [shown, summary] = SHOW[asked](found);
    answers.replaceChildren(...shown);
    status.textContent = say("answered", { seconds: Math.max(0.1, (performance.now() - began) / 1000).toFixed(1) });
    heard.textContent = summary;
  } catch {
    fail("network");
  } finally {
    button.removeAttribute("aria-disabled");
    answers.removeAttribute("aria-busy");
  }
}

// What the reader chose outlives a change of language; where a browser keeps nothing, it does not.
function keep(store, name, value) {
  try {
    store.setItem(name, value);
  } catch {
    // Private windows refuse.
  }
}

function kept(store, name) {
  try {
    return store.getItem(name);
  } catch {
    return null;
  }
}

function changeMode() {
  const { gapped, whole } = field.dataset;
  if (field.value === gapped || field.value === whole) field.value = mode() === "fill" ? gapped : whole;
  hint.textContent = say(`hint_${mode()}`);
  answers.replaceChildren();
  problem.textContent = status.textContent = heard.textContent = "";
  field.removeAttribute("aria-invalid");
  keep(sessionStorage, "mode", mode());
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
field.addEventListener("keydown", (event) => {
  // Enter also ends a syllable that is being composed; then it is not for us (229: Safari says so late).
  if (event.key !== "Enter" || event.isComposing || event.keyCode === 229 || event.shiftKey || event.altKey) return;
  event.preventDefault();
  form.requestSubmit();
});
field.addEventListener("input", () => keep(sessionStorage, "text", field.value));
form.addEventListener("change", (event) => {
  if (event.target.name === "mode") changeMode();
});
for (const inserting of form.querySelectorAll("[data-insert]")) {
  inserting.addEventListener("click", () => {
    field.setRangeText(inserting.dataset.insert, field.selectionStart, field.selectionEnd, "end");
    field.focus();
    keep(sessionStorage, "text", field.value);
  });
}
for (const theme of document.querySelectorAll("[name=theme]")) {
  theme.checked = theme.id === (kept(localStorage, "theme") ?? "theme-auto");
  theme.addEventListener("change", () => keep(localStorage, "theme", theme.id));
}
for (const choice of form.elements.mode) choice.checked = choice.value === (kept(sessionStorage, "mode") ?? "fill");
field.value = kept(sessionStorage, "text") ?? field.dataset.gapped;
changeMode();
