import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Keywright, ProblemError, UnexpectedAnswerError } from "../src/index.js";
import { Front, Server, type Plan } from "./server.js";

let server: Server;
let front: Front;
let client: Keywright;
before(async () => {
  server = await Server.start();
  front = await Front.before(server.url);
  client = new Keywright({ url: front.url, token: server.first });
});
beforeEach(() => {
  front.plan.length = 0;
  front.seen.length = 0;
});
after(async () => {
  await front.stop();
  await server.stop();
});

const busy: Plan = { status: 503 };
const often: Plan = { status: 429, headers: { "retry-after": "0" } };

test("a verification is repeated after 503 and 429", async () => {
  front.plan.push(busy, often);
  assert.ok((await client.verify()).valid);
  assert.equal(front.seen.length, 3);
});

test("it is repeated so often and no more, and never after anything else", async () => {
  front.plan.push(busy, busy, busy, busy);
  await assert.rejects(client.verify(), UnexpectedAnswerError);
  assert.equal(front.seen.length, 3);
  front.plan.length = 0;
  for (const status of [500, 502, 504, 408]) {
    front.seen.length = 0;
    front.plan.push({ status });
    await assert.rejects(client.verify(), UnexpectedAnswerError);
    assert.equal(front.seen.length, 1, String(status));
  }
  front.seen.length = 0;
  front.plan.push(busy);
  await assert.rejects(new Keywright({ url: front.url, token: server.first, retries: 0 }).verify(), UnexpectedAnswerError);
  assert.equal(front.seen.length, 1);
});

test("whoever may not come back within the time limit does not wait for it", async () => {
  front.plan.push({ status: 503, headers: { "retry-after": "60" } });
  const error = await client.verify().then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof UnexpectedAnswerError);
  assert.equal(error.retryAfterSeconds, 60);
  assert.equal(front.seen.length, 1);
});

test("what creates is repeated under one key, so that a lost answer makes nothing twice", async () => {
  front.plan.push({ status: 503, passes: true }, { status: 503, passes: true });
  const made = await client.serviceTokens.create({ token_name: "once", permissions: ["a"] });
  assert.equal(front.seen.length, 3);
  const keys = new Set(front.seen.map(({ headers }) => headers["idempotency-key"]));
  assert.equal(keys.size, 1);
  assert.ok((await server.client(made.token!.reveal()).verify()).valid);
  const { items } = await server.client().serviceTokens.page({ q: "once" });
  assert.deepEqual(items.map(({ id }) => id), [made.id]);
});

test("so is what rotates: one rotation, and its secret", async () => {
  const made = await server.client().serviceTokens.create({ token_name: "turned", permissions: ["a"] });
  front.plan.push({ status: 503, passes: true });
  const next = await client.serviceTokens.rotate(made.id, { reason: "test" });
  assert.ok((await server.client(next.token!.reveal()).verify()).valid);
  assert.equal((await server.client().serviceTokens.get(made.id)).superseded_by_id, next.id);
});

test("each call has a key of its own, unless it is given one", async () => {
  await client.serviceTokens.create({ token_name: "key-1", permissions: ["a"] });
  await client.serviceTokens.create({ token_name: "key-2", permissions: ["a"] });
  const [first, second] = front.seen.map(({ headers }) => headers["idempotency-key"]);
  assert.notEqual(first, second);
  const given = { idempotencyKey: "the-run-of-2026-11-26" };
  const made = await client.serviceTokens.create({ token_name: "key-3", permissions: ["a"] }, given);
  assert.equal((await client.serviceTokens.create({ token_name: "key-3", permissions: ["a"] }, given)).id, made.id);
  const mismatch = client.serviceTokens.create({ token_name: "key-4", permissions: ["a"] }, given);
  await assert.rejects(mismatch, (error) => error instanceof ProblemError && error.code === "idempotency_mismatch");
});

test("a change without a key is not repeated", async () => {
  const made = await server.client().serviceTokens.create({ token_name: "changed", permissions: ["a"] });
  front.plan.push(busy);
  await assert.rejects(client.serviceTokens.update(made.id, { metadata: { a: 1 } }), UnexpectedAnswerError);
  front.plan.push(busy);
  await assert.rejects(client.serviceAccounts.disable(made.id), UnexpectedAnswerError);
  assert.equal(front.seen.length, 2);
});

test("what is only read, and a revocation, is repeated", async () => {
  const made = await server.client().serviceTokens.create({ token_name: "read", permissions: ["a"] });
  front.plan.push(busy);
  assert.equal((await client.serviceTokens.get(made.id)).id, made.id);
  front.plan.push({ status: 503, passes: true });
  await client.serviceTokens.revoke(made.id);
  assert.equal(front.seen.length, 4);
  assert.equal((await server.client().serviceTokens.get(made.id)).status, "revoked");
});

test("a limit of the client's own token is waited for when it is near", async () => {
  const limited = await server.token("own limit", [], { rate_limits: { per_minute: 1 } });
  const own = new Keywright({ url: front.url, token: limited.secret });
  await own.me();
  const error = await own.me().then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof ProblemError);
  assert.deepEqual([error.status, error.code], [429, "rate_limited"]);
  assert.ok((error.retryAfterSeconds ?? 0) > 10);
  assert.equal(front.seen.length, 2);
});
