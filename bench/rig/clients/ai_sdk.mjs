import { generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";

const settings = { name: "gateway", supportsStructuredOutputs: true, baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY };
const root = process.env.ROOT;
const models = {
  compatible: async () => (await import("@ai-sdk/openai-compatible")).createOpenAICompatible(settings)("support"),
  chat: async () => (await import("@ai-sdk/openai")).openai.chat("support"),
  openai: async () => (await import("@ai-sdk/openai")).openai("support"),
  anthropic: async () => (await import("@ai-sdk/anthropic")).createAnthropic({ baseURL: `${root}/v1` })("claude"),
  google: async () => (await import("@ai-sdk/google")).createGoogle({ baseURL: `${root}/v1beta` })("gemini"),
};
const model = await models[process.env.MODEL]();
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
