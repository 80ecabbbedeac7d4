// The reference's own script: it filters the list of operations, and sends requests to this very server. A token that
// is pasted stays in its field, which forgets it when the page is left; nothing is stored anywhere.
// More than this of an answer is not shown.
const MOST = 262144;
const all = (selector, from = document) => [...from.querySelectorAll(selector)];

function filter() {
  const field = document.querySelector("#find");
  if (!field) return;
  const folds = all("nav details");
  const open = new Map(folds.map((fold) => [fold, fold.open]));
  const items = all("nav li[data-find]").map((item) => [item, `${item.textContent} ${item.dataset.find}`.toLowerCase()]);
  const apply = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const [item, text] of items) item.hidden = !words.every((word) => text.includes(word));
    for (const fold of folds) {
      const found = all("li", fold).some((item) => !item.hidden);
      fold.hidden = !found;
      fold.open = words.length > 0 ? found : open.get(fold);
    }
    document.querySelector("nav .nothing").hidden = folds.some((fold) => !fold.hidden);
  };
  field.closest("[hidden]").hidden = false;
  field.addEventListener("input", apply);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      field.value = "";
      apply();
    } else if (event.key === "Enter") {
      all("nav li[data-find]").find((item) => !item.hidden)?.querySelector("a").click();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      field.focus();
    }
  });
}

// The request that a form describes; relative to this origin, whatever stands in its fields.
function request(form, caller) {
  const { method, path, type, bears } = form.dataset;
  const headers = new Headers();
  const query = new URLSearchParams();
  let target = path;
  for (const field of all("input[data-in]", form)) {
    if (field.dataset.in === "path") {
      if (!field.value || /^\.\.?$/.test(field.value)) throw new Error(`${field.name} is needed`);
      target = target.replace(`{${field.name}}`, encodeURIComponent(field.value));
    } else if (field.value !== "") {
      if (field.dataset.in === "query") query.append(field.name, field.value);
      if (field.dataset.in === "header") headers.set(field.name, field.value);
    }
  }
  const token = caller.elements.token.value.trim();
  const publisher = caller.elements.publisher.value.trim();
  if (token && bears !== "no") headers.set("Authorization", `Bearer ${token}`);
  if (publisher) headers.set("X-Publisher-Id", publisher);
  const options = { method, headers, credentials: "omit", redirect: "error", referrerPolicy: "no-referrer", cache: "no-store" };
  const body = form.querySelector("textarea")?.value ?? "";
  if (body.trim() !== "") {
    options.body = body;
    headers.set("Content-Type", type || "application/json");
  }
  const url = new URL(target, location.origin);
  if (url.origin !== location.origin) throw new Error("that would be another server");
  url.search = query.toString();
  return [url, options];
}

// As much of a body as is shown.
async function read(response) {
  if (!response.body) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    if (text.length > MOST) {
      await reader.cancel();
      return `${text.slice(0, MOST)}\n… and more`;
    }
  }
  if (!/json$/.test((response.headers.get("content-type") ?? "").split(";")[0])) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function show(form, good, line, text) {
  const outcome = form.querySelector(".outcome");
  outcome.className = `outcome ${good ? "good" : "bad"}`;
  outcome.querySelector("p").textContent = line;
  outcome.querySelector("code").textContent = text;
  outcome.hidden = false;
  form.querySelector(".forget").hidden = false;
}

function forget(form) {
  const outcome = form.querySelector(".outcome");
  outcome.hidden = true;
  for (const part of all("p, code", outcome)) part.textContent = "";
  form.querySelector(".forget").hidden = true;
}

async function send(form, caller) {
  const { method, path, destroys } = form.dataset;
  if (destroys && !confirm(`${method} ${path}\n\nThis ends something that somebody may be using. Send it?`)) return;
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  try {
    const [url, options] = request(form, caller);
    const began = performance.now();
    const response = await fetch(url, options);
    const text = await read(response);
    const took = Math.round(performance.now() - began);
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    show(form, response.ok, `${response.status} ${response.statusText}, ${took} ms`, `${headers}\n\n${text}`);
  } catch (error) {
    show(form, false, "Not sent, or not answered", String(error.message ?? error));
  } finally {
    button.disabled = false;
  }
}

function prepare() {
  const caller = document.querySelector("form.caller");
  if (!caller) return;
  caller.hidden = false;
  caller.addEventListener("submit", (event) => event.preventDefault());
  for (const form of all("form.try")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form, caller);
    });
    form.querySelector(".forget").addEventListener("click", () => forget(form));
  }
  // Neither a history nor a restored page has the token, or an answer in which there may be one.
  const leave = () => {
    caller.reset();
    for (const form of all("form.try")) {
      form.reset();
      forget(form);
    }
  };
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => event.persisted && leave());
}

// Folded parts are printed too.
function unfoldToPrint() {
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("main details:not([open])");
    for (const fold of closed) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of closed) fold.open = false;
  });
}

filter();
prepare();
unfoldToPrint();
