import type { IncomingMessage, ServerResponse } from "node:http";
import { doors, Gate, type AuthenticatedPrincipal, type Doors, type GateOptions } from "./gate.js";
import { valuesOfNode } from "./presented.js";

declare global {
  namespace Express {
    interface Request {
      /** Who the request speaks for; there behind the middleware of `keywright/express`, and nowhere else. */
      principal?: AuthenticatedPrincipal;
    }
  }
}

/** A request of Express, or of anything that has the same middleware. */
export type ExpressRequest = IncomingMessage & { originalUrl?: string; principal?: AuthenticatedPrincipal };

/** A middleware of Express. */
export type Middleware = (request: ExpressRequest, response: ServerResponse, next: (fault?: unknown) => void) => Promise<void>;

/**
 * A gate for Express 4 and 5. Behind it `request.principal` says who the request speaks for; before it, what is refused
 * has been answered.
 */
export function gate(options: GateOptions<ExpressRequest>): Doors<Middleware> {
  const judge = new Gate(options);
  return doors<Middleware>((wanted) => async (request, response, next) => {
    delete request.principal;
    const outcome = await judge.judge(
      {
        request,
        identity: request,
        values: valuesOfNode(request),
        method: request.method ?? "",
        target: request.originalUrl ?? request.url ?? "",
        peer: request.socket?.remoteAddress,
      },
      wanted,
    );
    for (const [name, value] of Object.entries(outcome.headers)) response.setHeader(name, value);
    if (outcome.passed) {
      request.principal = outcome.principal;
      next();
    } else {
      response.statusCode = outcome.status;
      response.end(outcome.body);
    }
  });
}
