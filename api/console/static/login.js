import { $, call, doing } from "./api.js";

$("login").addEventListener("submit", (ev) => {
  ev.preventDefault();
  const form = ev.target;
  doing(form.querySelector("button"), async () => {
    await call("POST", "/v1/sessions", { login: form.login.value, password: form.password.value });
    const next = new URLSearchParams(location.search).get("next") || "/";
    location.assign(/^\/(?![/\\])/.test(next) ? next : "/");
  });
});
