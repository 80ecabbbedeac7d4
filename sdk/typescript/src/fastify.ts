import type { FastifyReply, FastifyRequest } from "fastify";
import { doors, Gate, type AuthenticatedPrincipal, type Doors, type GateOptions } from "./gate.js";
import { valuesOfNode } from "./presented.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Who the request speaks for; there behind the hooks of `keywright/fastify`, and nowhere else. */
    principal?: AuthenticatedPrincipal;
  }
}

/** An `onRequest` hook of Fastify. */
export type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/**
 * A gate for Fastify 5, as hooks for `onRequest`: of one route or, by `addHook`, of all. Behind it `request.principal` says
 * who the request speaks for. No body is read before a request has passed.
 */
export function gate(options: GateOptions<FastifyRequest>): Doors<Hook> {
  const judge = new Gate(options);
  return doors<Hook>((wanted) => async (request, reply) => {
    delete request.principal;
    const outcome = await judge.judge(
      {
        request,
        identity: request.raw,
        values: valuesOfNode(request.raw),
        method: request.method,
        target: request.originalUrl,
        peer: request.socket?.remoteAddress,
      },
      wanted,
    );
    reply.headers(outcome.headers);
    // To a text Fastify would add a charset, which this media type does not have.
    if (!outcome.passed) return reply.code(outcome.status).send(Buffer.from(outcome.body));
    request.principal = outcome.principal;
    return undefined;
  });
}
