import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { VERSION } from "../src/index.js";
import { ROOT, Server } from "./server.js";

const FOLDER = join(ROOT, "sdk/typescript");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const manifest = JSON.parse(read("sdk/typescript/package.json"));

let server: Server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

test("the generated types are those of the OpenAPI document", () => {
  execFileSync(process.execPath, [join(FOLDER, "generate.mjs"), "--check"], { stdio: "inherit" });
});

test("the version is that of the server", () => {
  const version = /^\[workspace\.package\][^[]*^version = "([^"]+)"/m.exec(read("Cargo.toml"))?.[1];
  assert.ok(version);
  assert.equal(VERSION, version);
  assert.equal(manifest.version, version);
  const lock = JSON.parse(read("sdk/typescript/package-lock.json"));
  assert.equal(lock.version, version);
});

test("it depends on nothing at run time, and the lock names no registry", () => {
  assert.equal(manifest.dependencies, undefined);
  assert.deepEqual(Object.keys(manifest.peerDependencies).filter((name) => !manifest.peerDependenciesMeta[name]?.optional), []);
  assert.ok(!read("sdk/typescript/package-lock.json").includes('"resolved"'));
});

test("the package holds what it exports, and no test", () => {
  const [packed] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: FOLDER, encoding: "utf8" }));
  const files: string[] = packed.files.map(({ path }: { path: string }) => path);
  assert.ok(!files.some((path) => path.includes("test")), files.join(" "));
  for (const target of Object.values<Record<string, string>>(manifest.exports)) {
    for (const path of Object.values(target)) assert.ok(files.includes(path.replace("./", "")), path);
  }
});

/** The blocks of the README: in this language. */
function blocks(language: string): string[] {
  return [...read("sdk/typescript/README.md").matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, own]) => own === language).map(([, , text]) => text!);
}

async function freePort(): Promise<number> {
  const listening = createServer().listen(0, "127.0.0.1");
  await once(listening, "listening");
  const { port } = listening.address() as AddressInfo;
  await new Promise((resolve) => listening.close(resolve));
  return port;
}

test("every block of the README runs as it stands", async (context) => {
  const folder = join(FOLDER, "dist/readme");
  mkdirSync(folder, { recursive: true });
  const all = blocks("js");
  assert.ok(all.length >= 4);
  const token = await server.token("readme", ["works:read"]);
  for (const [index, text] of all.entries()) {
    await context.test(`block ${index + 1}`, async () => {
      const port = await freePort();
      const file = join(folder, `block-${index + 1}.mjs`);
      // A server of its own needs a port that is free.
      writeFileSync(file, text.replaceAll("3000", String(port)));
      const environment = { PATH: process.env["PATH"], KEYWRIGHT_URL: server.url, KEYWRIGHT_TOKEN: server.first };
      const child = spawn(process.execPath, [file], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      child.stdout.on("data", (part) => (output += part));
      if (!text.includes("3000")) {
        const [code] = await once(child, "exit");
        assert.equal(code, 0, output);
        assert.ok(!output.includes(server.first) && !/sk_[0-9a-f]{64}/.test(output));
        return;
      }
      try {
        const ask = (headers: Record<string, string>) => fetch(`http://127.0.0.1:${port}/works`, { headers });
        while (child.exitCode === null && (await ask({}).then(({ status }) => status, () => 0)) === 0);
        assert.equal((await ask({})).status, 401);
        let answer = await ask({ authorization: `Bearer ${token.secret}` });
        // A busy machine may need more than the second that a decision is given.
        while (answer.status === 503) answer = await ask({ authorization: `Bearer ${token.secret}` });
        assert.equal(answer.status, 200);
        assert.match(await answer.text(), /readme/);
      } finally {
        child.kill();
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      }
    });
  }
});
