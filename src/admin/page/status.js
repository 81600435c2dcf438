(function () {
"use strict";
var SVG = "http://www.w3.org/2000/svg", WIDTH = 320, HEIGHT = 120, LEFT = 40, TOP = 8, BOTTOM = 16;
var CHARTS = [
  ["Requests per second", "all", function (p) { return p.requests / p.seconds; }, "failed (5xx)", function (p) { return p.failed / p.seconds; }],
  ["Latency, ms", "p50", function (p) { return p.p50; }, "p99", function (p) { return p.p99; }],
  ["Upstream latency, ms", "p50", function (p) { return p.upstream_p50; }, "p99", function (p) { return p.upstream_p99; }],
  ["Refreshes per minute", "renewed", function (p) { return p.refreshed * 60 / p.seconds; }, "not renewed", function (p) { return p.unrefreshed * 60 / p.seconds; }],
  ["Sign-ins per minute", "finished", function (p) { return p.signed_in * 60 / p.seconds; }, "failed", function (p) { return p.not_signed_in * 60 / p.seconds; }]
];

function make(parent, name, attributes, text) {
  var element = document.createElementNS(SVG, name);
  Object.keys(attributes).forEach(function (key) { element.setAttribute(key, attributes[key]); });
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
}

function html(parent, name, kind, text) {
  var element = document.createElement(name);
  if (kind) element.className = kind;
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
}

function short(value) {
  return value >= 100 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}

// The least of 1, 2, 5, 10 … that is not below.
function ceiling(value) {
  var unit = 1;
  while (unit * 10 <= value) unit *= 10;
  return [1, 2, 5, 10].map(function (n) { return n * unit; }).find(function (n) { return n >= value; }) || value;
}

function figure(place, chart) {
  var figure = html(place, "figure"), caption = html(figure, "figcaption");
  html(caption, "strong", "", chart[0]);
  [["", chart[1]], [" b", chart[3]]].forEach(function (line) {
    caption.appendChild(document.createTextNode(" "));
    var label = html(caption, "span");
    html(label, "i", "key" + line[0]).setAttribute("aria-hidden", "true");
    label.appendChild(document.createTextNode(line[1]));
  });
  return make(figure, "svg", { viewBox: "0 0 " + WIDTH + " " + HEIGHT, role: "img" });
}

function draw(svg, chart, points, now) {
  var high = 0, bottom = HEIGHT - BOTTOM;
  points.forEach(function (p) { high = Math.max(high, chart[2](p) || 0, chart[4](p) || 0); });
  var top = ceiling(high);
  // A gateway that has just started shows its ten minutes, one that runs its hour.
  var span = points.length ? Math.min(3600, Math.max(600, now - points[0].at + points[0].seconds)) : 600;
  function x(at) { return LEFT + (WIDTH - LEFT - 4) * (1 - (now - at) / span); }
  function y(value) { return bottom - (bottom - TOP) * value / top; }
  svg.replaceChildren();
  [0, top / 2, top].forEach(function (value) {
    make(svg, "line", { "class": "grid", x1: LEFT, x2: WIDTH - 4, y1: y(value), y2: y(value) });
    make(svg, "text", { x: LEFT - 4, y: y(value) + 4, "text-anchor": "end" }, short(value));
  });
  make(svg, "text", { x: LEFT, y: HEIGHT - 3 }, Math.round(span / 60) + " min ago");
  make(svg, "text", { x: WIDTH - 4, y: HEIGHT - 3, "text-anchor": "end" }, "now");
  [["a", chart[2]], ["b", chart[4]]].forEach(function (line) {
    var path = "", down = false;
    points.forEach(function (p) {
      var value = line[1](p);
      if (value === null) { down = false; return; }
      // Each step is drawn over its whole length, so that a single one can be seen.
      path += (down ? "L" : "M") + x(p.at - p.seconds).toFixed(1) + " " + y(value).toFixed(1) + "L" + x(p.at).toFixed(1) + " " + y(value).toFixed(1);
      down = true;
    });
    if (path) make(svg, "path", { "class": line[0], d: path });
  });
  var last = points[points.length - 1];
  function say(value) { return value === null ? "nothing timed" : short(value); }
  svg.setAttribute("aria-label", chart[0] + ", last hour. " + (last ? "Last: " + chart[1] + " " + say(chart[2](last)) + ", " + chart[3] + " " + say(chart[4](last)) + ". " : "Nothing yet. ") + "The numbers are in the table below.");
}

var places = Array.prototype.map.call(document.querySelectorAll(".charts"), function (place) {
  return { tenant: Number(place.dataset.tenant), charts: CHARTS.map(function (chart) { return [figure(place, chart), chart]; }) };
});
var stale = document.getElementById("stale"), pause = document.getElementById("pause"), paused = false, running = false;

function charts(report) {
  var now = Date.parse(report.now) / 1000;
  places.forEach(function (place) {
    var tenant = report.tenants[place.tenant];
    if (tenant) place.charts.forEach(function (one) { draw(one[0], one[1], tenant.history, now); });
  });
}

// Only what changed is put in, so that neither a place in the page nor a reader's is lost.
function page(text) {
  var next = new DOMParser().parseFromString(text, "text/html");
  document.querySelectorAll("[data-live]").forEach(function (old) {
    var fresh = next.getElementById(old.id);
    if (fresh && fresh.innerHTML !== old.innerHTML) old.replaceChildren.apply(old, Array.from(fresh.childNodes));
  });
  var said = document.getElementById("verdict"), verdict = next.getElementById("verdict");
  if (verdict && verdict.textContent !== said.textContent) {
    said.textContent = verdict.textContent;
    said.className = verdict.className;
    document.title = next.title;
  }
}

function ask(path) {
  return fetch(path, { cache: "no-store" }).then(function (answer) {
    if (!answer.ok) throw new Error(String(answer.status));
    return answer;
  });
}

function update() {
  if (running || paused || document.hidden) return;
  running = true;
  Promise.all([
    ask("/status.json").then(function (answer) { return answer.json(); }),
    ask("/").then(function (answer) { return answer.text(); })
  ]).then(function (both) {
    charts(both[0]);
    page(both[1]);
    stale.textContent = "";
  }).catch(function () {
    stale.textContent = "The gateway does not answer; these numbers are old.";
  }).finally(function () { running = false; });
}

pause.addEventListener("click", function () {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  update();
});
document.getElementById("live").hidden = false;
document.addEventListener("visibilitychange", update);
setInterval(update, 10000);
update();
})();
