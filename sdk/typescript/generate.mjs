// Writes src/generated.ts from docs/openapi.json: the types of what this package calls, and nothing else.
//
//   node generate.mjs           writes it
//   node generate.mjs --check   fails when it is not what the document says
import { readFileSync, writeFileSync } from "node:fs";

/** The operations that the client calls; the types that they name, and those that these name, are written. */
const OPERATIONS = [
  "verify", "verify_batch", "get_me", "record_cicd_event",
  "list_service_tokens", "create_service_token", "get_service_token", "update_service_token",
  "revoke_service_token", "rotate_service_token", "revoke_own_service_token", "rotate_own_service_token",
  "list_service_accounts", "create_service_account", "get_service_account", "update_service_account",
  "delete_service_account", "disable_service_account", "enable_service_account",
  "list_service_account_tokens", "create_service_account_token", "get_service_account_token",
  "update_service_account_token", "revoke_service_account_token", "rotate_service_account_token",
  "rotate_all_service_account_tokens", "revoke_all_service_account_tokens",
  "list_personal_tokens", "create_personal_token", "get_personal_token", "update_personal_token",
  "revoke_personal_token", "rotate_personal_token", "list_grantable_scopes",
];

const document = JSON.parse(readFileSync(new URL("../../docs/openapi.json", import.meta.url), "utf8"));
const target = new URL("src/generated.ts", import.meta.url);
const schemas = document.components.schemas;

const operations = new Map();
for (const [path, item] of Object.entries(document.paths)) {
  for (const [method, operation] of Object.entries(item)) {
    if (operation.operationId) operations.set(operation.operationId, { path, method, ...operation });
  }
}

/** The name of a schema that is referred to, which is then to be written as well. */
const wanted = new Set();
function named(reference) {
  const name = reference.replace("#/components/schemas/", "");
  if (!(name in schemas)) throw new Error(`there is no schema ${name}`);
  wanted.add(name);
  return name;
}

/** A schema as a type. */
function type(schema, depth = 0) {
  if (schema.$ref) return named(schema.$ref);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.oneOf) return unique(schema.oneOf.map((part) => type(part, depth))).join(" | ");
  if (schema.allOf) return schema.allOf.map((part) => type(part, depth)).join(" & ");
  const kinds = [schema.type ?? []].flat();
  if (kinds.length === 0) return "unknown";
  return unique(kinds.map((kind) => plain(kind, schema, depth))).join(" | ");
}

function plain(kind, schema, depth) {
  switch (kind) {
    case "string": case "boolean": case "null": return kind;
    case "integer": case "number": return "number";
    case "array": {
      const items = type(schema.items ?? {}, depth);
      return /[|&]/.test(items) ? `(${items})[]` : `${items}[]`;
    }
    case "object": return schema.properties ? members(schema, depth) : "Record<string, unknown>";
    default: throw new Error(`there is no type for ${kind}`);
  }
}

function members(schema, depth) {
  const indent = "  ".repeat(depth + 1);
  const required = new Set(schema.required ?? []);
  const lines = Object.entries(schema.properties).map(([name, member]) => {
    const text = type(member, depth + 1);
    const declared = required.has(name) ? `${name}: ${text}` : `${name}?: ${text} | undefined`;
    return `${comment(member.description, indent)}${indent}${declared};\n`;
  });
  return `{\n${lines.join("")}${"  ".repeat(depth)}}`;
}

function comment(text, indent = "") {
  if (!text) return "";
  // What the document links to is a name of its own sources.
  const lines = text.replace(/\[(`[^`]+`)\]/g, "$1").replaceAll("*/", "*\\/").split("\n");
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd() + "\n").join("")}${indent} */\n`;
}

function unique(parts) {
  return [...new Set(parts)];
}

function pascal(name) {
  return name.split("_").map((word) => word[0].toUpperCase() + word.slice(1)).join("");
}

/** One schema, declared. A page is told by what lies on it. */
function declaration(name) {
  const schema = schemas[name];
  const head = comment(schema.description);
  if (name.startsWith("Page_")) {
    const item = name.slice("Page_".length);
    wanted.add(item);
    return `${head}export interface ${name} {\n  items: ${item}[];\n  /** What to pass as \`cursor\` for the next page; null on the last one. */\n  next_cursor: string | null;\n}\n`;
  }
  const text = type(schema);
  return text.startsWith("{") && !text.includes("\n} ")
    ? `${head}export interface ${name} ${text}\n`
    : `${head}export type ${name} = ${text};\n`;
}

/** The parameters of a list. */
function query(operation) {
  if (operation.method !== "get") return "";
  const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in === "query");
  if (parameters.length === 0) return "";
  const properties = Object.fromEntries(
    parameters.map(({ name, description, schema }) => [name, { ...schema, description: description || schema.description }]),
  );
  return `${comment(`What \`${operation.operationId}\` may be asked.`)}export interface ${pascal(operation.operationId)}Query ${members({ properties }, 0)}\n`;
}

const queries = [];
for (const name of OPERATIONS) {
  const operation = operations.get(name);
  if (!operation) throw new Error(`there is no operation ${name}`);
  queries.push(query(operation));
  for (const { content } of [operation.requestBody ?? {}, ...Object.values(operation.responses)]) {
    for (const { schema } of Object.values(content ?? {})) type(schema);
  }
}
const written = new Map();
while (written.size < wanted.size) {
  for (const name of [...wanted]) {
    if (!written.has(name)) written.set(name, declaration(name));
  }
}
const made = [
  "// Written by generate.mjs from docs/openapi.json. Change that, and run `npm run generate`.\n",
  `/** The version of the API and of this package. */\nexport const VERSION = ${JSON.stringify(document.info.version)};\n`,
  ...[...written].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text),
  ...queries.filter(Boolean),
].join("\n");

if (process.argv.includes("--check")) {
  let kept = "";
  try {
    kept = readFileSync(target, "utf8");
  } catch {
    // Not there is not what it should be.
  }
  if (kept !== made) {
    console.error("sdk/typescript/src/generated.ts is not what docs/openapi.json says: node sdk/typescript/generate.mjs");
    process.exit(1);
  }
} else {
  writeFileSync(target, made);
}
