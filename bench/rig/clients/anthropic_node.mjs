import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";

const client = new Anthropic();
const City = z.object({ name: z.string() });
const lookup = betaZodTool({ name: "lookup", description: "look up a city", inputSchema: City, run: async ({ name }) => (console.log("lookup", name), name) });
const ask = { model: "claude", max_tokens: 200, messages: [{ role: "user", content: process.env.ASK }] };
const forms = {
  plain: async () => (await client.messages.create(ask)).content[0].text,
  stream: async () => await client.messages.stream(ask).finalText(),
  tools: async () => (await client.beta.messages.toolRunner({ ...ask, tools: [lookup] })).content[0].text,
  structured: async () => (await client.messages.parse({ ...ask, output_config: { format: zodOutputFormat(City) } })).parsed_output,
};
console.log(await forms[process.argv[2]]());
