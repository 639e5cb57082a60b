import { Agent, OpenAIChatCompletionsModel, run, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";

const model = process.env.CHAT ? new OpenAIChatCompletionsModel(new OpenAI(), "support") : "support";
const City = z.object({ name: z.string() });
const lookup = tool({ name: "lookup", description: "look up a city", parameters: City, execute: async ({ name }) => (console.log("lookup", name), name) });
const made = (more) => new Agent({ name: "a", instructions: "be short", model, ...more });
const ask = process.env.ASK;
const forms = {
  plain: async () => (await run(made({}), ask)).finalOutput,
  stream: async () => {
    const result = await run(made({}), ask, { stream: true });
    for await (const _ of result.toStream()) continue;
    return result.finalOutput;
  },
  tools: async () => (await run(made({ tools: [lookup] }), ask)).finalOutput,
  structured: async () => (await run(made({ outputType: City }), ask)).finalOutput,
};
console.log(await forms[process.argv[2]]());
