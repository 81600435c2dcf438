"use strict";
// Campaign Desk: plain requests to its own origin. The gateway adds the token on the way.
// Text from the network reaches the page through textContent only.

const PAGE_SIZE = 10;

class Panel {
  constructor(id, { url, row, noun }) {
    this.root = document.getElementById(id);
    this.url = url;
    this.row = row;
    this.noun = noun;
    this.page = 1;
  }

  part(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  async load(page, fresh) {
    const list = this.part("list");
    list.setAttribute("aria-busy", "true");
    if (list.hidden) this.say(`Loading ${this.noun} …`);
    try {
      const data = await request(`${this.url}?$page=${page}&$pageSize=${PAGE_SIZE}`);
      this.page = page;
      this.show(data, fresh);
    } catch (problem) {
      this.fail(problem, page);
    } finally {
      list.removeAttribute("aria-busy");
    }
  }

  show(data, fresh) {
    const items = Array.isArray(data.items) ? data.items : [];
    const total = Number(data.count) || 0;
    this.part("count").textContent = total || "";
    if (items.length === 0) {
      this.hideList();
      this.say("", element("b", `No ${this.noun} yet`), `This business unit has no ${this.noun}.`);
      return;
    }
    this.part("state").hidden = true;
    const list = this.part("list");
    list.replaceChildren(...items.map((item) => {
      const row = this.row(item);
      if (fresh !== undefined && item.id === fresh) row.classList.add("fresh");
      return row;
    }));
    list.hidden = false;
    this.turnPages(total);
  }

  turnPages(total) {
    const last = Math.max(1, Math.ceil(total / PAGE_SIZE));
    const from = (this.page - 1) * PAGE_SIZE + 1;
    const pager = this.part("pager");
    const turn = (label, page) => {
      const button = element("button", label, "quiet");
      button.type = "button";
      button.disabled = page < 1 || page > last;
      button.addEventListener("click", () => this.load(page));
      return button;
    };
    pager.replaceChildren(
      turn("Previous", this.page - 1),
      element("span", `${from}–${Math.min(total, from + PAGE_SIZE - 1)} of ${total}`),
      turn("Next", this.page + 1),
    );
    pager.hidden = last === 1;
  }

  fail(problem, page) {
    this.hideList();
    this.part("count").textContent = "";
    if (problem.status === 401) {
      this.say("", element("b", "You are signed out"), "Sign in to go on.", element("br"), signInLink(problem));
      return;
    }
    const retry = element("button", "Try again", "quiet");
    retry.type = "button";
    retry.addEventListener("click", () => this.load(page));
    this.say("", element("b", `The ${this.noun} could not be loaded`), problem.message, element("br"), retry);
  }

  say(...content) {
    const state = this.part("state");
    state.replaceChildren(...content);
    state.hidden = false;
  }

  hideList() {
    this.part("list").hidden = true;
    this.part("pager").hidden = true;
  }
}

class Problem extends Error {
  constructor(status, body) {
    const detail = body.validationErrors?.[0]?.message ?? body.detail ?? body.message ?? body.title;
    super(typeof detail === "string" && detail ? detail : explain(status));
    this.status = status;
    this.loginUrl = body.login_url;
  }
}

function explain(status) {
  if (status === 0) return "The server cannot be reached. Check the connection.";
  if (status === 403) return "You lack the permission for this in Marketing Cloud.";
  if (status === 429) return "Marketing Cloud is limiting requests. Wait a moment.";
  return `The server answered with status ${status}.`;
}

async function request(url, options = {}) {
  let reply;
  try {
    reply = await fetch(url, {
      credentials: "same-origin",
      ...options,
      headers: { accept: "application/json", ...options.headers },
    });
  } catch {
    throw new Problem(0, {});
  }
  const body = await reply.json().catch(() => null);
  if (!reply.ok) throw new Problem(reply.status, body ?? {});
  if (body === null) throw new Problem(reply.status, { message: "The answer was not JSON." });
  return body;
}

function signInLink(problem) {
  const link = element("a", "Sign in");
  link.href = "/oauth2/start?rd=" + encodeURIComponent(location.pathname);
  try {
    const url = new URL(problem.loginUrl, location.href);
    if (problem.loginUrl && url.origin === location.origin) link.href = url.href;
  } catch {
    // Not a URL: the usual address stays.
  }
  return link;
}

function element(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

function emailRow(asset) {
  const row = element("div", undefined, "row");
  const status = asset.status?.name ?? "Draft";
  const badge = element("span", status, "badge");
  badge.classList.add(status === "Published" ? "published" : "draft");
  const text = element("div");
  text.append(
    element("div", asset.name, "title"),
    element("div", asset.views?.subjectline?.content || "No subject line", "sub"),
  );
  const date = new Date(asset.modifiedDate);
  row.append(text, badge, element("div", Number.isNaN(date.getTime()) ? "" : day.format(date), "when"));
  return row;
}

function customerRow({ keys = {}, values = {} }) {
  const row = element("div", undefined, "row");
  const text = element("div");
  text.append(
    element("div", `${values.firstname ?? ""} ${values.lastname ?? ""}`.trim() || keys.customerid, "title"),
    element("div", [values.email, values.city].filter(Boolean).join(" · "), "sub"),
  );
  const badge = element("span", values.tier ?? "", "badge");
  if (values.tier === "Gold") badge.classList.add("gold");
  row.append(text, badge);
  return row;
}

async function showAccount() {
  const set = (name, text) => {
    if (text) document.querySelector(`[data-who="${name}"]`).textContent = text;
  };
  try {
    const info = await request("/oauth2/userinfo");
    const user = typeof info.user === "object" && info.user ? info.user : info;
    const organization = info.organization ?? {};
    set("name", user.name ?? user.preferred_username ?? user.sub);
    set("detail", user.email);
    set("enterprise", organization.enterprise_name ?? organization.name);
    const unit = info.business_unit ?? organization.member_id;
    set("unit", unit && `business unit ${unit.name ?? unit.id ?? unit.member_id ?? unit}`);
    const end = info.session_expires_at ?? info.session?.expires_at ?? info.session_expires;
    const date = typeof end === "number" ? new Date(end * 1000) : new Date(end);
    if (end && !Number.isNaN(date.getTime())) {
      const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
      set("session", `Signed in until ${time.format(date)}`);
    }
  } catch {
    // The header names already say who is here; the panels say what is wrong.
  }
}

const emails = new Panel("emails", {
  url: "/mc/rest/asset/v1/content/assets", row: emailRow, noun: "e-mails",
});
const customers = new Panel("customers", {
  url: "/mc/rest/data/v1/customobjectdata/key/Customers/rowset", row: customerRow, noun: "customers",
});

// The partner API speaks SOAP; the gateway puts the token into the envelope's header.
const PARTNER = "http://exacttarget.com/wsdl/partnerAPI";
const RETRIEVE = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
  <RetrieveRequestMsg xmlns="${PARTNER}"><RetrieveRequest>
    <ObjectType>Subscriber</ObjectType><Properties>EmailAddress</Properties><Properties>Status</Properties>
    <Options><BatchSize>${PAGE_SIZE}</BatchSize></Options>
  </RetrieveRequest></RetrieveRequestMsg>
</s:Body></s:Envelope>`;

async function callSoap(action, envelope) {
  let reply;
  try {
    reply = await fetch("/mc/soap/Service.asmx", {
      method: "POST",
      credentials: "same-origin",
      headers: { "content-type": "text/xml; charset=utf-8", soapaction: action },
      body: envelope,
    });
  } catch {
    throw new Problem(0, {});
  }
  const answer = new DOMParser().parseFromString(await reply.text(), "text/xml");
  const text = (name) => answer.getElementsByTagNameNS("*", name)[0]?.textContent;
  if (!reply.ok) throw new Problem(reply.status, { detail: text("faultstring"), login_url: text("login_url") });
  return answer;
}

const subscribers = new Panel("subscribers", {
  noun: "subscribers",
  row: (item) => {
    const row = element("div", undefined, "row");
    row.append(element("div", item.address, "title"), element("span", item.status, "badge published"));
    return row;
  },
});
subscribers.load = async function load() {
  try {
    const answer = await callSoap("Retrieve", RETRIEVE);
    const value = (node, name) => node.getElementsByTagNameNS(PARTNER, name)[0]?.textContent ?? "";
    const items = [...answer.getElementsByTagNameNS(PARTNER, "Results")].map((node) => (
      { address: value(node, "EmailAddress"), status: value(node, "Status") }
    ));
    this.show({ items, count: items.length });
    if (value(answer, "OverallStatus") === "MoreDataAvailable") this.say("There are more: `MoreDataAvailable`.");
  } catch (problem) {
    this.fail(problem, 1);
  }
};
document.getElementById("retrieve").addEventListener("click", () => subscribers.load());

const form = document.getElementById("new-email");
const compose = document.getElementById("compose");
const note = form.querySelector(".form-note");

function openForm(open) {
  form.hidden = !open;
  compose.setAttribute("aria-expanded", String(open));
  note.textContent = "";
  if (open) form.elements.name.focus();
}

compose.addEventListener("click", () => openForm(form.hidden));
form.addEventListener("reset", () => { openForm(false); compose.focus(); });
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const submit = form.querySelector(".primary");
  const values = new FormData(form);
  submit.disabled = true;
  note.textContent = "";
  try {
    const asset = await request("/mc/rest/asset/v1/content/assets", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        name: values.get("name"),
        assetType: { id: 208, name: "htmlemail" },
        views: { subjectline: { content: values.get("subject") } },
      }),
    });
    form.reset();
    await emails.load(1, asset.id);
  } catch (problem) {
    note.replaceChildren(problem.message);
    if (problem.status === 401) note.replaceChildren("You are signed out. ", signInLink(problem));
  } finally {
    submit.disabled = false;
  }
});

showAccount();
emails.load(1);
customers.load(1);
