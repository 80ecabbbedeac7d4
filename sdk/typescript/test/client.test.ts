import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { KeywrightError, NoAnswerError, ProblemError, Secret, UnexpectedAnswerError, Keywright } from "../src/index.js";
import { Front, Server } from "./server.js";

let server: Server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
}

/** The error with which a promise is rejected. */
async function failure<E extends Error>(kind: abstract new (...parts: never[]) => E, promise: Promise<unknown>): Promise<E> {
  const found = await promise.then(() => undefined, (error: unknown) => error);
  assert.ok(found instanceof kind, `${String(found)} is no ${kind.name}`);
  return found;
}

test("a client is told about its own credential and about others", async () => {
  const reader = await server.token("reader", ["works:*"], { metadata: { team: "songs" } });
  const own = await server.client(reader.secret).verify();
  assert.ok(own.valid);
  assert.deepEqual([own.name, own.principal.type, own.scopes], ["reader", "service_token", ["works:*"]]);

  const gateway = server.client((await server.token("gateway", ["tokens:verify"])).secret);
  const facts = { ip_address: "203.0.113.7", user_agent: "test", method: "PUT", endpoint: "/works/17" };
  const other = await gateway.verify({ token: new Secret(reader.secret), required_scopes: ["works:write"], ...facts });
  assert.ok(other.valid);
  assert.equal(other.credential_id, reader.id);

  const lacking = await gateway.verify({ token: reader.secret, required_scopes: ["catalog:read"] });
  assert.ok(!lacking.valid);
  assert.deepEqual([lacking.code, lacking.missing_scopes], ["insufficient_scope", ["catalog:read"]]);
  assert.ok((await gateway.verify({ token: reader.secret, any_scopes: ["catalog:read", "works:read"] })).valid);

  const batch = await gateway.verifyBatch([{ token: reader.secret }, { token: "nonsense" }]);
  assert.deepEqual(batch.map(({ code }) => code), ["valid", "malformed"]);
});

test("the cost of a verification is taken from the limits", async () => {
  const limited = await server.token("limited", [], { rate_limits: { per_minute: 10 } });
  const looked = await server.client().verify({ token: limited.secret, cost: 0 });
  assert.equal(looked.valid && looked.rate_limit?.remaining, 10);
  const taken = await server.client().verify({ token: limited.secret, cost: 7 });
  assert.equal(taken.valid && taken.rate_limit?.remaining, 3);
  const refused = await server.client().verify({ token: limited.secret, cost: 4 });
  assert.equal(refused.code, "rate_limited");
});

test("a service token is made, read, changed, rotated and revoked at once", async () => {
  const { serviceTokens } = server.client();
  const made = await serviceTokens.create({ token_name: "life", permissions: ["works:read"], expires_in_days: 30 });
  const secret = made.token!.reveal();
  assert.match(secret, /^sk_[0-9a-f]{64}$/);
  assert.equal((await serviceTokens.get(made.id)).token_name, "life");
  assert.deepEqual((await serviceTokens.update(made.id, { metadata: { a: 1 } })).metadata, { a: 1 });

  const next = await serviceTokens.rotate(made.id, { reason: "test", grace_seconds: 60 });
  assert.equal(next.rotated_from_id, made.id);
  const old = await server.client(secret).verify();
  assert.ok(old.valid && old.rotation.superseded);

  assert.equal(await serviceTokens.revoke(next.id, "test"), undefined);
  assert.equal((await server.client().verify({ token: next.token!.reveal() })).code, "revoked");
  assert.equal((await serviceTokens.get(next.id)).revoked_reason, "test");
});

test("a token rotates and revokes itself", async () => {
  const own = server.client((await server.token("itself", ["tokens:rotate_self"])).secret);
  const next = await own.serviceTokens.rotateOwn({ reason: "test" });
  const newer = server.client(next.token!.reveal());
  assert.equal((await newer.me()).principal.name, "itself");
  await newer.serviceTokens.revokeOwn("test");
  const error = await failure(ProblemError, newer.me());
  assert.deepEqual([error.status, error.code], [401, "revoked"]);
});

test("a list goes on over its pages, each item once", async () => {
  const { serviceTokens } = server.client();
  const names = Array.from({ length: 7 }, (_, index) => `page-${index}`);
  for (const token_name of names) await serviceTokens.create({ token_name, permissions: ["a"] });
  const front = await Front.before(server.url);
  try {
    const listed = await all(new Keywright({ url: front.url, token: server.first }).serviceTokens.list({ q: "page-", limit: 3 }));
    assert.deepEqual(listed.map(({ token_name }) => token_name), [...names].reverse());
    assert.equal(front.seen.length, 3);
  } finally {
    await front.stop();
  }
  const page = await serviceTokens.page({ q: "page-", limit: 3 });
  assert.equal(page.items.length, 3);
  assert.equal(typeof page.next_cursor, "string");
});

test("service accounts and their tokens", async () => {
  const { serviceAccounts } = server.client();
  const account = await serviceAccounts.create({ name: "songtrust", service_type: "partner", scopes: ["works:read", "works:write"] });
  const tokens = serviceAccounts.tokens(account.id);
  const made = await tokens.create({ token_name: "songtrust-1", permissions: ["works:read"] });
  const verified = await server.client(made.token!.reveal()).verify();
  assert.ok(verified.valid);
  assert.deepEqual(verified.principal, { type: "service_account", id: account.id, name: "songtrust" });

  const [rotated] = await tokens.rotateAll({ reason: "test" });
  assert.equal(rotated?.rotated_from_id, made.id);
  assert.ok(rotated.token instanceof Secret);
  const again = await tokens.rotate(rotated.id, { reason: "test" });
  assert.deepEqual(new Set((await all(tokens.list())).map(({ id }) => id)), new Set([made.id, rotated.id, again.id]));

  await serviceAccounts.disable(account.id, "test");
  assert.equal((await server.client().verify({ token: again.token! })).code, "principal_disabled");
  await serviceAccounts.enable(account.id);
  assert.equal((await server.client().verify({ token: again.token! })).code, "valid");
  await tokens.revoke(made.id);
  assert.equal((await tokens.get(made.id)).status, "revoked");
  assert.ok((await tokens.revokeAll("test")).revoked >= 1);
  assert.equal((await serviceAccounts.update(account.id, { description: "over" })).description, "over");
  assert.ok((await all(serviceAccounts.list({ name: "songtrust" }))).some(({ id }) => id === account.id));
  await serviceAccounts.delete(account.id, "test");
  assert.equal((await failure(ProblemError, serviceAccounts.get(account.id))).code, "not_found");
});

test("a user makes a personal token for less than they may, rotates and revokes it", async () => {
  await server.call("POST", "/publishers", { name: "Promptcraft" });
  const access = await server.person("ada@example.com", "Promptcraft", "publisher_editor");
  const { personalTokens } = server.client(access);
  assert.ok((await personalTokens.grantableScopes()).items.length >= 1);
  const made = await personalTokens.create({ name: "script", scopes: ["tokens:read"], expires_in_days: 7 });
  const decision = await server.client(made.token!.reveal()).verify();
  assert.ok(decision.valid);
  assert.deepEqual([decision.token_type, decision.principal.type], ["personal", "user"]);
  const next = await personalTokens.rotate(made.id, { reason: "test" });
  assert.equal((await personalTokens.update(next.id, { name: "renamed" })).name, "renamed");
  assert.equal((await all(personalTokens.list())).length, 2);
  await personalTokens.revoke(next.id);
  assert.equal((await server.client().verify({ token: next.token! })).code, "revoked");
  const error = await failure(ProblemError, personalTokens.create({ name: "more", scopes: ["users:admin"] }));
  assert.deepEqual([error.status, error.code], [403, "scope_exceeds_grantor"]);
});

test("a pipeline records what it did", async () => {
  const runner = server.client((await server.token("runner", ["audit_log"])).secret);
  const event = await runner.recordCicdEvent({ event_type: "deployment", status: "success", environment: "staging" });
  assert.equal(event.type, "cicd.deployment");
});

test("a problem names its code, every bad field, and the request", async () => {
  const bad = server.client().serviceTokens.create(
    { token_name: "", permissions: ["No Scope"], surplus: 1 } as never,
    { requestId: "a-request.of_mine" },
  );
  const error = await failure(ProblemError, bad);
  assert.ok(error instanceof KeywrightError);
  assert.deepEqual([error.status, error.code, error.requestId], [422, "unknown_field", "a-request.of_mine"]);
  assert.ok(error.errors.map(({ field }) => field).includes("surplus"));
  assert.match(error.message, /surplus/);
});

test("ids, headers, addresses and tokens that cannot be are refused without being shown", async () => {
  const { serviceTokens } = server.client();
  const secret = server.first;
  for (const wrong of ["", ".", "..", "../self", secret, "a/b", "a?b"]) {
    const error = await failure(TypeError, serviceTokens.get(wrong));
    assert.equal(error.message, "an id is a UUID");
  }
  for (const [options, told] of [
    [{ url: server.url, token: `${secret}\n${secret}` }, "token: "],
    [{ url: server.url, token: "" }, "token: "],
    [{ url: `http://user:${secret}@127.0.0.1`, token: secret }, "url: "],
    [{ url: "auth.example.com", token: secret }, "url: "],
    [{ url: "file:///etc/passwd", token: secret }, "url: "],
  ] as const) {
    assert.throws(() => new Keywright(options), (error: Error) => {
      assert.ok(error instanceof TypeError && error.message.startsWith(told) && !error.message.includes(secret), error.message);
      return true;
    });
  }
  for (const options of [{ requestId: `${secret}\r\n` }, { idempotencyKey: `${secret} ${secret}` }]) {
    const error = await failure(TypeError, serviceTokens.create({ token_name: "never" }, options));
    assert.ok(!error.message.includes(secret));
  }
});

test("the base path at the end of an address is not doubled", async () => {
  for (const url of [`${server.url}/`, `${server.url}/api/v1`, `${server.url}/api/v1/`]) {
    assert.ok((await new Keywright({ url, token: server.first }).verify()).valid);
  }
});

test("the names of the environment are read, ours first", async () => {
  const both = { KEYWRIGHT_URL: server.url, KEYWRIGHT_TOKEN: ` ${server.first}\n`, PROMPTCRAFT_SERVICE_TOKEN: "sk_other" };
  assert.ok((await Keywright.fromEnvironment({}, both).verify()).valid);
  const reference = { PROMPTCRAFT_API_URL: `${server.url}/api/v1`, PROMPTCRAFT_SERVICE_TOKEN: server.first, KEYWRIGHT_URL: " " };
  assert.ok((await Keywright.fromEnvironment({}, reference).verify()).valid);
  assert.throws(() => Keywright.fromEnvironment({}, { KEYWRIGHT_URL: server.url }), /KEYWRIGHT_TOKEN is not set/);
});

test("a server that is away, silent or another one is no answer", async () => {
  const gone = await Front.before(server.url);
  await gone.stop();
  const away = await failure(NoAnswerError, new Keywright({ url: gone.url, token: server.first }).verify());
  assert.match(away.message, /ECONNREFUSED/);

  const front = await Front.before(server.url);
  try {
    const client = new Keywright({ url: front.url, token: server.first });
    front.plan.push({ status: 200, silent: true });
    await failure(NoAnswerError, client.verify({}, { timeoutMs: 200 }));
    for (const plan of [
      { status: 200, headers: { "content-type": "text/html" }, body: "<p>Welcome" },
      { status: 200, headers: { "content-type": "application/json" }, body: `{"token": "${server.first}` },
      { status: 307, headers: { location: `${server.url}/api/v1/auth/verify` } },
      { status: 401, headers: { "content-type": "application/json" }, body: '{"message": "no"}' },
    ]) {
      front.plan.push(plan);
      const error = await failure(UnexpectedAnswerError, client.verify({ token: server.first }));
      assert.equal(error.status, plan.status);
    }
    // None was followed or repeated.
    assert.equal(front.seen.length, 5);
  } finally {
    await front.stop();
  }
});

test("the caller's own signal ends a call, also one that waits to be repeated", async () => {
  const front = await Front.before(server.url);
  try {
    const client = new Keywright({ url: front.url, token: server.first });
    for (const plan of [{ status: 200, silent: true }, { status: 503, headers: { "retry-after": "5" } }]) {
      const stop = new AbortController();
      front.plan.push(plan);
      const call = client.verify({}, { signal: stop.signal });
      const seen = front.seen.length;
      while (front.seen.length === seen) await new Promise((resolve) => setImmediate(resolve));
      stop.abort(new Error("the caller went away"));
      assert.equal((await failure(Error, call)).message, "the caller went away");
    }
    await assert.rejects(client.verify({}, { signal: AbortSignal.abort(new Error("at once")) }), /at once/);
  } finally {
    await front.stop();
  }
});
