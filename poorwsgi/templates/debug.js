"use strict";
/* The tools of /debug-info. What comes from the server is put in as text. */
(() => {
  const $ = (id) => document.getElementById(id);
  const result = $("result");
  const buttons = ["match", "run", "profile"].map($);
  for (const one of document.querySelectorAll(".scripted")) one.hidden = false;

  const make = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  const cells = (...texts) => make("tr", {}, ...texts.map((text) => make("td", {}, String(text))));
  const table = (heads, rows) =>
    make("div", { class: "table", tabindex: "0", role: "region", "aria-label": heads.join(", ") },
      make("table", {},
        make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
        make("tbody", {}, ...rows)));
  const fail = (error) =>
    result.replaceChildren(make("p", { class: "error", role: "alert" }, error.message || String(error)));

  const busy = async (work) => {
    for (const button of buttons) button.disabled = true;
    try {
      await work();
    } catch (error) {
      fail(error);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  };

  const fetched = async (url, options) => {
    const answer = await fetch(url, options);
    if (!(answer.headers.get("Content-Type") || "").includes("json")) {
      throw new Error(`/debug-info answered ${answer.status}`);
    }
    const data = await answer.json();
    if (data.error !== undefined && !answer.ok) throw new Error(data.error);
    return data;
  };
  const tool = (wanted) =>
    fetched(location.pathname, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(wanted),
    });

  /* -- which route? */

  const showMatch = (found) => {
    const rows = [...found.routes].sort((one, other) => other.matches - one.matches).map((route) => {
      const row = cells(route.rule, route.methods.join(" | "), route.reason);
      row.className = route.matches ? "hit" : "";
      return row;
    });
    const lines = [make("p", { class: "status" }, make("code", {}, `${found.method} ${found.path}`), ` → ${found.outcome}`)];
    if (found.handler) {
      const place = found.handler.file ? ` (${found.handler.file}:${found.handler.line})` : "";
      const values = found.arguments.map((one) => `${one.name} = ${one.value}`).join(", ");
      lines.push(make("p", { class: "soft" }, `handler ${found.handler.name}${place}${values ? `, ${values}` : ""}`));
    }
    result.replaceChildren(...lines, table(["Rule", "Methods", "Why"], rows));
  };

  $("builder").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(async () => {
      const query = new URLSearchParams({ format: "json", match: $("url").value, method: $("method").value });
      showMatch(await fetched(`${location.pathname}?${query}`));
    });
  });

  /* -- send a request */

  const bar = (phases) => {
    const total = Object.values(phases).reduce((sum, one) => sum + one, 0) || 1;
    const shown = Object.entries(phases).filter(([, time]) => time > 0);
    const pieces = shown.map(([name, time]) =>
      make("i", { class: name, style: `width:${(100 * time) / total}%`, title: `${name} ${time} ms` }));
    const list = shown.map(([name, time]) => make("li", {}, make("i", { class: name }), `${name} ${time.toFixed(3)} ms`));
    return [make("div", { class: "bar", "aria-hidden": "true" }, ...pieces), make("ul", { class: "phases" }, ...list)];
  };

  const showAnswer = (answer) => {
    const nodes = [
      make("p", { class: "status" }, make("code", {}, `${answer.method} ${answer.path}`), " → ", make("strong", {}, answer.status),
        ` in ${answer.milliseconds} ms`),
      make("p", { class: "soft" }, `rule ${answer.rule || "none"} · request id ${answer.request_id}`),
    ];
    if (answer.error) nodes.push(make("p", { class: "error" }, `${answer.error} ${answer.error_id && `error id ${answer.error_id}`}`));
    nodes.push(make("h3", {}, "Phases"), ...bar(answer.phases));
    if (answer.profile) nodes.push(...profileNodes(answer.profile));
    nodes.push(make("h3", {}, "Headers"), make("pre", { tabindex: "0" }, answer.headers.map((pair) => pair.join(": ")).join("\n")));
    const unit = answer.size === 1 ? "byte" : "bytes";
    const note = answer.whole ? `${answer.size} ${unit}` : `the first ${answer.size} bytes`;
    nodes.push(make("h3", {}, `Body, ${note}`), make("pre", { tabindex: "0", id: "answer-body" }, answer.body));
    result.replaceChildren(...nodes);
  };

  const download = (text, name, data, type) => {
    const link = make("a", { download: name, class: "download" }, text);
    link.href = URL.createObjectURL(new Blob([data], { type }));
    return link;
  };

  const profileNodes = (profile) => {
    const parsed = new DOMParser().parseFromString(profile.svg, "image/svg+xml");
    const flame = make("div", { class: "flame", id: "flame", tabindex: "0", role: "region", "aria-label": "Flame graph" });
    flame.append(document.importNode(parsed.documentElement, true));
    const bytes = Uint8Array.from(atob(profile.pstats), (letter) => letter.charCodeAt(0));
    const rows = profile.table.map((row) =>
      cells((row.total * 1000).toFixed(3), (row.own * 1000).toFixed(3), row.calls, row.name, row.place));
    const more = make("details", {}, make("summary", {}, "Table"), table(["ms", "own ms", "Calls", "Function", "Source"], rows));
    return [
      make("h3", {}, `Profile: ${profile.milliseconds} ms, ${profile.calls} calls`),
      flame,
      make("p", {},
        download("flame graph (SVG)", "profile.svg", profile.svg, "image/svg+xml"), " · ",
        download("speedscope", "profile.speedscope.json", JSON.stringify(profile.speedscope), "application/json"), " · ",
        download("pstats", "request.profile", bytes, "application/octet-stream")),
      more,
    ];
  };

  const send = (what) =>
    busy(async () => {
      if (!$("builder").reportValidity()) return;
      const wanted = { do: what, method: $("method").value, url: $("url").value };
      wanted.headers = $("headers").value;
      wanted.body = $("body").value;
      showAnswer(await tool(wanted));
      await refresh();
    });
  $("run").addEventListener("click", () => send("run"));
  $("profile").addEventListener("click", () => send("profile"));

  /* -- the last requests */

  const requestRow = (one) => {
    const url = one.path + (one.query && `?${one.query}`);
    const link = make("a", { class: "again", href: "#tool", "data-method": one.method, "data-url": url }, `${one.method} ${url}`);
    const [most, time] = Object.entries(one.phases).sort((a, b) => b[1] - a[1])[0];
    const row = make("tr", {},
      make("td", { class: "wide soft" }, new Date(one.time * 1000).toTimeString().slice(0, 8)),
      make("td", {}, link, make("span", { class: "doc" }, `${one.rule} ${one.handler}`)),
      make("td", {}, `${one.status || "none"} ${one.error}`, make("span", { class: "doc" }, one.error_id)),
      make("td", { class: "number" }, one.milliseconds.toFixed(2)),
      make("td", { class: "wide" }, bar(one.phases)[0], make("span", { class: "doc" }, `${most} ${time.toFixed(2)} ms`)));
    return row;
  };
  const refresh = async () => {
    const data = await fetched(`${location.pathname}?format=json`);
    $("requests").replaceChildren(...data.requests.map(requestRow));
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.again");
    if (!link) return;
    event.preventDefault();
    $("method").value = link.dataset.method;
    $("url").value = link.dataset.url;
    $("tool").scrollIntoView();
    $("url").focus();
  });

  /* -- loggers */

  document.addEventListener("change", async (event) => {
    if (!event.target.matches("select.level")) return;
    const { logger } = event.target.dataset;
    try {
      await tool({ do: "level", logger, level: event.target.value });
      $("level-status").textContent = `Level of ${logger || "root"}: ${event.target.value || "inherit"}, in this process.`;
    } catch (error) {
      $("level-status").textContent = error.message;
    }
  });
})();
