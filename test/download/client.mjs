// The Node client of the download test; it needs nothing but Node 18 or later.
//
//   node client.mjs token BASE CLIENT KEYFILE      an access token by SMART Backend Services, to standard output
//   node client.mjs download MANIFEST TOKENFILE    one line a file and coding: client, coding, name, lines, bytes, SHA-256
//
// Each file is fetched twice in each coding: with fetch, which inflates by itself, and with http and zlib.
import { createHash, createPrivateKey, randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createGunzip } from "node:zlib";

const ndjson = "application/fhir+ndjson";

async function token(base, client, keyFile) {
  const config = await (await fetch(`${base}/.well-known/smart-configuration`)).json();
  const jwk = JSON.parse(readFileSync(keyFile, "utf8"));
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: client, sub: client, aud: config.token_endpoint, exp: Math.floor(Date.now() / 1000) + 240, jti: randomUUID() };
  const text = `${encode({ alg: "ES384", typ: "JWT", kid: jwk.kid })}.${encode(claims)}`;
  const signature = sign("sha384", Buffer.from(text), { key: createPrivateKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" });
  const answer = await fetch(config.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials", scope: "system/*.rs",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: `${text}.${signature.toString("base64url")}`,
    }),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`token endpoint answered ${answer.status} ${body.error}`);
  return body.access_token;
}

// fetchBody leaves gzip to fetch itself.
async function fetchBody(url, headers, coding) {
  const answer = await fetch(url, { headers: coding === "identity" ? { ...headers, "Accept-Encoding": "identity" } : headers });
  check(answer.status, answer.headers.get("content-type"), answer.headers.get("content-encoding"), coding);
  return Buffer.from(await answer.arrayBuffer());
}

function streamBody(url, headers, coding) {
  return new Promise((resolve, reject) => {
    const module = url.startsWith("https:") ? https : http;
    module.get(url, { headers: { ...headers, "Accept-Encoding": coding } }, (answer) => {
      try {
        check(answer.statusCode, answer.headers["content-type"], answer.headers["content-encoding"], coding);
      } catch (error) {
        answer.destroy();
        return reject(error);
      }
      const chunks = [];
      const source = coding === "gzip" ? answer.pipe(createGunzip()) : answer;
      answer.on("error", reject).on("aborted", () => reject(new Error("the answer broke off")));
      source.on("error", reject).on("data", (chunk) => chunks.push(chunk)).on("end", () => resolve(Buffer.concat(chunks)));
    }).on("error", reject);
  });
}

function check(status, type, encoding, coding) {
  if (status !== 200) throw new Error(`answer ${status}`);
  if (type !== ndjson) throw new Error(`Content-Type ${type}`);
  if ((encoding ?? "identity") !== coding) throw new Error(`Content-Encoding ${encoding}, asked for ${coding}`);
}

// count parses each line and returns how many there are.
function count(body, type) {
  if (body.at(-1) !== 10) throw new Error("the last line has no end");
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  const lines = text.slice(0, -1).split("\n");
  for (const [i, line] of lines.entries()) {
    let resource;
    try {
      resource = JSON.parse(line);
    } catch {
      throw new Error(`line ${i + 1} is no JSON`); // the parser's text would repeat it
    }
    if (resource.resourceType !== type) throw new Error(`line ${i + 1} is of another type`);
  }
  return lines.length;
}

async function download(manifestFile, tokenFile) {
  const manifest = JSON.parse(readFileSync(manifestFile, "utf8"));
  const headers = { Authorization: `Bearer ${readFileSync(tokenFile, "utf8").trim()}` };
  const ways = { "node-fetch": fetchBody, "node-zlib": streamBody };
  for (const file of [...manifest.output, ...manifest.error]) {
    const name = file.url.split("/").at(-1);
    for (const [client, body] of Object.entries(ways)) {
      for (const coding of ["gzip", "identity"]) {
        try {
          const bytes = await body(file.url, headers, coding);
          const sum = createHash("sha256").update(bytes).digest("hex");
          console.log(client, coding, name, count(bytes, file.type), bytes.length, sum);
        } catch (error) {
          throw new Error(`${client}: ${name} as ${coding}: ${error.message}`);
        }
      }
    }
  }
}

const [command, ...args] = process.argv.slice(2);
try {
  if (command === "token") console.log(await token(...args));
  else if (command === "download") await download(...args);
  else throw new Error("usage: token BASE CLIENT KEYFILE | download MANIFEST TOKENFILE");
} catch (error) {
  console.error("node client:", error.message);
  process.exitCode = 1;
}
