import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { Keywright } from "../src/index.js";
import { gate as expressGate } from "../src/express.js";
import { frameworks, type Api } from "./gates.js";
import { Front, raw, Server, type Answer } from "./server.js";

let server: Server;
let client: Keywright;
let gateway: { id: string; secret: string };
before(async () => {
  server = await Server.start();
  gateway = await server.token("gateway", ["tokens:verify"]);
  client = server.client(gateway.secret);
});
after(() => server.stop());

/** What the API answers to a request that bears this token. */
async function get(api: Api, path: string, token: string | undefined, headers: Record<string, string> = {}): Promise<Answer> {
  const bearing = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await fetch(api.url + path, { headers: { ...bearing, ...headers } });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, json: text === "" ? undefined : JSON.parse(text) };
}

let made = 0;
const fresh = (permissions: string[], more?: object) => server.token(`token ${++made}`, permissions, more);

/** What two answers must have in common: everything but the moment and the request. */
function shape({ status, headers, json }: Answer): object {
  const names = ["content-type", "cache-control", "www-authenticate"];
  const told = Object.fromEntries(names.map((name) => [name, headers.get(name)]));
  const { request_id, detail, ...rest } = json;
  assert.equal(typeof request_id, "string");
  assert.equal(request_id, headers.get("x-request-id"));
  return { status, ...told, ...rest, detail: detail.replace(/\d+ s\./, "N s.") };
}

for (const { name, start } of frameworks) {
  describe(name, () => {
    let api: Api;
    before(async () => {
      api = await start({ client });
    });
    after(() => api.stop());

    /** Refused before any handler. */
    async function refused(answer: Promise<Answer>, status: number, code: string): Promise<Answer> {
      const { handled } = api;
      const given = await answer;
      assert.deepEqual([given.status, given.json.code], [status, code]);
      assert.equal(api.handled, handled, "a handler was reached");
      return given;
    }

    test("a valid credential passes, and the handler knows the principal", async () => {
      const account = await server.call("POST", "/service-accounts", { name: `account of ${name}`, service_type: "partner", scopes: ["works:*"], metadata: { a: 1 } });
      const token = await server.call("POST", `/service-accounts/${account.json.id}/tokens`, { token_name: `token of ${name}`, permissions: ["works:read"] });
      const { status, json } = await get(api, "/works?page=2", token.json.token);
      assert.equal(status, 200);
      assert.deepEqual([json.type, json.id, json.name], ["service_account", account.json.id, `account of ${name}`]);
      assert.deepEqual([json.credential_id, json.credential_name, json.token_type], [token.json.id, `token of ${name}`, "service"]);
      assert.deepEqual([json.scopes, json.publisher_id, json.rotation.superseded], [["works:read"], null, false]);
      assert.ok(!("valid" in json) && !("token" in json));
    });

    test("the record has the facts of the request, and no query", async () => {
      const token = await fresh(["works:read"]);
      const id = `request-of-${name.replace(" ", "-")}`;
      const headers = { "user-agent": "Mozilla/5.0 (KHTML, like Gecko)", "cf-ray": "8a1b2c3d", "x-request-id": id, "x-forwarded-for": "203.0.113.9" };
      await get(api, "/works?secret=1", token.secret, headers);
      let event: any;
      while (!event) {
        const { json } = await server.call("GET", `/audit/authentication-events?credential_id=${token.id}`);
        event = json.items[0];
      }
      assert.deepEqual(
        [event.method, event.endpoint, event.user_agent, event.cloudflare_ray_id, event.request_id, event.ip_address, event.asked_by_id],
        ["GET", "/works", headers["user-agent"], "8a1b2c3d", id, "127.0.0.1", gateway.id],
      );
    });

    test("scopes are decided by the server, wildcards included", async () => {
      const wildcard = await fresh(["works:*"]);
      assert.equal((await get(api, "/works", wildcard.secret)).status, 200);
      const reader = await fresh(["works:read"]);
      const body = await fetch(`${api.url}/works`, { method: "POST", headers: { authorization: `Bearer ${reader.secret}` }, body: "never" });
      assert.equal(body.status, 403);
      assert.match(body.headers.get("www-authenticate")!, /error="insufficient_scope"/);
      assert.equal((await get(api, "/either", (await fresh(["catalog:read"])).secret)).status, 200);
      await refused(get(api, "/either", (await fresh(["catalog:write"])).secret), 403, "insufficient_scope");
    });

    test("a revoked token is refused by the very next request", async () => {
      const token = await fresh(["works:read"]);
      for (let round = 0; round < 20; round++) assert.equal((await get(api, "/works", token.secret)).status, 200);
      await server.client().serviceTokens.revoke(token.id);
      await refused(get(api, "/works", token.secret), 401, "revoked");
    });

    test("the body is the handler's, untouched", async () => {
      const token = await fresh(["works:write"]);
      const text = "x".repeat(60_000);
      const answer = await fetch(`${api.url}/works`, { method: "POST", headers: { authorization: `Bearer ${token.secret}`, "content-type": "text/plain" }, body: text });
      assert.equal(await answer.text(), text);
    });

    test("a limited token is told its limits, and 429 when they are used up", async () => {
      const token = await fresh(["works:read"], { rate_limits: { per_minute: 2 } });
      const first = await get(api, "/works", token.secret);
      assert.equal(first.headers.get("ratelimit-policy"), '"minute";q=2;w=60');
      assert.match(first.headers.get("ratelimit")!, /^"minute";r=1;t=\d+$/);
      await get(api, "/works", token.secret);
      const over = await refused(get(api, "/works", token.secret), 429, "rate_limited");
      assert.equal(over.headers.get("ratelimit-policy"), '"minute";q=2;w=60');
      assert.match(over.headers.get("ratelimit")!, /^"minute";r=0;t=\d+$/);
      assert.ok(Number(over.headers.get("retry-after")) >= 1);
      const own = await server.call("GET", "/auth/me", undefined, { authorization: `Bearer ${token.secret}` });
      assert.deepEqual(shape(over), shape(own));
      assert.ok(Number(over.headers.get("retry-after")) >= Number(own.headers.get("retry-after")));
    });

    test("a gate before a gate takes one unit, and decides on the scope all the same", async () => {
      const token = await fresh(["works:read"], { rate_limits: { per_minute: 1 } });
      assert.equal((await get(api, "/all/works", token.secret)).status, 200);
      await refused(get(api, "/all/works", token.secret), 429, "rate_limited");
      const other = await fresh(["catalog:read"]);
      assert.equal((await get(api, "/all/who", other.secret)).status, 200);
      await refused(get(api, "/all/works", other.secret), 403, "insufficient_scope");
    });

    test("every denial is answered as the server's own gate answers it", async () => {
      const believing = await start({ client, believesHeaders: true });
      try {
        const publishers = await Promise.all(["a", "b", "c"].map((letter) => server.call("POST", "/publishers", { name: `${name} ${letter}` })));
        const [mine, theirs, suspended] = publishers.map(({ json }) => json.id as string);
        const of = async (publisher: string) => {
          const account = await server.call("POST", "/service-accounts", { name: `partner ${++made}`, service_type: "partner", scopes: ["*"], publisher_id: publisher });
          const token = await server.call("POST", `/service-accounts/${account.json.id}/tokens`, { token_name: "its token", permissions: ["works:read"] });
          return { account: account.json.id as string, secret: token.json.token as string };
        };
        const partner = await of(mine!);
        const disabled = await of(mine!);
        await server.call("POST", `/service-accounts/${disabled.account}/disable`, {});
        const standing = await of(suspended!);
        await server.call("POST", `/publishers/${suspended}/suspend`, {});
        const revoked = await fresh([]);
        await server.client().serviceTokens.revoke(revoked.id);
        const inactive = await fresh([]);
        await server.client().serviceTokens.update(inactive.id, { is_active: false });
        const elsewhere = await fresh([], { ip_allowlist: ["192.0.2.0/24"] });
        const expired = await fresh([], { expires_at: new Date(Date.now() + 1500).toISOString() });
        while ((await server.client().verify({ token: expired.secret, cost: 0 })).code !== "expired");

        const cases: [code: string, status: number, token: string | undefined, headers?: Record<string, string>][] = [
          ["missing_credential", 401, undefined],
          ["missing_credential", 401, undefined, { authorization: "Basic YTpi" }],
          ["conflicting_credentials", 400, partner.secret, { "x-api-key": elsewhere.secret }],
          ["malformed", 401, "nonsense"],
          ["malformed", 401, partner.secret.toUpperCase()],
          ["malformed", 401, `${partner.secret}0`],
          ["malformed", 401, ` ${partner.secret}`],
          ["not_found", 401, `sk_${"0".repeat(64)}`],
          ["revoked", 401, revoked.secret],
          ["expired", 401, expired.secret],
          ["inactive", 401, inactive.secret],
          ["principal_disabled", 401, disabled.secret],
          ["publisher_suspended", 401, standing.secret],
          ["ip_not_allowed", 403, elsewhere.secret],
          ["wrong_publisher", 403, partner.secret, { "x-test-publisher": theirs!, "x-publisher-id": theirs! }],
        ];
        for (const [code, status, token, headers = {}] of cases) {
          const address = { "x-test-address": "127.0.0.1" };
          const here = await get(believing, "/all/who", token, { ...headers, ...address });
          const { "x-test-publisher": _, ...others } = headers;
          const bearing: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
          const there = await server.call("GET", "/auth/me", undefined, { ...bearing, ...others });
          assert.deepEqual([here.status, here.json.code], [status, code]);
          assert.deepEqual(shape(here), shape(there), code);
        }
        const lacking = await get(believing, "/works", elsewhere.secret, { "x-test-address": "192.0.2.7" });
        assert.equal(lacking.json.detail, "The credential does not carry works:read.");
        const nobodys = await get(believing, "/all/who", partner.secret, { "x-test-publisher": "no-id", "x-test-address": "127.0.0.1" });
        assert.deepEqual([nobodys.status, nobodys.json.code], [403, "wrong_publisher"]);
        const unknown = await get(believing, "/all/who", `sk_${"0".repeat(64)}`, { "x-test-publisher": "no-id" });
        assert.deepEqual([unknown.status, unknown.json.code], [401, "not_found"]);
        assert.equal(believing.handled, 0);
        assert.deepEqual(believing.faults, []);
      } finally {
        await believing.stop();
      }
    });

    test("headers cannot smuggle a second credential, an address or a principal", async () => {
      const good = await fresh(["works:read"]);
      const other = await fresh(["works:read"]);
      const bound = await fresh(["works:read"], { ip_allowlist: ["203.0.113.0/24"] });
      const request = ["GET /works HTTP/1.1"];
      for (const [status, head] of [
        [200, [`aUTHORIZATION: bEARER ${good.secret}`]],
        [200, [`Authorization: Bearer ${good.secret}  `]],
        [200, [`X-API-Key: ${good.secret}`]],
        [200, [`Authorization: Bearer ${good.secret}`, `X-API-Key: ${good.secret}`]],
        [200, [`Authorization: Bearer ${good.secret}`, `Authorization: Bearer ${good.secret}`]],
        [200, [`Authorization: Basic YTpi`, `X-API-Key: ${good.secret}`]],
        [200, [`Cf-Access-Jwt-Assertion: ${good.secret}`]],
        [400, [`Authorization: Bearer ${good.secret}`, `authorization: Bearer ${other.secret}`]],
        [400, [`Authorization: Bearer ${good.secret}`, `X-Api-Key: ${other.secret}`]],
        [400, [`X-Api-Key: ${good.secret}`, `X-API-KEY: ${other.secret}`]],
        [401, [`Authorization: Bearer  ${good.secret}`]],
        [401, [`Authorization: Bearer\t${good.secret}`]],
        [401, [`Authorization: Bearer${good.secret}`]],
        [401, [`Authorization: Bearer ${good.secret},${other.secret}`]],
        [401, [`Authorization: Bearer ${good.secret}, junk`]],
        [401, [`Authorization: ${good.secret}`]],
        [401, [`X-Auth-Principal-Id: ${good.id}`, "X-Auth-Scopes: *", "Principal: admin"]],
        [401, [`Cookie: token=${good.secret}`]],
        [403, [`Authorization: Bearer ${bound.secret}`, "X-Forwarded-For: 203.0.113.7", "CF-Connecting-IP: 203.0.113.7"]],
        [403, [`Authorization: Bearer ${bound.secret}`, "X-Test-Address: 203.0.113.7", "Forwarded: for=203.0.113.7"]],
      ] as const) {
        const { handled } = api;
        const answer = await raw(api.url, [...request, ...head]);
        assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), head.join(" | "));
        assert.equal(api.handled, status === 200 ? handled + 1 : handled, head.join(" | "));
      }
      const query = await get(api, `/works?token=${good.secret}&access_token=${good.secret}`, undefined);
      assert.equal(query.status, 401);
    });

    test("whatever a client sends, it gets a decision", async () => {
      const { secret } = await fresh(["works:read"]);
      const { faults } = api;
      const told = faults.length;
      for (const [line, status, ...headers] of [
        ["GET /works", 200, `User-Agent: ${"\xff\t\"\\".repeat(900)}`, `CF-Ray: ${"x".repeat(5000)}`],
        ["GET /works", 200, "User-Agent:", "CF-Ray:", "X-Request-Id:", "X-Forwarded-For: ::::"],
        ["GET /works", 200, `X-Request-Id: ${"r".repeat(65)}`, "X-Request-Id: a b", `X-Request-Id: ${secret}`],
        [`GET /works?${"q=%00&".repeat(1000)}`, 200],
        ["GET /all/%00%2e%2e/%F0%9F%98%80", 404],
        [`GET /all/${"p".repeat(5000)}`, 404],
        ["DELETE /all/who", 404],
      ] as const) {
        const answer = await raw(api.url, [`${line} HTTP/1.1`, `Authorization: Bearer ${secret}`, ...headers]);
        assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), line.slice(0, 40) + headers.join().slice(0, 40) + answer.slice(0, 300));
      }
      for (const credential of ["\xff", "x".repeat(12_000), "\"\\".repeat(3000), "a.b.c", "..", "%00"]) {
        const answer = await raw(api.url, ["GET /works HTTP/1.1", `Authorization: Bearer ${credential}`]);
        assert.match(answer, /^HTTP\/1.1 401 /, credential.slice(0, 20));
      }
      assert.equal(faults.length, told);
    });

    test("a route without a gate is told of no principal", async () => {
      const { status, json } = await get(api, "/open", (await fresh([])).secret);
      assert.equal(status, 200);
      assert.ok(json === null || json.none === true);
    });

    test("while the server is away, silent or lying, nothing passes", async () => {
      const front = await Front.before(server.url);
      const behind = new Keywright({ url: front.url, token: gateway.secret });
      const [closed, hasty] = await Promise.all([start({ client: behind }), start({ client: behind, timeoutMs: 200 })]);
      const token = await fresh(["works:read"]);
      const json = { "content-type": "application/json" };
      const valid = { valid: true, code: "valid", scopes: ["*"], principal: { type: "user", id: "x", name: "x" } };
      try {
        front.plan.push({ status: 200, silent: true });
        const late = await get(hasty, "/works", token.secret);
        assert.deepEqual([late.status, late.json.code, hasty.handled, hasty.faults.length], [503, "unavailable", 0, 1]);
        for (const plan of [
          { status: 200, headers: json, body: "{}" },
          { status: 200, headers: json, body: "null" },
          { status: 200, headers: json, body: '{"valid":true}' },
          { status: 200, headers: json, body: JSON.stringify({ ...valid, valid: "true" }) },
          { status: 200, headers: json, body: JSON.stringify({ ...valid, code: "revoked" }) },
          { status: 200, headers: { "content-type": "text/html" }, body: JSON.stringify(valid) },
          { status: 201, headers: { ...json, "content-length": "9999" }, body: JSON.stringify(valid).slice(0, 20) },
          { status: 204 },
          { status: 301, headers: { location: "/elsewhere" } },
          { status: 500, headers: json, body: JSON.stringify(valid) },
          { status: 503, headers: { "retry-after": "7" } },
        ]) {
          front.plan.push(plan);
          const answer = await get(closed, "/works", token.secret);
          assert.deepEqual([answer.status, answer.json.code], [503, "unavailable"], JSON.stringify(plan));
          assert.equal(answer.headers.get("retry-after"), plan.status === 503 ? "7" : "1");
          front.plan.length = 0;
        }
        front.plan.push({ status: 200, headers: json, body: '{"valid":false,"code":"a_code_of_tomorrow","request_id":"r"}' });
        const denied = await get(closed, "/works", token.secret);
        assert.deepEqual([denied.status, denied.json.code], [401, "a_code_of_tomorrow"]);
        assert.equal((await get(closed, "/works", token.secret)).status, 200);
        await front.stop();
        assert.equal((await get(closed, "/works", token.secret)).status, 503);
        assert.equal(closed.handled, 1);
        assert.equal(closed.faults.length, 12);
        assert.ok(!inspect(closed.faults, { depth: 9, showHidden: true }).includes(token.secret));
      } finally {
        await front.stop();
        await Promise.all([closed.stop(), hasty.stop()]);
      }
    });

    test("a gateway token that is refused is an alarm for its owner and a 503 for the client", async () => {
      const blind = await fresh(["works:read"]);
      const token = await fresh(["works:read"]);
      const closed = await start({ client: server.client(blind.secret) });
      try {
        const answer = await get(closed, "/works", token.secret);
        assert.deepEqual([answer.status, answer.json.code], [503, "unavailable"]);
        assert.deepEqual(shape(answer), { ...shape(answer), "www-authenticate": null });
        assert.equal(closed.faults.length, 1);
        assert.match(closed.faults[0]!.message, /403 insufficient_scope: .*tokens:verify/);
      } finally {
        await closed.stop();
      }
    });
  });
}

test("whoever tells the address or hears of faults cannot make a request pass by failing", async () => {
  const token = await fresh(["works:read"]);
  const broken = expressGate({
    client,
    clientAddress: () => {
      throw new Error("no address");
    },
    onFault: () => {
      throw new Error("nor this");
    },
  });
  let passed = false;
  const answer = { statusCode: 0, headers: {} as Record<string, string>, setHeader(name: string, value: string) { this.headers[name] = value; }, end() {} };
  const request = { method: "GET", url: "/", rawHeaders: ["Authorization", `Bearer ${token.secret}`], headers: {}, socket: {} };
  await broken.authenticate(request as never, answer as never, () => { passed = true; });
  assert.deepEqual([passed, answer.statusCode, answer.headers["content-type"]], [false, 503, "application/problem+json"]);
});

test("a scope that is none is refused where the route is declared", () => {
  const { requireScope, requireAnyScope } = expressGate({ client });
  for (const wrong of ["", "Works:read", "works read", "works:", "a*"]) {
    assert.throws(() => requireScope(wrong), TypeError);
    assert.throws(() => requireAnyScope("works:read", wrong), TypeError);
  }
  assert.throws(() => (requireScope as (...scopes: string[]) => unknown)(), TypeError);
  assert.throws(() => (requireAnyScope as (...scopes: string[]) => unknown)(), TypeError);
});
