// Texts of a file: one a line, or a column of a table.
"use strict";

// Rows of a table without blank lines, and whether a quote stays open. A quote in the middle of a field is a character.
function rowsOf(content, separator, quotes) {
  const rows = [[""]];
  let quoted = false;
  for (let i = 0; i < content.length; i++) {
    const sign = content[i], row = rows[rows.length - 1], last = row.length - 1;
    if (quoted && sign === '"' && content[i + 1] === '"') row[last] += content[++i];
    else if (quotes && sign === '"' && (quoted || row[last] === "")) quoted = !quoted;
    else if (!quoted && sign === separator) row.push("");
    else if (!quoted && sign === "\n") rows.push([""]);
    else if (quoted || sign !== "\r") row[last] += sign;
  }
  return { rows: rows.filter((row) => row.length > 1 || row[0].trim()), open: quoted };
}

function placeOf(column, names) {
  const plain = (name) => name.trim().toLowerCase();
  return names.includes(column) ? names.indexOf(column) : names.map(plain).indexOf(plain(column));
}

// Rows by the run's delimiter, a comma, a semicolon or a tab: the first that finds the column, else that splits all rows.
function tableOf(content, tabs, { columns: [column], delimiter }) {
  const separators = tabs ? [delimiter || "\t", "\t"] : [delimiter || ",", ",", ";", "\t"];
  const tables = separators.map((separator) => rowsOf(content, separator, !tabs));
  if (!tables[0].rows.length) throw new Error("the file has no text.");
  const has = ({ rows }) => placeOf(column, rows[0]) >= 0;
  const even = ({ rows }) => rows.every((row) => row.length === rows[0].length);
  const split = ({ rows }) => rows.every((row) => row.length > 1);
  const whole = ({ rows }) => rows.every((row) => row.length === 1);
  const choices = [(table) => has(table) && even(table), has, split, whole, () => true];
  const { rows, open } = tables.find(choices.find((fits) => tables.some(fits)));
  if (open) throw new Error("a quote is not closed, so the rows of the file cannot be told apart. Close it.");
  return rows;
}

// Texts of a file, and a note if a table of one column has no header. `model` has the run's column and delimiter.
function textsOf(content, name, model) {
  const [column] = model.columns;
  let note = "", texts = [];
  if (!/\.(csv|tsv)$/i.test(name)) {
    texts = content.split(/\r?\n/).filter((text) => text.trim());
  } else {
    const [head, ...others] = tableOf(content, /\.tsv$/i.test(name), model), place = placeOf(column, head);
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
