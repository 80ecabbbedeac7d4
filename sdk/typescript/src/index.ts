export { Keywright } from "./client.js";
export type {
  AccountTokens, Created, PersonalTokens, ServiceAccounts, ServiceTokens, Verification,
} from "./client.js";
export { KeywrightError, NoAnswerError, ProblemError, UnexpectedAnswerError } from "./errors.js";
export type { AuthenticatedPrincipal, Doors, GateOptions } from "./gate.js";
export * from "./generated.js";
export { Secret } from "./secret.js";
export type { CallOptions, ClientOptions, CreateOptions } from "./transport.js";
