// The office: open a card with its MRZ, show the verdict.
import { $, begin, call, doing, h, live, tag, told, when } from "./api.js";

const looks = { valid: "good", "not valid": "bad", "could not be checked": "wait", passed: "good", failed: "bad", "not done": "wait" };
const signs = { valid: "✔ Valid", "not valid": "✘ Not valid", "could not be checked": "? Could not be checked" };
const rows = [["name", "Name"], ["personalNumber", "Personal number"], ["dateOfBirth", "Date of birth"], ["gender", "Sex"], ["nationality", "Nationality"], ["placeOfOrigin", "Place of origin"], ["placeOfResidence", "Place of residence"], ["identifyingMarks", "Identifying marks"]];
const form = $("verify");

// fromMRZ takes the three fields of a TD1 zone (Doc 9303-5, 4.2).
function fromMRZ(text) {
  const lines = text.toUpperCase().split(/\s+/).filter(Boolean);
  if (lines.length < 2 || lines[0].length !== 30 || lines[1].length !== 30) return false;
  form.document.value = lines[0].slice(5, 14).replaceAll("<", "");
  form.birth.value = lines[1].slice(0, 6);
  form.expiry.value = lines[1].slice(8, 14);
  return true;
}

async function readers() {
  const { items, problem } = await call("GET", "/v1/readers");
  const mine = items.filter((r) => r.use === "office");
  const chosen = form.reader.value;
  form.reader.replaceChildren(...mine.map((r) => h("option", { selected: r.name === chosen }, r.name)));
  form.querySelector("button").disabled = mine.length === 0;
  if (!mine.length) form.reader.append(h("option", { value: "" }, problem || "no reader for the office"));
}

async function verify() {
  const body = { reader: form.reader.value };
  for (const name of ["document", "birth", "expiry", "can"]) if (form[name].value.trim()) body[name] = form[name].value.trim();
  const finger = form.finger.files[0];
  if (finger) {
    body.finger = await base64(finger);
    body.fingerPosition = Number(form.fingerPosition.value);
    form.finger.value = ""; // the next card is another person's
  }
  $("verdict").replaceChildren(h("p", { class: "empty" }, "Waiting for the card, then reading it…"));
  try {
    show(await call("POST", "/v1/verifications", body));
  } catch (err) {
    $("verdict").replaceChildren(h("p", { class: "empty" }, "No verdict."));
    throw err;
  }
}

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

function show(v) {
  const look = looks[v.outcome];
  const facts = rows.filter(([name]) => v.holder?.[name]).flatMap(([name, label]) => [h("dt", {}, label), h("dd", {}, v.holder[name])]);
  $("verdict").replaceChildren(h("article", { class: "panel verdict" },
    v.portrait ? h("img", { class: "portrait", src: `data:image/jpeg;base64,${v.portrait}`, alt: "Portrait from the chip" }) : h("p", { class: "quiet" }, "no portrait"),
    h("div", {}, h("p", { class: `outcome ${look}` }, signs[v.outcome]),
      h("p", { class: "quiet" }, [v.document && `document ${v.document}`, v.expiry && `expires ${v.expiry}`, `read in ${v.elapsedMs} ms`].filter(Boolean).join(" · ")),
      facts.length ? h("dl", {}, facts) : ""),
    h("div", { class: "scroll whole" }, h("table", {}, h("caption", { class: "hidden" }, "Checks"), h("tbody", {}, v.checks.map((c) =>
      h("tr", {}, h("th", { scope: "row" }, c.name), h("td", {}, tag(c.result, looks[c.result])), h("td", {}, c.why || "", c.evidence ? h("p", { class: "quiet" }, c.evidence) : "")))))),
    h("p", { class: "actions whole" }, h("button", { type: "button", onclick: () => $("verdict").replaceChildren(h("p", { class: "empty" }, "No card on the screen.")) }, "Clear the screen"))));
}

async function history() {
  const { items } = await call("GET", "/v1/verifications?limit=20");
  const count = (v, r) => (v.checks || []).filter((c) => c.result === r).length;
  $("history").replaceChildren(...(items.length ? items.map((v) => h("tr", {}, h("td", {}, when(v.at)), h("td", {}, tag(v.outcome, looks[v.outcome])),
    h("td", {}, `${count(v, "passed")} passed, ${count(v, "failed")} failed, ${count(v, "not done")} not done`), h("td", {}, v.reader), h("td", {}, v.by))) : [h("tr", {}, h("td", { colspan: "5", class: "quiet" }, "None."))]));
}

form.mrz.addEventListener("input", () => fromMRZ(form.mrz.value));
form.addEventListener("submit", (ev) => {
  ev.preventDefault();
  doing(form.querySelector("button"), verify);
});

try {
  await begin();
  await Promise.all([readers(), history()]);
  live((e) => e.type === "verification.done", () => doing(null, history));
  setInterval(() => document.hidden || doing(null, readers), 5000);
} catch (err) {
  told(err);
}
