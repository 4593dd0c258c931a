// What every page shares: calls to /v1, the event stream, and small helpers for
// the document. Text goes in as text, never as markup.

export class Problem extends Error {
  constructor(p, status) {
    super(p.detail || `the station answered ${status}`);
    Object.assign(this, { status, kind: p.kind, hint: p.hint, errors: p.errors || [] });
  }
}

// transaction names this page's transaction to the operations that want one.
const transaction = `console-${Math.random().toString(36).slice(2, 10)}`;
const wantsTransaction = /^\/v1\/(enrollments|credential)/;

export async function call(method, path, body, type) {
  const url = new URL(path, location.origin);
  if (wantsTransaction.test(url.pathname)) url.searchParams.set("transactionId", transaction);
  const init = { method, headers: {}, credentials: "same-origin" };
  if (body instanceof Blob) {
    init.body = body;
    init.headers["Content-Type"] = type || body.type;
  } else if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }
  let resp;
  try {
    resp = await fetch(url, init);
  } catch {
    throw new Problem({ detail: "the station does not answer", hint: "is it running?" }, 0);
  }
  if (resp.status === 401 && document.documentElement.dataset.page !== "login") {
    if (document.querySelector("[data-typed]")) { // it must not be lost with the page
      throw new Problem({ detail: "you are not logged in any more", hint: "log in in another tab (/login), then press the button here once more" }, 401);
    }
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    await new Promise(() => {}); // the page is being left
  }
  if (resp.ok) return resp.status === 204 || !resp.headers.get("Content-Type")?.includes("json") ? null : resp.json();
  throw new Problem(await resp.json().catch(() => ({})), resp.status);
}

// h makes an element: h("p", {class: "quiet"}, "text", child).
export function h(tag, attrs, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (name in el && typeof value !== "string") el[name] = value;
    else el.setAttribute(name, value === true ? "" : value);
  }
  el.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

export const $ = (id) => document.getElementById(id);

let hideNotice;
export function notice(text, bad = false) {
  const n = $("notice");
  n.textContent = text;
  n.className = bad ? "bad" : "";
  n.setAttribute("role", bad ? "alert" : "status");
  n.hidden = false;
  clearTimeout(hideNotice);
  hideNotice = setTimeout(() => (n.hidden = true), bad ? 15000 : 5000);
}

// told shows a problem with its hint and its fields.
export function told(err) {
  const lines = [err.message];
  for (const e of err.errors || []) lines.push(`${e.location.replace(/^(body|captures)\.(biographicData\.)?/, "")}: ${e.message}`);
  if (err.hint) lines.push(err.hint);
  notice(lines.join("\n"), true);
  if (!(err instanceof Problem)) console.error(err);
}

// doing runs an action for a button: disabled meanwhile, problems told.
export async function doing(button, action) {
  if (button) button.disabled = true;
  try {
    return await action();
  } catch (err) {
    told(err);
  } finally {
    if (button) button.disabled = false;
  }
}

export function act(label, action, attrs = {}) {
  const b = h("button", { type: "button", ...attrs, onclick: () => doing(b, action) }, label);
  return b;
}

export const when = (t) => (t ? new Date(t).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" }) : "");

export function tag(text, look = "") {
  return h("span", { class: `tag ${look}` }, text);
}

// ask opens a dialog with fields and gives their values, or null.
export function ask(title, fields, go = "OK", danger = false) {
  return new Promise((resolve) => {
    const form = h("form", { method: "dialog", class: "stack" },
      h("h2", {}, title), ...fields,
      h("div", { class: "actions" },
        h("button", { class: danger ? "danger" : "main", value: "go" }, go),
        h("button", { value: "", formNoValidate: true }, "Not now")));
    const d = h("dialog", { "aria-label": title }, form);
    d.addEventListener("close", () => {
      resolve(d.returnValue === "go" ? new FormData(form) : null);
      d.remove();
    });
    document.body.append(d);
    d.showModal();
  });
}

export async function askReason(title, go, danger) {
  const data = await ask(title, [h("label", {}, "Why", h("input", { name: "reason", required: true, maxlength: "500" }))], go, danger);
  return data && data.get("reason");
}

const pages = [
  { path: "/desk", name: "Desk", text: "Enrol citizens, approve enrolments", scope: "enroll.read" },
  { path: "/line", name: "Line", text: "Readers, queue and cards", scope: "cms.request.read" },
  { path: "/office", name: "Office", text: "Verify a card", scope: "verification.write" },
  { path: "/people", name: "People", text: "Who may log in, and the record of events", scope: "people.admin" },
];

// begin finds out who is logged in and draws the head of the page.
export async function begin() {
  const me = await call("GET", "/v1/sessions");
  me.may = (scope) => me.scopes.includes(scope);
  me.pages = pages.filter((p) => me.may(p.scope));
  $("nav").append(...me.pages.map((p) => h("a", { href: p.path, "aria-current": p.path === location.pathname ? "page" : undefined }, p.name)));
  $("me").append(h("span", { class: "quiet" }, `${me.name} (${me.roles.join(", ")})`), act("Log out", async () => {
    await call("DELETE", "/v1/sessions");
    location.assign("/login");
  }));
  return me;
}

// live calls back for events, bundled so that a burst costs one call. Each time
// the stream opens there is one of type "stream.open": what happened since the page
// was loaded, or since the stream broke, may have been missed.
export function live(wanted, callback) {
  let waiting = [];
  let timer;
  const source = new EventSource("/v1/events");
  const tell = (e) => {
    waiting.push(e);
    timer ||= setTimeout(() => {
      const all = waiting;
      waiting = [];
      timer = undefined;
      callback(all);
    }, 150);
  };
  source.onopen = () => tell({ type: "stream.open" });
  source.onmessage = (m) => {
    const e = JSON.parse(m.data);
    if (wanted(e)) tell(e);
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) call("GET", "/v1/sessions").catch(told).then(() => setTimeout(() => live(wanted, callback), 5000));
  };
}
