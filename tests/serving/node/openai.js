// OpenAI's JavaScript client: prints what it was answered.
import { File } from "node:buffer";
import OpenAI, { toFile } from "openai";

globalThis.File ??= File; // as the client asks of Node 18
const [address, apiKey, picture] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey, maxRetries: 0 });
const quick = { size: "64x64", seed: 3, num_inference_steps: 2 };
const told = {};

const drawn = await client.images.generate({ prompt: "熊猫", ...quick });
told.text = drawn.data[0].b64_json;
const linked = await client.images.generate({ prompt: "熊猫", response_format: "url", ...quick });
told.url = linked.data[0].url;
const image = await toFile(Buffer.from(picture, "base64"), "picture.png", { type: "image/png" });
const edited = await client.images.edit({ image, prompt: "红墙", strength: 0.5, ...quick });
told.picture = edited.data[0].b64_json;
told.models = [];
for await (const model of client.models.list()) told.models.push(model.id);
try {
  await client.images.generate({ prompt: "熊猫", style: "vivid" });
} catch (error) {
  told.refused = [error.status, error.param, error.message];
}
console.log(JSON.stringify(told));
