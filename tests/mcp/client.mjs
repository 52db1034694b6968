// The official TypeScript SDK as a client: `node client.mjs MODULES WORK KIND URL KEY COMMAND…`.
// Prints one JSON object of what it saw.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, work, kind, where, key, ...command] = process.argv.slice(2);
const require = createRequire(`${modules}/x.js`);
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)));
const { Client } = await load("client/index.js");
const types = await load("types.js");

async function transport() {
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  if (kind === "stdio") {
    const { StdioClientTransport } = await load("client/stdio.js");
    return new StdioClientTransport({ command: command[0], args: command.slice(1), stderr: "ignore" });
  }
  if (kind === "http") {
    const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
    return new StreamableHTTPClientTransport(new URL(where), { requestInit });
  }
  const { SSEClientTransport } = await load("client/sse.js");
  const authorized = (url, init) =>
    fetch(url, { ...init, headers: { ...init?.headers, ...requestInit.headers } });
  return new SSEClientTransport(new URL(where.replace("/mcp", "/sse")), {
    requestInit,
    eventSourceInit: { fetch: authorized },
  });
}

const client = new Client(
  { name: "typescript", version: "1" },
  { capabilities: { elicitation: {}, sampling: {}, roots: {} } },
);
client.setRequestHandler(types.ElicitRequestSchema, () => ({
  action: "accept",
  content: { name: "Ada" },
}));
client.setRequestHandler(types.ListRootsRequestSchema, () => ({ roots: [] }));
client.setRequestHandler(types.CreateMessageRequestSchema, () => ({
  model: "none",
  role: "assistant",
  content: { type: "text", text: "sampled" },
}));
await client.connect(await transport());
const steps = [];
const seen = {
  server: client.getServerVersion().name,
  tools: (await client.listTools()).tools.map((tool) => tool.name),
  prompts: (await client.listPrompts()).prompts.map((prompt) => prompt.name),
  resources: (await client.listResources()).resources.length,
};
const call = async (name, args, options) => {
  try {
    const answer = await client.callTool({ name, arguments: args }, undefined, options);
    return answer.content[0].text;
  } catch (error) {
    return { code: error.code, rule: error.data?.rule };
  }
};
seen.sum = await call("every__get-sum", { a: 2, b: 3 });
seen.long = await call(
  "every__trigger-long-running-operation",
  { duration: 0.3, steps: 3 },
  { onprogress: (progress) => steps.push(progress.progress) },
);
seen.steps = steps;
seen.elicited = await call("every__trigger-elicitation-request", {});
seen.sampled = await call("every__trigger-sampling-request", { prompt: "hi", maxTokens: 5 });
seen.file = await call("files__read_text_file", { path: `${work}/a.txt` });
seen.secret = await call("files__read_text_file", { path: `${work}/.env` });
const prompt = await client.getPrompt({ name: "every__simple-prompt" });
seen.prompt = prompt.messages.length;
console.log(JSON.stringify(seen));
await client.close();
process.exit(0);
