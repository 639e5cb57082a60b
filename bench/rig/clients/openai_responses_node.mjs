import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const { responses } = new OpenAI();
const ask = { model: "support", input: process.env.ASK };
const lookup = { type: "function", name: "lookup", strict: false, parameters: { type: "object", properties: {} } };
const forms = {
  plain: async () => (await responses.create(ask)).output_text,
  stream: async () => (await responses.stream(ask).finalResponse()).output_text,
  tools: async () => {
    const { output } = await responses.create({ ...ask, tools: [lookup] });
    const call = output.find((one) => one.type === "function_call");
    const result = { type: "function_call_output", call_id: call.call_id, output: "a city" };
    const input = [{ role: "user", content: ask.input }, ...output, result];
    return `${call.name} ${(await responses.create({ ...ask, input, tools: [lookup] })).output_text}`;
  },
  structured: async () => (await responses.parse({ ...ask, text: { format: zodTextFormat(z.object({ name: z.string() }), "city") } })).output_parsed,
};
console.log(await forms[process.argv[2]]());
