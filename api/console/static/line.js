// The line: readers, the queue, finished cards.
import { $, act, askReason, begin, call, doing, h, live, tag, told, when } from "./api.js";

const looks = { writing: "wait", reading: "wait", done: "good", problem: "bad", stopped: "bad", pending: "wait", claimed: "wait", issued: "good", failed: "bad", cancelled: "",
  NEW: "wait", ACTIVE: "good", SUSPENDED: "bad", REVOKED: "bad" };
const readerText = { empty: "Put a blank card in.", writing: "Leave the card alone.", reading: "A card is being read.", done: "Take the finished card out.", idle: "A blank is in; no order waits.", problem: "See below.", stopped: "The line must not go on." };
const stateNames = { claimed: "on a chip" };
let next = "";
let me;

// Supervisors see the queue only: readers and cards are the line's.
const sees = { readers: "reader.read", queue: "cms.request.read", cards: "cms.credential.read" };

async function readers() {
  if (!me.may(sees.readers)) return;
  const { items, problem } = await call("GET", "/v1/readers");
  const cards = items.map((r) => h("article", { class: "card" },
    h("div", { class: "head" }, h("h3", {}, r.name), tag(r.state, looks[r.state])),
    h("p", { class: "quiet" }, r.use === "office" ? "Belongs to the office." : readerText[r.state] || ""),
    r.state === "writing" || r.state === "done" ? h("progress", { value: r.done, max: Math.max(r.total, 1), "aria-label": `Progress in ${r.name}` }) : "",
    r.step ? h("p", {}, `${r.done} of ${r.total}: ${r.step}`) : "",
    r.orderId ? h("p", { class: "quiet mono" }, r.orderId) : "",
    r.card ? h("p", { class: "quiet mono" }, r.card) : "",
    r.problem ? h("p", { class: "wrong" }, r.problem) : "", r.hint ? h("p", {}, r.hint) : ""));
  if (problem) cards.unshift(h("p", { class: "wrong" }, problem));
  $("readers").replaceChildren(...(cards.length ? cards : [h("p", { class: "empty" }, "No reader is attached.")]));
}

async function queue(more = false) {
  const query = new URLSearchParams({ limit: "30", state: $("state").value });
  if (more) query.set("after", next);
  const page = await call("GET", `/v1/credentialRequests?${query}`);
  next = page.next || "";
  $("more").hidden = !next;
  const rows = page.items.map((o) => {
    const actions = [];
    const change = (label, title, path, danger) => actions.push(act(label, async () => {
      const reason = await askReason(title, label.replace("…", ""), danger);
      if (!reason) return;
      await call("POST", `/v1/credentialRequests/${o.credentialRequestId}/${path}`, { reason });
      await queue();
    }, { class: danger ? "small danger" : "small" }));
    if (me.may("cms.request.cancel")) {
      if (o.state === "claimed") change("Scrap the chip…", "Scrap the chip and put the order back into the queue", "return", false);
      if (o.state === "failed") change("Back to the queue…", "Put the order back into the queue", "return", false);
      if (["pending", "claimed", "failed"].includes(o.state)) change("Cancel…", "Cancel this order for good", "cancel", true);
    }
    return h("tr", {}, h("td", { class: "mono" }, o.credentialRequestId), h("td", {}, o.name),
      h("td", {}, tag(stateNames[o.state] || o.state, looks[o.state]), o.reason ? h("p", { class: "quiet" }, o.reason) : ""),
      h("td", { class: "mono" }, o.card || ""), h("td", { class: "number" }, o.steps ? String(o.steps) : ""), h("td", {}, when(o.changed)), h("td", {}, h("div", { class: "actions" }, actions)));
  });
  if (more) $("queue").append(...rows);
  else $("queue").replaceChildren(...(rows.length ? rows : [h("tr", {}, h("td", { colspan: "7", class: "quiet" }, "No orders."))]));
}

async function cards() {
  if (!me.may(sees.cards)) return;
  const { items } = await call("GET", "/v1/credentials?limit=30");
  const rows = items.map((c) => {
    const actions = [];
    const change = (label, title, path, body, danger) => actions.push(act(label, async () => {
      const reason = await askReason(title, label.replace("…", ""), danger);
      if (!reason) return;
      await call("POST", `/v1/credentials/${encodeURIComponent(c.credentialId)}/${path}`, { ...body, reason });
      await cards();
    }, { class: danger ? "small danger" : "small" }));
    if (me.may("cms.credential.write")) {
      if (c.status === "NEW") change("Hand over…", "Hand the card over to its holder", "status", { status: "ACTIVE" });
      if (c.status === "ACTIVE") change("Suspend…", "Suspend this card", "suspend", {});
      if (c.status === "SUSPENDED") change("End suspension…", "End the suspension", "unsuspend", {});
      if (["NEW", "ACTIVE", "SUSPENDED"].includes(c.status)) change("Revoke…", "Revoke this card for good", "revoke", {}, true);
    }
    const status = c.status === "OTHER" ? c.statusOther : c.status;
    return h("tr", {}, h("td", { class: "mono" }, c.credentialNumber || ""), h("td", { class: "mono" }, c.credentialId),
      h("td", {}, tag(status.toLowerCase(), looks[c.status]), c.others?.reason ? h("p", { class: "quiet" }, c.others.reason) : ""),
      h("td", {}, when(c.issuedDate)), h("td", {}, c.expiryDate ? c.expiryDate.slice(0, 10) : ""), h("td", {}, h("div", { class: "actions" }, actions)));
  });
  $("cards").replaceChildren(...(rows.length ? rows : [h("tr", {}, h("td", { colspan: "6", class: "quiet" }, "No cards yet."))]));
}

try {
  me = await begin();
  for (const [part, scope] of Object.entries(sees)) $(`${part}-part`).hidden = !me.may(scope);
  $("state").addEventListener("change", () => doing(null, () => queue()));
  $("more").addEventListener("click", () => doing($("more"), () => queue(true)));
  await Promise.all([readers(), queue(), cards()]);
  live((e) => e.type.startsWith("order.") || e.type.startsWith("card."), (all) => doing(null, async () => {
    await readers();
    if (all.some((e) => e.type !== "order.step")) await Promise.all([queue(), cards()]);
  }));
  setInterval(() => document.hidden || doing(null, readers), 3000); // cards put in and taken out are no events
} catch (err) {
  told(err);
}
