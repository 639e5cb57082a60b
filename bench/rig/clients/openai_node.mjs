import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const { completions } = new OpenAI().chat;
const ask = { model: "support", messages: [{ role: "user", content: process.env.ASK }] };
const lookup = { type: "function", function: { name: "lookup", parameters: { type: "object" } } };
const forms = {
  plain: async () => (await completions.create(ask)).choices[0].message.content,
  stream: async () => (await completions.stream(ask).finalMessage()).content,
  tools: async () => (await completions.create({ ...ask, tools: [lookup] })).choices[0].message.tool_calls[0].function.name,
  structured: async () => (await completions.parse({ ...ask, response_format: zodResponseFormat(z.object({ name: z.string() }), "city") })).choices[0].message.parsed,
};
console.log(await forms[process.argv[2]]());
