// The desk: the list of enrolments, and one dossier with its fourteen captures.
import { $, Problem, act, ask, askReason, begin, call, doing, h, live, notice, tag, told, when } from "./api.js";
import { blank, example, fields, fingerNames, slots } from "./dossier.js";

const simulated = "simulated" in document.documentElement.dataset;
const looks = { open: "wait", final: "wait", approved: "good", rejected: "bad", accepted: "good", overridden: "good", missing: "", refused: "bad" };
const stateNames = { open: "open", final: "to approve", approved: "approved", rejected: "rejected" };

let me;
let current; // {id, fresh, data, captures}
let missing = {}; // slot -> fingers that are said to be missing, until the capture is taken
let next = "";
let ppi = ""; // of uploaded prints; empty: as each says itself

const mostBytes = 20 << 20; // what the station takes is less

// shown keeps in the address which enrolment is open, for who has to load the page or log in anew.
const shown = (id) => history.replaceState(null, "", id ? `?id=${encodeURIComponent(id)}` : location.pathname);

async function list(more = false) {
  const query = new URLSearchParams({ limit: "30", state: $("state").value });
  if (more) query.set("after", next);
  const page = await call("GET", `/v1/enrollments?${query}`);
  next = page.next || "";
  $("more").hidden = !next;
  const rows = page.items.map((e) => h("li", {}, h("button", { type: "button", "aria-current": String(e.enrollmentId === current?.id), "data-id": e.enrollmentId, onclick: () => doing(null, () => open(e.enrollmentId)) },
    h("span", { class: "name" }, e.name || "no name yet"), tag(stateNames[e.state], looks[e.state]),
    h("span", { class: "quiet mono" }, e.personalNumber), h("span", { class: "quiet" }, `${e.captured}/14`))));
  if (more) $("list").append(...rows);
  else $("list").replaceChildren(...(rows.length ? rows : [h("li", { class: "quiet" }, "none")]));
}

async function open(id) {
  const data = await call("GET", `/v1/enrollments/${id}`);
  const captures = (await call("GET", `/v1/enrollments/${id}/captures`)).items;
  missing = {};
  current = { id, data, captures };
  shown(id);
  draw();
}

function begun() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  current = { id: `e-${[...bytes].map((b) => b.toString(16).padStart(2, "0")).join("")}`, fresh: true, captures: [],
    data: { requestData: { requestType: "FIRST_ISSUANCE" }, biographicData: { ...blank }, contextualData: { state: "open", operator: me.login } } };
  shown();
  draw();
  $("dossier").querySelector("input")?.focus();
}

const state = () => current.data.contextualData.state;
const isOpen = () => state() === "open" && me.may("enroll.write") && me.roles.includes("desk");

function draw() {
  for (const b of $("list").querySelectorAll("button")) b.setAttribute("aria-current", String(b.dataset.id === current.id));
  const c = current.data.contextualData;
  const decided = c.decision && `${stateNames[c.state]} by ${c.decision.by}${c.decision.reason ? `: ${c.decision.reason}` : ""}`;
  $("dossier").replaceChildren(
    h("div", { class: "row" }, h("h1", {}, current.data.biographicData?.name || "New enrolment"), tag(stateNames[c.state], looks[c.state])),
    h("p", { class: "quiet" }, h("span", { class: "mono" }, current.id), ` · opened by ${c.operator}${decided ? ` · ${decided}` : ""}${c.orderId ? " · order " : ""}`, c.orderId ? h("span", { class: "mono" }, c.orderId) : ""),
    form(), current.fresh ? "" : captures(), decisions());
}

// form is the citizen's data; it is read only for those who may not change it.
function form() {
  const bio = current.data.biographicData || {};
  const inputs = fields.map((f) => {
    const attrs = { name: f.name, maxlength: String(f.max || 200), disabled: !isOpen(), autocomplete: "off", required: f.required, inputmode: f.digits ? "numeric" : undefined, type: f.type };
    const input = f.options
      ? h("select", { name: f.name, disabled: !isOpen() }, f.options.map(([v, text]) => h("option", { value: v, selected: v === bio[f.name] }, text)))
      : h("input", attrs);
    if (!f.options) input.value = bio[f.name] || "";
    return h("label", { class: f.wide ? "wide" : "" }, f.label, input);
  });
  const type = h("select", { name: "requestType", disabled: !current.fresh }, [["FIRST_ISSUANCE", "first card"], ["RENEWAL", "renewal"], ["REPLACEMENT", "replacement"]].map(([v, text]) =>
    h("option", { value: v, selected: v === current.data.requestData?.requestType }, text)));
  const el = h("form", { class: "panel", id: "citizen", oninput: () => (el.dataset.typed = ""), onsubmit: (ev) => {
    ev.preventDefault();
    doing(el.querySelector("button.main"), () => save(el));
  } }, h("h2", {}, "Citizen"), h("div", { class: "fields" }, h("label", {}, "Why", type), inputs));
  if (isOpen()) {
    el.append(h("p", { class: "actions" }, h("button", { class: "main" }, current.fresh ? "Open the enrolment" : "Save"),
      simulated && current.fresh ? act("Fill in an invented citizen", () => {
        for (const [name, value] of Object.entries(example())) el.elements[name].value = value;
        el.dataset.typed = "";
      }) : "",
      current.fresh ? "" : act("Delete", remove, { class: "danger" })));
  }
  return el;
}

async function save(el) {
  for (const input of el.elements) input.removeAttribute?.("aria-invalid");
  const bio = {};
  for (const f of fields) if (el.elements[f.name].value.trim()) bio[f.name] = el.elements[f.name].value.trim();
  const body = { requestData: { requestType: el.elements.requestType.value }, biographicData: bio };
  try {
    await call(current.fresh ? "POST" : "PUT", `/v1/enrollments/${current.id}`, body);
  } catch (err) {
    for (const e of err.errors || []) el.elements[e.location.split(".").pop()]?.setAttribute("aria-invalid", "true");
    el.querySelector("[aria-invalid]")?.focus();
    throw err;
  }
  await open(current.id);
  await list();
  notice("Saved.");
}

async function remove() {
  if (!(await ask("Delete this enrolment with its images?", [], "Delete", true))) return;
  await call("DELETE", `/v1/enrollments/${current.id}`);
  current = undefined;
  shown();
  $("dossier").replaceChildren(h("p", { class: "empty" }, "Deleted."));
  await list();
}

function captures() {
  const todo = current.captures.filter((c) => !c.state || c.state === "refused");
  const el = h("section", { "aria-label": "Captures" },
    h("div", { class: "row" }, h("h2", {}, `Portrait and fingerprints: ${14 - todo.length} of 14`),
      isOpen() && simulated && todo.some((c) => c.sensor) ? act("Take all that is left with the simulated sensors", takeAll, { id: "all" }) : "", isOpen() ? resolution() : ""),
    h("div", { class: "cards", id: "captures" }, current.captures.map((c) => shot(c, c.slot === nextSlot()))));
  return el;
}

// resolution is for files that do not say theirs, or say it wrong.
function resolution() {
  const choices = [["", "as each file says"], ["500", "500 ppi"], ["1000", "1000 ppi"]];
  return h("label", {}, "Uploaded prints are of", h("select", { id: "ppi", onchange: (ev) => (ppi = ev.target.value) }, choices.map(([v, text]) => h("option", { value: v, selected: v === ppi }, text))));
}

// unconfirmed captures stand, but a supervisor has to confirm their missing fingers,
// or that the finger was taken before.
const unconfirmed = (c) => ["accepted", "missing"].includes(c.state) && c.reasons?.length && !c.word;

// nextSlot is the one whose turn it is.
const nextSlot = () => isOpen() && current.captures.find((c) => !c.state || c.state === "refused")?.slot;

function shot(c, turn) {
  const s = slots[c.slot];
  const tries = c.attempts ? `${c.attempts} ${c.attempts === 1 ? "try" : "tries"}` : "";
  const picture = c.imageRef && h("img", { src: c.imageRef, alt: `${s.name}, as captured`, loading: "lazy" });
  const el = h("article", { class: turn ? "card next" : "card", "data-slot": c.slot, "data-key": [c.state, c.digest, c.attempts, c.word?.by, ...(c.reasons || []), ...(c.advice || []), ...(c.notes || []), ...gone(missing[c.slot])].join() },
    h("div", { class: "head" }, h("h3", {}, s.name), c.state ? tag(c.state, looks[c.state]) : tag(turn ? "next" : "to do", turn ? "wait" : "")),
    h("div", { class: "shot" }, picture || (c.state === "missing" ? "not there" : "no image")),
    h("p", { class: "quiet" }, [c.digest && `quality ${c.quality}`, tries, c.ppi && `${c.ppi} ppi`, c.simulated && "simulated"].filter(Boolean).join(" · ")),
    c.reasons?.length ? h("ul", {}, c.reasons.map((r) => h("li", {}, r))) : "",
    c.advice?.map((a) => h("p", { class: "advice" }, a)) || "",
    c.notes?.map((n) => h("p", { class: "advice" }, n)) || "",
    c.missing?.length ? h("p", { class: "quiet" }, gone(c.missing).join(", ")) : "",
    missing[c.slot]?.length ? h("p", { class: "advice" }, `Now capture it without these: ${gone(missing[c.slot]).join(", ")}.`) : "",
    c.word ? h("p", { class: "quiet" }, `${c.word.by}: ${c.word.reason}`) : "");
  const actions = [];
  if (c.mapRef) actions.push(qualityButton(picture, c, s));
  if (isOpen() && !(c.state === "refused" && c.attempts >= 3)) {
    const file = h("input", { type: "file", accept: "image/png,image/jpeg,image/jp2,.jp2,.j2k,.wsq", "aria-label": `Upload ${s.name}`, onchange: () => doing(null, () => upload(c.slot, file.files[0])).then(() => (file.value = "")) });
    actions.push(h("label", { class: "button small" }, "Upload", file));
    if (c.sensor) actions.push(act(simulated ? "Simulate" : "Capture", () => take(c.slot), { class: "small" }));
    if (s.fingers) actions.push(act("Missing…", () => describe(c.slot), { class: "small" }));
  }
  if ((c.state === "refused" && c.attempts >= 3) || unconfirmed(c)) {
    const word = unconfirmed(c) ? (c.codes?.length ? "Accept it all the same" : "Confirm what is missing") : "Accept it all the same";
    if (me.may("enroll.approve") && state() === "open") actions.push(act(`${word}…`, () => override(c.slot, word), { class: "small" }));
    else el.append(h("p", { class: "wrong" }, "Call a supervisor."));
  }
  if (actions.length) el.append(h("div", { class: "actions" }, actions));
  return el;
}

// gone says which fingers are not there, and why.
const gone = (all) => (all || []).map((m) => `${fingerNames[m.position]}: ${m.presence.toLowerCase()}`);

// qualityButton shows where a print is good (green) and where it is poor (red), and the print
// again.
function qualityButton(picture, c, s) {
  const b = h("button", { type: "button", class: "small", "aria-pressed": "false", onclick: () => {
    const shown = b.getAttribute("aria-pressed") !== "true";
    b.setAttribute("aria-pressed", String(shown));
    picture.src = shown ? c.mapRef : c.imageRef;
    picture.alt = shown ? `${s.name}, its quality: red is poor, green is good` : `${s.name}, as captured`;
  } }, "Quality");
  return b;
}

// refresh replaces the captures that changed, and keeps the others as they are.
async function refresh() {
  const id = current?.id;
  if (!id || current.fresh) return;
  const items = (await call("GET", `/v1/enrollments/${id}/captures`)).items;
  if (current?.id !== id) return;
  current.captures = items;
  const old = $("captures");
  const fresh = captures();
  for (const el of fresh.querySelectorAll("article")) {
    const same = old?.querySelector(`[data-slot="${el.dataset.slot}"]`);
    if (same?.dataset.key === el.dataset.key && same.className === el.className) el.replaceWith(same);
  }
  old?.closest("section").replaceWith(fresh);
  $("decisions").replaceWith(decisions());
}

async function taken(slot, c) {
  delete missing[slot];
  if (c.state === "refused") notice(`${slots[slot].name} was refused.\n${(c.reasons || []).join("\n")}`, true);
  else if (c.advice?.length || c.notes?.length) notice([`${slots[slot].name} is ${c.state}.`, ...(c.advice || []), ...(c.notes || []), c.advice?.length ? "It may be taken again." : ""].filter(Boolean).join("\n"));
  await refresh();
  return c.state !== "refused";
}

async function take(slot) {
  const url = current.captures.find((c) => c.slot === slot)?.liveRef;
  const end = url ? await watch(slot, url) : () => {};
  try {
    return await taken(slot, await call("POST", `/v1/enrollments/${current.id}/captures/${slot}`, { simulate: true, missing: missing[slot] }));
  } finally {
    end();
  }
}

// watch shows in the slot's place what its scanner sees, until what it gives is called. It
// begins once the station knows that somebody looks; where that fails, nothing is shown.
async function watch(slot, url) {
  const place = $("captures").querySelector(`[data-slot="${slot}"] .shot`);
  const before = [...place.childNodes];
  const picture = h("img", { alt: `${slots[slot].name}, as it is rolled` });
  const says = h("p", { class: "advice", "aria-live": "polite" });
  const source = new EventSource(url);
  source.onmessage = (m) => {
    const s = JSON.parse(m.data);
    picture.src = `data:image/jpeg;base64,${s.jpeg}`;
    if (!picture.isConnected) {
      place.replaceChildren(picture);
      place.classList.add("live");
      place.after(says);
    }
    const text = s.judged ? [`${Math.round(s.width)} mm`, s.advice].filter(Boolean).join(" · ") : "";
    if (says.textContent !== text) says.textContent = text;
  };
  await new Promise((go) => {
    source.onopen = source.onerror = go;
    setTimeout(go, 2000);
  });
  return () => {
    source.close();
    says.remove();
    place.classList.remove("live");
    if (picture.isConnected) place.replaceChildren(...before);
  };
}

async function upload(slot, file) {
  if (!file) return;
  if (file.size >= mostBytes) throw new Problem({ detail: `${file.name} has ${Math.ceil(file.size / 1e6)} MB`, hint: "give it smaller: less than 20 MB are taken" }, 413);
  const query = new URLSearchParams();
  if (ppi && slots[slot].fingers) query.set("ppi", ppi);
  const media = /\.j(p2|2k)$/i.test(file.name) ? "image/jp2" : file.type || "image/wsq"; // browsers have several names, or none, for these
  for (const m of missing[slot] || []) query.append("missing", `${m.position}:${m.presence}`);
  await taken(slot, await call("POST", `/v1/enrollments/${current.id}/captures/${slot}?${query}`, file, media));
}

async function takeAll() {
  const id = current.id;
  for (const c of [...current.captures]) {
    if ((c.state && c.state !== "refused") || !c.sensor || current?.id !== id) continue;
    if (!(await take(c.slot))) return;
  }
}

// describe says which fingers of a slot are not there. If all are, that is the
// capture; else it goes along with the image.
async function describe(slot) {
  const s = slots[slot];
  const data = await ask(`${s.name}: which fingers are not there?`, [
    h("fieldset", {}, h("legend", {}, "Fingers"), s.fingers.map((f) => h("label", { class: "check" }, h("input", { type: "checkbox", name: "finger", value: String(f) }), fingerNames[f]))),
    h("label", {}, "Because they are", h("select", { name: "presence" }, [["AMPUTATED", "amputated"], ["BANDAGED", "bandaged"], ["DAMAGED", "damaged"]].map(([v, t]) => h("option", { value: v }, t)))),
    h("label", {}, "Note", h("input", { name: "note", maxlength: "200" }))], "Note it down");
  if (!data) return;
  const all = data.getAll("finger").map((f) => ({ position: Number(f), presence: data.get("presence"), note: data.get("note") || undefined }));
  if (all.length === s.fingers.length) {
    await taken(slot, await call("POST", `/v1/enrollments/${current.id}/captures/${slot}/missing`, { missing: all }));
    return;
  }
  missing[slot] = all;
  await refresh();
  notice(all.length ? `${s.name}: now capture the fingers that are there.` : `${s.name}: all fingers are there.`);
}

async function override(slot, word) {
  const reason = await askReason(`${slots[slot].name}: ${word.toLowerCase()}`, word.split(" ")[0]);
  if (!reason) return;
  await call("POST", `/v1/enrollments/${current.id}/captures/${slot}/override`, { reason });
  await refresh();
}

function decisions() {
  const buttons = [];
  if (isOpen() && !current.fresh) {
    const todo = current.captures.filter((c) => !c.state || c.state === "refused").length;
    buttons.push(act("Finalise", () => decide("PUT", "finalize", undefined, "Finalised. A supervisor approves it now."), { class: "main" }));
    const words = current.captures.filter(unconfirmed).length;
    if (words) buttons.push(h("span", { class: "quiet" }, `${words} ${words === 1 ? "waits" : "wait"} for a supervisor's word`));
    if (todo) buttons.push(h("span", { class: "quiet" }, `${todo} captures are still to do`));
  }
  if (state() === "final" && me.may("enroll.approve")) {
    buttons.push(act("Approve", () => decide("POST", "approve", {}, "Approved: the card is ordered."), { class: "main" }));
    buttons.push(act("Reject…", async () => {
      const reason = await askReason("Reject this enrolment", "Reject", true);
      if (reason) await decide("POST", "reject", { reason }, "Rejected.");
    }, { class: "danger" }));
  }
  if (state() === "final" && !me.may("enroll.approve")) buttons.push(h("span", { class: "quiet" }, "A supervisor who had no hand in it approves it."));
  return h("p", { class: "actions", id: "decisions" }, buttons);
}

async function decide(method, what, body, done) {
  await call(method, `/v1/enrollments/${current.id}/${what}`, body);
  await open(current.id);
  await list();
  notice(done);
}

try {
  me = await begin();
  $("new").hidden = !me.roles.includes("desk");
  $("new").addEventListener("click", begun);
  $("state").addEventListener("change", () => doing(null, () => list()));
  $("more").addEventListener("click", () => doing($("more"), () => list(true)));
  await list();
  const wanted = new URLSearchParams(location.search).get("id");
  if (wanted) await open(wanted);
  live((e) => e.type.startsWith("enrolment.") || e.type.startsWith("order."), (all) => doing(null, async () => {
    await list();
    if (!current || current.fresh) return;
    const mine = all.filter((e) => e.subject === current.id && e.actor !== me.login);
    if (mine.some((e) => /finalized|approved|rejected|amended/.test(e.type))) await open(current.id);
    else if (mine.length || all.some((e) => e.type === "stream.open")) await refresh();
  }));
} catch (err) {
  told(err);
}
