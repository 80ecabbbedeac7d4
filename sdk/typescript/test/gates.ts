import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import express, { type Request, type Response } from "express";
import fastify, { type FastifyRequest } from "fastify";
import { Hono, type Context } from "hono";
import type { AuthenticatedPrincipal, Keywright } from "../src/index.js";
import { gate as expressGate, type ExpressRequest } from "../src/express.js";
import { gate as fastifyGate } from "../src/fastify.js";
import { gate as honoGate } from "../src/hono.js";

// It has no types of its own under this name.
const express4 = createRequire(import.meta.url)("express4") as typeof express;

/** An API behind a gate. */
export interface Api {
  url: string;
  /** How many requests came to a handler. */
  handled: number;
  /** What the gate could not decide on. */
  faults: Error[];
  stop(): Promise<void>;
}

/** What the tests give a gate. */
export interface Settings {
  client: Keywright;
  timeoutMs?: number;
  cost?: () => number;
  /** Reads the publisher and the address from where no API should: a header. */
  believesHeaders?: boolean;
}

/** Far beyond what a decision takes on a busy machine. */
const PATIENT_MS = 5000;
const BELIEVED = { publisher: "x-test-publisher", address: "x-test-address" };

/**
 * The same API with each framework:
 *
 * - `GET /works` for `works:read`, `POST /works` for `works:write`, which answers the body it was sent
 * - `GET /either` for one of `works:read` and `catalog:read`
 * - `GET /all/who` for any, and `GET /all/works`, where the gate stands before a second one for `works:read`
 * - `GET /open`, which has no gate
 */
export const frameworks: { name: string; start: (settings: Settings) => Promise<Api> }[] = [
  { name: "Express 5", start: (settings) => onExpress(express, settings) },
  { name: "Express 4", start: (settings) => onExpress(express4, settings) },
  { name: "Fastify", start: onFastify },
  { name: "Hono", start: onHono },
];

async function onExpress(express: typeof express4, { client, timeoutMs = PATIENT_MS, cost, believesHeaders }: Settings): Promise<Api> {
  const api: Api = { url: "", handled: 0, faults: [], stop: async () => {} };
  const read = (name: string) => (request: ExpressRequest) => [request.headers[name]].flat()[0];
  const { authenticate, requireScope, requireAnyScope } = expressGate({
    client, timeoutMs, cost,
    onFault: (fault) => api.faults.push(fault),
    ...(believesHeaders ? { publisherId: read(BELIEVED.publisher), clientAddress: read(BELIEVED.address) } : {}),
  });
  const app = express();
  const who = (request: Request, response: Response) => {
    api.handled++;
    response.json(request.principal ?? null);
  };
  app.get("/works", requireScope("works:read"), who);
  app.post("/works", requireScope("works:write"), express.text({ type: "*/*" }), (request, response) => {
    api.handled++;
    response.type("text/plain").send(request.body);
  });
  app.get("/either", requireAnyScope("works:read", "catalog:read"), who);
  app.use("/all", authenticate);
  app.get("/all/who", who);
  app.get("/all/works", requireScope("works:read"), who);
  app.get("/open", who);
  const listening = createServer(app).listen(0, "127.0.0.1");
  await once(listening, "listening");
  api.url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  api.stop = async () => {
    listening.closeAllConnections();
    await new Promise((resolve) => listening.close(resolve));
  };
  return api;
}

async function onFastify({ client, timeoutMs = PATIENT_MS, cost, believesHeaders }: Settings): Promise<Api> {
  const api: Api = { url: "", handled: 0, faults: [], stop: async () => {} };
  const read = (name: string) => (request: FastifyRequest) => [request.headers[name]].flat()[0];
  const { authenticate, requireScope, requireAnyScope } = fastifyGate({
    client, timeoutMs, cost,
    onFault: (fault) => api.faults.push(fault),
    ...(believesHeaders ? { publisherId: read(BELIEVED.publisher), clientAddress: read(BELIEVED.address) } : {}),
  });
  const app = fastify({ forceCloseConnections: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
  const who = async (request: FastifyRequest) => {
    api.handled++;
    return request.principal ?? { none: true };
  };
  app.get("/works", { onRequest: requireScope("works:read") }, who);
  app.post("/works", { onRequest: requireScope("works:write") }, async (request, reply) => {
    api.handled++;
    return reply.type("text/plain").send(request.body);
  });
  app.get("/either", { onRequest: requireAnyScope("works:read", "catalog:read") }, who);
  await app.register(async (all) => {
    all.addHook("onRequest", authenticate);
    all.get("/all/who", who);
    all.get("/all/works", { onRequest: requireScope("works:read") }, who);
  });
  app.get("/open", who);
  api.url = await app.listen({ port: 0, host: "127.0.0.1" });
  api.stop = () => app.close();
  return api;
}

async function onHono({ client, timeoutMs = PATIENT_MS, cost, believesHeaders }: Settings): Promise<Api> {
  const api: Api = { url: "", handled: 0, faults: [], stop: async () => {} };
  const read = (name: string) => (context: Context) => context.req.header(name);
  const { authenticate, requireScope, requireAnyScope } = honoGate({
    client, timeoutMs, cost,
    onFault: (fault) => api.faults.push(fault),
    ...(believesHeaders ? { publisherId: read(BELIEVED.publisher), clientAddress: read(BELIEVED.address) } : {}),
  });
  const app = new Hono();
  const who = (context: Context) => {
    api.handled++;
    const principal: AuthenticatedPrincipal | undefined = context.get("principal");
    return context.json(principal ?? null);
  };
  app.get("/works", requireScope("works:read"), who);
  app.post("/works", requireScope("works:write"), async (context) => {
    api.handled++;
    return context.text(await context.req.text());
  });
  app.get("/either", requireAnyScope("works:read", "catalog:read"), who);
  app.use("/all/*", authenticate);
  app.get("/all/who", who);
  app.get("/all/works", requireScope("works:read"), who);
  app.get("/open", who);
  const listening = await new Promise<ReturnType<typeof serve>>((resolve) => {
    const started = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () => resolve(started));
  });
  api.url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  api.stop = async () => {
    if ("closeAllConnections" in listening) listening.closeAllConnections();
    await new Promise((resolve) => listening.close(resolve));
  };
  return api;
}
