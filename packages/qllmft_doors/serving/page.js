// Text from users and from the model enters the page as text, by textContent, and never as HTML.
"use strict";

const at = (id) => document.getElementById(id);

function node(tag, content, kind) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (Array.isArray(content)) made.append(...content);
  else if (content !== undefined) made.textContent = String(content);
  return made;
}

function percent(value, error) {
  const more = error > 0 ? ` ± ${(100 * error).toFixed(2)}` : "";
  return `${(100 * value).toFixed(2)}${more} %`;
}

const ask = (path, body) => send(path, body && JSON.stringify(body), "json");

async function send(path, body, kind) {
  const request = { method: "POST", headers: { "Content-Type": `application/${kind}` }, body };
  const answer = await fetch(path, body === undefined ? {} : request);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error || `status ${answer.status}`);
  return value;
}

function bar(name, value, shown) {
  const meter = node("meter");
  meter.value = value;
  meter.setAttribute("aria-label", name);
  return node("div", [node("span", name), meter, node("span", shown)], "bar");
}

function table(heads, rows) {
  const cell = (tag, [text, kind]) => node(tag, text, kind);
  const line = (tag, cells) => node("tr", cells.map((each) => cell(tag, each)));
  const body = node("tbody", rows.map((row) => line("td", row)));
  return node("div", [node("table", [node("thead", [line("th", heads)]), body])], "scroll");
}

// Numbers with the names of labels or targets in the model's order, which an object has not: whole numbers come first there.
const inOrder = (model, numbers) => (model.labels || model.targets).map((name) => [name, numbers[name]]);

function showAnswer(model, found) {
  const parts = [];
  if (found.values) {
    const rows = inOrder(model, found.values).map(([name, value]) => [[name], [value.toPrecision(6), "number"]]);
    parts.push(table([["target"], ["value", "number"]], rows));
  } else {
    parts.push(node("p", found.labels ? found.labels.join(", ") || "none of the labels" : found.label, "label"));
    for (const [name, value] of inOrder(model, found.probabilities))
      parts.push(bar(name, value, percent(value, name === found.label ? found.standard_error : 0)));
    if (found.standard_error > 0)
      parts.push(node("p", `± is the standard error at ${model.shots} shots per circuit.`, "quiet"));
    if (found.decided === false)
      parts.push(node("p", "Unreliable: the margin is within the shot noise (95 %)."));
  }
  at("answer").replaceChildren(...parts);
  at("answer").hidden = false;
}

function showExplanation(model, row, found) {
  const exact = model.backend ? ", computed exactly" : "", by = row.model ? ` by the model “${row.model}”` : "";
  const parts = [node("h2", `Explanation of ${found.label}, ${percent(found.probabilities[found.label])}${by}${exact}`)];
  if (found.words.length) {
    const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(2)}`;
    const rows = found.words.slice(0, 10).map((each) => [[each.word, "text"], [signed(each.effect), "number"], [each.label]]);
    parts.push(node("p", "Words left out one at a time. The effect is the probability with the word minus the one without it.", "quiet"));
    parts.push(table([["word"], ["effect, points", "number"], ["label without it"]], rows));
  }
  if (found.neighbours.length) {
    const rows = found.neighbours.map((each) => [[each.cosine.toFixed(3), "number"], [each.label], [each.text, "text"]]);
    parts.push(node("p", "Nearest training texts, by the cosine of their embeddings.", "quiet"));
    parts.push(table([["cosine", "number"], ["label"], ["training text"]], rows));
  }
  if (found.note) parts.push(node("p", `No nearest texts: ${found.note}.`, "quiet"));
  at("explanation").replaceChildren(...parts);
  at("explanation").hidden = false;
}

// The server reads the file as `qllmft predict --file` does, and keeps nothing of it.
async function textsOf(file, model) {
  const most = model.limits.file_bytes;
  if (file.size > most) throw new Error(`${file.name} has ${file.size} bytes, expected at most ${most}. Split it, or use \`qllmft predict --file\`.`);
  const query = new URLSearchParams({ name: file.name });
  for (const id of ["column", "pair_column", "names", "delimiter"]) if (at(id).value) query.set(id, at(id).value);
  return send(`/texts?${query}`, file, "octet-stream");
}

function answerOf(model, found) {
  if (found.values) return inOrder(model, found.values).map(([, value]) => String(value));
  const label = found.labels ? found.labels.join("; ") : found.label;
  return [label, Math.max(...Object.values(found.probabilities)).toFixed(4)];
}

// A cell that a spreadsheet would take for a formula begins with an apostrophe. A number is none.
const isNumber = (text) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);
const guarded = (text) => text.replace(/^[=+\-@\t\r\n]/, "'$&").replaceAll('"', '""');
const cell = (text) => (isNumber(text) ? text : `"${guarded(text)}"`);

const SHOWN = 20; // answers on the page; the file that is downloaded has all

function skippedRows({ rows, first }) {
  if (!rows) return [];
  const more = rows > first.length ? ` ${rows - first.length} more are not named.` : "";
  const named = first.join("; ");
  const were = rows > 1 ? `${rows} rows were` : "1 row was";
  return [node("p", `${were} left out: ${named}.${more}`)];
}

async function classify(model, { texts, note, skipped }, row) {
  const answers = [], most = model.limits.texts;
  for (let first = 0; first < texts.length; first += most) {
    at("answer").replaceChildren(node("p", `${first} of ${texts.length} ${model.pairs ? "pairs" : "texts"}`, "quiet"));
    at("answer").hidden = false;
    answers.push(...(await ask("/predict", { texts: texts.slice(first, first + most), ...row })).predictions.map((found) => answerOf(model, found)));
  }
  const columns = model.pairs ? ["text", "second text"] : ["text"];
  const heads = [...(model.labels ? ["label", "probability"] : model.targets), ...columns];
  const lines = [heads, ...answers.map((each, i) => [...each, ...[texts[i]].flat()])];
  const link = node("a", `Download the answers to ${texts.length} ${model.pairs ? "pairs" : "texts"}`);
  link.href = URL.createObjectURL(new Blob([lines.map((each) => each.map(cell).join(",")).join("\n") + "\n"], { type: "text/csv" }));
  link.download = "answers.csv";
  const shown = answers.slice(0, SHOWN).map((each, i) => [...each.map((value) => [value]), ...[texts[i]].flat().map((text) => [text, "text"])]);
  const notes = [...(note ? [node("p", note, "quiet")] : []), ...skippedRows(skipped)];
  if (answers.length > SHOWN) notes.push(node("p", `The first ${SHOWN} of ${answers.length} answers are shown. The download has all.`));
  at("answer").replaceChildren(node("p", [link]), ...notes, table(heads.map((head) => [head]), shown));
}

async function run(work) {
  const buttons = [at("predict"), at("explain")];
  at("fault").hidden = true;
  at("explanation").hidden = true;
  for (const each of buttons) each.disabled = true;
  try {
    await work();
  } catch (error) {
    at("answer").hidden = true;
    at("fault").textContent = `Error: ${error.message}`;
    at("fault").hidden = false;
  } finally {
    for (const each of buttons) each.disabled = false;
  }
}

// The run's verdict on its head: a headline, and sentences on the baselines, the limits and the circuit.
function showVerdict({ verdict }) {
  if (!verdict) return;
  const sentences = [verdict.result, verdict.limits, verdict.circuit].filter(Boolean).join(" ");
  at("verdict").replaceChildren(node("strong", verdict.headline), node("br"), sentences);
  at("verdict").hidden = false;
}

// A model of pairs has a second field, below the first.
function addSecondText() {
  const label = node("label", "Second text"), field = node("textarea");
  label.htmlFor = field.id = "second";
  field.rows = 4;
  at("text").after(label, field);
}

// Title and facts of the chosen row of the run's table.
function showRow(model, row) {
  const facts = [`language model ${row.body}`, model.labels ? `labels ${model.labels.join(", ")}` : "regression targets"];
  if (model.backend) facts.push(`${model.backend}${model.shots ? `, ${model.shots} shots` : ""}`);
  if (row.temperature) facts.push(`probabilities calibrated, temperature ${row.temperature.toFixed(2)}`);
  if (row.tested) facts.unshift(row.tested);
  at("title").textContent = document.title = model.data ? `${row.model} on ${model.data}` : `qllmft: ${model.run}`;
  at("facts").textContent = facts.join(" · ");
}

async function main() {
  const { model } = await ask("/health");
  const rows = [model, ...model.rows], chosen = () => rows[at("row").selectedIndex];
  at("choice").hidden = rows.length < 2;
  at("row").append(...rows.map((each) => node("option", each.model || "the run's head")));
  showRow(model, chosen());
  showVerdict(model);
  if (model.pairs) addSecondText();
  at("row").addEventListener("input", () => showRow(model, chosen()));
  const row = () => (chosen() === model ? {} : { model: chosen().model });
  at("drop").hidden = false;
  for (const id of ["one-text", "one-column"]) at(id).hidden = model.pairs;
  for (const id of ["two-texts", "two-columns", "second-column"]) at(id).hidden = !model.pairs;
  const clear = () => { for (const id of ["answer", "explanation", "fault"]) at(id).hidden = true; };
  for (const id of ["text", "second", "row"]) at(id)?.addEventListener("input", clear);
  at("form").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("form").requestSubmit();
  });
  at("column").placeholder = model.columns[0];
  at("pair_column").placeholder = model.columns[1] || "";
  const read = (file) => run(async () => classify(model, await textsOf(file, model), row()));
  at("file").addEventListener("change", () => at("file").files[0] && read(at("file").files[0]));
  at("drop").addEventListener("dragover", (event) => event.preventDefault());
  at("drop").addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
  });
  at("explain").hidden = !model.explains;
  const typed = () => (model.pairs ? [at("text").value, at("second").value] : at("text").value);
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    run(async () => showAnswer(model, (await ask("/predict", { text: typed(), ...row() })).predictions[0]));
  });
  at("explain").addEventListener("click", () =>
    run(async () => showExplanation(model, chosen(), await ask("/explain", { text: typed(), ...row() }))));
}

run(main);
