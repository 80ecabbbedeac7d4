import type { Context, MiddlewareHandler } from "hono";
import { doors, Gate, type AuthenticatedPrincipal, type Doors, type GateOptions } from "./gate.js";
import { valuesOfFetch } from "./presented.js";

declare module "hono" {
  interface ContextVariableMap {
    /** Who the request speaks for; there behind the middleware of `keywright/hono`, and nowhere else. */
    principal: AuthenticatedPrincipal;
  }
}

/**
 * A gate for Hono 4. Behind it `context.get("principal")` says who the request speaks for. On Node the address is that of
 * the connection; elsewhere give `clientAddress`, or credentials with an allowlist are refused.
 */
export function gate(options: GateOptions<Context>): Doors<MiddlewareHandler> {
  const judge = new Gate(options);
  return doors<MiddlewareHandler>((wanted) => async (context, next) => {
    const { raw } = context.req;
    const outcome = await judge.judge(
      {
        request: context,
        identity: raw,
        values: valuesOfFetch(raw.headers),
        method: raw.method,
        target: new URL(raw.url).pathname,
        peer: peerOnNode(context.env),
      },
      wanted,
    );
    if (!outcome.passed) return new Response(outcome.body, { status: outcome.status, headers: outcome.headers });
    for (const [name, value] of Object.entries(outcome.headers)) context.header(name, value);
    context.set("principal", outcome.principal);
    await next();
    return undefined;
  });
}

/** What `@hono/node-server` tells of the connection. */
function peerOnNode(environment: unknown): string | undefined {
  const address = (environment as { incoming?: { socket?: { remoteAddress?: unknown } } } | undefined)?.incoming?.socket?.remoteAddress;
  return typeof address === "string" ? address : undefined;
}
