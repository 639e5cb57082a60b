import { GoogleGenAI } from "@google/genai";

const { models } = new GoogleGenAI({});
const ask = { model: "gemini", contents: process.env.ASK };
const schema = { type: "object", properties: { name: { type: "string" } } };
const lookup = { functionDeclarations: [{ name: "lookup", description: "look up a city", parametersJsonSchema: schema }] };
const forms = {
  plain: async () => (await models.generateContent(ask)).text,
  stream: async () => {
    let text = "";
    for await (const part of await models.generateContentStream(ask)) text += part.text ?? "";
    return text;
  },
  tools: async () => {
    const first = await models.generateContent({ ...ask, config: { tools: [lookup] } });
    const [call] = first.functionCalls;
    const result = { role: "user", parts: [{ functionResponse: { name: call.name, response: { output: "a city" } } }] };
    const contents = [{ role: "user", parts: [{ text: ask.contents }] }, first.candidates[0].content, result];
    return `${call.name} ${(await models.generateContent({ ...ask, contents, config: { tools: [lookup] } })).text}`;
  },
  structured: async () => JSON.parse((await models.generateContent({ ...ask, config: { responseMimeType: "application/json", responseJsonSchema: schema } })).text),
};
console.log(await forms[process.argv[2]]());
