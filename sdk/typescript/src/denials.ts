import type { DenialCode, Problem } from "./generated.js";

/** The status and the title with which a gate answers each denial, as the server's own does. */
const DENIALS: Readonly<Record<DenialCode, readonly [status: number, title: string]>> = {
  malformed: [401, "The credential is malformed"],
  not_found: [401, "The credential is not known"],
  revoked: [401, "The credential is revoked"],
  expired: [401, "The credential has expired"],
  inactive: [401, "The credential is switched off"],
  principal_disabled: [401, "The credential's owner is disabled"],
  publisher_suspended: [401, "The publisher is suspended"],
  ip_not_allowed: [403, "The address is not allowed"],
  wrong_publisher: [403, "Not valid for this publisher"],
  rate_limited: [429, "Too many requests"],
  insufficient_scope: [403, "A permission is missing"],
};

/** The problem of a denied credential. A code that is not known yet is a 401. */
export function denied(code: string, detail: string, requestId: string): Problem {
  const known = Object.hasOwn(DENIALS, code) ? DENIALS[code as DenialCode] : undefined;
  const [status, title] = known ?? [401, "The credential is refused"];
  return { type: `urn:keywright:denial:${code}`, title, status, detail, code, request_id: requestId };
}

/** The problem of a request on which there was nothing to decide, or no decision. */
export function refused(
  code: "missing_credential" | "conflicting_credentials" | "unavailable" | "journal_unavailable",
  requestId: string,
): Problem {
  const [status, title, detail] = {
    missing_credential: [401, "A credential is needed", "Send a credential as Authorization: Bearer CREDENTIAL."] as const,
    conflicting_credentials: [400, "More than one credential", "The headers carry different credentials; send one."] as const,
    unavailable: [503, "Not available at the moment", "The answer cannot be known at the moment."] as const,
    journal_unavailable: [503, "The journal cannot be written", "Decisions cannot be recorded at the moment, so none is given."] as const,
  }[code];
  return { type: `urn:keywright:problem:${code}`, title, status, detail, code, request_id: requestId };
}

/** `WWW-Authenticate` of a problem (RFC 6750, section 3): none where the credential is not the trouble. */
export function challenge({ type, status, code }: Problem): string | undefined {
  const denial = type.startsWith("urn:keywright:denial:");
  let error: string | undefined;
  if (code === "conflicting_credentials") error = "invalid_request";
  else if (denial && code === "insufficient_scope") error = "insufficient_scope";
  else if (denial && status === 401) error = "invalid_token";
  if (error === undefined && status !== 401) return undefined;
  return `Bearer realm="keywright"${error === undefined ? "" : `, error="${error}"`}`;
}
