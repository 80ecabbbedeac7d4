// Speaks to the doors in OAuth's form as oauth4webapi does, which finds them by the metadata of the issuer.
//
// Arguments: the folder with its package, the issuer, the address under which it is reached. Reads one JSON object:
// `client_id` and `client_secret` of a client that may ask about tokens, the `refresh_token` of a session, and the
// tokens to `revoke`. Prints one JSON object of what came of each call.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, issuer, address] = process.argv.slice(2);
const found = createRequire(`${folder}/package.json`).resolve("oauth4webapi");
const oauth = await import(pathToFileURL(found).href);

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const given = JSON.parse(Buffer.concat(chunks).toString());

// The issuer stands behind no TLS here: whatever is sent to it goes to where the test has it.
const options = {
  [oauth.customFetch]: (url, init) => fetch(String(url).replace(issuer, address), init),
};
const url = new URL(issuer);
const server = await oauth.processDiscoveryResponse(
  url,
  await oauth.discoveryRequest(url, { algorithm: "oauth2", ...options }),
);
const client = { client_id: given.client_id };
const said = { server };

for (const [name, way] of [
  ["client_secret_basic", oauth.ClientSecretBasic(given.client_secret)],
  ["client_secret_post", oauth.ClientSecretPost(given.client_secret)],
]) {
  const asked = new URLSearchParams({ scope: "works:read" });
  const token = await oauth.processClientCredentialsResponse(
    server,
    client,
    await oauth.clientCredentialsGrantRequest(server, client, way, asked, options),
  );
  const introspection = await oauth.processIntrospectionResponse(
    server,
    client,
    await oauth.introspectionRequest(server, client, way, token.access_token, options),
  );
  // The same as a JWT (RFC 9701), verified by the published keys.
  const signed = await oauth.introspectionRequest(server, client, way, token.access_token, {
    ...options,
    requestJwtResponse: true,
  });
  const media = signed.headers.get("content-type");
  const signedIntrospection = await oauth.processIntrospectionResponse(server, client, signed);
  await oauth.validateApplicationLevelSignature(server, signed, options);
  // Verified by nothing but the published keys, as RFC 9068 wants it.
  const request = new Request("https://api.example.com/works", {
    headers: { authorization: `Bearer ${token.access_token}` },
  });
  const claims = await oauth.validateJwtAccessToken(server, request, issuer, options);
  said[name] = { token, introspection, media, signedIntrospection, claims };
}

/** The error of a call that is refused, or the challenge that it tells of. */
async function refused(call) {
  try {
    await call();
    return "not refused";
  } catch (error) {
    return error.error ?? `${error.status} ${error.cause?.[0]?.scheme}`;
  }
}

said.refused = await refused(async () => {
  const way = oauth.ClientSecretBasic("sk_wrong");
  const response = await oauth.clientCredentialsGrantRequest(server, client, way, new URLSearchParams(), options);
  await oauth.processClientCredentialsResponse(server, client, response);
});

const refreshed = await oauth.refreshTokenGrantRequest(
  server,
  { client_id: "app" },
  oauth.None(),
  given.refresh_token,
  options,
);
said.refreshed = await oauth.processRefreshTokenResponse(server, { client_id: "app" }, refreshed);

for (const [name, token] of Object.entries(given.revoke)) {
  const way = oauth.ClientSecretBasic(given.client_secret);
  const response = await oauth.revocationRequest(server, client, way, token, options);
  await oauth.processRevocationResponse(response);
  said[`revoked_${name}`] = response.status;
}

console.log(JSON.stringify(said));
