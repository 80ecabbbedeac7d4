// Written by generate.mjs from docs/openapi.json. Change that, and run `npm run generate`.

/** The version of the API and of this package. */
export const VERSION = "0.1.0";

/** State of a service account. */
export type AccountStatus = "active" | "disabled";

/** Who called or changed something. The operator and Keywright's own jobs have no id. */
export interface Actor {
  /** Its kind. */
  type: ActorType;
  /** Its id, when it has one. */
  id: string | null;
  /** Its name at that time, when it has one. */
  name: string | null;
}

/** Kind of actor behind a call or a change. */
export type ActorType = "service_account" | "service_token" | "user" | "external" | "operator" | "system";

/** Whether a token may be used within a publisher, as far as that one wants to approve it. */
export type ApprovalState = "not_required" | "pending" | "approved";

/** Decisions in the order in which they were asked for. */
export interface BatchDecisions {
  /** Of each item one. */
  items: Decision[];
}

/** A new token of the service account in the path. */
export interface CreateAccountToken {
  /** Its name, unique among the tokens of the account that are not revoked. */
  token_name: string;
  /** What it may do; nothing that the caller lacks. */
  permissions?: string[] | undefined;
  /** The same as `permissions`, which is then left out. */
  scopes?: string[] | undefined;
  /**
   * When its life ends; null is never. Left out together with `expires_in_days`, the server's
   * default applies.
   */
  expires_at?: string | null | undefined;
  /** How many days it lives, instead of `expires_at`; null is for ever. */
  expires_in_days?: number | null | undefined;
  /** Free-form notes, at most 8 KiB. */
  metadata?: Record<string, unknown> | null | undefined;
  /** Its own limits, within its account's; null is none of its own. */
  rate_limits?: {
    /** Uses in any minute; null is unlimited. */
    per_minute?: number | null | undefined;
    /** Uses in any hour; null is unlimited. */
    per_hour?: number | null | undefined;
  } | null | undefined;
  /** The networks that it may be used from, within its account's; null or none is no bound of its own. */
  ip_allowlist?: string[] | null | undefined;
}

/** A new personal token. It carries chosen `scopes`, or all that its owner may (`inherit_user_permissions`). */
export interface CreatePersonalToken {
  /** Its name, unique among the caller's tokens that are not revoked. */
  name: string;
  /** What it carries at most; nothing that the caller lacks in a publisher that it is for. */
  scopes?: string[] | undefined;
  /** Whether it carries all that its owner may do at the moment of each use. */
  inherit_user_permissions?: boolean | undefined;
  /** The publishers that it is for; null, and left out, is all of the caller's. */
  publisher_ids?: string[] | null | undefined;
  /** When its life ends; null is never. Left out together with `expires_in_days`, the server's default applies. */
  expires_at?: string | null | undefined;
  /** How many days it lives, instead of `expires_at`; null is for ever. */
  expires_in_days?: number | null | undefined;
  /** How often it may be used; null is unlimited. */
  rate_limits?: {
    /** Uses in any minute; null is unlimited. */
    per_minute?: number | null | undefined;
    /** Uses in any hour; null is unlimited. */
    per_hour?: number | null | undefined;
  } | null | undefined;
  /** The networks that it may be used from; null, and none, is from anywhere. */
  ip_allowlist?: string[] | null | undefined;
}

/** A new service account. */
export interface CreateServiceAccount {
  /** Its name, unique within the publisher, or at platform level. */
  name: string;
  /** What it is for. */
  description?: string | undefined;
  /** What it stands for. */
  service_type: ServiceType;
  /** The publisher that it belongs to. Left out, it is that of the caller, or none: then it acts for all. */
  publisher_id?: string | null | undefined;
  /** What its tokens may do at most; nothing that the caller lacks. */
  scopes: string[];
  /** How often its tokens may be used together; null is unlimited. */
  rate_limits?: {
    /** Uses in any minute; null is unlimited. */
    per_minute?: number | null | undefined;
    /** Uses in any hour; null is unlimited. */
    per_hour?: number | null | undefined;
  } | null | undefined;
  /** The networks that its tokens may be used from; null or none is any. */
  ip_allowlist?: string[] | null | undefined;
  /** Whom to ask about it. */
  owner_email?: string | null | undefined;
  /** Free-form notes, at most 8 KiB; handed to whoever verifies one of its tokens. */
  metadata?: Record<string, unknown> | null | undefined;
}

/** A new service token. */
export interface CreateServiceToken {
  /** Its name, unique among tokens that are not revoked. */
  token_name: string;
  /** What it may do; nothing that the caller lacks. */
  permissions?: string[] | undefined;
  /** The same as `permissions`, which is then left out. */
  scopes?: string[] | undefined;
  /**
   * When its life ends; null is never. Left out together with `expires_in_days`, the server's
   * default applies.
   */
  expires_at?: string | null | undefined;
  /** How many days it lives, instead of `expires_at`; null is for ever. */
  expires_in_days?: number | null | undefined;
  /** Free-form notes, at most 8 KiB. */
  metadata?: Record<string, unknown> | null | undefined;
  /** The service account that it belongs to; without one it stands alone, at platform level. */
  service_account_id?: string | null | undefined;
  /** Its own limits, within its account's; null is none of its own. */
  rate_limits?: {
    /** Uses in any minute; null is unlimited. */
    per_minute?: number | null | undefined;
    /** Uses in any hour; null is unlimited. */
    per_hour?: number | null | undefined;
  } | null | undefined;
  /** The networks that it may be used from, within its account's; null or none is no bound of its own. */
  ip_allowlist?: string[] | null | undefined;
}

/** A personal token as the answer that creates or rotates it shows it, and no other answer. */
export type CreatedPersonalToken = PersonalToken & {
  /**
   * The secret, `pat_`, 64 hexadecimal digits and 8 of checksum; shown this once. Left out when an answer is
   * repeated for its idempotency key after the secret is gone.
   */
  token?: string | undefined;
};

/** A service token as the answer that creates or rotates it shows it, and no other answer. */
export type CreatedServiceToken = ServiceToken & {
  /**
   * The secret, `sk_` and 64 hexadecimal digits; shown this once. Left out when an answer is
   * repeated for its idempotency key after the secret is gone.
   */
  token?: string | undefined;
};

/** The outcome of a verification. */
export type Decision = ValidDecision | Denial;

/**
 * A denied credential. Of one that is `malformed` or `not_found` nothing is told but the code; of
 * others what helps their owner to act.
 */
export interface Denial {
  valid: false;
  /** The first reason that applies. */
  code: DenialCode;
  /** Its kind. */
  token_type?: TokenType | undefined;
  /** Its id. */
  credential_id?: string | undefined;
  /** Its name. */
  name?: string | undefined;
  /** Who it speaks for. */
  principal?: Principal | undefined;
  /** When its life ends or ended. */
  expires_at?: string | undefined;
  /** The limit that is used up, with `rate_limited`. */
  rate_limit?: RateLimit | undefined;
  /** Whether it was replaced, and until when it worked or works. */
  rotation?: RotationState | undefined;
  /** What it lacks, with `insufficient_scope`. */
  missing_scopes?: string[] | undefined;
  /** The request that this answers. */
  request_id: string;
}

/** Why a credential was denied, in the order in which they are looked at. */
export type DenialCode = "malformed" | "not_found" | "revoked" | "expired" | "inactive" | "principal_disabled" | "publisher_suspended" | "ip_not_allowed" | "wrong_publisher" | "rate_limited" | "insufficient_scope";

/** One bad field. */
export interface FieldError {
  /** Where it is: `scopes[1]`, `scope.publisher_id`. */
  field: string;
  /** What is wrong with it. New codes may be added. */
  code: string;
  /** The same in words; never the value. */
  detail: string;
}

/** What the caller could grant in one publisher. */
export interface Grantable {
  /** The publisher; null at platform level. */
  publisher_id: string | null;
  /** Its name. */
  publisher_name: string | null;
  /** What the caller may do there, and so grant. */
  scopes: string[];
  /** Whether the caller may make tokens for it. */
  may_create: boolean;
  /** The longest life of a token there, in days; null is any. */
  max_days: number | null;
  /** Whether a token is approved before it is used there. */
  require_approval: boolean;
}

/** What the caller could grant to a token, publisher by publisher. */
export interface GrantableScopes {
  /** Where, and what. The one at platform level, where there is one, comes first. */
  items: Grantable[];
}

/**
 * What a cache may keep of a decision, so that it can decide on the credential's next uses by itself. It is there
 * where `cacheable` asked for it and the decision may be kept: the credential is valid, a service or a personal
 * token, and has no rate limit.
 */
export interface Keepable {
  /** The boot of the node that decided: the decision may be kept by those who listen to the stream of this one. */
  node: string;
  /** How long from the decision on it may be kept at most, in microseconds; it never outlives the credential. */
  for_microseconds: number;
  /** When it was made, by the authority's time. */
  decided_at: string;
  /** What the decision depends on, by the node's marks: a change of any of them ends it. */
  depends_on: string[];
  /** The networks that the credential may be used from: the address must lie within each list. */
  ip_allowlists: string[][];
  /** What a report of the decisions made by it names the credential by. It opens nothing. */
  voucher: string;
}

/** The answer of `GET /auth/me`. */
export interface Me {
  /** Who calls. */
  principal: Actor;
  /** The publishers in which it may act; empty at platform level, which is everywhere. */
  publishers: string[];
  /** What it may do at this moment. */
  permissions: string[];
  credential: MyCredential | null;
  /** The publisher that the call acts for; null at platform level. */
  publisher_id: string | null;
  /** The user who calls; absent when the caller is none. */
  user?: MyUser | undefined;
  /** The session that calls; absent when the call bears no access token. */
  session?: Session | undefined;
}

/** The credential of a call. */
export interface MyCredential {
  /** Its id. */
  id: string;
  /** Its kind. */
  token_type: TokenType;
  /** Its name. */
  name: string;
  /** What may be shown of the secret; null for a JWT. */
  token_hint: string | null;
  /** Its state; `active` or `superseded`, since no other gets here. */
  status: TokenStatus;
  /** What it carries. */
  scopes: string[];
  /** When its life ends; null is never. */
  expires_at: string | null;
  /** Whether it is about to be replaced. */
  rotation: RotationState;
}

/** A publisher that a user belongs to. */
export interface MyMembership {
  /** The publisher. */
  publisher_id: string;
  /** Its name. */
  publisher_name: string;
  /** Whether it is suspended, so that nobody may act for it. */
  is_suspended: boolean;
  /** The role there. */
  role: string;
  /** Since when. */
  joined_at: string;
}

/** The user of a call. */
export interface MyUser {
  /** Their id. */
  id: string;
  /** Their address. */
  email: string;
  /** Whether that is known to be theirs. */
  email_verified: boolean;
  /** What they are called; null until they said so. */
  display_name: string | null;
  /** What they prefer. */
  preferences: Record<string, unknown>;
  /** The publisher that they act for when they name none. */
  default_publisher_id: string | null;
  /** Their role of the platform, such as `platform_admin`; null for most. */
  platform_role: string | null;
  /** The publishers that they belong to. */
  memberships: MyMembership[];
}

/** Which nodes have confirmed a change. */
export interface NodeConfirmations {
  /** It is in force on these. */
  confirmed: string[];
  /** These have not said so yet. */
  pending: PendingNode[];
}

/** One page of a list, newest first unless asked otherwise. */
export interface Page_PersonalToken {
  items: PersonalToken[];
  /** What to pass as `cursor` for the next page; null on the last one. */
  next_cursor: string | null;
}

/** One page of a list, newest first unless asked otherwise. */
export interface Page_ServiceAccount {
  items: ServiceAccount[];
  /** What to pass as `cursor` for the next page; null on the last one. */
  next_cursor: string | null;
}

/** One page of a list, newest first unless asked otherwise. */
export interface Page_ServiceToken {
  items: ServiceToken[];
  /** What to pass as `cursor` for the next page; null on the last one. */
  next_cursor: string | null;
}

/** A change of a personal token, by RFC 7396: what is left out stays. */
export interface PatchPersonalToken {
  /** A new name. */
  name?: string | undefined;
  /** What it carries at most; nothing that the caller lacks in a publisher that it is for. */
  scopes?: string[] | undefined;
  /** Whether it carries all that its owner may; `false` needs `scopes`. */
  inherit_user_permissions?: boolean | undefined;
  /** The publishers that it is for; null is all of the caller's. */
  publisher_ids?: string[] | null | undefined;
  /** A new end of its life; null is never. */
  expires_at?: string | null | undefined;
  /** How often it may be used; null is unlimited. */
  rate_limits?: {
    /** Uses in any minute; null is unlimited. */
    per_minute?: number | null | undefined;
    /** Uses in any hour; null is unlimited. */
    per_hour?: number | null | undefined;
  } | null | undefined;
  /** The networks that it may be used from; null, and none, is from anywhere. */
  ip_allowlist?: string[] | null | undefined;
  /** Switches it on or off. */
  is_active?: boolean | undefined;
}

/** A change of a service account, by RFC 7396: what is left out stays. */
export interface PatchServiceAccount {
  /** A new name. */
  name?: string | undefined;
  /** What it is for. */
  description?: string | undefined;
  /** What it stands for. */
  service_type?: ServiceType | undefined;
  /** What its tokens may do at most; nothing that the caller lacks. */
  scopes?: string[] | undefined;
  /** How often its tokens may be used together; null is unlimited. */
  rate_limits?: {
    /** Uses in any minute; null is unlimited. */
    per_minute?: number | null | undefined;
    /** Uses in any hour; null is unlimited. */
    per_hour?: number | null | undefined;
  } | null | undefined;
  /** The networks that its tokens may be used from; null or none is any. */
  ip_allowlist?: string[] | null | undefined;
  /** Whom to ask about it. */
  owner_email?: string | null | undefined;
  /** Merged into the present notes; null empties them. */
  metadata?: Record<string, unknown> | null | undefined;
}

/** A change of a service token, by RFC 7396: what is left out stays. */
export interface PatchServiceToken {
  /** A new name. */
  token_name?: string | undefined;
  /** Switches it on or off. */
  is_active?: boolean | undefined;
  /** Merged into the present notes; null empties them. */
  metadata?: Record<string, unknown> | null | undefined;
  /** A new end of its life; null is never. */
  expires_at?: string | null | undefined;
  /** What it may do; nothing that the caller lacks. */
  permissions?: string[] | undefined;
  /** The same as `permissions`, which is then left out. */
  scopes?: string[] | undefined;
  /** Its own limits, within its account's; null is none of its own. */
  rate_limits?: {
    /** Uses in any minute; null is unlimited. */
    per_minute?: number | null | undefined;
    /** Uses in any hour; null is unlimited. */
    per_hour?: number | null | undefined;
  } | null | undefined;
  /** The networks that it may be used from, within its account's; null or none is no bound of its own. */
  ip_allowlist?: string[] | null | undefined;
}

/** A node that has not confirmed a change. */
export interface PendingNode {
  /** Its id. */
  node: string;
  /** When it will have stopped by itself to answer from what it knows. */
  stops_by: string;
}

/** A personal access token. Its secret is not in here; see `CreatedPersonalToken`. */
export interface PersonalToken {
  /** Its id. */
  id: string;
  /** Whose it is. */
  user_id: string;
  /** Its name, unique among the owner's tokens that are not revoked. */
  name: string;
  /** What may be shown of the secret: prefix, first 4 and last 4 characters. */
  token_hint: string;
  /**
   * What it carries at most; it carries what its owner may do of that at the moment of each use. Empty when
   * it inherits.
   */
  scopes: string[];
  /** Whether it carries all that its owner may do at the moment of each use. */
  inherit_user_permissions: boolean;
  /** The publishers that it is for; null is all of the owner's. */
  publisher_ids: string[] | null;
  /** Publishers whose administrators took it out: it is of no use there. */
  excluded_publisher_ids: string[];
  /** What the publishers that it is for, and that the owner belongs to, say of it. */
  approvals: TokenApproval[];
  /** Its state at the moment of the answer; inactive also while approval is waited for wherever it is for. */
  status: TokenStatus;
  /** Whether it is switched on. */
  is_active: boolean;
  rate_limits: RateLimits | null;
  /** The networks it may be used from; null is any. */
  ip_allowlist: string[] | null;
  /** When its life ends; null is never. A publisher may end it sooner, for itself. */
  expires_at: string | null;
  /** How often it was used. */
  usage_count: number;
  /** When it was used last; null is never. */
  last_used_at: string | null;
  /** The token that this one replaced. */
  rotated_from_id: string | null;
  /** The token that replaced this one. */
  superseded_by_id: string | null;
  /** When a superseded token stops working. */
  grace_expires_at: string | null;
  /** When it was revoked. */
  revoked_at: string | null;
  /** Why it was revoked. */
  revoked_reason: string | null;
  /** Who made it. */
  created_by: Actor;
  /** When it was made. */
  created_at: string;
  /** When it was changed last. */
  updated_at: string;
}

/** Who a verified credential speaks for. */
export interface Principal {
  /** Its kind. */
  type: PrincipalType;
  /** Its id. */
  id: string;
  /** Its name. */
  name: string;
}

/** Kind of principal that a credential speaks for. */
export type PrincipalType = "service_account" | "service_token" | "user" | "external";

/**
 * Why a request was not carried out (RFC 9457). Nothing internal, no secret and no value from the
 * request ever appears in one.
 */
export interface Problem {
  /**
   * A name of this kind of problem, `urn:keywright:problem:CODE`, or `urn:keywright:denial:CODE`
   * when the caller's credential was denied.
   */
  type: string;
  /** The same in words, alike for every occurrence. */
  title: string;
  /** The status of the answer. */
  status: number;
  /** What it was in this case. */
  detail: string;
  /** The stable code to act upon. New ones may be added. */
  code: string;
  /** The request that this answers, as in `X-Request-Id` and the logs. */
  request_id: string;
  /** Every bad field at once; absent when no field is to blame. */
  errors?: FieldError[] | undefined;
}

/** The state of a limit. */
export interface RateLimit {
  /** Its window. */
  window: RateWindow;
  /** Units in any window. */
  limit: number;
  /** Units left now. */
  remaining: number;
  /** Seconds until all units are back. */
  reset_seconds: number;
}

/** How often a credential may be used. Null is unlimited. */
export interface RateLimits {
  /** Uses in any minute. */
  per_minute: number | null;
  /** Uses in any hour. */
  per_hour: number | null;
}

/** Window of a rate limit. */
export type RateWindow = "minute" | "hour";

/** Why something is done. */
export interface ReasonGiven {
  /** Why; it goes into the audit trail. */
  reason?: string | undefined;
}

/** What a pipeline did. */
export interface RecordCicdEvent {
  /** What happened, such as `deployment`; the security event is of the type `cicd.deployment`. */
  event_type: string;
  /** The repository, such as `songtrust/catalog`. */
  repository?: string | undefined;
  /** The workflow or pipeline. */
  workflow?: string | undefined;
  /** Its run. */
  run_id?: string | undefined;
  /** The commit that it ran on. */
  commit?: string | undefined;
  /** The environment that it was about, such as `production`. */
  environment?: string | undefined;
  /** How it went, such as `success`. */
  status: string;
  /** Anything more, at most 8 KiB; what looks like a credential is cut off. */
  details?: Record<string, unknown> | null | undefined;
}

/** A rotation of all tokens of a service account. */
export interface RotateAllTokens {
  /** Why; it goes into the audit trail. */
  reason: string;
  /**
   * How long the old secrets go on working: at most 30 days, never past their own expiry. 24 hours
   * when left out.
   */
  grace_seconds?: number | null | undefined;
}

/** A rotation by hand. */
export interface RotateServiceToken {
  /** Why; it goes into the audit trail. */
  reason: string;
  /**
   * How long the old secret goes on working: at most 30 days, never past its own expiry. 24 hours
   * when left out.
   */
  grace_seconds?: number | null | undefined;
  /**
   * When the new token's life ends; null is never. When left out it lives as long as the old one
   * did, counted from now.
   */
  expires_at?: string | null | undefined;
}

/** New tokens in the place of others. */
export interface RotatedTokens {
  /** Each with its secret, which is shown this once. */
  items: CreatedServiceToken[];
}

/** Where a credential stands in its rotation. */
export interface RotationState {
  /** Whether another credential replaced it. */
  superseded: boolean;
  /** When it then stops working. */
  grace_expires_at: string | null;
}

/** One change of a credential, an identity or a policy. */
export interface SecurityEvent {
  /** Its id. */
  id: string;
  /** Its place in the chain; null until it is sealed. */
  seq: number | null;
  /** What happened, such as `token.rotated`. */
  type: string;
  /** When. */
  occurred_at: string;
  /** Who did it. */
  actor: Actor;
  /** What it was done to. */
  subject: Subject;
  /** The publisher that it concerns; null at platform level. */
  publisher_id: string | null;
  /** Where the call came from. */
  ip_address: string | null;
  /** The `User-Agent` of the call. */
  user_agent: string | null;
  /** The request that did it. */
  request_id: string | null;
  /** Why, in the actor's words. */
  reason: string | null;
  /** What changed, before; without secrets. */
  before: Record<string, unknown> | null;
  /** What changed, afterwards; without secrets. */
  after: Record<string, unknown> | null;
  /** What else is to be known. */
  details: Record<string, unknown>;
  /** The node that recorded it. */
  node_id: string | null;
  /** What seals it and its place in the chain; null until it is sealed. */
  mac: string | null;
}

/** A service account: the identity of an external system. */
export interface ServiceAccount {
  /** Its id. */
  id: string;
  /** The publisher that it belongs to; null at platform level. */
  publisher_id: string | null;
  /** Its name, unique within the publisher, or at platform level. */
  name: string;
  /** What it is for. */
  description: string;
  /** What it stands for. */
  service_type: ServiceType;
  /** Its state. */
  status: AccountStatus;
  /** What its tokens may do at most. */
  scopes: string[];
  rate_limits: RateLimits | null;
  /** The networks that they may be used from; null is any. */
  ip_allowlist: string[] | null;
  /** Whom to ask about it. */
  owner_email: string | null;
  /** Free-form notes, at most 8 KiB; handed to whoever verifies one of its tokens. */
  metadata: Record<string, unknown>;
  /** Since when it is disabled. */
  disabled_at: string | null;
  /** Why it is disabled. */
  disabled_reason: string | null;
  /** Who made it. */
  created_by: Actor;
  /** When it was made. */
  created_at: string;
  /** When it was changed last. */
  updated_at: string;
}

/** A service token. Its secret is not in here; see `CreatedServiceToken`. */
export interface ServiceToken {
  /** Its id. */
  id: string;
  /** Its name, unique among tokens that are not revoked. */
  token_name: string;
  /** What may be shown of the secret: prefix, first 4 and last 4 characters. */
  token_hint: string;
  /** What it lets its bearer do. */
  permissions: string[];
  /** Its state at the moment of the answer. */
  status: TokenStatus;
  /** Whether it is switched on. */
  is_active: boolean;
  /** Free-form notes, at most 8 KiB. */
  metadata: Record<string, unknown>;
  /** The account it belongs to; null when it stands alone. */
  service_account_id: string | null;
  rate_limits: RateLimits | null;
  /** The networks it may be used from; null is any. */
  ip_allowlist: string[] | null;
  /** When its life ends; null is never. */
  expires_at: string | null;
  /** How often it was used. */
  usage_count: number;
  /** When it was used last; null is never. */
  last_used_at: string | null;
  /** The token that this one replaced. */
  rotated_from_id: string | null;
  /** The token that replaced this one. */
  superseded_by_id: string | null;
  /** When a superseded token stops working. */
  grace_expires_at: string | null;
  /** When it was revoked. */
  revoked_at: string | null;
  /** Why it was revoked. */
  revoked_reason: string | null;
  /** Who made it. */
  created_by: Actor;
  /** When it was made. */
  created_at: string;
}

/** What kind of system a service account stands for. */
export type ServiceType = "platform" | "partner" | "internal" | "ci_cd" | "analytics" | "mobile";

/** A session that is alive. */
export interface Session {
  /** Its id. */
  id: string;
  /** Whose it is. */
  user_id: string;
  /** The publisher that it acts for; null at platform level. */
  publisher_id: string | null;
  /** Whether it is the one that calls. */
  current: boolean;
  /** When the user logged in. */
  created_at: string;
  /** When tokens were made from it last. */
  last_seen_at: string;
  /** Its end, however much it is used. */
  expires_at: string;
  /** Its end when it is not used. */
  idle_expires_at: string;
  /** From where it was seen last. */
  ip_address: string | null;
  /** In which country that is; null where it is not known. */
  country: string | null;
  /** With what the user logged in. */
  user_agent: string | null;
}

/** What an event is about. */
export interface Subject {
  /** Its kind, such as `service_token` or `platform`. */
  type: string;
  /** Its id, when it has one. */
  id: string | null;
  /** Its name at that time, when it has one. */
  name: string | null;
}

/** What a publisher says of a token. */
export interface TokenApproval {
  /** The publisher. */
  publisher_id: string;
  /** Whether the token may be used there. */
  approval: ApprovalState;
  /** When it was approved. */
  approved_at: string | null;
}

/** State of a token. */
export type TokenStatus = "active" | "superseded" | "inactive" | "expired" | "revoked";

/** Kind of credential. */
export type TokenType = "service" | "personal" | "user" | "external";

/** All tokens of a service account were revoked. */
export interface TokensRevoked {
  /** How many there were. */
  revoked: number;
  /** Where it is in force. */
  nodes: NodeConfirmations;
}

/** A valid credential, and what it stands for. */
export interface ValidDecision {
  valid: true;
  /** The code of a valid credential. */
  code: "valid";
  /** Its kind. */
  token_type: TokenType;
  /** Its id. */
  credential_id: string;
  /** Its name. */
  name: string;
  /** Who it speaks for. */
  principal: Principal;
  /** The publisher that was decided for; null at platform level. */
  publisher_id: string | null;
  /** The publishers in which it is valid; empty at platform level. */
  publishers: string[];
  /** What it may do. */
  scopes: string[];
  /** When its life ends; null is never. */
  expires_at: string | null;
  rate_limit: RateLimit | null;
  /** Whether it is about to be replaced. */
  rotation: RotationState;
  /** What else its kind has to tell, and the metadata of credential and account. */
  context: Record<string, unknown>;
  /** The request that this answers. */
  request_id: string;
  /** What a cache may keep of it; absent where it was not asked for, or may not be kept. */
  cache?: Keepable | undefined;
}

/** Several verifications at once, each with facts of its own. */
export interface VerifyBatchRequest {
  /** The verifications. */
  items: VerifyRequest[];
}

/** A verification. Without `token` it is about the credential that the request itself bears. */
export interface VerifyRequest {
  /** The credential to decide on; any text, since a wrong one is `malformed`. */
  token?: string | null | undefined;
  /** Permissions that it must all have. */
  required_scopes?: string[] | null | undefined;
  /** Permissions of which it must have one. */
  any_scopes?: string[] | null | undefined;
  /** The publisher to decide for. Left out: the credential's only one, else its owner's default. */
  publisher_id?: string | null | undefined;
  /** The address that the original request came from. One that is malformed counts as unknown. */
  ip_address?: string | null | undefined;
  /** Its `User-Agent`; kept up to 512 characters. */
  user_agent?: string | null | undefined;
  /** Its method. */
  method?: string | null | undefined;
  /** Its path; kept up to 1,024 characters. */
  endpoint?: string | null | undefined;
  /** Its `CF-Ray`. */
  cloudflare_ray_id?: string | null | undefined;
  /** Units to take from the rate limit; 1 when left out, 0 looks without taking. */
  cost?: number | null | undefined;
  /** Whether the answer should tell what a cache may keep of it. Of the caller's own credential nothing may be. */
  cacheable?: boolean | null | undefined;
}

/** What `list_service_tokens` may be asked. */
export interface ListServiceTokensQuery {
  /** Only tokens of this service account. */
  service_account_id?: string | undefined;
  /** Only tokens in this state. */
  status?: "active" | "superseded" | "inactive" | "expired" | "revoked" | undefined;
  /** Only the token with exactly this name. */
  name?: string | undefined;
  /** Only tokens whose name contains this, in any case. */
  q?: string | undefined;
  /** Only live tokens that expire within so many days. */
  expiring_within_days?: number | undefined;
  /** How many; 50 when left out. */
  limit?: number | undefined;
  /** Where to go on: the `next_cursor` of the page before. */
  cursor?: string | undefined;
}

/** What `list_service_accounts` may be asked. */
export interface ListServiceAccountsQuery {
  /** Only those of this publisher. */
  publisher_id?: string | undefined;
  /** Only accounts in this state. */
  status?: "active" | "disabled" | undefined;
  /** Only accounts of this kind. */
  service_type?: "platform" | "partner" | "internal" | "ci_cd" | "analytics" | "mobile" | undefined;
  /** Only the accounts with exactly this name. */
  name?: string | undefined;
  /** Only accounts whose name contains this, in any case. */
  q?: string | undefined;
  /** How many; 50 when left out. */
  limit?: number | undefined;
  /** Where to go on: the `next_cursor` of the page before. */
  cursor?: string | undefined;
}

/** What `list_service_account_tokens` may be asked. */
export interface ListServiceAccountTokensQuery {
  /** Only tokens in this state. */
  status?: "active" | "superseded" | "inactive" | "expired" | "revoked" | undefined;
  /** Only the token with exactly this name. */
  name?: string | undefined;
  /** Only tokens whose name contains this, in any case. */
  q?: string | undefined;
  /** Only live tokens that expire within so many days. */
  expiring_within_days?: number | undefined;
  /** How many; 50 when left out. */
  limit?: number | undefined;
  /** Where to go on: the `next_cursor` of the page before. */
  cursor?: string | undefined;
}

/** What `list_personal_tokens` may be asked. */
export interface ListPersonalTokensQuery {
  /** Only tokens in this state. */
  status?: "active" | "superseded" | "inactive" | "expired" | "revoked" | undefined;
  /** Only the token with exactly this name. */
  name?: string | undefined;
  /** Only tokens whose name contains this, in any case. */
  q?: string | undefined;
  /** Only tokens that are for this publisher. */
  publisher_id?: string | undefined;
  /** Only live tokens that expire within so many days. */
  expiring_within_days?: number | undefined;
  /** Only tokens that were never used, or only those that were. */
  never_used?: boolean | undefined;
  /** How many; 50 when left out. */
  limit?: number | undefined;
  /** Where to go on: the `next_cursor` of the page before. */
  cursor?: string | undefined;
}
