// A reader of tickets written from spec/ticket.md alone, with nothing but Node's own library.
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const TYP = "aegis-ticket+jwt";
const CLAIMS = ["act", "actor", "dig", "env", "exp", "iat", "iss", "jti", "labels", "nbf", "pol",
  "proto", "target", "tool"];
const KINDS = { exp: "number", iat: "number", nbf: "number", actor: "object", labels: "object" };

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object" && !(value instanceof Exact)) {
    const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    const members = Object.keys(value).sort(byBytes);
    return `{${members.map((k) => `${JSON.stringify(k)}:${canonical(value[k])}`).join(",")}}`;
  }
  return value instanceof Exact ? value.text : JSON.stringify(value);
}

class Exact {
  constructor(text) { this.text = text; }
}

// JSON.parse loses digits: numbers beyond 2^53 are kept as they were written
function parse(text) {
  const marked = text.replace(/("(?:[^"\\]|\\.)*")|(-?\d{16,})(?![\d.eE])/g,
    (all, string, number) => string ?? `{"$exact":"${number}"}`);
  return JSON.parse(marked, (_, value) =>
    value !== null && typeof value === "object" && "$exact" in value
      ? new Exact(value["$exact"]) : value);
}

function decoded(part) {
  const data = Buffer.from(part, "base64url");
  return data.length > 0 && data.toString("base64url") === part ? data : null;
}

function object(part, names) {
  const data = decoded(part);
  if (data === null) return null;
  try {
    const value = JSON.parse(data.toString("utf8"));
    const fits = Object.keys(value).join() === names.join()
      && names.every((name) => typeof value[name] === (KINDS[name] ?? "string"))
      && JSON.stringify(value) === data.toString("utf8");
    return fits ? value : null;
  } catch {
    return null;
  }
}

function judge(token, call, now, key) {
  const parts = token.split(".");
  const [head, claims, signature] = parts;
  if (parts.length !== 3) return "malformed";
  const header = object(head, ["alg", "kid", "typ"]);
  if (header === null || header.alg !== "EdDSA" || header.typ !== TYP) return "malformed";
  const raw = decoded(signature);
  if (raw === null) return "malformed";
  const fingerprint = `sha256:${createHash("sha256").update(key).digest("hex")}`;
  if (header.kid !== fingerprint) return "issuer";
  const jwk = { kty: "OKP", crv: "Ed25519", x: key.toString("base64url") };
  const publicKey = createPublicKey({ key: jwk, format: "jwk" });
  if (!verify(null, Buffer.from(`${head}.${claims}`), publicKey, raw)) return "signature";
  const ticket = object(claims, CLAIMS);
  if (ticket === null || ticket.exp - ticket.nbf > 3600) return "malformed";
  if (now < ticket.nbf - 30) return "early";
  if (now >= ticket.exp + 30) return "expired";
  if (ticket.tool !== call.tool) return "tool";
  if (ticket.actor[1] !== call.agent) return "agent";
  const covered = ["aegis/approval/2", ticket.actor, ticket.proto, ticket.tool, ticket.target,
    ticket.env, ticket.labels, call.params, ticket.pol];
  const digest = createHash("sha256").update(canonical(covered)).digest("hex");
  return digest === ticket.dig ? "ok" : "arguments";
}

const { key, cases } = parse(readFileSync(process.argv[2], "utf8"));
const raw = Buffer.from(key.split("+").slice(2).join("+"), "base64").subarray(1);
const got = cases.map((one) => [one.name, judge(one.ticket, one.call, one.now, raw)]);
process.stdout.write(JSON.stringify(got));
