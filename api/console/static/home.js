import { $, begin, call, doing, h, notice, told } from "./api.js";

try {
  const me = await begin();
  $("places").append(...me.pages.map((p) => h("li", {}, h("a", { href: p.path }, h("strong", {}, p.name), p.text))));
  $("password").username.value = me.login;
} catch (err) {
  told(err);
}

$("password").addEventListener("submit", (ev) => {
  ev.preventDefault();
  const form = ev.target;
  doing(form.querySelector("button"), async () => {
    await call("PUT", "/v1/sessions/password", { current: form.current.value, password: form.password.value });
    form.reset();
    notice("Your password is changed.");
  });
});
