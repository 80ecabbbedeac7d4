/** What a request presents. */
export type Presented =
  | { readonly kind: "nothing" }
  | { readonly kind: "conflicting" }
  | { readonly kind: "credential"; readonly credential: string };

/** The values of a header, each as it was sent. */
export type Values = (name: string) => readonly string[];

/**
 * The credential of `Authorization: Bearer` or `X-API-Key`; without either, of `Cf-Access-Jwt-Assertion`. The same
 * one twice is one; different ones conflict, since who is asked and who acts might take different ones.
 */
export function presented(values: Values): Presented {
  const bearers = values("authorization").flatMap((value) => bearer(value) ?? []);
  const found = oneOf([...bearers, ...values("x-api-key")]);
  return found.kind === "nothing" ? oneOf(values("cf-access-jwt-assertion")) : found;
}

function oneOf(credentials: readonly string[]): Presented {
  const [credential] = credentials;
  if (credential === undefined) return { kind: "nothing" };
  return credentials.every((other) => other === credential) ? { kind: "credential", credential } : { kind: "conflicting" };
}

/** The scheme is compared without case (RFC 9110, section 11.1). Another scheme presents nothing. */
function bearer(value: string): string | undefined {
  if (value.slice(0, 6).toLowerCase() !== "bearer") return undefined;
  const rest = value.slice(6);
  if (rest === "") return rest;
  return rest.startsWith(" ") ? rest.slice(1) : undefined;
}

/** The values in the headers of a message of Node as they came; its `headers` would drop all but the first. */
export function valuesOfNode(message: {
  readonly rawHeaders?: readonly string[];
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}): Values {
  const raw = message.rawHeaders ?? [];
  return (name) => {
    const found = raw.filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name);
    if (raw.length > 0) return found;
    const value = message.headers[name];
    return value === undefined ? [] : [value].flat();
  };
}

/**
 * The values in the headers of fetch, which joins what came several times by a comma and a space. Those that cannot be
 * told apart stay one value, which is then no credential.
 */
export function valuesOfFetch(headers: Headers): Values {
  return (name) => {
    const joined = headers.get(name);
    if (joined === null) return [];
    const parts = joined.split(", ");
    if (name === "authorization") return parts.every((part) => bearer(part) !== undefined) ? parts : [joined];
    return name === "x-api-key" || name === "cf-access-jwt-assertion" ? parts : [joined];
  };
}
