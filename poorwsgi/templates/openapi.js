// Shows an OpenAPI document: operations, schemas, and a form that sends requests.
// All text goes into the page as text, never as HTML.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];
const script = document.currentScript;
const credentials = new Map();
let spec = {};
let counter = 0;

// -- building the page

function make(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key in node && key !== "list") node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function resolve(node) {
  for (let i = 0; i < 20 && node && node.$ref; i += 1) {
    if (!node.$ref.startsWith("#/")) return {};
    const steps = node.$ref.slice(2).split("/");
    const unescaped = steps.map((step) =>
      decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~"));
    node = unescaped.reduce((found, step) => (found || {})[step], spec);
  }
  return node || {};
}

function refName(schema) {
  return schema && schema.$ref ? schema.$ref.split("/").pop() : "";
}

// What a schema says, in a few words.
function words(schema) {
  if (schema === true || schema === undefined) return "anything";
  if (schema === false) return "nothing";
  const name = refName(schema);
  if (name) return name;
  for (const key of ["anyOf", "oneOf"]) {
    if (schema[key]) return schema[key].map(words).join(" or ");
  }
  if (schema.allOf) return schema.allOf.map(words).join(" and ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  const types = [schema.type || []].flat();
  if (types.includes("array")) {
    const rest = types.filter((one) => one !== "array");
    return [`array of ${words(schema.items)}`, ...rest].join(" or ");
  }
  if (schema.properties) return `object {${Object.keys(schema.properties).join(", ")}}`;
  const bounds = [];
  if (schema.format) bounds.push(schema.format);
  if (schema.pattern) bounds.push(schema.pattern);
  const limits = [
    ["minimum", "≥"], ["maximum", "≤"], ["exclusiveMinimum", ">"],
    ["exclusiveMaximum", "<"], ["minLength", "length ≥"], ["maxLength", "length ≤"],
  ];
  for (const [key, sign] of limits) {
    if (schema[key] !== undefined) bounds.push(`${sign} ${schema[key]}`);
  }
  if (schema.default !== undefined) bounds.push(`default ${JSON.stringify(schema.default)}`);
  const text = types.join(" or ") || "anything";
  return bounds.length ? `${text} (${bounds.join(", ")})` : text;
}

// An example of a schema, to start typing from; undefined for a part that
// contains itself, which is left out.
function example(schema, depth = 0, above = []) {
  const reference = (schema || {}).$ref;
  if (depth > 20 || above.includes(reference)) return undefined;
  const around = reference ? [...above, reference] : above;
  const inner = (one) => example(one, depth + 1, around);
  const found = resolve(schema);
  if (found.example !== undefined) return found.example;
  if (found.examples && found.examples.length) return found.examples[0];
  if (found.default !== undefined) return found.default;
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  const choices = found.oneOf || found.anyOf;
  if (choices) return choices.map(inner).find((one) => one !== undefined);
  if (found.allOf) return Object.assign({}, ...found.allOf.map(inner));
  const type = [found.type || (found.properties ? "object" : "")].flat()[0];
  if (type === "object") {
    if (depth > 4) return {};
    const pairs = Object.entries(found.properties || {});
    const sent = pairs.filter(([, one]) => !resolve(one).readOnly);
    return Object.fromEntries(sent.map(([key, one]) => [key, inner(one)]));
  }
  if (type === "array") {
    const items = depth > 4 || !found.items ? [] : [inner(found.items)];
    return items.filter((one) => one !== undefined);
  }
  if (type === "integer" || type === "number") return found.minimum || 0;
  if (type === "boolean") return false;
  if (type === "null") return null;
  const texts = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:30:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "somebody@example.net",
  };
  return texts[found.format] || (type ? "text" : null);
}

function row(key, value, isRequired) {
  const name = make("span", {className: isRequired ? "key required" : "key"}, key);
  return make("div", {className: "row"}, name, make("span", {}, value));
}

function schemaCard(name, schema) {
  const found = resolve(schema);
  const rows = Object.entries(found.properties || {}).map(([key, one]) =>
    row(key, words(one), (found.required || []).includes(key)));
  if (!rows.length) rows.push(row("", words(found)));
  const text = make("p", {className: "text soft"}, found.description || "");
  const inside = make("div", {className: "inside"}, text, ...rows);
  return make("details", {className: "schema"}, make("summary", {}, name), inside);
}

// -- one operation

function parametersOf(item, operation) {
  const found = new Map();
  for (const one of [...(item.parameters || []), ...(operation.parameters || [])]) {
    const parameter = resolve(one);
    found.set(`${parameter.in} ${parameter.name}`, parameter);
  }
  return [...found.values()];
}

function field(parameter) {
  counter += 1;
  const id = `field-${counter}`;
  const schema = resolve(parameter.schema);
  const choices = schema.enum || (schema.type === "boolean" ? [true, false] : null);
  let control;
  if (choices) {
    const options = choices.map((one) => make("option", {value: String(one)}, String(one)));
    if (!parameter.required) options.unshift(make("option", {value: ""}, "—"));
    control = make("select", {id}, ...options);
  } else if (schema.format === "binary") {
    control = make("input", {id, type: "file"});
  } else {
    const value = schema.default === undefined ? "" : String(schema.default);
    control = make("input", {id, type: "text", value, autocomplete: "off"});
  }
  const className = parameter.required ? "required" : "";
  const label = make("label", {htmlFor: id, className}, parameter.name);
  // Without it the path would be another one.
  control.required = parameter.in === "path";
  const description = parameter.description || schema.description;
  const text = [parameter.in, words(parameter.schema), description];
  const hint = make("span", {className: "soft"}, text.filter(Boolean).join(" · "));
  const node = make("div", {className: "row"}, label, make("div", {}, control, hint));
  return {parameter, control, node};
}

function bodyOf(operation) {
  const body = resolve(operation.requestBody);
  const types = Object.keys(body.content || {});
  if (!types.length) return null;
  const known = ["application/json", "multipart/form-data", "application/x-www-form-urlencoded"];
  const type = known.find((one) => types.includes(one)) || types[0];
  const schema = (body.content[type] || {}).schema || {};
  const node = make("div", {}, make("h3", {}, `Body: ${type}, ${words(schema)}`));
  if (type.includes("form")) {
    const found = resolve(schema);
    const fields = Object.entries(found.properties || {}).map(([name, one]) =>
      field({name, schema: one, required: (found.required || []).includes(name)}));
    node.append(...fields.map((one) => one.node));
    return {type, node, fields};
  }
  counter += 1;
  const id = `field-${counter}`;
  const isJson = type.includes("json");
  const value = isJson ? JSON.stringify(example(schema), null, 2) : "";
  const area = make("textarea", {id, value, spellcheck: false});
  node.append(make("label", {htmlFor: id}, "Body to send"), area);
  return {type, node, area};
}

function responseRows(operation) {
  return Object.entries(operation.responses || {}).map(([code, one]) => {
    const answer = resolve(one);
    const types = new Map();  // those of one schema together
    for (const [type, media] of Object.entries(answer.content || {})) {
      const text = words(media.schema);
      types.set(text, [...(types.get(text) || []), type]);
    }
    const contents = [...types].map(([text, names]) => `${text} (${names.join(", ")})`);
    const text = [answer.description, ...contents].filter(Boolean).join(" · ");
    return row(code, text);
  });
}

function operationCard(path, method, item, operation) {
  const summary = make(
    "summary", {},
    make("span", {className: "method"}, method.toUpperCase()), " ",
    make("span", {className: "path"}, path), " ",
    make("span", {className: "soft"}, operation.summary || ""),
  );
  const isOld = operation.deprecated ? " deprecated" : "";
  const card = make("details", {className: `operation ${method}${isOld}`}, summary);
  const texts = [path, method, operation.summary, operation.description,
    operation.operationId, ...(operation.tags || [])];
  card.dataset.text = texts.filter(Boolean).join(" ").toLowerCase();
  // Filled when it is opened, so that a long document shows at once.
  card.addEventListener("toggle", () => {
    if (card.open && card.children.length === 1) {
      card.append(operationInside(path, method, item, operation));
    }
  });
  return card;
}

function operationInside(path, method, item, operation) {
  const fields = parametersOf(item, operation).map(field);
  const body = bodyOf(operation);
  const answer = make("div", {className: "answer", role: "status"});
  const form = make(
    "form", {},
    fields.length ? make("h3", {}, "Parameters") : null,
    ...fields.map((one) => one.node),
    body && body.node,
    make("p", {}, make("button", {type: "submit"}, "Send")),
    answer,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(path, method, operation, fields, body, answer);
  });
  return make(
    "div", {className: "inside"},
    make("p", {className: "text"}, operation.description || ""),
    operation.deprecated ? make("p", {}, "Deprecated.") : null,
    form,
    make("h3", {}, "Answers"),
    ...responseRows(operation),
  );
}

// -- sending

function base() {
  const server = ((spec.servers || [])[0] || {}).url || "";
  // Another host would be another origin; its path may still be ours.
  const url = new URL(server || "/", location.href);
  return url.origin === location.origin ? url.pathname.replace(/\/$/, "") : "";
}

function values(control) {
  return control.value === "" ? [] : [control.value];
}

function split(parameter, found) {
  const types = [resolve(parameter.schema).type].flat();
  const isList = types.includes("array") && parameter.in === "query";
  return isList ? found.flatMap((one) => one.split(",")) : found;
}

function requestOf(path, method, operation, fields, body) {
  const query = new URLSearchParams();
  const headers = new Headers();
  let target = path;
  for (const {parameter, control} of fields) {
    const found = split(parameter, values(control));
    if (parameter.in === "path") {
      target = target.replace(`{${parameter.name}}`, encodeURIComponent(found[0] || ""));
    } else if (parameter.in === "query") {
      for (const value of found) query.append(parameter.name, value);
    } else if (parameter.in === "header") {
      for (const value of found) headers.set(parameter.name, value);
    }
  }
  addCredentials(operation, query, headers);
  const options = {method: method.toUpperCase(), headers};
  if (body) addBody(body, options);
  const text = query.toString();
  return [base() + target + (text ? `?${text}` : ""), options];
}

function addBody(body, options) {
  if (body.area) {
    options.body = body.area.value;
    options.headers.set("Content-Type", body.type);
    return;
  }
  const data = body.type.startsWith("multipart/") ? new FormData() : new URLSearchParams();
  for (const {parameter, control} of body.fields) {
    if (control.type === "file") {
      for (const file of control.files) data.append(parameter.name, file);
    } else {
      for (const value of values(control)) data.append(parameter.name, value);
    }
  }
  options.body = data;
}

function addCredentials(operation, query, headers) {
  const wanted = operation.security || spec.security || [];
  for (const name of new Set(wanted.flatMap((one) => Object.keys(one)))) {
    const value = credentials.get(name);
    if (!value) continue;
    const scheme = resolve(((spec.components || {}).securitySchemes || {})[name]);
    if (scheme.type === "apiKey") {
      if (scheme.in === "query") query.set(scheme.name, value);
      if (scheme.in === "header") headers.set(scheme.name, value);
    } else if (scheme.scheme === "basic") {
      const bytes = new TextEncoder().encode(value);
      headers.set("Authorization", `Basic ${btoa(String.fromCharCode(...bytes))}`);
    } else {
      headers.set("Authorization", `Bearer ${value}`);
    }
  }
}

async function send(path, method, operation, fields, body, answer) {
  answer.replaceChildren(make("p", {className: "soft"}, "Sending …"));
  try {
    const [url, options] = requestOf(path, method, operation, fields, body);
    const started = performance.now();
    const response = await fetch(url, options);
    const text = await shownBody(response);
    const time = Math.round(performance.now() - started);
    const head = [...response.headers].map(([name, value]) => `${name}: ${value}`);
    answer.replaceChildren(
      make("p", {}, make("span", {className: "code"}, `${response.status} ${response.statusText}`),
        make("span", {className: "soft"}, ` · ${options.method} ${url} · ${time} ms`)),
      make("pre", {tabIndex: 0, className: "headers"}, head.join("\n")),
      make("pre", {tabIndex: 0, className: "body"}, text || "(no body)"),
    );
  } catch (error) {
    answer.replaceChildren(make("p", {}, `It could not be sent: ${error.message}`));
  }
}

async function shownBody(response) {
  const type = response.headers.get("Content-Type") || "";
  if (!/json|text|xml|javascript/.test(type)) {
    const blob = await response.blob();
    return blob.size ? `${blob.size} bytes of ${type || "unknown type"}` : "";
  }
  const text = await response.text();
  if (!type.includes("json")) return text.slice(0, 100000);
  try {
    return JSON.stringify(JSON.parse(text), null, 2).slice(0, 100000);
  } catch {
    return text.slice(0, 100000);
  }
}

// -- the whole page

function showSchemes() {
  const place = document.getElementById("schemes");
  place.addEventListener("submit", (event) => event.preventDefault());
  const schemes = Object.entries((spec.components || {}).securitySchemes || {});
  for (const [name, one] of schemes) {
    const scheme = resolve(one);
    if (scheme.type === "apiKey" && scheme.in === "cookie") continue;
    counter += 1;
    const id = `field-${counter}`;
    const hint = scheme.scheme === "basic" ? "user:password" : scheme.name || "token";
    const input = make("input", {id, type: "password", autocomplete: "off", placeholder: hint});
    input.addEventListener("input", () => credentials.set(name, input.value));
    const label = make("label", {htmlFor: id}, name);
    place.append(make("div", {className: "row"}, label, input));
    document.getElementById("login").hidden = false;
  }
}

function showOperations() {
  const groups = new Map();
  for (const [path, one] of Object.entries(spec.paths || {})) {
    const item = resolve(one);
    for (const method of METHODS.filter((name) => item[name])) {
      const operation = item[method];
      const tag = (operation.tags || [])[0] || "";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationCard(path, method, item, operation));
    }
  }
  const place = document.getElementById("operations");
  for (const [tag, cards] of groups) {
    place.append(make("section", {}, tag ? make("h2", {}, tag) : null, ...cards));
  }
}

function showSchemas() {
  const schemas = Object.entries((spec.components || {}).schemas || {});
  const section = document.getElementById("schemas");
  section.append(...schemas.map(([name, schema]) => schemaCard(name, schema)));
  section.hidden = !schemas.length;
}

function search() {
  const wanted = document.getElementById("search").value.toLowerCase().split(/\s+/);
  let count = 0;
  for (const section of document.querySelectorAll("#operations section")) {
    let isEmpty = true;
    for (const card of section.querySelectorAll(".operation")) {
      card.hidden = !wanted.every((word) => card.dataset.text.includes(word));
      if (!card.hidden) { isEmpty = false; count += 1; }
    }
    section.hidden = isEmpty;
  }
  const noun = count === 1 ? "operation" : "operations";
  document.getElementById("status").textContent = `${count} ${noun}`;
}

async function start() {
  try {
    const response = await fetch(new URL(script.dataset.document, location.href));
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    spec = await response.json();
  } catch (error) {
    document.getElementById("status").textContent = `No document: ${error.message}`;
    return;
  }
  const info = spec.info || {};
  const about = [`Version ${info.version || "?"}`, info.description].filter(Boolean);
  document.getElementById("about").textContent = about.join(" · ");
  showSchemes();
  showOperations();
  showSchemas();
  document.getElementById("search").addEventListener("input", search);
  search();
}

start();
