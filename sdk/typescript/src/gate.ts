import { challenge, denied, refused } from "./denials.js";
import { ProblemError, UnexpectedAnswerError } from "./errors.js";
import type { Denial, Principal, Problem, RateLimit, ValidDecision } from "./generated.js";
import type { Keywright, Verification } from "./client.js";
import { presented, type Values } from "./presented.js";
import { REQUEST_ID } from "./transport.js";

/** Who a request speaks for, and by which credential. */
export interface AuthenticatedPrincipal
  extends Readonly<Principal>,
    Readonly<Omit<ValidDecision, "valid" | "code" | "name" | "principal">> {
  /** The name of the credential. */
  readonly credential_name: string;
}

/** What a gate is made of; `R` is the request of the framework. */
export interface GateOptions<R> {
  /** The client that asks. Its token needs `tokens:verify`. */
  client: Keywright;
  /**
   * The address that the request came from. Left out, it is that of the connection: no header is believed unless
   * you say how it is to be read.
   */
  clientAddress?: ((request: R) => string | undefined) | undefined;
  /** The publisher to decide for. Left out, it is the credential's only one, else its owner's default. */
  publisherId?: ((request: R) => string | undefined) | undefined;
  /** Units that a request takes from the credential's rate limits; 1 when left out. */
  cost?: ((request: R) => number) | undefined;
  /** How long a decision may take, in milliseconds; 1,000 when left out. Then the answer is 503. */
  timeoutMs?: number | undefined;
  /**
   * Told of whatever made a request be answered 503, such as a gateway token that is refused: an alarm for you.
   * Left out, it is written to `console.error`. Errors hold no secrets.
   */
  onFault?: ((fault: Error) => void) | undefined;
}

/** What a request needs. */
export interface Needs {
  /** It must carry all of these. */
  scopes?: readonly string[] | undefined;
  /** It must carry one of these. */
  anyScopes?: readonly string[] | undefined;
}

/** A request, as far as a gate looks at it. */
export interface Arrived<R> {
  readonly request: R;
  /** The same for every look at one request, and for no other. */
  readonly identity: object;
  readonly values: Values;
  readonly method: string;
  /** The path, perhaps with a query, which is not passed on. */
  readonly target: string;
  /** The address of the connection, where there is one. */
  readonly peer: string | undefined;
}

/** What came of it: a principal, or what to answer instead. */
export type Outcome =
  | { readonly passed: true; readonly principal: AuthenticatedPrincipal; readonly headers: Readonly<Record<string, string>> }
  | { readonly passed: false; readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string };

const SCOPE = /^(\*|[a-z0-9_-]+(:[a-z0-9_-]+)*(:\*)?)$/;
const PUBLISHER_OF_NOBODY = "00000000-0000-0000-0000-000000000000";

/** What stands before a route and lets only those requests pass whose credential is valid; `M` is the framework's kind of it. */
export interface Doors<M> {
  /** For any valid credential. */
  authenticate: M;
  /** For one that carries all of these scopes. It verifies by itself; `authenticate` before it is not needed. */
  requireScope(...scopes: [string, ...string[]]): M;
  /** For one that carries one of these scopes. */
  requireAnyScope(...scopes: [string, ...string[]]): M;
}

/** The doors of a framework. Scopes are held against the grammar when a route is declared, not when it is first asked for. */
export function doors<M>(door: (wanted: Needs) => M): Doors<M> {
  return {
    authenticate: door({}),
    requireScope: (...scopes) => door({ scopes: checked(scopes) }),
    requireAnyScope: (...anyScopes) => door({ anyScopes: checked(anyScopes) }),
  };
}

function checked(scopes: readonly string[]): readonly string[] {
  if (scopes.length === 0) throw new TypeError("name at least one scope");
  if (!scopes.every((scope) => SCOPE.test(scope))) throw new TypeError("a scope is segments of a-z, 0-9, _ and -, joined by colons");
  return scopes;
}

/** Decides on requests before an API. Nothing passes that was not answered with `"valid": true`. */
export class Gate<R> {
  readonly #options: GateOptions<R>;
  /** The requests that took their units already. */
  readonly #seen = new WeakSet<object>();

  constructor(options: GateOptions<R>) {
    this.#options = options;
  }

  /** Never rejects. */
  async judge(arrived: Arrived<R>, wanted: Needs): Promise<Outcome> {
    const [given] = arrived.values("x-request-id");
    const requestId = given !== undefined && REQUEST_ID.test(given) ? given : crypto.randomUUID();
    try {
      const found = presented(arrived.values);
      if (found.kind === "nothing") return refusal(refused("missing_credential", requestId));
      if (found.kind === "conflicting") return refusal(refused("conflicting_credentials", requestId));
      const { client, timeoutMs = 1000 } = this.#options;
      const decision = await client.verify(this.#verification(arrived, wanted, found.credential), { requestId, timeoutMs });
      if (decision.valid === true) {
        const principal = principalOf(decision);
        this.#seen.add(arrived.identity);
        return { passed: true, principal, headers: limitHeaders(decision.rate_limit) };
      }
      return denial(decision, requestId);
    } catch (fault) {
      return this.#fault(fault, requestId);
    }
  }

  #verification({ request, identity, values, method, target, peer }: Arrived<R>, wanted: Needs, token: string): Verification {
    const { clientAddress, publisherId, cost } = this.#options;
    const publisher = publisherId?.(request);
    return {
      token,
      required_scopes: wanted.scopes ? [...wanted.scopes] : undefined,
      any_scopes: wanted.anyScopes ? [...wanted.anyScopes] : undefined,
      // What is no id names no publisher. It is asked about all the same, so that denials keep their order.
      publisher_id: publisher === undefined || isUuid(publisher) ? publisher : PUBLISHER_OF_NOBODY,
      ip_address: clientAddress ? clientAddress(request) : peer,
      user_agent: values("user-agent")[0],
      method,
      endpoint: target.split("?", 1)[0],
      cloudflare_ray_id: values("cf-ray")[0],
      cost: this.#seen.has(identity) ? 0 : cost?.(request),
    };
  }

  #fault(fault: unknown, requestId: string): Outcome {
    const { onFault = (error) => console.error(`keywright: no decision on request ${requestId}: ${error.message}`) } = this.#options;
    try {
      onFault(fault instanceof Error ? fault : new Error("something that is no error was thrown"));
    } catch {
      // Whoever is told cannot make it pass.
    }
    const code = fault instanceof ProblemError && fault.code === "journal_unavailable" ? fault.code : "unavailable";
    const wait = fault instanceof ProblemError || fault instanceof UnexpectedAnswerError ? fault.retryAfterSeconds : undefined;
    return refusal(refused(code, requestId), { "retry-after": String(wait ?? 1) });
  }
}

/** What a framework's request is given. An answer that does not say who is no answer. */
function principalOf({ valid: _, code, name, principal, ...rest }: ValidDecision): AuthenticatedPrincipal {
  if (code !== "valid" || typeof principal?.type !== "string" || typeof principal.id !== "string" || !Array.isArray(rest.scopes)) {
    throw new UnexpectedAnswerError(200, "it is no decision");
  }
  return Object.freeze({ ...rest, ...principal, credential_name: name });
}

function denial(decision: Denial, requestId: string): Outcome {
  const { code, missing_scopes = [], rate_limit, request_id = requestId } = decision;
  if (decision.valid !== false || typeof code !== "string") throw new UnexpectedAnswerError(200, "it is no decision");
  const seconds = Math.max(1, rate_limit?.reset_seconds ?? 1);
  let detail = "The credential was not accepted.";
  if (code === "insufficient_scope") detail = `The credential does not carry ${missing_scopes.join(", ")}.`;
  if (code === "rate_limited" && rate_limit) {
    detail = `The credential, its account or its publisher was used too often: ${rate_limit.limit} in any ${rate_limit.window} are allowed. Try again in ${seconds} s.`;
  }
  const wait: Record<string, string> = code === "rate_limited" ? { "retry-after": String(seconds) } : {};
  return refusal(denied(code, detail, request_id), { ...limitHeaders(rate_limit), ...wait });
}

function refusal(problem: Problem, more: Readonly<Record<string, string>> = {}): Outcome {
  const authenticate = challenge(problem);
  const headers = {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "x-request-id": problem.request_id,
    ...(authenticate === undefined ? {} : { "www-authenticate": authenticate }),
    ...more,
  };
  return { passed: false, status: problem.status, headers, body: JSON.stringify(problem) };
}

/** `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11). */
function limitHeaders(limit: RateLimit | null | undefined): Record<string, string> {
  if (!limit) return {};
  const { window, remaining, reset_seconds } = limit;
  const seconds = window === "hour" ? 3600 : 60;
  return {
    "ratelimit-policy": `"${window}";q=${limit.limit};w=${seconds}`,
    ratelimit: `"${window}";r=${remaining};t=${reset_seconds}`,
  };
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}
