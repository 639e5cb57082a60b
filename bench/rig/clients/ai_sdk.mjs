import { generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";

const settings = { name: "gateway", supportsStructuredOutputs: true, baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY };
const model = process.env.COMPATIBLE
  ? (await import("@ai-sdk/openai-compatible")).createOpenAICompatible(settings)("support")
  : (await import("@ai-sdk/openai")).createOpenAI().chat("support");
const City = z.object({ name: z.string() });
const prompt = process.env.ASK;
const execute = async ({ name }) => (console.log("lookup", name), name);
const forms = {
  plain: async () => (await generateText({ model, prompt })).text,
  stream: async () => {
    let text = "";
    for await (const part of streamText({ model, prompt }).textStream) text += part;
    return text;
  },
  tools: async () =>
    (await generateText({ model, prompt, stopWhen: isStepCount(3), tools: { lookup: tool({ description: "look up a city", inputSchema: City, execute }) } })).text,
  structured: async () => (await generateText({ model, prompt, output: Output.object({ schema: City }) })).output,
};
console.log(await forms[process.argv[2]]());
