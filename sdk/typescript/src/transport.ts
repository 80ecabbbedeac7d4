import { Deadline } from "./deadline.js";
import { NoAnswerError, ProblemError, UnexpectedAnswerError } from "./errors.js";
import { VERSION, type FieldError, type Problem } from "./generated.js";
import { revealed, type Secret } from "./secret.js";

/** What a client is made of. */
export interface ClientOptions {
  /** The server's address, such as `https://auth.example.com`. `/api/v1` at its end is accepted. */
  url: string;
  /** The credential that it calls with. */
  token: string | Secret;
  /** The publisher that it acts for, where its credential is one of the platform. */
  publisherId?: string | undefined;
  /** How long a call may take, with all its repetitions, in milliseconds; 10,000 when left out. */
  timeoutMs?: number | undefined;
  /** How often a call that was answered 503 or 429 is repeated, where that is safe; 2 when left out. */
  retries?: number | undefined;
  /** In place of the `fetch` of the runtime. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** What each call may say beside its subject. */
export interface CallOptions {
  /** Ends the call early; it then fails with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** How long this call may take, in milliseconds. */
  timeoutMs?: number | undefined;
  /** `X-Request-Id`: up to 64 of `A-Z a-z 0-9 . _ -`, by which the server's log and events know it. */
  requestId?: string | undefined;
}

/** The same of calls that create or rotate. */
export interface CreateOptions extends CallOptions {
  /**
   * `Idempotency-Key`, 16 to 128 visible ASCII characters. Without it each call makes one of its own, under which
   * it is repeated. Give one to repeat a call after your own process was restarted.
   */
  idempotencyKey?: string | undefined;
}

/** A request. */
export interface Request {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  path: string;
  query?: object | undefined;
  body?: unknown;
  /** Whether it may be repeated as it is. One with an idempotency key always may. */
  repeatable?: boolean;
  /** Whether it creates or rotates. */
  creates?: boolean;
  /** The caller's own signal, time limit and headers. */
  options?: CreateOptions | undefined;
}

const BASE = "/api/v1";
/** What the server takes as `X-Request-Id`. */
export const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const KEY = /^[\x21-\x7e]{16,128}$/;
/** Longest pause before the first repetition, in milliseconds; doubled for each further one. */
const FIRST_PAUSE_MS = 100;

/** Sends requests. */
export class Transport {
  readonly #base: string;
  readonly #token: string;
  readonly #publisherId: string | undefined;
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #fetch: typeof globalThis.fetch;

  constructor(options: ClientOptions) {
    this.#base = base(options.url);
    this.#token = revealed(options.token).trim();
    // A bad header would be told with its value, by a runtime that does not know that it is a secret.
    if (!/^[\x21-\x7e]+$/.test(this.#token)) throw new TypeError("token: one line of visible ASCII characters is needed");
    this.#publisherId = options.publisherId === undefined ? undefined : id(options.publisherId);
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#retries = options.retries ?? 2;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  /** The answer to a request; undefined where there is none to be had (204). */
  async send<T>(request: Request): Promise<T> {
    const { options = {} } = request;
    const repeatable = (request.repeatable ?? false) || (request.creates ?? false);
    const [url, init] = this.#prepared(request);
    const deadline = new Deadline(options.timeoutMs ?? this.#timeoutMs, options.signal);
    try {
      for (let attempt = 0; ; attempt++) {
        const answer = await this.#ask<T>(url, { ...init, signal: deadline.signal }, deadline.signal);
        if (!("failure" in answer)) return answer.value;
        const { failure } = answer;
        const passes = failure.status === 503 || failure.status === 429;
        const pause = pauseMs(attempt, failure.retryAfterSeconds);
        if (!repeatable || !passes || attempt >= this.#retries || !deadline.allows(pause)) throw failure;
        await deadline.pause(pause);
      }
    } finally {
      deadline.end();
    }
  }

  /** Every item of a list, page after page. */
  async *items<T>(path: string, query: object | undefined, options: CallOptions | undefined): AsyncGenerator<T, void, undefined> {
    let cursor: string | null | undefined;
    do {
      const asked: object = cursor === undefined ? { ...query } : { ...query, cursor };
      const page = await this.send<{ items: T[]; next_cursor: string | null }>({
        method: "GET", path, query: asked, repeatable: true, options,
      });
      yield* page.items;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  #prepared({ method, path, query, body, creates, options = {} }: Request): [string, RequestInit] {
    const headers = new Headers({
      authorization: `Bearer ${this.#token}`,
      accept: "application/json, application/problem+json",
      "user-agent": `keywright-typescript/${VERSION}`,
    });
    if (body !== undefined) headers.set("content-type", "application/json");
    if (this.#publisherId !== undefined) headers.set("x-publisher-id", this.#publisherId);
    if (options.requestId !== undefined) headers.set("x-request-id", fitting("requestId", REQUEST_ID, options.requestId));
    if (creates) headers.set("idempotency-key", fitting("idempotencyKey", KEY, options.idempotencyKey ?? crypto.randomUUID()));
    const init: RequestInit = {
      method,
      headers,
      // Whoever is redirected to must not be handed the body, which may hold a credential.
      redirect: "manual",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    return [this.#base + path + search(query), init];
  }

  async #ask<T>(url: string, init: RequestInit, signal: AbortSignal): Promise<{ value: T } | { failure: ProblemError | UnexpectedAnswerError }> {
    let status, text, retryAfter, type;
    try {
      const response = await this.#fetch(url, init);
      status = response.status;
      retryAfter = seconds(response.headers.get("retry-after"));
      type = response.headers.get("content-type") ?? "";
      text = await response.text();
    } catch (fault) {
      if (signal.aborted) throw signal.reason;
      throw new NoAnswerError(`the server cannot be reached${reason(fault)}`);
    }
    if (status === 204) return { value: undefined as T };
    // What an answer said is in no error: it may hold a secret.
    const json = /^application\/([\w.+-]+\+)?json\b/i.test(type) ? parsed(text) : undefined;
    if (status >= 200 && status < 300) {
      if (json === undefined) return { failure: new UnexpectedAnswerError(status, "it is no JSON") };
      return { value: json as T };
    }
    const problem = asProblem(json, status);
    if (problem) return { failure: new ProblemError(problem, retryAfter) };
    return { failure: new UnexpectedAnswerError(status, "it is no problem document of Keywright", retryAfter) };
  }
}

/** An id as a part of a path: nothing else may get into one. */
export function id(text: string): string {
  if (typeof text !== "string" || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) throw new TypeError("an id is a UUID");
  return text;
}

/** A value of a header. What is wrong with it is told without it. */
function fitting(name: string, form: RegExp, value: string): string {
  if (!form.test(value)) throw new TypeError(`${name}: ${form.source} is needed`);
  return value;
}

/** The address of the API. */
function base(text: string): string {
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new TypeError("url: not an address");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new TypeError("url: https:// or http:// is needed");
  if (url.username || url.password || url.search || url.hash) throw new TypeError("url: an address without user, query or fragment is needed");
  const path = url.pathname.replace(/\/+$/, "");
  return url.origin + (path.endsWith(BASE) ? path : path + BASE);
}

function search(query: object | undefined): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null) given.set(name, String(value));
  }
  const text = given.toString();
  return text === "" ? "" : `?${text}`;
}

/** Pauses grow and are spread, so that many clients do not come back as one; never before they are asked to. */
function pauseMs(attempt: number, retryAfterSeconds: number | undefined): number {
  const longest = FIRST_PAUSE_MS * 2 ** attempt;
  return (retryAfterSeconds ?? 0) * 1000 + longest * (0.5 + Math.random() / 2);
}

function seconds(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** What a runtime says of a connection that failed, as far as it is a word such as `ECONNREFUSED`. */
function reason(fault: unknown): string {
  const code = ((fault as { cause?: { code?: unknown } } | undefined)?.cause)?.code;
  return typeof code === "string" && /^[A-Z0-9_]+$/.test(code) ? ` (${code})` : "";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function asProblem(json: unknown, status: number): Problem | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const { type, title, detail, code, request_id, errors } = json as Record<string, unknown>;
  if (typeof code !== "string" || typeof type !== "string" || !type.startsWith("urn:keywright:")) return undefined;
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  return {
    type, code, status, title: text(title), detail: text(detail), request_id: text(request_id),
    errors: Array.isArray(errors) ? (errors as FieldError[]) : undefined,
  };
}
