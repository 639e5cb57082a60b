import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";

const City = z.object({ name: z.string() });
const llm = new ChatOpenAI({ model: "support" });
const lookup = tool(({ name }) => name, { name: "lookup", description: "look up a city", schema: City });
const ask = process.env.ASK;
const forms = {
  plain: async () => (await llm.invoke(ask)).content,
  stream: async () => {
    let text = "";
    for await (const part of await llm.stream(ask)) text += part.content;
    return text;
  },
  tools: async () => (await llm.bindTools([lookup]).invoke(ask)).tool_calls,
  structured: async () => llm.withStructuredOutput(City, { name: "city" }).invoke(ask),
};
console.log(await forms[process.argv[2]]());
