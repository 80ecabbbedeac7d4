import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { format, inspect } from "node:util";
import { Keywright, Secret } from "../src/index.js";
import { Front, Server } from "./server.js";

let server: Server;
let front: Front;
before(async () => {
  server = await Server.start();
  front = await Front.before(server.url);
});
after(async () => {
  await front.stop();
  await server.stop();
});

/** All the ways in which an object gets into a log. */
function shown(thing: unknown): string {
  const own = thing instanceof Error ? [thing.message, thing.stack, String(thing.cause)] : [];
  return [
    inspect(thing, { depth: 20, showHidden: true, getters: true }),
    format("%s %o %O %j", thing, thing, thing, thing),
    JSON.stringify(thing),
    String(thing),
    JSON.stringify(Object.getOwnPropertyDescriptors(Object(thing))),
    ...own,
  ].join("\n");
}

function hidden(thing: unknown, ...secrets: string[]): void {
  for (const secret of secrets) assert.ok(!shown(thing).includes(secret.slice(3)), "a secret was shown");
}

test("a secret is shown by nothing but reveal", () => {
  const secret = new Secret("sk_canary");
  hidden(secret, "sk_canary");
  hidden({ token: secret, list: [secret] }, "sk_canary");
  assert.equal(`${secret}`, "[secret]");
  assert.equal(JSON.stringify({ secret }), '{"secret":"[secret]"}');
  assert.equal(inspect(secret), "Secret([secret])");
  assert.equal(secret.reveal(), "sk_canary");
});

test("a client does not show its token, nor a created credential its own", async () => {
  const client = server.client();
  hidden(client, server.first);
  hidden(client.serviceAccounts.tokens("01a20052-0d35-7767-83b6-0fa19a9b1616"), server.first);
  const made = await client.serviceTokens.create({ token_name: "shown", permissions: ["a"] });
  hidden(made, made.token!.reveal());
  const rotated = await client.serviceTokens.rotate(made.id, { reason: "test" });
  hidden(rotated, rotated.token!.reveal());
  hidden(await client.verify({ token: rotated.token }), rotated.token!.reveal());
});

test("no error holds a credential, whatever it is about", async () => {
  const canary = `sk_${"c".repeat(64)}`;
  const client = new Keywright({ url: front.url, token: canary, timeoutMs: 300, retries: 0 });
  const json = { "content-type": "application/json" };
  const failing: (() => Promise<unknown>)[] = [
    () => client.verify({ token: canary }),
    () => client.me(),
    () => client.serviceTokens.create({ token_name: canary, metadata: { canary } }),
    () => server.client().verify({ token: new Secret(canary), required_scopes: [canary.toUpperCase()] }),
    () => server.client().verify({ token: canary, publisher_id: canary }),
  ];
  for (const call of failing) {
    const error = await call().then(() => assert.fail("it should fail"), (error: unknown) => error);
    hidden(error, canary);
  }
  for (const plan of [
    { status: 200, headers: json, body: `{"token":"${canary}"` },
    { status: 500, headers: json, body: `{"token":"${canary}"}` },
    { status: 502, headers: { "content-type": "text/html" }, body: canary },
    { status: 302, headers: { location: `https://example.com/?token=${canary}` } },
    { status: 200, silent: true },
  ]) {
    front.plan.push(plan);
    const error = await client.verify({ token: canary }).then(() => assert.fail("it should fail"), (error: unknown) => error);
    hidden(error, canary);
  }
  const throwing = new Keywright({ url: server.url, token: canary, fetch: (_, init) => Promise.reject(new Error(inspect(init))) });
  hidden(await throwing.verify().catch((error: unknown) => error), canary);
});
