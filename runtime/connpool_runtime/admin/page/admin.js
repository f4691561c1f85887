"use strict";
// The page asks /stats every two seconds, works out what has changed since, and draws only the rows that are in sight.

const EVERY = 2000; // milliseconds between two looks
const RECENT = 6; // looks that rates and durations are taken over
const HISTORY = 90; // looks that the small charts go back
const TIMELINE = 15 * 60; // seconds
const ROW = 2.1 * 14; // pixels, as the style sheet has it
const SPARE = 8; // rows drawn above and below what is in sight
const OUTCOMES = ["successes", "failures", "answers", "overloads", "unknowns", "neutrals"];
const ERRORS = ["failures", "overloads", "unknowns"];
const STATES = { closed: ["closed", "good"], open: ["open", "bad"], half_open: ["half-open", "warn"], ejected: ["ejected", "off"],
  unreachable: ["unreachable", "bad"], leaving: ["leaving", "off"] };
const COLUMNS = [
  { id: "name", title: "Member", value: (row) => row.name },
  { id: "service", title: "Service", value: (row) => row.service, kind: "less" },
  { id: "state", title: "State", value: (row) => row.state },
  { id: "weight", title: "Weight", value: (row) => row.weight, kind: "number less" },
  { id: "role", title: "Role", value: (row) => row.role, kind: "less" },
  { id: "rate", title: "Calls/s", value: (row) => row.rate, kind: "number tiny" },
  { id: "errors", title: "Errors/s", value: (row) => row.errors, kind: "number tiny" },
  { id: "in_flight", title: "In flight", value: (row) => row.in_flight, kind: "number less" },
  { id: "trips", title: "Opened", value: (row) => row.trips, kind: "number less" },
  { id: "last_error", title: "Last error", value: (row) => row.last_error, kind: "less" },
];

const inOrder = new Intl.Collator("en", { numeric: true }).compare; // m2 before m10
const $ = (id) => document.getElementById(id);
const looks = []; // the latest, each {at, services: Map(name -> {total, errors, rejections, methods, members})}
const charts = new Map(); // calls per second by service
const told = []; // events, the latest last
let rows = [], shown = [], order = { id: "state", down: true }, paused = false, latest = null, lastEvent = 0, asked = null;

// Making elements: text only ever becomes a text node, so no name can be code

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

function draw(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const badge = (state) => make("span", { class: `badge ${STATES[state][1]}` }, STATES[state][0]);
const cell = (text, kind = "") => make("td", { class: kind }, text);

// Words for numbers

function rate(value) {
  if (value === null) return "–";
  return value >= 100 ? Math.round(value).toLocaleString("en") : value >= 10 ? value.toFixed(1) : value > 0 ? value.toFixed(2) : "0";
}

function time(seconds) {
  if (seconds === null) return "–";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  return seconds < 1 ? `${(seconds * 1000).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
}

function share(part, whole) {
  if (!whole) return "–";
  return part ? `${((100 * part) / whole).toPrecision(2)} %` : "0 %";
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
const sum = (counts, names) => names.reduce((total, name) => total + counts[name], 0);

// Asking

function headers(more = {}) {
  const token = sessionStorage.getItem("connpool-token");
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function refusal(answer) {
  try {
    return (await answer.json()).detail || answer.statusText;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

async function look() {
  const answer = await fetch("stats", { headers: headers(), cache: "no-store" });
  if (answer.ok) return answer.json();
  if (answer.status === 401 && !$("token-dialog").open && asked !== "token") askToken();
  throw new Error(await refusal(answer));
}

async function round() {
  if (!paused && !document.hidden) {
    try {
      take(await look());
      trouble("");
    } catch (error) {
      trouble(`No new numbers: ${error.message}`);
    }
  }
  setTimeout(round, EVERY);
}

function trouble(text) {
  if ($("trouble").textContent !== text) $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

async function follow() {
  for (;;) {
    try {
      const answer = await fetch("events", { headers: headers({ "Last-Event-ID": String(lastEvent) }), cache: "no-store" });
      if (answer.ok) await readEvents(answer.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch { /* the numbers say what is wrong */ }
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

async function readEvents(reader) {
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) oneEvent(part);
    drawEvents();
    drawTimeline();
  }
}

function oneEvent(text) {
  const fields = Object.fromEntries(text.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
  if (!fields.data) return;
  const data = JSON.parse(fields.data);
  if (fields.event === "lost") told.push({ type: "lost", time: Date.now() / 1000, service: "", member: "", ...data });
  else {
    if (data.id <= lastEvent) told.length = 0; // another process answers now
    lastEvent = data.id;
    told.push(data);
  }
  if (told.length > 1024) told.shift();
}

// What has changed since

function take(document_) {
  const services = new Map();
  for (const [name, service] of Object.entries(document_.services)) services.set(name, counts(service));
  if (latest && latest.process.started !== document_.process.started) looks.length = 0;
  looks.push({ at: document_.time, services });
  if (looks.length > RECENT) looks.shift();
  latest = document_;
  for (const name of services.keys()) {
    const chart = charts.get(name) || [];
    chart.push(since(name, (now) => now.total));
    charts.set(name, chart.slice(-HISTORY));
  }
  rows = memberRows(document_);
  drawAll();
}

function counts(service) {
  const methods = new Map(service.methods.map((one) => [one.name, { total: sum(one, OUTCOMES), errors: sum(one, ERRORS), buckets: one.latency.buckets }]));
  const members = new Map(service.members.map((one) => [one.name, { total: sum(one, OUTCOMES), errors: sum(one, ERRORS) }]));
  const all = [...methods.values()];
  return {
    methods, members,
    total: all.reduce((count, one) => count + one.total, 0),
    errors: all.reduce((count, one) => count + one.errors, 0),
    refused: Object.values(service.rejections).reduce((count, one) => count + one, 0),
  };
}

// The growth of a number per second over the latest looks; null as long as there is only one.
function since(name, read) {
  const first = looks.find((one) => one.services.has(name)), last = looks.at(-1);
  if (!first || first === last) return null;
  const before = read(first.services.get(name)), now = read(last.services.get(name));
  if (before === undefined || now === undefined) return null;
  return Math.max(0, now - before) / Math.max(0.001, last.at - first.at);
}

// Durations of the calls since the earliest look, or of all calls if there were none since.
function durations(name, methods) {
  const first = looks.find((one) => one.services.has(name)), last = looks.at(-1);
  const now = last.services.get(name), before = first === last ? null : first.services.get(name);
  const added = [];
  const all = [];
  for (const method of methods) {
    const buckets = now.methods.get(method).buckets, old = before?.methods.get(method)?.buckets;
    buckets.forEach(([bound, count], place) => {
      all[place] = [bound, (all[place]?.[1] || 0) + count];
      added[place] = [bound, (added[place]?.[1] || 0) + count - (old ? old[place][1] : 0)];
    });
  }
  return added.length && added.at(-1)[1] > 0 ? added : all;
}

function quantile(buckets, part) {
  if (!buckets.length || !buckets.at(-1)[1]) return null;
  const rank = part * buckets.at(-1)[1];
  let low = 0, below = 0;
  for (const [bound, upto] of buckets) {
    if (upto >= rank && upto > below) return bound === null ? low : low + ((bound - low) * (rank - below)) / (upto - below);
    if (bound !== null) low = bound;
    below = upto;
  }
  return low;
}

function stateOf(member) {
  if (member.leaving) return "leaving";
  if (member.ejected) return "ejected";
  return member.healthy ? member.state : "unreachable";
}

function memberRows(document_) {
  return Object.entries(document_.services).flatMap(([service, one]) =>
    one.members.map((member) => ({
      ...member, service, state: stateOf(member),
      rate: since(service, (now) => now.members.get(member.name)?.total),
      errors: since(service, (now) => now.members.get(member.name)?.errors),
      role: member.labels?.role ?? "", last_error: member.last_error ? `${member.last_error.type}, ${member.last_error.reason}` : "",
    })));
}

// Drawing

function drawAll() {
  drawHead();
  drawServices();
  drawMethods();
  drawDiscovery();
  drawMembers();
  drawTimeline();
}

function drawHead() {
  const { process } = latest;
  $("process").textContent = [process.name, `pid ${process.pid}`, process.host].filter(Boolean).join(" · ");
  document.title = `connpool ${process.name || process.pid}`;
  const bad = rows.filter((row) => row.state !== "closed").length;
  const down = Object.entries(latest.services).filter(([, one]) => !one.members.some((member) => stateOf(member) === "closed"));
  const [text, kind] = process.stopped ? ["stopped", "bad"] : down.length
    ? [`unavailable: ${down.map(([name]) => name).join(", ")}`, "bad"]
    : bad ? [`degraded: ${bad} of ${rows.length} members not ready`, "warn"] : ["all members ready", "good"];
  if ($("health").textContent !== text) $("health").textContent = text;
  $("health").className = `badge ${kind}`;
  $("age").textContent = `${paused ? "paused at" : "at"} ${clock(latest.time)}`;
}

function drawServices() {
  const list = Object.entries(latest.services).map(([name, one]) => {
    const ready = one.members.filter((member) => stateOf(member) === "closed").length;
    const all = durations(name, one.methods.map((method) => method.name));
    const calls = since(name, (now) => now.total), errors = since(name, (now) => now.errors);
    const mark = one.metrics_only ? make("span", { class: "badge warn", title: "breakers eject no member" }, "metrics only") : "";
    return make("tr", {},
      make("th", { scope: "row" }, name, " ", mark),
      make("td", {}, make("span", { class: `badge ${ready === 0 ? "bad" : ready < one.members.length ? "warn" : "good"}` }, `${ready} of ${one.members.length}`)),
      cell(rate(calls), "number"), cell(share(errors, calls), errors ? "number bad-text" : "number"),
      cell(time(quantile(all, 0.5)), "number tiny"), cell(time(quantile(all, 0.99)), "number"), cell(one.in_flight, "number"),
      cell(one.waiting, one.waiting ? "number bad-text" : "number"), cell(rate(since(name, (now) => now.refused)), "number"),
      make("td", { class: "wide" }, spark(charts.get(name))));
  });
  fill("services", list, 10, "No service has a pool yet.");
}

function spark(values) {
  const width = Math.max(20, values.length); // a chart of few values would be a mark at the edge
  const chart = draw("svg", { class: "spark", viewBox: `0 0 ${width} 20`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const numbers = values.map((value) => value || 0), most = Math.max(...numbers, 0.001), start = width - numbers.length;
  const points = numbers.map((value, place) => `${start + place},${20 - (18 * value) / most} ${start + place + 1},${20 - (18 * value) / most}`);
  chart.append(draw("path", { d: `M${start},20 L${points.join(" ")} L${width},20 Z` }));
  return chart;
}

function fill(table, list, width, nothing) {
  const body = $(table).tBodies[0];
  body.replaceChildren(...(list.length ? list : [make("tr", {}, make("td", { colspan: width, class: "empty" }, nothing))]));
}

function drawMethods() {
  const list = Object.entries(latest.services).flatMap(([service, one]) => one.methods.map((method) => {
    const buckets = durations(service, [method.name]);
    const calls = since(service, (now) => now.methods.get(method.name)?.total), errors = since(service, (now) => now.methods.get(method.name)?.errors);
    return { calls: calls || 0, row: [method.name, service, calls, errors, buckets] };
  }));
  list.sort((one, other) => other.calls - one.calls);
  fill("methods", list.slice(0, 100).map(({ row: [name, service, calls, errors, buckets] }) => make("tr", {},
    make("th", { scope: "row" }, name), cell(service, "tiny"), cell(rate(calls), "number"),
    cell(share(errors, calls), errors ? "number bad-text" : "number"),
    cell(time(quantile(buckets, 0.5)), "number tiny"), cell(time(quantile(buckets, 0.99)), "number"))), 6, "Nothing was called yet.");
}

function drawDiscovery() {
  const list = Object.entries(latest.services).flatMap(([service, one]) => one.discovery.map((source) => make("tr", {},
    make("th", { scope: "row" }, source.source), cell(service), cell(source.endpoints, "number"), cell(source.joined, "number"),
    cell(source.failed, source.failed ? "number bad-text" : "number"),
    make("td", { class: source.stale ? "text bad-text" : "text", title: source.last_error || "" },
      source.stale ? `none for ${Math.round(source.stale)} s: ${source.last_error || ""}` : source.last_success ? clock(source.last_success) : "–"))));
  fill("discovery", list, 6, "No service follows a source of endpoints.");
}

function drawMembers() {
  const name = $("filter-name").value.toLowerCase(), service = $("filter-service").value, state = $("filter-state").value;
  const known = [...$("filter-service").options].map((option) => option.value).join("\n");
  const wanted = ["", ...Object.keys(latest.services)];
  if (known !== wanted.join("\n")) $("filter-service").replaceChildren(...wanted.map((one) => make("option", { value: one, selected: one === service }, one || "all")));
  shown = rows.filter((row) => (!name || row.name.toLowerCase().includes(name)) && (!service || row.service === service) &&
    (!state || (state === "bad" ? row.state !== "closed" : row.state === state)));
  const { value } = COLUMNS.find((column) => column.id === order.id), sign = order.down ? -1 : 1;
  const worst = ["closed", "leaving", "ejected", "half_open", "unreachable", "open"];
  const key = order.id === "state" ? (row) => worst.indexOf(row.state) : value;
  shown.sort((one, other) => {
    const a = key(one) ?? -1, b = key(other) ?? -1;
    return (a < b ? -sign : a > b ? sign : 0) || inOrder(one.service, other.service) || inOrder(one.name, other.name);
  });
  $("count").textContent = shown.length === rows.length ? `${rows.length} members` : `${shown.length} of ${rows.length} members`;
  drawWindow();
}

// Only what is in sight becomes elements; two gaps stand for the rest. A row keeps its element, and with it the focus.
const elements = new Map();

function drawWindow() {
  const place = $("window"), body = $("member-table").tBodies[0];
  const first = Math.max(0, Math.floor(place.scrollTop / ROW) - SPARE);
  const last = Math.min(shown.length, first + Math.ceil(place.clientHeight / ROW) + 2 * SPARE);
  const wanted = shown.slice(first, last), kept = new Set(wanted.map(keyOf));
  for (const [key, element] of elements) if (!kept.has(key) && !element.contains(document.activeElement)) { element.remove(); elements.delete(key); }
  const list = wanted.map((row, number) => update(row, first + number));
  if (!list.length) list.push(make("tr", {}, make("td", { colspan: COLUMNS.length + 1, class: "empty" }, rows.length ? "No member is like that." : "There are no members.")));
  const next = [gap(first * ROW), ...list, gap((shown.length - last) * ROW)];
  const focused = document.activeElement;
  if (next.length !== body.rows.length || next.some((element, number) => body.rows[number] !== element)) body.replaceChildren(...next);
  if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
  $("member-table").setAttribute("aria-rowcount", shown.length + 1);
}

const keyOf = (row) => `${row.service}\n${row.name}`;

function gap(height) {
  const inner = make("td", { colspan: COLUMNS.length + 1 });
  inner.style.height = `${height}px`;
  return make("tr", { class: "gap", "aria-hidden": "true" }, inner);
}

function update(row, number) {
  let element = elements.get(keyOf(row));
  if (!element) {
    element = newRow(row);
    elements.set(keyOf(row), element);
  }
  element.setAttribute("aria-rowindex", number + 2);
  const texts = { state: null, weight: row.weight, role: row.role, rate: rate(row.rate), errors: rate(row.errors), in_flight: row.in_flight + (row.limit === null ? "" : ` of ${row.limit}`), trips: row.trips, last_error: row.last_error || "–" };
  for (const [id, text] of Object.entries(texts)) if (text !== null && element.cells_[id].textContent !== String(text)) element.cells_[id].textContent = text;
  element.cells_.errors.classList.toggle("bad-text", row.errors > 0);
  if (element.state_ !== row.state) {
    element.state_ = row.state;
    element.cells_.state.replaceChildren(badge(row.state));
    const cut = row.state === "open" || row.state === "ejected" || row.state === "half_open";
    element.eject_.textContent = cut ? "Let back" : "Eject";
    element.eject_.setAttribute("aria-label", `${cut ? "Let back" : "Eject"} ${row.name}`);
    element.eject_.disabled = element.drain_.disabled = row.state === "leaving";
  }
  return element;
}

function newRow(row) {
  const find = () => rows.find((one) => keyOf(one) === keyOf(row)) || row;
  const element = make("tr");
  element.eject_ = make("button", { type: "button", onclick: () => ejectOrBack(find()) });
  element.drain_ = make("button", { type: "button", "aria-label": `Drain ${row.name}`, onclick: () => drain(find()) }, "Drain");
  element.cells_ = {};
  for (const column of COLUMNS) {
    const plain = column.id === "name" ? make("th", { scope: "row", class: "name", title: row.name }, row.name) : cell(column.id === "service" ? row.service : "", column.kind || "");
    if (column.id === "last_error") plain.classList.add("text");
    element.cells_[column.id] = plain;
    element.append(plain);
  }
  element.append(make("td", { class: "acts" }, element.eject_, element.drain_));
  return element;
}

function drawTimeline() {
  const now = Date.now() / 1000, begin = now - TIMELINE, strips = new Map();
  for (const one of told) {
    if (one.type !== "breaker_changed") continue;
    const key = `${one.service}\n${one.member}`;
    if (!strips.has(key)) strips.set(key, []);
    strips.get(key).push(one);
  }
  const name = $("filter-name").value.toLowerCase(), service = $("filter-service").value;
  const list = [...strips].filter(([, changes]) => changes.at(-1).time >= begin || changes.at(-1).after !== "closed")
    .filter(([, [one]]) => (!name || one.member.toLowerCase().includes(name)) && (!service || one.service === service))
    .sort(([, one], [, other]) => other.at(-1).time - one.at(-1).time).slice(0, 12);
  const many = new Set(list.map(([, [one]]) => one.service)).size > 1;
  $("timeline").replaceChildren(...(list.length ? list.map(([, changes]) => strip(changes, begin, now, many)) : [make("p", { class: "quiet" }, "No breaker has moved.")]));
}

function strip(changes, begin, now, many) {
  const picture = draw("svg", { viewBox: `0 0 ${TIMELINE} 10`, preserveAspectRatio: "none", role: "img" });
  changes.forEach((one, number) => {
    const from = Math.max(one.time, begin), to = changes[number + 1]?.time ?? now;
    if (one.after !== "closed" && to > begin) picture.append(draw("rect", { class: one.after, x: from - begin, y: 0, width: Math.max(3, to - from), height: 10 }));
  });
  const last = changes.at(-1), opened = changes.filter((one) => one.after === "open" && one.time >= begin).length;
  picture.setAttribute("aria-label", `opened ${opened} times, ${STATES[last.after][0]} since ${clock(last.time)}`);
  return make("div", { class: "strip" }, make("span", { title: last.member }, many ? `${last.service} / ${last.member}` : last.member), picture, badge(last.after));
}

function drawEvents() {
  const name = $("filter-name").value.toLowerCase(), service = $("filter-service").value;
  const list = told.filter((one) => (!name || (one.member || "").toLowerCase().includes(name)) && (!service || one.service === service)).slice(-200).reverse();
  $("events").replaceChildren(...(list.length ? list.map((one) => make("li", {}, make("time", { datetime: new Date(one.time * 1000).toISOString() }, clock(one.time)), make("span", {}, sentence(one)))) : [make("li", {}, "", make("span", { class: "quiet" }, "Nothing has happened."))]));
}

function sentence(one) {
  const who = [one.service, one.member].filter(Boolean).join(" / "), why = one.cause ? ` (${one.cause})` : "", hand = one.by_hand ? " by hand" : "";
  switch (one.type) {
    case "breaker_changed": return `${who}: breaker ${STATES[one.before][0]} → ${STATES[one.after][0]}${why}${one.enforced ? "" : ", metrics only"}`;
    case "health_changed": return `${who}: health checks ${one.healthy ? "pass again" : "fail"}${why}`;
    case "discovery_updated": return `${who}: ${one.source} added ${one.added.length}, removed ${one.removed.length}, changed ${one.changed.length}`;
    case "discovery_failed": return `${who}: ${one.source} gives no answer${why}`;
    case "panic_changed": return `${who}: ${one.panic ? "so few members are healthy that breakers are ignored" : "breakers are heeded again"}`;
    case "lost": return `${one.count} events were lost: this page was too slow`;
    case "metrics_only": return `${who}: breakers ${one.on ? "only count" : "eject members"}${hand}`;
    case "weighted": return `${who}: weight ${one.before} → ${one.weight}${hand}`;
    case "labelled": return `${who}: labels ${listed(one.before)} → ${listed(one.labels)}${hand}`;
    case "config_reloaded": return one.applied ? `config ${one.version} is in force` : `config not applied: ${one.errors.join("; ")}`;
    default: return `${who}: ${one.type.replaceAll("_", " ")}${hand}${why}`;
  }
}

function listed(labels) {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(", ") || "none";
}

// Changing something

function confirmed(title, text, yes, act) {
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-trouble").textContent = "";
  $("confirm-yes").textContent = yes;
  $("confirm-yes").onclick = async () => {
    $("confirm-yes").disabled = true;
    const wrong = await act();
    $("confirm-yes").disabled = false;
    $("confirm-trouble").textContent = wrong;
    if (!wrong) $("confirm").close();
  };
  $("confirm").showModal();
  $("confirm-no").focus();
}

async function change(path, body, said) {
  const answer = await fetch(path, { method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body) });
  if (!answer.ok) return answer.status === 401 ? "This takes a token: cancel, and enter it at the top of the page." : refusal(answer);
  $("done").textContent = said;
  take(await look());
  return "";
}

const attempt = (work) => work().catch((error) => `It was not done: ${error.message}`);

function lastOne(row) {
  const others = rows.filter((one) => one.service === row.service && one.name !== row.name && one.state === "closed");
  return others.length ? "" : " It is the last ready member of its service: calls will fail.";
}

function ejectOrBack(row) {
  const body = { service: row.service, member: row.name };
  if (["open", "ejected", "half_open"].includes(row.state)) {
    confirmed(`Let ${row.name} back?`, `It gets calls of ${row.service} again at once, and its failures are forgotten.`, "Let back",
      () => attempt(() => change("uneject", body, `${row.name} is let back`)));
  } else {
    confirmed(`Eject ${row.name}?`, `It gets no new calls of ${row.service} until it is let back. Its ${row.in_flight} calls in flight go on.${lastOne(row)}`, "Eject",
      () => attempt(() => change("eject", body, `${row.name} is ejected`)));
  }
}

function drain(row) {
  confirmed(`Drain ${row.name}?`, `It gets no new calls of ${row.service}, and leaves the pool for good when its ${row.in_flight} calls in flight have ended.${lastOne(row)}`, "Drain",
    () => attempt(() => change("drain", { service: row.service, member: row.name }, `${row.name} is drained`)));
}

function askToken() {
  asked = "token";
  $("token").value = "";
  $("token-dialog").showModal();
  $("token").focus();
}

function useToken() {
  if ($("token").value) sessionStorage.setItem("connpool-token", $("token").value.trim());
  asked = null;
  $("token-dialog").close();
}

// Beginning

function sortable(column) {
  const button = make("button", { type: "button" }, column.title);
  const head = make("th", { scope: "col", class: column.kind || "", "aria-sort": "none" }, button);
  button.addEventListener("click", () => {
    order = { id: column.id, down: order.id === column.id ? !order.down : column.id !== "name" && column.id !== "service" };
    markOrder();
    if (latest) drawMembers();
  });
  head.column_ = column.id;
  return head;
}

function markOrder() {
  for (const head of $("member-table").tHead.rows[0].cells) {
    if (head.column_) head.setAttribute("aria-sort", head.column_ !== order.id ? "none" : order.down ? "descending" : "ascending");
  }
}

$("member-table").tHead.rows[0].append(...COLUMNS.map(sortable), make("th", { scope: "col" }, make("span", { class: "unseen" }, "Actions")));
markOrder();
$("window").addEventListener("scroll", () => requestAnimationFrame(drawWindow), { passive: true });
addEventListener("resize", () => requestAnimationFrame(drawWindow));
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("input", () => {
  $("window").scrollTop = 0;
  if (latest) { drawMembers(); drawTimeline(); drawEvents(); }
});
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
  if (latest) drawHead();
});
$("key").addEventListener("click", askToken);
$("confirm-no").addEventListener("click", () => $("confirm").close());
$("token-yes").addEventListener("click", useToken);
$("token").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault(); // else the button that gets the focus back is pressed too
  useToken();
});
$("token-no").addEventListener("click", () => $("token-dialog").close());
$("token-forget").addEventListener("click", () => { sessionStorage.removeItem("connpool-token"); $("token-dialog").close(); });
drawEvents();
round();
follow();
