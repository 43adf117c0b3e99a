// Texts of a file: one a line, or a column of a table.
"use strict";

const STRAY = "has a stray quote. Write a quote within quotes twice.";

// Rows of a table without blank lines, and whether a quote stays open. A quote in the middle of a field is a character,
// and one that is followed by more than a separator is a fault.
function rowsOf(content, separator, quotes) {
  const end = content.includes("\n") ? "\n" : "\r";
  const rows = [[""]];
  let quoted = false, closed = false, line = 1, fault = "";
  for (let i = 0; i < content.length; i++) {
    const sign = content[i], row = rows[rows.length - 1], last = row.length - 1;
    if (sign === end) line++;
    if (quoted && sign === '"' && content[i + 1] === '"') row[last] += content[++i];
    else if (quoted && sign === '"') { quoted = false; closed = true; }
    else if (quoted) row[last] += sign;
    else if (quotes && sign === '"' && row[last].trim() === "" && !closed) { quoted = true; row[last] = ""; }
    else if (sign === separator) { row.push(""); closed = false; }
    else if (sign === end) { rows.push([""]); closed = false; }
    else if (sign === "\r" && content[i + 1] === "\n") continue;
    else if (closed && sign.trim()) fault = fault || `line ${line} ${STRAY}`;
    else if (!closed) row[last] += sign;
  }
  return { rows: rows.filter((row) => row.length > 1 || row[0].trim()), open: quoted, fault };
}

const plain = (name) => name.trim().toLowerCase();

function placeOf(column, names) {
  return names.includes(column) ? names.indexOf(column) : names.map(plain).indexOf(plain(column));
}

// Rows by the run's delimiter, a comma, a semicolon, a tab or a pipe: the first that finds the column, else that splits
// all rows. Excel's line sep= tells it too.
function tableOf(content, tabs, { columns: [column], delimiter }) {
  const excel = content.match(/^"?sep=(.)"?[;,\t|]*\r?[\n\r]/i);
  if (excel) [content, delimiter] = [content.slice(excel[0].length), excel[1]];
  const separators = tabs ? [delimiter || "\t", "\t", ",", ";", "|"] : [delimiter || ",", ",", ";", "\t", "|"];
  const tables = separators.map((separator) => rowsOf(content, separator, !tabs));
  if (!tables[0].rows.length) throw new Error("the file has no text.");
  const has = ({ rows }) => placeOf(column, rows[0]) >= 0;
  const even = ({ rows }) => rows.every((row) => row.length === rows[0].length);
  const split = ({ rows }) => rows.every((row) => row.length > 1);
  const whole = ({ rows }) => rows.every((row) => row.length === 1);
  const choices = [(table) => has(table) && even(table), has, split, whole, () => true];
  const { rows, open, fault } = tables.find(choices.find((fits) => tables.some(fits)));
  if (fault) throw new Error(fault);
  if (open) throw new Error("a quote is not closed, so the rows of the file cannot be told apart. Close it.");
  return rows;
}

// Texts of a file, and a note if a table of one column has no header. `model` has the run's column and delimiter.
function textsOf(content, name, model) {
  const [column] = model.columns;
  let note = "", texts = [];
  if (/\.(jsonl?|ndjson|xlsx|parquet|gz)$/i.test(name))
    throw new Error("the page reads .csv, .tsv and .txt files. `qllmft predict --file` reads other tables.");
  const nul = content.indexOf("\0");
  if (nul >= 0) throw new Error(`line ${content.slice(0, nul).split("\n").length} has a NUL byte. Remove it.`);
  if (!/\.(csv|tsv)$/i.test(name)) {
    texts = content.split(/\r?\n/).filter((text) => text.trim());
  } else {
    const [head, ...others] = tableOf(content, /\.tsv$/i.test(name), model), place = placeOf(column, head);
    const times = (form) => head.filter((each) => form(each) === form(column)).length;
    if ((times((each) => each) || times(plain)) > 1) throw new Error(`the file has several columns “${column}”. Rename the others.`);
    const again = others.findIndex((row) => row.length > 1 && row.join("\0") === head.join("\0"));
    if (again >= 0) throw new Error(`row ${again + 1} names the columns again. Delete it.`);
    const odd = others.findIndex((row) => row.length !== head.length);
    const remedy = "or give a .txt file with one text a line.";
    if (place < 0 && (head.length > 1 || odd >= 0)) {
      const names = head.slice(0, 20).map((each) => each.slice(0, 40)).join(", ");
      throw new Error(`the file has no column “${column}”, that of the run's texts; its columns are ${names}. Rename one, ${remedy}`);
    }
    if (odd >= 0)
      throw new Error(`row ${odd + 1} and the header differ in their numbers of fields: ${others[odd].length} and ${head.length}. Quote texts that hold the separator, ${remedy}`);
    texts = place < 0 ? [head[0], ...others.map(([text]) => text)] : others.map((row) => row[place]);
    const empty = texts.findIndex((text) => !text.trim());
    if (empty >= 0) throw new Error(`row ${empty + 1}: “${column}” is empty. Fill it in, or leave the row out.`);
    if (place < 0) note = `No column “${column}” in the file: its one column is taken as the texts, without a header.`;
  }
  if (!texts.length) throw new Error("the file has no text.");
  return { texts, note };
}
