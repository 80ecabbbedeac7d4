import type { FieldError, Problem } from "./generated.js";

/** What every call of this package fails with. None of them holds a credential. */
export class KeywrightError extends Error {
  override name = "KeywrightError";
}

/** The server did not carry a request out, and says why (RFC 9457). */
export class ProblemError extends KeywrightError {
  override name = "ProblemError";
  /** The status of the answer. */
  readonly status: number;
  /** The stable code to act upon. New ones may be added. */
  readonly code: string;
  /** A name of this kind of problem. */
  readonly type: string;
  /** The same in words, alike for every occurrence. */
  readonly title: string;
  /** What it was in this case. */
  readonly detail: string;
  /** Every bad field at once. */
  readonly errors: readonly FieldError[];
  /** The request, as in the server's logs. */
  readonly requestId: string;
  /** When to try again, in seconds, where the answer says so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(problem: Problem, retryAfterSeconds?: number) {
    const fields = (problem.errors ?? []).map((error) => `${error.field}: ${error.detail}`);
    super([`${problem.status} ${problem.code}: ${problem.detail}`, ...fields].join("; "));
    this.status = problem.status;
    this.code = problem.code;
    this.type = problem.type;
    this.title = problem.title;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
    this.requestId = problem.request_id;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** No answer: the server cannot be reached, or did not answer in time. Whether a change was made is not known. */
export class NoAnswerError extends KeywrightError {
  override name = "NoAnswerError";
}

/** An answer that is none of the API's: of a proxy, or of something else at that address. */
export class UnexpectedAnswerError extends KeywrightError {
  override name = "UnexpectedAnswerError";
  /** The status of the answer. */
  readonly status: number;
  /** When to try again, in seconds, where the answer says so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, what: string, retryAfterSeconds?: number) {
    super(`unexpected answer with status ${status}: ${what}`);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
