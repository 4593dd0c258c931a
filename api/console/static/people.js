// The administrator: who may log in, and the record of events.
import { $, act, begin, call, doing, h, live, notice, tag, told, when } from "./api.js";

const form = $("person");
let next = "";

async function people() {
  const { items } = await call("GET", "/v1/people");
  $("people").replaceChildren(...items.map((p) => h("tr", {}, h("td", { class: "mono" }, p.login), h("td", {}, p.name),
    h("td", {}, p.roles.join(", "), " ", p.disabled ? tag("may not log in", "bad") : ""), h("td", {}, h("div", { class: "actions" }, act("Change", () => edit(p), { class: "small" }))))));
}

function edit(p) {
  form.reset();
  form.login.value = p.login;
  form.name.value = p.name;
  form.disabled.checked = Boolean(p.disabled);
  for (const box of form.roles) box.checked = p.roles.includes(box.value);
  form.name.focus();
}

async function events(more = false) {
  const page = await call("GET", `/v1/audit/events?limit=30${more ? `&after=${next}` : ""}`);
  next = page.next || "";
  $("more").hidden = !next;
  const rows = page.items.map((e) => h("tr", {}, h("td", { class: "number" }, String(e.seq)), h("td", {}, when(e.at)), h("td", {}, e.type), h("td", { class: "mono" }, e.subject), h("td", {}, e.actor)));
  if (more) $("events").append(...rows);
  else $("events").replaceChildren(...rows);
}

form.addEventListener("submit", (ev) => {
  ev.preventDefault();
  doing(form.querySelector("button"), async () => {
    const data = new FormData(form);
    const body = { name: data.get("name"), roles: data.getAll("roles"), disabled: data.has("disabled") };
    if (data.get("password")) body.password = data.get("password");
    await call("PUT", `/v1/people/${encodeURIComponent(data.get("login"))}`, body);
    form.reset();
    notice("Saved.");
    await people();
  });
});

$("walk").addEventListener("click", () => doing($("walk"), async () => {
  const a = await call("GET", "/v1/audit");
  notice(a.intact ? `The chain of ${a.events} events holds.` : `The chain is broken: ${a.problem}`, !a.intact);
}));
$("more").addEventListener("click", () => doing($("more"), () => events(true)));

try {
  await begin();
  await Promise.all([people(), events()]);
  live(() => true, () => doing(null, () => events()));
} catch (err) {
  told(err);
}
