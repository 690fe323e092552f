// The script of the showcase page: it makes the requests and shows the answers.
// Text from the server is put in as text, never as HTML.
"use strict";

const byId = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// -- links and forms marked with data-try: show the answer in place

async function show(output, url, options) {
  const status = element("p", { className: "status", textContent: "…" });
  output.replaceChildren(status);
  output.hidden = false;
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    status.textContent = `${options.method} ${url}: ${error.message}`;
    status.classList.add("failed");
    return;
  }
  status.textContent = `${options.method} ${url} → ${response.status} ${response.statusText}`;
  status.classList.toggle("failed", response.status >= 400);
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  output.append(element("pre", { className: "headers", textContent: headers.join("\n") }));
  await showBody(output, response);
}

async function showBody(output, response) {
  if ((response.headers.get("Content-Type") || "").startsWith("text/html")) {
    const page = await response.text();
    if (page) {
      // The frame may run nothing and is no part of this origin.
      output.append(element("iframe", { srcdoc: page, sandbox: "", title: "Answer" }));
    }
    return;
  }
  const body = element("pre");
  const reader = response.body && response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let block; reader && !(block = await reader.read()).done;) {
    if (!body.isConnected) output.append(body);
    body.append(block.value); // line by line, as they come
    body.scrollTop = body.scrollHeight;
  }
}

function optionsOf(link) {
  const options = { method: link.dataset.try || "GET", headers: {} };
  if (link.dataset.range) options.headers.Range = link.dataset.range;
  if (link.dataset.json) {
    options.headers["Content-Type"] = "application/json";
    options.body = link.dataset.json;
  }
  return options;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-try]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link.closest("section").querySelector("output"), link.getAttribute("href"), optionsOf(link));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("try" in form.dataset)) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form));
  show(form.closest("section").querySelector("output"), form.getAttribute("action"),
    { method: "POST", body, headers: {} });
});

// -- notes

async function call(method, url, value) {
  const options = { method, headers: { Accept: "application/json" } };
  if (value !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(value);
  }
  const response = await fetch(url, options);
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return response.status === 204 ? null : response.json();
}

function noteItem(note) {
  const done = element("input", { type: "checkbox", checked: note.done, id: `note-${note.id}` });
  const text = element("label", { className: "name", textContent: note.text, htmlFor: done.id });
  const remove = element("button", { type: "button", textContent: "Delete" });
  remove.setAttribute("aria-label", `Delete note ${note.text}`);
  text.classList.toggle("done", note.done);
  const url = `/api/notes/${note.id}`;
  done.onchange = () => call("PATCH", url, { done: done.checked }).then(loadNotes, loadNotes);
  remove.onclick = () => call("DELETE", url).then(loadNotes, loadNotes);
  return element("li", {}, done, text, remove);
}

async function loadNotes() {
  const notes = await call("GET", "/api/notes");
  byId("note-list").replaceChildren(...notes.map(noteItem));
  byId("note-empty").hidden = notes.length > 0;
}

byId("note-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = byId("note-text");
  const text = input.value;
  input.value = "";
  try {
    await call("POST", "/api/notes", { text });
    input.setCustomValidity("");
  } catch (error) {
    input.value = text;
    input.setCustomValidity(error.message);
    input.reportValidity();
  }
  await loadNotes();
});
byId("note-text").addEventListener("input", (event) => event.target.setCustomValidity(""));

// -- files

function readable(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let size = bytes, unit = 0;
  while (size >= 1000 && unit < units.length - 1) { size /= 1024; unit += 1; }
  return `${unit ? size.toFixed(1) : size} ${units[unit]}`;
}

function fileItem(file) {
  const link = element("a", { className: "name", href: file.url, textContent: file.name });
  const remove = element("button", { type: "button", textContent: "Delete" });
  remove.setAttribute("aria-label", `Delete file ${file.name}`);
  remove.onclick = () => call("DELETE", file.url).then(loadFiles, loadFiles);
  const size = element("span", { className: "size", textContent: readable(file.size) });
  return element("li", {}, link, size, remove);
}

async function loadFiles() {
  const files = await call("GET", "/files");
  byId("file-list").replaceChildren(...files.map(fileItem));
  byId("file-empty").hidden = files.length > 0;
}

function setProgress(loaded, total) {
  const bar = byId("progress").querySelector("progress");
  bar.value = total ? loaded / total : 1;
  byId("progress-text").textContent = `${Math.floor(bar.value * 100)} %`;
}

// fetch() can not tell how much of a body was sent; XMLHttpRequest can.
function send(form) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", form.getAttribute("action"));
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = (event) => setProgress(event.loaded, event.total);
    request.onload = () => request.status === 201
      ? resolve(request.response)
      : reject(new Error(`${request.status} ${request.statusText}`));
    request.onerror = () => reject(new Error("the connection was lost"));
    request.send(new FormData(form));
  });
}

byId("file-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target, status = byId("file-status"), button = form.querySelector("button");
  const body = send(form); // before the form is reset or disabled
  button.disabled = true;
  byId("progress").hidden = false;
  status.textContent = "";
  setProgress(0, 1);
  try {
    const files = await body;
    setProgress(1, 1);
    status.textContent = `Uploaded: ${files.map((file) => file.name).join(", ")}`;
    status.className = "";
    form.reset();
  } catch (error) {
    status.textContent = `Not uploaded: ${error.message}`;
    status.className = "failed";
  }
  byId("progress").hidden = true;
  button.disabled = false;
  await loadFiles();
});

loadNotes();
loadFiles();
