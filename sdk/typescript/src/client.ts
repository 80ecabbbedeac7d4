import type {
  BatchDecisions, CreateAccountToken, CreatedPersonalToken, CreatedServiceToken, CreatePersonalToken, CreateServiceAccount,
  CreateServiceToken, Decision, GrantableScopes, ListPersonalTokensQuery, ListServiceAccountsQuery,
  ListServiceAccountTokensQuery, ListServiceTokensQuery, Me, Page_ServiceAccount,
  PatchPersonalToken, PatchServiceAccount, PatchServiceToken, PersonalToken, RecordCicdEvent, RotateAllTokens,
  RotatedTokens, RotateServiceToken, SecurityEvent, ServiceAccount, ServiceToken, TokensRevoked, VerifyRequest,
} from "./generated.js";
import { revealed, Secret } from "./secret.js";
import { id, Transport, type CallOptions, type ClientOptions, type CreateOptions } from "./transport.js";

/** A new credential. `token` is undefined when an answer is given again after the secret is gone (10 minutes). */
export type Created<T extends { token?: string | undefined }> = Omit<T, "token"> & { token: Secret | undefined };

/** What to decide on. Without `token` it is the client's own credential. */
export type Verification = Omit<VerifyRequest, "token"> & { token?: string | Secret | null | undefined };

/** A client of one server. It holds its credential where neither `console.log` nor `JSON.stringify` finds it. */
export class Keywright {
  readonly #transport: Transport;
  /** Service tokens. */
  readonly serviceTokens: ServiceTokens;
  /** Service accounts, and their tokens. */
  readonly serviceAccounts: ServiceAccounts;
  /** The personal tokens of the user whose access token the client bears. */
  readonly personalTokens: PersonalTokens;

  /** @throws {TypeError} for an address or a token that cannot be one; the message shows neither. */
  constructor(options: ClientOptions) {
    this.#transport = new Transport(options);
    this.serviceTokens = new ServiceTokens(this.#transport);
    this.serviceAccounts = new ServiceAccounts(this.#transport);
    this.personalTokens = new PersonalTokens(this.#transport);
  }

  /**
   * A client by `KEYWRIGHT_URL` and `KEYWRIGHT_TOKEN`; `PROMPTCRAFT_API_URL` and `PROMPTCRAFT_SERVICE_TOKEN` are read
   * where those are not set.
   */
  static fromEnvironment(
    options: Omit<ClientOptions, "url" | "token"> = {},
    environment: Readonly<Record<string, string | undefined>> = process.env,
  ): Keywright {
    const first = (...names: string[]) => {
      const found = names.map((name) => environment[name]?.trim()).find(Boolean);
      if (found === undefined) throw new TypeError(`${names[0]} is not set`);
      return found;
    };
    const url = first("KEYWRIGHT_URL", "PROMPTCRAFT_API_URL");
    return new Keywright({ ...options, url, token: first("KEYWRIGHT_TOKEN", "PROMPTCRAFT_SERVICE_TOKEN") });
  }

  /**
   * Decides on a credential: the one in `token`, for which the client's own needs `tokens:verify`, or its own.
   * A denial is an answer, not an error. Go on only where `valid` is true.
   */
  async verify(verification: Verification = {}, options?: CallOptions): Promise<Decision> {
    return await this.#transport.send({ method: "POST", path: "/auth/verify", body: asked(verification), repeatable: true, options });
  }

  /** Up to 100 decisions at once, in the order of what was asked. */
  async verifyBatch(verifications: readonly Verification[], options?: CallOptions): Promise<Decision[]> {
    const body = { items: verifications.map(asked) };
    const answer = await this.#transport.send<BatchDecisions>({
      method: "POST", path: "/auth/verify/batch", body, repeatable: true, options,
    });
    return answer.items;
  }

  /** Who the client is, and what it may do. */
  async me(options?: CallOptions): Promise<Me> {
    return await this.#transport.send({ method: "GET", path: "/auth/me", repeatable: true, options });
  }

  /** Records what a pipeline did. Needs `audit_log`. */
  async recordCicdEvent(event: RecordCicdEvent, options?: CreateOptions): Promise<SecurityEvent> {
    return await this.#transport.send({ method: "POST", path: "/audit/cicd-event", body: event, creates: true, options });
  }
}

/** What can be done with tokens of every kind: of a token `T`, made by a `New`, changed by a `Patch`, found by a `Query`. */
class Tokens<T, C extends { token?: string | undefined }, New, Patch, Query extends object> {
  readonly #transport: Transport;
  readonly #path: string;

  constructor(transport: Transport, path: string) {
    this.#transport = transport;
    this.#path = path;
  }

  /** All of them, newest first; further pages are fetched as the loop goes on. */
  list(query?: Query, options?: CallOptions): AsyncIterable<T> {
    return this.#transport.items(this.#path, query, options);
  }

  /** One page of them. */
  async page(query?: Query, options?: CallOptions): Promise<{ items: T[]; next_cursor: string | null }> {
    return await this.#transport.send({ method: "GET", path: this.#path, query, repeatable: true, options });
  }

  /** A new one, with its secret. */
  async create(token: New, options?: CreateOptions): Promise<Created<C>> {
    return await created(this.#transport, this.#path, token, options);
  }

  async get(tokenId: string, options?: CallOptions): Promise<T> {
    return await this.#transport.send({ method: "GET", path: `${this.#path}/${id(tokenId)}`, repeatable: true, options });
  }

  /** What is left out stays. */
  async update(tokenId: string, change: Patch, options?: CallOptions): Promise<T> {
    return await this.#transport.send({ method: "PATCH", path: `${this.#path}/${id(tokenId)}`, body: change, options });
  }

  /** A new credential in the place of this one, which works on through its grace. */
  async rotate(tokenId: string, rotation: RotateServiceToken, options?: CreateOptions): Promise<Created<C>> {
    return await created(this.#transport, `${this.#path}/${id(tokenId)}/rotate`, rotation, options);
  }

  /** In force when it resolves. */
  async revoke(tokenId: string, reason?: string, options?: CallOptions): Promise<void> {
    await revoked(this.#transport, `${this.#path}/${id(tokenId)}`, reason, options);
  }
}

/** Service tokens: of accounts, or standing alone. Needs `tokens:read` or `tokens:admin`. */
class ServiceTokens extends Tokens<ServiceToken, CreatedServiceToken, CreateServiceToken, PatchServiceToken, ListServiceTokensQuery> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, "/auth/tokens");
    this.#transport = transport;
  }

  /** Rotates the client's own token, which needs `tokens:rotate_self`. Make a new client of what it gives. */
  async rotateOwn(rotation: RotateServiceToken, options?: CreateOptions): Promise<Created<CreatedServiceToken>> {
    return await created(this.#transport, "/auth/tokens/self/rotate", rotation, options);
  }

  /** Revokes the client's own token. */
  async revokeOwn(reason?: string, options?: CallOptions): Promise<void> {
    // Repeated, it would be refused as revoked.
    await this.#transport.send({ method: "DELETE", path: "/auth/tokens/self", query: { reason }, options });
  }
}

/** Service accounts. Needs `service_accounts:read` or `service_accounts:admin`. */
class ServiceAccounts {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** All of them, newest first; further pages are fetched as the loop goes on. */
  list(query?: ListServiceAccountsQuery, options?: CallOptions): AsyncIterable<ServiceAccount> {
    return this.#transport.items("/service-accounts", query, options);
  }

  /** One page of them. */
  async page(query?: ListServiceAccountsQuery, options?: CallOptions): Promise<Page_ServiceAccount> {
    return await this.#transport.send({ method: "GET", path: "/service-accounts", query, repeatable: true, options });
  }

  async create(account: CreateServiceAccount, options?: CreateOptions): Promise<ServiceAccount> {
    return await this.#transport.send({ method: "POST", path: "/service-accounts", body: account, creates: true, options });
  }

  async get(accountId: string, options?: CallOptions): Promise<ServiceAccount> {
    return await this.#transport.send({ method: "GET", path: `/service-accounts/${id(accountId)}`, repeatable: true, options });
  }

  /** What is left out stays. */
  async update(accountId: string, change: PatchServiceAccount, options?: CallOptions): Promise<ServiceAccount> {
    return await this.#transport.send({ method: "PATCH", path: `/service-accounts/${id(accountId)}`, body: change, options });
  }

  /** Its tokens answer `principal_disabled` until it is enabled. */
  async disable(accountId: string, reason?: string, options?: CallOptions): Promise<ServiceAccount> {
    return await this.#transport.send({ method: "POST", path: `/service-accounts/${id(accountId)}/disable`, body: { reason }, options });
  }

  async enable(accountId: string, reason?: string, options?: CallOptions): Promise<ServiceAccount> {
    return await this.#transport.send({ method: "POST", path: `/service-accounts/${id(accountId)}/enable`, body: { reason }, options });
  }

  /** Deletes it, and revokes its tokens. */
  async delete(accountId: string, reason?: string, options?: CallOptions): Promise<void> {
    await revoked(this.#transport, `/service-accounts/${id(accountId)}`, reason, options);
  }

  /** The tokens of one account. */
  tokens(accountId: string): AccountTokens {
    return new AccountTokens(this.#transport, accountId);
  }
}

/** The tokens of one service account. */
class AccountTokens extends Tokens<ServiceToken, CreatedServiceToken, CreateAccountToken, PatchServiceToken, ListServiceAccountTokensQuery> {
  readonly #transport: Transport;
  readonly #path: string;

  constructor(transport: Transport, accountId: string) {
    const path = `/service-accounts/${id(accountId)}/tokens`;
    super(transport, path);
    this.#transport = transport;
    this.#path = path;
  }

  /** Rotates all that can be. */
  async rotateAll(rotation: RotateAllTokens, options?: CreateOptions): Promise<Created<CreatedServiceToken>[]> {
    const { items } = await this.#transport.send<RotatedTokens>({
      method: "POST", path: `${this.#path}/rotate-all`, body: rotation, creates: true, options,
    });
    return items.map(sealed);
  }

  /** Revokes all of them; the account stays. */
  async revokeAll(reason?: string, options?: CallOptions): Promise<TokensRevoked> {
    return await this.#transport.send({ method: "POST", path: `${this.#path}/revoke-all`, body: { reason }, options });
  }
}

/** One's own personal tokens. Needs a user's access token; to make one, `personal_tokens:write`. */
class PersonalTokens extends Tokens<PersonalToken, CreatedPersonalToken, CreatePersonalToken, PatchPersonalToken, ListPersonalTokensQuery> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, "/users/me/tokens");
    this.#transport = transport;
  }

  /** What one could grant, publisher by publisher. */
  async grantableScopes(options?: CallOptions): Promise<GrantableScopes> {
    return await this.#transport.send({ method: "GET", path: "/users/me/tokens/scopes", repeatable: true, options });
  }
}

export type { AccountTokens, PersonalTokens, ServiceAccounts, ServiceTokens };

function asked({ token, ...facts }: Verification): VerifyRequest {
  return token === undefined || token === null ? facts : { ...facts, token: revealed(token) };
}

/** What creates or rotates: its secret is taken out of sight at once. */
async function created<T extends { token?: string | undefined }>(
  transport: Transport, path: string, body: unknown, options: CreateOptions | undefined,
): Promise<Created<T>> {
  return sealed(await transport.send<T>({ method: "POST", path, body, creates: true, options }));
}

function sealed<T extends { token?: string | undefined }>({ token, ...rest }: T): Created<T> {
  return { ...rest, token: token === undefined ? undefined : new Secret(token) };
}

/** A `DELETE`, which is answered alike however often it is repeated. */
async function revoked(transport: Transport, path: string, reason: string | undefined, options: CallOptions | undefined): Promise<void> {
  await transport.send({ method: "DELETE", path, query: { reason }, repeatable: true, options });
}
