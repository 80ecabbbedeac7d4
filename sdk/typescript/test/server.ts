import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer, request as ask, type IncomingMessage, type Server as HttpServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Keywright } from "../src/index.js";

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const PROGRAM = process.env["KEYWRIGHT_TEST_PROGRAM"] || join(ROOT, "target/debug/keywright");

/** What the server answered. */
export interface Answer {
  status: number;
  headers: Headers;
  json: any;
}

/** The real server, on SQLite in a folder that goes with it. */
export class Server {
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, folder: string, readonly url: string, readonly first: string) {
    this.#child = child;
    this.#folder = folder;
  }

  static async start(): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), "keywright-typescript."));
    const log = openSync(join(folder, "log"), "w");
    const child = spawn(PROGRAM, ["serve", "--dev", "--set", "server.listen=127.0.0.1:0"], {
      cwd: folder,
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "pipe", log],
    });
    closeSync(log);
    process.once("exit", () => child.kill());
    let first: string | undefined;
    for await (const line of createInterface(child.stdout!)) {
      first ??= /\bsk_[0-9a-f]{64}\b/.exec(line)?.[0];
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
      if (first && url) return new Server(child, folder, url, first);
    }
    throw new Error(readFileSync(join(folder, "log"), "utf8"));
  }

  /** A client with this token; without one, with the first, which may do everything. */
  client(token: string = this.first): Keywright {
    return new Keywright({ url: this.url, token });
  }

  /** Asks without the client. */
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = { authorization: `Bearer ${this.first}` }): Promise<Answer> {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, json: text === "" ? undefined : JSON.parse(text) };
  }

  /** A new service token. */
  async token(name: string, permissions: string[], more: object = {}): Promise<{ id: string; secret: string }> {
    const { status, json } = await this.call("POST", "/auth/tokens", { token_name: name, permissions, ...more });
    if (status !== 201) throw new Error(JSON.stringify(json));
    return { id: json.id, secret: json.token };
  }

  /** A user who has logged in, with this role in this publisher: their access token. */
  async person(email: string, publisher: string, role: string): Promise<string> {
    const password = "a long password that nobody would guess 7";
    const options = ["user", "create", "--email", email, "--publisher", publisher, "--role", role];
    const child = spawn(PROGRAM, options, { cwd: this.#folder, env: { PATH: process.env["PATH"] }, stdio: ["pipe", "ignore", "inherit"] });
    child.stdin.end(password);
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error(`keywright user create ended with ${code}`);
    const login = await this.call("POST", "/auth/login", { email, password }, {});
    if (login.status !== 200) throw new Error(JSON.stringify(login.json));
    return login.json.access_token;
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await gone;
    rmSync(this.#folder, { recursive: true });
  }
}

/** What stands between client and server: it may answer in the server's place, or lose what the server answered. */
export class Front {
  /** What came, in order. */
  readonly seen: { method: string; path: string; headers: IncomingMessage["headers"]; body: string }[] = [];
  /** What is done with the requests to come; afterwards they are passed on. */
  readonly plan: Plan[] = [];
  readonly #server: HttpServer;
  #url = "";

  private constructor(behind: string) {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const body = Buffer.concat(parts);
        this.seen.push({ method: request.method!, path: request.url!, headers: request.headers, body: body.toString() });
        const plan = this.plan.shift();
        const instead = () => response.writeHead(plan!.status, plan!.headers).end(plan!.body);
        if (plan?.silent) return;
        if (plan && !plan.passes) return void instead();
        const { host: _, ...headers } = request.headers;
        const onward = ask(behind + request.url!, { method: request.method!, headers }, (answer) => {
          if (plan) return void answer.resume().on("end", instead);
          response.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(response);
        });
        onward.on("error", () => response.destroy());
        onward.end(body);
      });
    });
  }

  static async before(behind: string): Promise<Front> {
    const front = new Front(behind);
    front.#server.listen(0, "127.0.0.1");
    await once(front.#server, "listening");
    front.#url = `http://127.0.0.1:${(front.#server.address() as AddressInfo).port}`;
    return front;
  }

  get url(): string {
    return this.#url;
  }

  /** Also when it has stopped already. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** An answer in place of the server's: `passes` lets the server do it first. */
export interface Plan {
  status: number;
  headers?: Record<string, string>;
  body?: string;
  passes?: boolean;
  silent?: boolean;
}

/** Sends a request byte by byte as it is given, and reads the whole answer. */
export async function raw(url: string, head: string[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write([...head, `Host: ${hostname}`, "Connection: close", "", ""].join("\r\n"), "latin1");
  let text = "";
  for await (const part of socket) text += String(part);
  return text;
}
