import { Agent } from "@mastra/core/agent";
import { createTool } from "@mastra/core/tools";
import { z } from "zod";

const model = { id: "gateway/support", url: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY };
const City = z.object({ name: z.string() });
const lookup = createTool({ id: "lookup", description: "look up a city", inputSchema: City, execute: async () => (console.log("lookup"), "Rome") });
const made = (more) => new Agent({ id: "a", name: "a", instructions: "be short", model, ...more });
const ask = process.env.ASK;
const forms = {
  plain: async () => (await made().generate(ask)).text,
  stream: async () => {
    let text = "";
    for await (const part of (await made().stream(ask)).textStream) text += part;
    return text;
  },
  tools: async () => (await made({ tools: { lookup } }).generate(ask)).text,
  structured: async () => (await made().generate(ask, { structuredOutput: { schema: City } })).object,
};
console.log(await forms[process.argv[2]]());
